"""Texts in windows of tokens: what they hold, how they are labelled and found, and what is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from text_helpers import BLANK, LONG, TEXTS, TWO_SENTENCES, collect_docstrings, make_encoder
from vicinal import Item
from vicinal.errors import PluginError
from vicinal.testing import EncoderContract
from vicinal_text.sentence import SentenceEncoder
from vicinal_text.windows import split_tokens

pytestmark = pytest.mark.usefixtures("one_thread")


class TestWindowedTexts(EncoderContract):
    encoder_class = SentenceEncoder
    params = {"window": 32}  # noqa: RUF012
    good = (*TEXTS, LONG[:600], TWO_SENTENCES)
    bad = (*BLANK.values(), None, 7, "x" * (2**20 + 1))
    variants = ({}, {"window": 64}, {"window": 32, "hop": 32})


def decode(text, **params):
    return make_encoder(**params).decode(Item("t", text))


# Windows


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=200),
    size=st.integers(1, 60),
    share=st.floats(0.05, 1),
)
def test_windows_cover_all_tokens_and_none_is_too_long(lengths, size, share):
    words = [word for word, length in enumerate(lengths) for _ in range(length)]
    hop = max(1, round(share * size))
    windows = list(split_tokens(words, size, hop))
    assert (windows[0][0], windows[-1][1]) == (0, len(words))
    for start, end in windows:
        assert 0 < end - start <= size
    for (start, end), (next_start, next_end) in pairwise(windows):
        assert start < next_start <= end <= next_end


def test_windows_hold_whole_words():
    words = [number // 3 for number in range(60)]  # of three tokens each
    assert list(split_tokens(words, 20, 20)) == [(0, 18), (18, 36), (36, 54), (42, 60)]
    assert list(split_tokens(words, 20, 12)) == [(0, 18), (12, 30), (24, 42), (36, 54), (42, 60)]
    assert list(split_tokens([0] * 50, 20, 20)) == [(0, 20), (20, 40), (30, 50)], "a language without spaces"


def test_a_window_holds_as_many_tokens_as_it_says():
    text = " ".join(f"word {number}" for number in range(100))  # of one token a word
    segments = decode(text, window=32, hop=15)
    assert {len(segment.sample.token_ids) for segment in segments} == {32}, "30 words, [CLS] and [SEP]"
    assert segments[1].excerpt.startswith("7 word 8 word")
    assert segments[-1].excerpt.endswith("word 98 word 99")
    assert not any(segment.truncated for segment in segments)
    segments = decode(text, window=32, hop=15, prompt="a passage of words: ")
    assert {len(segment.sample.token_ids) for segment in segments} == {32}
    assert segments[0].excerpt.endswith("word 11 word"), "the prompt takes five tokens more"


def test_windows_are_labelled_with_their_characters():
    text = f"  {LONG}\n"
    segments = decode(text, window=128)
    assert len(segments) > 20
    assert segments[0].label == f"characters 3 to {2 + len(segments[0].excerpt):,}"
    for segment in segments:
        first, last = (int(part.replace(",", "")) for part in segment.label.split()[1::2])
        assert segment.excerpt == segment.sample == text[first - 1 : last]
    assert int(segments[-1].label.split()[-1].replace(",", "")) == len(text) - 1


def test_a_text_that_fits_is_one_window():
    [segment] = decode(TEXTS[3], window=64)
    assert (segment.sample, segment.label) == (TEXTS[3], f"characters 1 to {len(TEXTS[3])}")
    assert np.allclose(make_encoder(window=64).encode([segment.sample]), make_encoder().encode([TEXTS[3]]), atol=1e-6)


@pytest.mark.parametrize("text", ["東京は日本の首都です。" * 60, "x" * 5_000, "🍎 " * 500, "\ue000" * 500])
def test_texts_without_words_are_split_too(text):
    segments = decode(text, window=64)
    assert all(len(segment.sample.token_ids) <= 64 for segment in segments)
    assert "".join(dict.fromkeys(text)) == "".join(dict.fromkeys(segments[0].excerpt + segments[-1].excerpt))


# Searching


def test_the_end_of_a_long_text_is_found_in_its_window(lite):
    topics = (
        "Whales are mammals that live in the sea.",
        "The violin has four strings.",
        "Bread rises because of yeast.",
    )
    filler = [text.replace(",", " ") for text in collect_docstrings(60)]
    rows = [(f"text-{number}", " ".join([*filler, topic]), 1) for number, topic in enumerate(topics)]
    lite.write(rows)
    solution = lite.solution(encoder="{type: sentence, window: 64, hop: 32}")
    report = solution.ingest()
    assert (report.new, report.failed, report.truncated, report.warnings) == (3, 0, 0, [])
    assert report.rows > 60
    for number, query in enumerate(("animals of the ocean", "a musical instrument", "baking dough")):
        first = solution.search(query, limit=3)[0]
        assert first.key == f"text-{number}"
        assert topics[number].rstrip(".") in first.excerpt
        assert first.segment["label"].startswith("characters ")
    assert solution.ingest().unchanged == 3


def test_a_long_query_is_split_as_texts_are_into_a_few_windows():
    encoder = make_encoder(window=32, hop=16)
    [query] = encoder.decode_query(TEXTS[0])
    assert query.sample == TEXTS[0]
    windows = decode(LONG, window=32, hop=16)
    queries = encoder.decode_query(LONG)
    assert len(windows) > 100
    step = -(-len(windows) // 16)
    assert [query.sample for query in queries] == [window.sample for window in windows[::step]]
    assert 8 < len(queries) <= 16


def test_the_words_of_windows_are_searched_too(lite):
    lite.write([("a", f"{LONG} a zebra at last", 1), ("b", f"{LONG} nothing else", 2)])
    solution = lite.solution(encoder="{type: sentence, window: 128}", extra="hybrid: true")
    solution.ingest()
    for _ in ("ingested", "imported"):
        first = solution.search("zebra", limit=1)[0]
        assert (first.key, "zebra" in first.excerpt) == ("a", True)
        solution.export(lite.folder / "texts.parquet")
        solution.drop()
        solution.import_(lite.folder / "texts.parquet")
        words = [row["text"] for batch in solution.vectors.iter_rows(["text"]) for row in batch]
        assert sum("zebra" in text for text in words) <= 2, "in the last windows alone"


# What is refused


def test_a_window_is_part_of_the_signature():
    signatures = {make_encoder(**params).signature for params in ({}, {"window": 64}, {"window": 64, "hop": 16})}
    assert len(signatures) == 3
    assert make_encoder(window=64).signature == make_encoder(window=64, hop=32).signature


def test_a_window_that_the_model_does_not_read_is_refused():
    with pytest.raises(PluginError, match="window: 300 is more than the 256 tokens that the model reads") as caught:
        _ = make_encoder(window=300).signature
    assert caught.value.hint == "write window: 256"
    with pytest.raises(PluginError, match="the prompt has as many tokens as a window, 16"):
        decode("a text", window=16, prompt="a prompt of many words " * 5)


def test_hop_needs_a_window():
    for params in ({"hop": 8}, {"window": 16, "hop": 17}):
        with pytest.raises(ValueError, match="hop needs a window"):
            make_encoder(**params)

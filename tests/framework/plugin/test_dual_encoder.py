"""An encoder of files and sentences: which of its networks reads what, and what a query is."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal import Encoder, ItemError, Segment, Space
from vicinal.plugin.dual_encoder import DualEncoder
from vicinal.toolkit.torch_runtime import locked_cached_property
from vicinal.types import TextQuery


class Files(Encoder):
    """A file as its size."""

    @property
    def space(self):
        return Space(2)

    @property
    def signature(self):
        return "files"

    def decode(self, item):
        return [Segment(item.content.stat().st_size if hasattr(item.content, "stat") else len(item.content))]

    def encode(self, samples):
        raise AssertionError("the mixin goes first")


class Lengths:
    """Sentences as vectors along the second axis."""

    def encode(self, sentences):
        return np.array([[0, len(sentence)] for sentence in sentences], np.float32)


class Dual(DualEncoder, Files):
    file_suffixes = (".bin",)

    @locked_cached_property
    def _text_encoder(self):
        return Lengths()

    def _encode_files(self, samples):
        return np.array([[sample, 0] for sample in samples], np.float32)


@pytest.fixture
def encoder():
    return Dual()


def test_samples_of_files_and_sentences_may_be_mixed(encoder):
    samples = [3, TextQuery("a"), TextQuery("bcd"), 5, 0]
    vectors = encoder.encode(samples)
    assert vectors.tolist() == [[1, 0], [0, 1], [0, 1], [1, 0], [0, 0]]
    assert vectors.dtype == np.float32
    assert encoder.encode([]).shape == (0, 2)


def test_only_the_network_that_is_needed_is_loaded(encoder):
    encoder.encode([3])
    assert "_text_encoder" not in vars(encoder)
    encoder.encode([TextQuery("a")])
    assert "_text_encoder" in vars(encoder)


def test_query_is_a_file_or_a_sentence(encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"1234")
    assert encoder.decode_query(tmp_path / "a.bin") == [Segment(4)]
    assert encoder.decode_query(b"12") == [Segment(2)]
    for query in ("a bird sings", "text:a.bin"):
        [segment] = encoder.decode_query(query)
        assert isinstance(segment.sample, TextQuery)
        assert segment.sample == query.removeprefix("text:")
    with pytest.raises(ItemError, match=r"there is no file b\.bin"):
        encoder.decode_query("b.bin")

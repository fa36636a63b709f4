"""The map of a solution: which items, where, in which colours, and what is wrong when there is none."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import numpy as np
import pytest

import file_encoders
from image_helpers import SAMPLE_IMAGES
from vicinal import DependencyError, VicinalError, build_map
from vicinal.errors import NothingIndexedError
from vicinal.quality.map.page import build_page
from vicinal.quality.map.thumbnails import make_thumbnails
from vicinal.quality.sample import read_sample

HOSTILE = "</script><script>document.title='ran'</script><img src=x onerror=document.title='ran'><b>{{plotly}}"
ROWS = [(f"k{number}", f"text {number}", 2000 + number % 10) for number in range(60)]


@pytest.fixture
def texts(lite):
    """Sixty indexed texts."""
    lite.write(ROWS)
    solution = lite.solution(extra="fields: {year: 'int64 = 0'}")
    solution.ingest()
    return solution


def test_each_item_is_a_point_with_its_label_and_metadata(texts):
    found = build_map(texts, "year", method="pca")
    assert sorted(found.keys) == sorted(key for key, _, _ in ROWS)
    assert found.coordinates.shape == (60, 2)
    place = found.keys.index("k17")
    assert found.labels[place] == "text 17"
    assert found.metadata[place]["year"] == 2007
    assert found.coloring.kind == "number"
    assert found.coloring.values[place] == 2007
    assert (len(found), found.total, found.segmented, found.method) == (60, 60, False, "pca")
    assert found.summary == (
        f"60 items, placed by PCA. Of the 10 nearest items of each point, the map keeps {found.neighbors_kept:.0%}."
    )


def test_the_vectors_are_those_that_are_stored_on_each_engine(workshop):
    workshop.write(ROWS[:8])
    solution = workshop.solution()
    solution.ingest()
    sample = read_sample(solution, 100)
    expected = solution.encoder.encode([record.content for record in sample.records])
    assert sample.vectors == pytest.approx(expected, abs=1e-6)


def test_fingerprints_are_read_bit_by_bit_on_each_engine(workshop):
    workshop.write(ROWS[:20])
    solution = workshop.solution(encoder="{type: letters}")
    solution.ingest()
    sample = read_sample(solution, 100)
    packed = solution.encoder.encode([record.content for record in sample.records])
    assert np.array_equal(sample.vectors, np.unpackbits(packed, axis=1))
    assert build_map(solution, method="pca").neighbors_kept > 0


def test_an_item_of_several_segments_is_the_mean_of_their_vectors(lite):
    lite.write([("a", "red green blue", 1), ("b", "red", 2), ("c", "one two", 3)])
    solution = lite.solution(encoder="{type: words}")
    solution.ingest()
    sample = read_sample(solution, 10)
    by_key = {record.key: vector for record, vector in zip(sample.records, sample.vectors, strict=True)}
    for key, text in (("a", "red green blue"), ("b", "red"), ("c", "one two")):
        assert by_key[key] == pytest.approx(solution.encoder.encode(text.split()).mean(axis=0), abs=1e-6)
    found = build_map(solution)
    assert found.segmented
    assert found.summary.endswith("A point is the mean of its item's segments.")


def test_a_map_of_fewer_items_is_a_sample_by_seed(texts):
    first, again, other = (build_map(texts, limit=20, seed=seed, method="pca") for seed in (1, 1, 2))
    assert first.keys == again.keys
    assert np.array_equal(first.coordinates, again.coordinates)
    assert first.keys != other.keys
    assert len(set(first.keys)) == 20
    assert first.total == 60
    assert first.summary.startswith("20 of 60 items, a random sample (seed 1), placed by PCA.")


def test_each_item_is_as_likely_in_a_sample_as_any_other(texts):
    counts = dict.fromkeys((key for key, _, _ in ROWS), 0)
    for seed in range(60):
        for record in read_sample(texts, 20, seed).records:
            counts[record.key] += 1
    assert sum(counts.values()) == 60 * 20
    assert min(counts.values()) > 0


def test_items_that_are_being_written_are_left_out(texts):
    from vicinal.stores.records import Entry
    from vicinal.types import item_id

    texts.metadata.begin({}, {item_id("k3"): Entry(Entry.checksum("k3"), bytes(12), 1, 1)})
    texts.vectors.delete_rows([item_id("k4")])
    assert {key for key, _, _ in ROWS} - set(build_map(texts, method="pca").keys) == {"k3", "k4"}


@pytest.mark.parametrize(
    ("rows", "found"), [([], None), (ROWS[:1], "it takes two items, and 'things' has one indexed")]
)
def test_fewer_than_two_items_have_no_map(lite, rows, found):
    lite.write(rows)
    solution = lite.solution()
    solution.ingest()
    with pytest.raises(NothingIndexedError, match=found or "nothing is indexed in 'things' yet"):
        build_map(solution)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_an_error(texts, seed):
    with pytest.raises(VicinalError) as error:
        build_map(texts, seed=seed, method="pca")
    assert (str(error.value), error.value.hint) == (f"seed is {seed}", "it is a whole number from 0 to 4294967295")


def test_an_unknown_field_and_a_limit_out_of_range_are_errors(texts):
    with pytest.raises(VicinalError, match="no item on the map has the field 'colour'"):
        build_map(texts, "colour")
    for limit in (1, 20_001):
        with pytest.raises(VicinalError, match=f"limit is {limit}"):
            build_map(texts, limit=limit)


def test_a_page_that_cannot_be_written_leaves_nothing_behind(texts, tmp_path):
    taken = tmp_path / "map.html"
    taken.mkdir()
    with pytest.raises(VicinalError) as error:
        build_map(texts, method="pca").save(taken)
    assert (str(error.value), error.value.hint) == (
        f"cannot write {taken}: Is a directory", "name a file in a folder that exists",
    )  # fmt: skip
    assert not list(tmp_path.glob("*.part"))


def test_a_page_needs_plotly(texts, monkeypatch, tmp_path):
    found = build_map(texts, method="pca")
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(DependencyError, match="a page with plots needs the package plotly"):
        found.save(tmp_path / "map.html")
    assert list(tmp_path.glob("*.html*")) == []


class Elements(HTMLParser):
    """The tags of an HTML text, and how often each begins."""

    def __init__(self, html):
        super().__init__()
        self.counts = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1


def test_nothing_of_an_item_becomes_html(lite):
    lite.write([(f"{number}{HOSTILE}", HOSTILE, number) for number in range(6)])
    solution = lite.solution(extra="fields: {text: 'varchar(400) from key = \"\"'}")
    solution.ingest()
    harmless = build_map(solution, method="pca")
    for field in ("text", None):
        found = build_map(solution, field, method="pca")
        assert Elements(build_page(found)).counts == Elements(build_page(harmless)).counts
        tags = set(Elements(found._repr_html_()).counts)
        assert tags <= {"div", "svg", "circle", "title", "span", "b"}
        assert "<b>{{" not in found._repr_html_()


def test_a_notebook_shows_a_small_picture(texts):
    html = build_map(texts, "year", method="pca")._repr_html_()
    assert html.count("<circle") == 60
    assert "<title>text 17</title>" in html
    assert ">2000<" in html
    assert ">2009<" in html
    assert "<script" not in html
    assert len(html) < 20_000


def test_images_have_thumbnails_within_a_bound_in_all(lite):
    pytest.importorskip("PIL")
    assert lite.manager.register(file_encoders, "files of the tests").status == "ok"
    folder = lite.folder / "files"
    folder.mkdir()
    for number, image in enumerate(SAMPLE_IMAGES[:4]):
        (folder / f"{number}{image.suffix}").write_bytes(image.read_bytes())
    (folder / "broken.jpg").write_bytes(b"no picture")
    solution = lite.solution(encoder="{type: bytes}", source="{type: folder, path: files}")
    solution.ingest()
    found = build_map(solution)
    with_picture = {key for key, uri in zip(found.keys, found.thumbnails, strict=True) if uri}
    assert with_picture == set(found.keys) - {"broken.jpg"}
    assert all(uri.startswith("data:image/webp;base64,") and len(uri) < 10_000 for uri in found.thumbnails if uri)

    records = read_sample(solution, 100).records
    sizes = [len(uri) for uri in make_thumbnails(solution, records)]
    limited = make_thumbnails(solution, records, sum(sizes) - 1)
    assert sum(map(len, limited)) <= sum(sizes) - 1
    assert sum(map(bool, limited)) == 3

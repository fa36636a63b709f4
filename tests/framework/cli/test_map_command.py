"""``vicinal map``: the page that it writes, what it prints, and how it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture
def no_umap(monkeypatch):
    """UMAP is not installed."""
    monkeypatch.setitem(sys.modules, "umap", None)


@pytest.mark.all_encoders
def test_a_page_is_written_and_what_it_shows_is_printed(cli, molecules_yaml, no_umap):
    found = cli.json("map", molecules_yaml, "--color", "use", "--limit", 100, "--out", "drugs.html")
    size, seconds, kept = (found.pop(name) for name in ("bytes", "seconds", "neighbors_kept"))
    assert found == {
        "solution": "molecules", "items": 100, "total": 579, "method": "pca", "neighbors": 10, "segmented": False,
        "seed": 0, "color": "use", "thumbnails": 100, "path": "drugs.html",
    }  # fmt: skip
    assert size == Path("drugs.html").stat().st_size > 4_800_000
    assert seconds > 0
    assert 0.05 < kept < 0.5

    printed = cli("map", molecules_yaml, "--limit", 100).splitlines()
    assert printed[0] == (
        "molecules: 100 of 579 items, a random sample (seed 0), placed by PCA."
        f" Of the 10 nearest items of each point, the map keeps {kept:.0%}."
    )
    assert printed[1].startswith("map.html: ")
    assert cli.err == 'hint: pip install "vicinal[map]" for UMAP, which keeps more neighbours (50% for 12%)\n'


@pytest.mark.long
@pytest.mark.all_encoders
def test_umap_keeps_more_neighbours(cli, molecules_yaml):
    by_umap, by_pca = (cli.json("map", molecules_yaml, "--method", method) for method in ("umap", "pca"))
    assert by_umap["neighbors_kept"] > 1.5 * by_pca["neighbors_kept"]
    assert cli.err == ""


def test_errors(cli, small_yaml, no_umap):
    cli("map", small_yaml, code=1)
    assert cli.err == "error: nothing is indexed in 'things' yet\nhint: run `vicinal ingest` first\n"
    cli("ingest", small_yaml)
    cli("map", small_yaml, "--color", "colour", code=1)
    assert cli.err.startswith("error: no item on the map has the field 'colour'\nhint: fields: ")
    cli("map", small_yaml, "--method", "umap", code=4)
    assert cli.err == 'error: UMAP needs the package umap-learn\nhint: pip install "vicinal[map]"\n'
    cli("map", small_yaml, "--limit", 1, code=2)
    assert "1 is not in the range 2<=x<=20000" in cli.err
    cli("map", small_yaml, "--out", "no/such/folder/map.html", code=1)
    assert cli.err == (
        "error: cannot write no/such/folder/map.html: No such file or directory\n"
        "hint: name a file in a folder that exists\n"
    )
    cli("remove", small_yaml, "ethanol", "benzene")
    cli("map", small_yaml, code=1)
    assert cli.err.startswith("error: it takes two items, and 'things' has one indexed\n")
    assert not Path("map.html").exists()


def test_a_page_needs_plotly(cli, small_yaml, no_umap, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    cli("map", small_yaml, code=4)
    assert cli.err == 'error: a page with plots needs the package plotly\nhint: pip install "vicinal[map]"\n'

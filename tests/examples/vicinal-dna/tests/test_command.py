"""``vicinal dna-stats`` counts what a FASTA file holds."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from vicinal import SourceError

from vicinal_dna.command import dna_stats

GENES = ">one\nGGCC\n>two\nATATAT\n>three\nGU\n>\nACGT\n"


@pytest.fixture
def genes(tmp_path: Path) -> Path:
    (tmp_path / "genes.fa").write_text(GENES)
    return tmp_path / "genes.fa"


def test_it_prints_counts_lengths_and_gc(genes: Path) -> None:
    result = CliRunner().invoke(dna_stats, [str(genes)])
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            "records     3, and 1 broken",
            "letters     12",
            "lengths     2 to 6, mean 4.0, N50 6",
            "GC content  41.7%",
        ],
    )


def test_it_prints_json(genes: Path) -> None:
    result = CliRunner().invoke(dna_stats, [str(genes), "--json"])
    assert json.loads(result.output) == {
        "file": str(genes),
        "records": 3,
        "broken": 1,
        "letters": 12,
        "shortest": 2,
        "longest": 6,
        "mean": 4.0,
        "n50": 6,
        "gc": 0.4167,
    }


def test_an_empty_file_has_no_gc_content(tmp_path: Path) -> None:
    (tmp_path / "none.fa").write_text("")
    result = CliRunner().invoke(dna_stats, [str(tmp_path / "none.fa")])
    assert result.output.splitlines()[-1] == "GC content  unknown"


def test_what_is_not_fasta_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "genes.fa").write_text("key,text\n")
    result = CliRunner().invoke(dna_stats, [str(tmp_path / "genes.fa")])
    assert isinstance(result.exception, SourceError)
    assert "it is not FASTA" in str(result.exception)

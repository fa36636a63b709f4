"""The plugin as a whole: sample solutions are searched, its settings and hooks are used."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from vicinal import Solution, Suggestion

import vicinal_dna

SAMPLES = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for sample in (*SAMPLES.glob("*.yaml"), SAMPLES / "data"):
        (shutil.copytree if sample.is_dir() else shutil.copy)(sample, tmp_path / sample.name)
    return tmp_path


@pytest.fixture
def open_sample(folder: Path) -> Iterator[Solution]:
    with Solution.from_yaml(folder / "dna.yaml") as solution:
        yield solution


def read_sequence(name: str) -> str:
    _, _, record = (SAMPLES / "data/genes.fasta").read_text().partition(f">{name} ")
    return "".join(record.partition(">")[0].splitlines()[1:])


def test_a_part_of_a_gene_finds_it_and_its_family(open_sample: Solution, folder: Path) -> None:
    assert open_sample.ingest().new == 24
    hits = open_sample.search(read_sequence("psb1")[500:], limit=4)
    assert hits[0].key == "psb1"
    assert hits[0].segment is not None
    assert hits[0].segment["label"] == "bases 451 to 634"
    assert {hit.key[:3] for hit in hits[:2]} == {"psb"}
    assert json.loads((folder / ".vicinal/journal.jsonl").read_text()) == {"solution": "dna", "new": 24, "failed": 0}


def test_the_second_of_two_records_of_one_name_is_a_failure(open_sample: Solution, folder: Path) -> None:
    with (folder / "data/genes.fasta").open("a") as file:
        file.write(">ins1 again\nACGTACGT\n")
    report = open_sample.ingest()
    assert (report.new, report.failed) == (24, 1)


def test_it_suggests_a_solution_for_fasta_files(tmp_path: Path) -> None:
    (tmp_path / "genes.fa").write_text(">one\nACGT\n")
    with zipfile.ZipFile(tmp_path / "genes.zip", "w") as archive:
        archive.write(tmp_path / "genes.fa", "genes.fa")
    (tmp_path / "table.csv").write_text("key,text\n")
    found = {path.name: vicinal_dna.suggest_solution(path) for path in tmp_path.iterdir()}
    assert found == {
        "genes.fa": Suggestion({"type": "fasta", "path": str(tmp_path / "genes.fa")}, {"type": "kmers"}),
        "genes.zip": Suggestion({"type": "fasta-archive", "path": str(tmp_path / "genes.zip")}, {"type": "kmers"}),
        "table.csv": None,
    }

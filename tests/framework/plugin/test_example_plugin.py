"""The example plugin, installed as pip does: its own tests, its types, and searches by terminal, HTTP and Python."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from inprocess_server import run_server
from servers import ROOT
from type_checks import STRICT_MYPY
from vicinal import Solution, create_manager

EXAMPLE = ROOT / "tests" / "examples" / "vicinal-dna"
OFFLINE = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
COMPLEMENT = str.maketrans("ACGT", "TGCA")


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The example's files outside the repository, so that nothing is written into it."""
    target = tmp_path_factory.mktemp("example") / "vicinal-dna"
    return shutil.copytree(EXAMPLE, target, ignore=shutil.ignore_patterns(".*", "__pycache__"))


@pytest.fixture(scope="module")
def site(copy, tmp_path_factory) -> Path:
    """A folder with the example as pip installs it, without a network."""
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", *OFFLINE, "--target", site, copy]
    subprocess.run(command, cwd=copy, check=True)
    return site


@pytest.fixture(scope="module")
def run(site):
    """Run Python in a new process that finds the installed example; gives the finished process."""

    def run(*command, cwd) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(site)}
        return subprocess.run(
            [sys.executable, *map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True
        )

    return run


@pytest.fixture(scope="module")
def ingested(copy, run) -> Path:
    """The folder of the sample solutions, of which two were ingested by a process that has ended."""
    code = """
from vicinal import Solution
for name in ("dna", "descriptions"):
    with Solution.from_yaml(f"{name}.yaml") as solution:
        report = solution.ingest()
        print(report.new, report.failed)
"""
    done = run("-c", code, cwd=copy)
    assert (done.returncode, done.stdout) == (0, "24 0\n24 0\n"), done.stderr
    return copy


@pytest.fixture
def dna_manager(site, monkeypatch):
    """The installed plugins and the example, in this process."""
    manager = create_manager()
    monkeypatch.syspath_prepend(site)
    row = manager.register(importlib.import_module("vicinal_dna"), "dna")
    assert row.status == "ok", row.reason
    yield manager
    for name in [name for name in sys.modules if name.split(".")[0] == "vicinal_dna"]:
        del sys.modules[name]


@pytest.fixture
def open_sample(copy, tmp_path, dna_manager):
    """Open a sample solution whose data nobody else uses."""
    for sample in (*copy.glob("*.yaml"), copy / "data"):
        (shutil.copytree if sample.is_dir() else shutil.copy)(sample, tmp_path / sample.name)
    opened = []

    def open_sample(name):
        opened.append(Solution.from_yaml(tmp_path / f"{name}.yaml", manager=dna_manager))
        return opened[-1]

    yield open_sample
    for solution in opened:
        solution.close()


def read_sequence(name) -> str:
    _, _, record = (EXAMPLE / "data" / "genes.fasta").read_text().partition(f">{name} ")
    return "".join(record.partition(">")[0].splitlines()[1:])


PART = read_sequence("psb1")[500:]


# As its author sees it


def test_it_is_installed_and_listed_with_all_its_parts(run, copy):
    done = run("-m", "vicinal", "plugins", "--json", cwd=copy)
    (row,) = [row for row in json.loads(done.stdout) if row["name"] == "dna"]
    assert (row["distribution"], row["version"], row["status"], row["reason"]) == ("vicinal-dna", "0.1.0", "ok", "")
    assert (row["sources"], row["rerankers"]) == (["fasta", "fasta-archive"], ["align"])
    assert (row["encoders"], row["commands"]) == (["kmers", "tfidf"], ["dna-stats"])
    assert row["hooks"] == [
        "configure",
        "ingest_finished",
        "register_commands",
        "register_encoders",
        "register_rerankers",
        "register_settings",
        "register_sources",
        "suggest_solution",
    ]


@pytest.mark.long
def test_its_own_tests_pass(run, copy):
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=copy)
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout


@pytest.mark.long
def test_it_is_strictly_typed(run, copy):
    done = run(*STRICT_MYPY, "src", cwd=copy)
    assert done.returncode == 0, done.stdout


# From the terminal


def test_the_terminal_finds_the_part_of_a_gene(run, ingested):
    done = run("-m", "vicinal", "search", "dna.yaml", PART, "--limit", "2", "--json", cwd=ingested)
    first, second = json.loads(done.stdout)["hits"]
    assert (first["key"], first["segment"]["label"]) == ("psb1", "bases 451 to 634")
    assert first["content"] == f"{read_sequence('psb1')[450:510]}…"
    assert (first["score"], first["note"]) == (1.0, "134 of 134 bases, forward strand")
    assert second["key"].startswith("psb")


def test_what_was_learnt_is_there_in_every_process(run, ingested, dna_manager):
    query = "hormone in the blood"
    done = run("-m", "vicinal", "search", "descriptions.yaml", query, "--limit", "3", "--json", cwd=ingested)
    found = [(hit["key"], hit["similarity"]) for hit in json.loads(done.stdout)["hits"]]
    assert found[0][0] == "ins1"
    with Solution.from_yaml(ingested / "descriptions.yaml", manager=dna_manager) as solution:
        assert [(hit.key, hit.similarity) for hit in solution.search(query, limit=3)] == found


def test_its_command_prints_json_and_errors_as_every_command_does(run, copy):
    done = run("-m", "vicinal", "dna-stats", "data/genes.fasta", "--json", cwd=copy)
    stats = json.loads(done.stdout)
    assert (stats["records"], stats["letters"], stats["gc"]) == (24, 13_204, 0.4792)
    done = run("-m", "vicinal", "dna-stats", "data/phages.zip", cwd=copy)
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        [
            "error: data/phages.zip: it is not FASTA: its first line does not begin with >",
            "hint: a FASTA file begins with >, a name and a description",
        ],
    )


# From Python


def test_python_finds_the_other_strand(open_sample):
    dna = open_sample("dna")
    dna.ingest()
    (hit,) = dna.search(PART.translate(COMPLEMENT)[::-1], limit=1)
    assert (hit.key, hit.score, hit.note) == ("psb1", 1.0, "134 of 134 bases, reverse strand")


def test_its_observer_writes_runs_down_where_its_settings_say(open_sample, tmp_path):
    open_sample("dna").ingest()
    open_sample("descriptions").ingest()
    lines = (tmp_path / ".vicinal" / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"solution": "dna", "new": 24, "failed": 0}]


def test_it_suggests_a_solution_for_its_files(dna_manager):
    for name, source in (("genes.fasta", "fasta"), ("phages.zip", "fasta-archive")):
        path = EXAMPLE / "data" / name
        suggestion = dna_manager.suggest_solution(path)
        assert suggestion is not None
        assert (suggestion.source, suggestion.encoder) == ({"type": source, "path": str(path)}, {"type": "kmers"})
    assert dna_manager.suggest_solution(EXAMPLE / "README.md").encoder != {"type": "kmers"}


# Over HTTP


def test_a_sequence_is_searched_over_http(open_sample):
    dna = open_sample("dna")
    dna.ingest()
    with run_server(dna) as client:
        answer = client.search(PART, "dna", limit=1)
        assert answer.status_code == 200, answer.text
        (hit,) = answer.json()["hits"]
    assert (hit["key"], hit["segment"]["label"], hit["score"]) == ("psb1", "bases 451 to 634", 1.0)


def test_a_description_is_searched_over_http(open_sample):
    descriptions = open_sample("descriptions")
    descriptions.ingest()
    with run_server(descriptions) as client:
        answer = client.search("light", "dna-descriptions", limit=1)
        assert answer.status_code == 200, answer.text
        (hit,) = answer.json()["hits"]
        refused = client.search("zebra", "dna-descriptions")
    assert "light" in hit["metadata"]["description"]
    assert (refused.status_code, refused.json()["error"]) == (422, "zebra: none of its words was learnt")


# A container of many items


def damage(path, member) -> None:
    """Change a byte in the middle of a member's compressed data."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    data = bytearray(path.read_bytes())
    data[info.header_offset + 30 + len(member) + info.compress_size // 2] ^= 0xFF
    path.write_bytes(data)


def leave_out(path, member) -> None:
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if name != member}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in kept.items():
            archive.writestr(name, data)


def test_prune_removes_nothing_of_a_damaged_member(open_sample, tmp_path):
    archive = open_sample("archive")
    assert archive.ingest().new == 12
    damage(tmp_path / "data" / "phages.zip", "beta.fa")
    for _ in range(2):
        report = archive.ingest(prune=True)
        assert (report.unchanged, report.failed, report.removed) == (8, 1, 0)
        assert [hit.key for hit in archive.search("@beta.fa/gp1", limit=1)] != []
    (failure,) = archive.failures()
    assert (failure.key, failure.stage) == ("beta.fa", "read")


def test_prune_removes_what_was_in_a_member_that_is_gone(open_sample, tmp_path):
    archive = open_sample("archive")
    archive.ingest()
    leave_out(tmp_path / "data" / "phages.zip", "beta.fa")
    report = archive.ingest(prune=True)
    assert (report.unchanged, report.failed, report.removed) == (8, 0, 4)

"""Every example of the page on plugins and of the README: typed, searchable over HTTP, and what it says it is."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys

import pytest

from inprocess_server import run_server
from servers import ROOT
from type_checks import STRICT_MYPY
from vicinal import Solution, create_manager, evaluate
from vicinal.quality.evaluation.models import ModelOptions, evaluate_models
from vicinal.quality.measures import Measures

PAGE = ROOT / "docs" / "writing-a-plugin.md"
BLOCK = re.compile(r"^```python\n# (?P<path>\S+)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
HOOKS = """
from vicinal import Reranker, Source


@hookimpl
def register_sources(sources: Registrar[Source]) -> None:
    sources.add("notes", "my_package.notes:Notes")


@hookimpl
def register_rerankers(rerankers: Registrar[Reranker]) -> None:
    rerankers.add("shared", "my_package.shared:SharedWords")
"""
TESTS_OF_THE_README = """
from my_plugin import Letters
from vicinal.testing import EncoderContract


class TestLetters(EncoderContract):
    encoder_class = Letters
    good = ("listen", "hello", "Enlist 3!")
    bad = ("", "  ", "12.5")
"""
TEST_OF_MODELS = """# mypy: ignore-errors
import numpy as np
from my_package.weighted import WeightedLengths
from test_my_package import TestLengths as ContractOfLengths


def test_it_loads_the_models_that_it_lists(tmp_path):
    np.save(tmp_path / "weights.npy", np.arange(1, 9))
    contract = type("Contract", (ContractOfLengths,), {"encoder_class": WeightedLengths})()
    contract.params = {"weights": tmp_path / "weights.npy"}
    contract.test_shape_and_dtype()
    contract.test_it_loads_no_other_models_than_it_lists()
"""
CONTRACTS = ("TestLengths", "TestKmers", "TestSturdyKmers", "TestTfIdf", "TestNotes", "TestSharedWords", "TestLetters")
MORE_ENCODERS = """
    encoders.add("kmers", "my_package.dna:Kmers")
    encoders.add("sturdy", "my_package.mutations:SturdyKmers")
    encoders.add("tfidf", "my_package.tfidf:TfIdf")
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The page's examples as files, and the README's; what the page says to register with other hooks is registered."""
    folder = tmp_path_factory.mktemp("page")
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        path = folder / block["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(block["code"])
    init = folder / "my_package" / "__init__.py"
    init.write_text(init.read_text().rstrip("\n") + MORE_ENCODERS + HOOKS)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "register_encoders" in code]
    (folder / "my_plugin.py").write_text(code)
    (folder / "tests" / "test_my_plugin.py").write_text(TESTS_OF_THE_README)
    (folder / "tests" / "test_weighted.py").write_text(TEST_OF_MODELS)
    return folder


@pytest.fixture
def manager(written, monkeypatch):
    monkeypatch.syspath_prepend(written)
    manager = create_manager()
    for name in ("my_package", "my_plugin"):
        row = manager.register(importlib.import_module(name), name)
        assert row.status == "ok", row.reason
    yield manager
    for name in [name for name in sys.modules if name.split(".")[0] in ("my_package", "my_plugin")]:
        del sys.modules[name]


def test_every_python_block_of_the_page_is_a_file():
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("```python\n") == len(BLOCK.findall(text)) == 13


@pytest.mark.long
def test_every_example_is_typed(written):
    files = sorted(str(path.relative_to(written)) for path in written.rglob("*.py"))
    done = check_types(written, *files)
    assert done.returncode == 0, done.stdout


def check_types(folder, *files):
    command = [sys.executable, *STRICT_MYPY, *files]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.long
def test_a_misspelt_parameter_is_found_by_mypy(written, tmp_path):
    code = (written / "my_package" / "lengths.py").read_text()
    (tmp_path / "misspelt.py").write_text(code.replace("self.params.scale)", "self.params.scael)"))
    done = check_types(tmp_path, "misspelt.py")
    assert done.returncode == 1
    assert '"Params" has no attribute "scael"; maybe "scale"?' in done.stdout


@pytest.mark.long
def test_what_an_encoder_says_of_itself_may_be_a_property_or_an_attribute(written, tmp_path):
    code = (written / "my_package" / "dna.py").read_text()
    for name in ("segmented", "labelled"):
        code = code.replace(
            f"    {name} = True\n", f"    @property\n    def {name}(self) -> bool:\n        return True\n\n"
        )
    assert code.count("@property") == 2
    (tmp_path / "properties.py").write_text(code)
    done = check_types(tmp_path, "properties.py")
    assert done.returncode == 0, done.stdout


def test_the_tests_of_the_page_and_the_contract_of_the_readme_pass(written):
    environment = {**os.environ, "PYTHONPATH": str(written)}
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", ".", "tests"]
    done = subprocess.run(command, cwd=written, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert all(f"::{name}::" in done.stdout for name in CONTRACTS), done.stdout


def solution(folder, manager, encoder, lines, more=""):
    (folder / "notes").mkdir(exist_ok=True)
    for number, line in enumerate(lines):
        (folder / "notes" / f"{number}.txt").write_text(line)
    file = folder / f"{encoder}.yaml"
    file.write_text(f"name: {encoder}\nsource: {{type: notes, path: notes}}\nencoder: {{type: {encoder}}}\n{more}")
    return Solution.from_yaml(file, manager=manager)


@pytest.mark.parametrize(
    ("encoder", "lines", "query", "found"),
    [
        ("lengths", ["one two six", "seventeen letters"], "ten and two", "0.txt"),
        ("kmers", ["GATTACA" * 9, "ACGTTGCA" * 99], "ATTACAGATTACA", "0.txt"),
        ("tfidf", ["the cat sat", "the dog barked"], "a dog", "1.txt"),
        ("letters", ["listen", "hello"], "silent", "0.txt"),
    ],
)
def test_every_encoder_is_searchable_over_http(tmp_path, manager, encoder, lines, query, found):
    made = solution(tmp_path, manager, encoder, lines)
    made.ingest()
    with run_server(made) as client:
        response = client.search(query, encoder)
        assert response.status_code == 200, response.text
        assert response.json()["hits"][0]["key"] == found


def test_the_journal_gets_a_line_for_each_run(tmp_path, manager):
    row = manager.register(importlib.import_module("my_package.journal"), "journal")
    assert row.status == "ok", row.reason
    settings = "plugins: {journal: {path: runs.jsonl}}"
    with solution(tmp_path, manager, "letters", ["one", "two"], settings) as made:
        made.ingest()
    assert (tmp_path / "runs.jsonl").read_text() == '{"solution": "letters", "new": 2, "failed": 0}\n'


def test_the_reranker_gives_hits_a_score_and_a_note(tmp_path, manager):
    with solution(tmp_path, manager, "letters", ["top pot", "pot of tea"], "rerank: {type: shared}") as made:
        made.ingest()
        first, second = made.search("tea pot", limit=2)
    assert (first.key, first.score, first.note) == ("1.txt", 1.0, "pot, tea")
    assert (second.key, second.score, second.note) == ("0.txt", 0.5, "pot")


def test_the_sequences_are_found_by_what_became_of_them(tmp_path, manager):
    """Triplets of random bases stand mutations; a half of a sequence of 40 bases is not asked."""
    from random import Random

    lines = ["".join(Random(number).choices("ACGT", k=400 if number else 40)) for number in range(12)]
    with solution(tmp_path, manager, "sturdy", lines) as made:
        made.ingest()
        report = evaluate(made, self_test=True)
    assert list(report.disturbances) == ["unchanged", "mutated", "cut"]
    assert report.disturbances["mutated"].metrics["recall@1"].value == 1.0
    assert (report.disturbances["cut"].queries, report.disturbances["cut"].unaffected) == (11, 1)


def test_the_evaluation_finds_the_model_and_the_parameters_that_are_better(manager):
    """Each reader began with book 0, and all of them borrow book 7 these days, as they borrowed book 3 before."""
    from my_package.loans import LoanEvaluation

    loans = {f"r{number}": [0, 0, 0, number % 3, 3, 7, 7, 7] for number in range(30)}
    options = ModelOptions(Measures.parse(["recall@1"]), sample=100, search=True)
    report = evaluate_models("library", LoanEvaluation(loans, 9), options)
    assert (report.model, report.queries, report.items) == ("recency", 30, 9)
    assert report.metrics["recall@1"].value == 1.0
    assert report.baselines["popularity"]["recall@1"].value == 0.0
    assert report.params == {"half_life": 2}

"""``vicinal plugin new``: what it writes installs, is found, passes its own tests, and its example finds something."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from type_checks import STRICT_MYPY
from vicinal.errors import VicinalError
from vicinal.plugin.scaffold import PARTS, write_plugin


def run(*command, cwd, path=()) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return write_plugin("City-Names", tmp_path_factory.mktemp("new"))


@pytest.fixture(scope="module")
def installed(written, tmp_path_factory) -> Path:
    """A folder with the plugin as pip installs it, without a network."""
    site = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    run("-m", "pip", "install", *options, "--target", site, written, cwd=written)
    return site


def test_it_writes_a_distribution_named_after_the_plugin(written):
    assert written.name == "vicinal-city-names"
    assert sorted(str(path.relative_to(written)) for path in written.rglob("*") if path.is_file()) == [
        ".gitignore",
        "README.md",
        "city-names.yaml",
        "data/cities.txt",
        "pyproject.toml",
        "src/vicinal_city_names/__init__.py",
        "src/vicinal_city_names/encoder.py",
        "src/vicinal_city_names/py.typed",
        "tests/test_encoder.py",
    ]


def test_no_placeholder_is_left(written):
    left = {path.name: re.findall(r"\$\w+", path.read_text("utf-8")) for path in written.rglob("*") if path.is_file()}
    assert not any(left.values()), left


def test_every_package_that_it_imports_is_a_dependency(written, complete):
    for folder, packages in ((written, "numpy pydantic vicinal"), (complete, "click numpy pydantic vicinal")):
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        assert sorted(re.split(r"\W", need)[0] for need in project["dependencies"]) == packages.split()


@pytest.mark.long
def test_what_it_writes_is_typed_and_tidy(written):
    run(*STRICT_MYPY, "src", cwd=written)
    rules = "E,F,W,I,B,UP,SIM,RET,N,T20,ANN001"
    run("-m", "ruff", "check", "--no-cache", "--line-length", 120, "--select", rules, "src", "tests", cwd=written)
    run("-m", "ruff", "format", "--no-cache", "--line-length", 120, "--check", "src", "tests", cwd=written)


def test_it_is_installed_and_listed_as_a_plugin(installed, tmp_path):
    code = "import json; from vicinal import create_manager as m; print(json.dumps([r.to_dict() for r in m().rows]))"
    rows = {row["name"]: row for row in json.loads(run("-c", code, cwd=tmp_path, path=[installed]))}
    assert rows["city-names"] == {
        "name": "city-names",
        "distribution": "vicinal-city-names",
        "version": "0.1.0",
        "sources": [],
        "encoders": ["city-names"],
        "rerankers": [],
        "item_filters": [],
        "commands": [],
        "hooks": ["register_encoders"],
        "status": "ok",
        "reason": "",
        "hint": "",
    }


def test_its_own_tests_pass(installed, written):
    said = run("-m", "pytest", "-p", "no:cacheprovider", cwd=written, path=[installed])
    assert re.search(r"\b4\d passed", said), said


def test_its_example_finds_what_was_meant(installed, written):
    code = """
from vicinal import Solution
with Solution.from_yaml("city-names.yaml") as cities:
    report = cities.ingest()
    print(report.new, report.failed, cities.search("Edinborough", limit=1)[0].content)
"""
    assert run("-c", code, cwd=written, path=[installed]) == "24 0 Edinburgh\n"


@pytest.fixture(scope="module")
def complete(tmp_path_factory) -> Path:
    """A plugin with everything, installed beside its source."""
    written = write_plugin("bird-songs", tmp_path_factory.mktemp("complete"), PARTS)
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    run("-m", "pip", "install", *options, "--target", written.parent / "site", written, cwd=written)
    return written


def test_a_plugin_may_have_a_source_a_reranker_and_a_command_too(complete):
    test_no_placeholder_is_left(complete)
    code = "import json; from vicinal import create_manager as m; print(json.dumps([r.to_dict() for r in m().rows]))"
    rows = {row["name"]: row for row in json.loads(run("-c", code, cwd=complete, path=[complete.parent / "site"]))}
    row = rows["bird-songs"]
    assert (row["status"], row["sources"], row["rerankers"]) == (
        "ok",
        ["bird-songs-paragraphs"],
        ["bird-songs-beginnings"],
    )
    said = run("-m", "vicinal", "bird-songs-compare", "robin", "robin", cwd=complete, path=[complete.parent / "site"])
    assert said == "1.000\n"


@pytest.mark.long
def test_every_part_is_typed_tidy_and_passes_its_own_tests(complete):
    test_what_it_writes_is_typed_and_tidy(complete)
    said = run("-m", "pytest", "-p", "no:cacheprovider", "tests", cwd=complete, path=[complete.parent / "site"])
    assert re.search(r"\b6\d passed", said), said


@pytest.mark.parametrize(
    "name", ["", "3d", "bird songs", "bird_songs", "bird--songs", "-bird", "bird-", "vögel", "../x"]
)
def test_a_name_that_cannot_be_used_is_refused(tmp_path, name):
    with pytest.raises(VicinalError, match=f"^{re.escape(repr(name))} cannot name a plugin$") as caught:
        write_plugin(name, tmp_path)
    assert caught.value.hint.startswith("use letters, digits and single hyphens")
    assert list(tmp_path.iterdir()) == []


def test_a_name_has_the_length_that_a_solution_may_have(tmp_path):
    assert write_plugin("a" * 63, tmp_path).is_dir()
    with pytest.raises(VicinalError, match="cannot name a plugin"):
        write_plugin("a" * 64, tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("text", "a package 'vicinal_text' is installed already"),
        ("morgan", "plugin 'molecule' has an encoder 'morgan' already"),
    ],
)
def test_a_name_that_is_taken_is_refused(tmp_path, name, reason):
    with pytest.raises(VicinalError, match=f"^{reason}$") as caught:
        write_plugin(name, tmp_path)
    assert caught.value.hint == "choose another name"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path):
    target = tmp_path / "vicinal-birds"
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    with pytest.raises(VicinalError, match="vicinal-birds exists and is not empty") as caught:
        write_plugin("birds", tmp_path)
    assert caught.value.hint
    assert [path.name for path in target.iterdir()] == ["notes.txt"]


def test_an_empty_folder_and_one_that_is_not_there_are_both_fine(tmp_path):
    (tmp_path / "vicinal-birds").mkdir()
    assert write_plugin("birds", tmp_path) == tmp_path / "vicinal-birds"
    assert (write_plugin("birds", tmp_path / "deep" / "down") / "birds.yaml").is_file()


def test_a_file_in_the_way_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VicinalError, match="cannot be written"):
        write_plugin("birds", tmp_path / "file")
    (tmp_path / "vicinal-birds").write_text("")
    with pytest.raises(VicinalError, match="exists and is not empty"):
        write_plugin("birds", tmp_path)

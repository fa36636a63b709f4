"""The command line, as a process of its own and, where speed matters, within this one."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serve_process import make_plugin_environment
from vicinal import Solution
from vicinal.cli import main
from vicinal.plugin import manager as plugin_manager

SCRIPT = Path(sys.executable).with_name("vicinal")
CONFIGS = Path(__file__).parents[3] / "configs"

SLOWPOKE = """
import os, time
from pathlib import Path
import numpy as np
from vicinal import Encoder, Segment, Space, hookimpl

class Slow(Encoder):
    space = Space(4)
    signature = "slow"
    encode_batch_size = 10

    def decode(self, item):
        return [Segment(item.content)]

    def encode(self, samples):
        Path(os.environ["SLOWPOKE_MARK"]).touch()
        time.sleep(float(os.environ["SLOWPOKE_SECONDS"]))
        return np.eye(4, dtype=np.float32)[[len(sample) % 4 for sample in samples]]

@hookimpl
def register_encoders(encoders):
    encoders.add("slow", "slowpoke:Slow", summary="takes its time")
    encoders.add("absent", "slowpoke:Slow", requires=["nobody_has_this"], install="slowpoke[absent]")
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Embedded stores, a terminal of 100 columns, and an empty folder to stand in."""
    monkeypatch.delenv("MILVUS_URI", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


class Cli:
    """Runs commands in this process; returns what they print on stdout."""

    def __init__(self, capsys):
        self._capsys = capsys
        self.err = ""

    def __call__(self, *arguments, code=0):
        self._capsys.readouterr()
        found = main([str(argument) for argument in arguments])
        out, self.err = self._capsys.readouterr()
        assert found == code, self.err
        return out

    def json(self, *arguments, code=0):
        return json.loads(self(*arguments, "--json", code=code))


@pytest.fixture
def cli(capsys):
    return Cli(capsys)


@pytest.fixture
def installed_encoders(tmp_path, monkeypatch):
    """The tests' encoders as an installed plugin of this process, in the folder of the test.

    Returns the variable with which other processes find it.
    """
    variable = make_plugin_environment(tmp_path, {})["PYTHONPATH"]
    monkeypatch.syspath_prepend(tmp_path)
    plugin_manager._entry_points.cache_clear()
    yield {"PYTHONPATH": variable}
    plugin_manager._entry_points.cache_clear()


@pytest.fixture
def vicinal():
    """Runs the installed script to its end; what it prints must hold no traceback."""

    def vicinal(*arguments, code=0, stdin="", timeout=60, **environment):
        done = subprocess.run(
            [SCRIPT, *map(str, arguments)],
            env={**os.environ, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert done.returncode == code, done.stderr
        return done

    return vicinal


@pytest.fixture(scope="session")
def indexed_molecules(tmp_path_factory):
    """The folder of the molecules sample, all of it indexed, its stores closed."""
    folder = tmp_path_factory.mktemp("indexed_molecules")
    (folder / "data").mkdir()
    shutil.copyfile(CONFIGS / "molecule.yaml", folder / "molecule.yaml")
    shutil.copyfile(CONFIGS / "data" / "molecules.csv", folder / "data" / "molecules.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MILVUS_URI", raising=False)
        patch.delenv("REDIS_URL", raising=False)
        with Solution.from_yaml(folder / "molecule.yaml") as solution:
            solution.ingest()
    return folder


@pytest.fixture
def molecules_yaml(indexed_molecules, tmp_path):
    """The YAML of a copy of the molecules sample, all of it indexed."""
    shutil.copytree(indexed_molecules, tmp_path, dirs_exist_ok=True)
    return Path("molecule.yaml")


@pytest.fixture
def small_yaml(tmp_path):
    """The YAML of a table of five SMILES, two of them broken; nothing is indexed yet."""
    rows = ["ethanol,CCO", "benzene,c1ccccc1", "broken,c1ccccc", "toluene,Cc1ccccc1", "nonsense,not a molecule"]
    (tmp_path / "things.csv").write_text("\n".join(["name,smiles", *rows]) + "\n")
    file = tmp_path / "things.yaml"
    file.write_text(
        "name: things\nsource: {type: table, path: things.csv, key: name, content: smiles}\nencoder: {type: morgan}\n"
    )
    return Path(file.name)


@pytest.fixture
def slowpoke(tmp_path, monkeypatch):
    """An installed plugin, visible to subprocesses, with an encoder that sleeps and one whose package is missing.

    Returns the YAML of a hundred items for the former, which touches the file ``mark`` when it begins to encode.
    """
    folder = tmp_path / "site"
    info = folder / "slowpoke-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "slowpoke.py").write_text(SLOWPOKE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slowpoke\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vicinal]\nslowpoke = slowpoke\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("SLOWPOKE_MARK", str(tmp_path / "mark"))
    monkeypatch.setenv("SLOWPOKE_SECONDS", "0")
    (tmp_path / "slow.txt").write_text("".join(f"item {number}\n" for number in range(100)))
    file = tmp_path / "slow.yaml"
    file.write_text("name: slow\nsource: {type: lines, path: slow.txt}\nencoder: {type: slow}\n")
    return Path(file.name)


@pytest.fixture
def rows():
    with Path("data/molecules.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))

"""The command line in a terminal: what it draws, how narrow it may be, and what it imports."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

SCRIPT = Path(sys.executable).with_name("vicinal")
HEAVY = (
    "torch", "torchvision", "torchaudio", "transformers", "sentence_transformers", "pandas", "pymilvus", "milvus_lite",
    "librosa", "fastapi", "uvicorn", "prometheus_client", "PIL", "av", "scipy", "rdkit", "pyarrow", "numpy",
)  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "late"),
    [
        (["--help"], (*HEAVY, "pydantic", "yaml")),
        (["plugins"], HEAVY),
        (["validate", "a.yaml"], HEAVY),
        (["ingest", "--help"], HEAVY),
    ],
)
def test_heavy_packages_are_imported_late(tmp_path, arguments, late):
    (tmp_path / "a.yaml").write_text(
        "name: a\nsource: {type: table, path: a.parquet, key: k, content: c}\nencoder: {type: sentence}\n"
    )
    program = (
        "import sys\nfrom vicinal.cli import main\n"
        f"code = main({arguments!r})\n"
        f"print(sorted(set(sys.modules) & set({late!r})), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "[]\n")


@pytest.mark.parametrize(
    "command",
    [
        "plugins",
        "doctor",
        "status molecule.yaml",
        "check molecule.yaml",
        "peek molecule.yaml",
        "search molecule.yaml @caffeine c1ccccc1 --limit 5",
    ],
)
@pytest.mark.parametrize("columns", [60, 200])
def test_tables_fit_the_terminal(cli, molecules_yaml, monkeypatch, command, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = cli(*command.split()).splitlines()
    table = [line for line in lines if not line.startswith(("decode ", "start-up "))]
    assert len(table) > 5
    assert max(cell_len(line.rstrip()) for line in table) <= columns


def test_narrow_table_shows_everything(cli, small_yaml, monkeypatch):
    cli("ingest", small_yaml)
    wide = cli("failures", small_yaml).split()
    monkeypatch.setenv("COLUMNS", "60")
    printed = cli("failures", small_yaml)
    assert max(map(cell_len, printed.splitlines())) <= 60
    assert sorted("".join(printed.split()).replace("─", "")) == sorted("".join(wide).replace("─", ""))


def in_a_terminal(*arguments):
    """What a command writes to stderr, which is a terminal, and to stdout, which is not."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    drawn = b""
    while True:
        try:
            drawn += os.read(ours, 65536)
        except OSError:  # how a terminal says that nobody writes to it any more
            break
    out = process.communicate(timeout=60)[0]
    os.close(ours)
    assert process.returncode == 0, drawn
    return drawn.decode(), out


def test_progress_is_drawn_on_a_terminal_and_kept_out_of_stdout(small_yaml):
    drawn, out = in_a_terminal("ingest", "things.yaml")
    assert "things: ingest" in drawn
    assert "5/5" in drawn
    assert "2 failed" in drawn
    assert out.startswith("things: 5 items seen")


def test_json_draws_no_progress_bar(small_yaml):
    drawn, out = in_a_terminal("ingest", "things.yaml", "--json")
    assert drawn == ""
    assert out.startswith('{\n  "solution": "things"')


def test_verbose_logs_runs_and_nothing_of_other_packages(vicinal, small_yaml):
    done = vicinal("-v", "ingest", small_yaml)
    lines = [line.split(" ", 2)[2] for line in done.stderr.splitlines()]
    assert lines[0] == "things: ingest started, about 5 items"
    assert sorted(line.partition(": not a SMILES: ")[0] for line in lines[1:3]) == [
        "things: broken failed to decode",
        "things: nonsense failed to decode",
    ]
    assert lines[3].startswith("things: ingest finished, {'solution': 'things', 'seen': 5, ")
    assert len(lines) == 4


def test_help_lists_exit_codes_and_every_command(cli):
    printed = cli("--help")
    assert "Exit codes: 0 done, 1 failed, 2 usage, 3 bad config" in printed
    commands = [line.split()[0] for line in printed.partition("Commands:\n")[2].splitlines() if line[2] != " "]
    assert commands[:7] == ["demo", "init", "validate", "schema", "plugins", "plugin", "doctor"]
    for command in commands:
        assert cli(command, "-h").startswith(f"Usage: vicinal {command} ")

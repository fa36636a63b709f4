"""``vicinal backup`` and ``vicinal restore``."""

from __future__ import annotations

import re
import shutil
from pathlib import Path


def test_backup_and_restore(cli, molecules_yaml):
    line = cli("backup", molecules_yaml, "--to", "backups")
    found = re.fullmatch(
        r"molecules: 579 items, 579 rows, 0 failures in (/\S+/backups/molecules/\S+) \([0-9,.]+ kB, [0-9.]+ s\)\n", line
    )
    assert found, line
    folder = Path(found[1])
    hits = cli.json("search", molecules_yaml, "@aspirin", "--limit", 5)["hits"]
    shutil.rmtree(".vicinal")

    listed = cli.json("restore", molecules_yaml, "--from", "backups", "--list")
    assert [(one["path"], one["items"]) for one in listed] == [(str(folder), 579)]
    assert " 579 " in cli("restore", molecules_yaml, "--from", "backups", "--list")
    assert re.fullmatch(
        r"molecules: 579 items, 579 rows, 0 failures from /\S+ of 20\S+ \(579 written, [0-9.]+ s\); consistent\n",
        cli("restore", molecules_yaml, "--from", "backups"),
    )
    assert cli.json("search", molecules_yaml, "@aspirin", "--limit", 5)["hits"] == hits

    cli("restore", molecules_yaml, "--from", "backups", code=1)
    assert cli.err == (
        "error: 'molecules' holds 579 items already\n"
        "hint: --replace removes them first; or restore into a solution of another name\n"
    )
    report = cli.json("restore", molecules_yaml, "--from", folder, "--replace")
    assert (report["items"], report["written"], report["consistent"]) == (579, 579, True)
    report = cli.json("backup", molecules_yaml, "--to", "backups", "--keep", "1")
    assert (report["items"], report["removed"]) == (579, [str(folder)])


def test_wrong_input_is_refused(cli, small_yaml):
    cli("backup", small_yaml, "--to", "backups", "--keep", "0", code=2)
    cli("restore", small_yaml, "--from", "backups", "--list", "--replace", code=2)
    assert "--list restores nothing" in cli.err
    assert cli("restore", small_yaml, "--from", "backups", "--list") == "no backups of things\n"
    cli("backup", small_yaml, "--to", "memory://backups", code=2)
    assert "memory://backups is the memory of this command and ends with it" in cli.err
    cli("backup", small_yaml, "--to", "s4://bucket", code=1)
    assert cli.err.startswith("error: s4://bucket: Protocol not known: s4")
    cli("restore", small_yaml, "--from", "backups", code=1)
    assert cli.err.splitlines()[0].startswith("error: there is no backup of 'things' in backups")
    cli("restore", "nothing.yaml", "--from", "backups", code=3)
    assert cli.err == (
        "error: cannot read nothing.yaml: there is no such file\n"
        "hint: copy solution.yaml there from the folder of a backup, or name a YAML of your own\n"
    )

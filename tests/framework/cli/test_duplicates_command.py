"""``vicinal duplicates``: what it prints and writes, how it says to remove, and how it fails."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

PILE = """\
name: pile
source: {type: table, path: pile.csv, key: name, content: smiles, metadata: [year]}
encoder: {type: morgan}
"""


@pytest.fixture
def pile(cli):
    """Seven molecules: ethanol three times, benzene twice, and two that are near to none."""
    smiles = {
        "ethanol": "CCO",
        "alcohol, pure": "OCC",
        "spirit": "C(O)C",
        "benzene": "c1ccccc1",
        "benzol": "C1=CC=CC=C1",
    }
    smiles |= {"water": "O", "aspirin": "CC(=O)Oc1ccccc1C(=O)O"}
    with Path("pile.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "smiles", "year"])
        writer.writerows((name, text, 2000 + number) for number, (name, text) in enumerate(smiles.items()))
    Path("pile.yaml").write_text(PILE)
    cli("ingest", "pile.yaml")
    return "pile.yaml"


@pytest.mark.all_encoders
def test_groups_are_printed_with_what_to_keep_and_how_to_remove_the_rest(cli, pile):
    lines = cli("duplicates", pile).splitlines()
    assert lines[0].startswith("pile: 7 items, 2 groups of near-equal ones (similarity 0.95), all compared in ")
    table = [line.split("  ") for line in lines if "  " in line.strip()]
    assert [[cell.strip() for cell in row if cell.strip()] for row in table] == [
        ["group", "similarity", "key", "bytes", "length"],
        ["1", "keep", "spirit", "5", "5"],
        ["1.0000", "ethanol", "3", "3"],
        ["1.0000", "alcohol, pure", "3", "3"],
        ["2", "keep", "benzol", "11", "11"],
        ["1.0000", "benzene", "8", "8"],
    ]
    assert lines[-3:] == [
        "3 duplicates; nothing was removed",
        "to remove them: vicinal remove pile.yaml -- ethanol 'alcohol, pure' benzene",
        "what is still in the source is indexed again by the next ingest: delete it there, too",
    ]


@pytest.mark.all_encoders
def test_json_csv_and_keys_have_the_same(cli, pile):
    found = cli.json("duplicates", pile, "--keep", "oldest", "--by", "year", "--out", "found.csv")
    assert [[item["key"] for item in group] for group in found["groups"]] == [
        ["ethanol", "alcohol, pure", "spirit"],
        ["benzene", "benzol"],
    ]
    assert (found["group_count"], found["duplicates"], found["path"]) == (2, 3, "found.csv")
    with Path("found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["group"], row["key"], row["keep"], row["duplicate_of"]) for row in rows] == [
        ("1", "ethanol", "yes", ""),
        ("1", "alcohol, pure", "no", "ethanol"),
        ("1", "spirit", "no", "ethanol"),
        ("2", "benzene", "yes", ""),
        ("2", "benzol", "no", "benzene"),
    ]
    assert cli("duplicates", pile, "--keep", "oldest", "--by", "year", "--keys") == "alcohol, pure\nspirit\nbenzol\n"
    assert cli.json("status", pile)["items"] == 7


@pytest.mark.all_encoders
def test_the_command_that_it_says_removes_them(cli, pile):
    items = cli.json("status", pile)["items"]
    removable = cli.json("duplicates", pile, "--similarity", "0.05")["duplicates"]
    printed = cli("duplicates", pile, "--groups", 1, "--similarity", "0.05")
    command = printed.partition("to remove them: ")[2].splitlines()[0]
    assert command == (
        "vicinal duplicates pile.yaml --similarity 0.05 --keep largest --keys"
        " | tr '\\n' '\\0' | xargs -0 vicinal remove pile.yaml --"
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(command, shell=True, check=True, capture_output=True, env={**os.environ, "PATH": path})
    assert cli.json("duplicates", pile, "--similarity", "0.05")["groups"] == []
    assert 0 < removable < items == removable + cli.json("status", pile)["items"]


@pytest.mark.all_encoders
def test_more_groups_than_are_printed_are_counted(cli, pile):
    printed = cli("duplicates", pile, "--groups", 1)
    assert "and 1 more group: --groups N prints more, --out FILE.csv writes all\n" in printed
    assert "benzol" not in printed.partition("and 1 more group")[0]
    searched = cli("duplicates", pile, "--similarity", 1, "--index", "--by", "year")
    assert searched.startswith("pile: 7 items, 2 groups of near-equal ones (similarity 1), found through the index in ")


def test_errors(cli, small_yaml):
    cli("duplicates", small_yaml, code=1)
    assert cli.err == "error: nothing is indexed in 'things' yet\nhint: run `vicinal ingest` first\n"
    cli("ingest", small_yaml)
    cli("duplicates", small_yaml, "--similarity", 0, code=2)
    assert "0 is not in the range 0<x<=1" in cli.err
    cli("duplicates", small_yaml, "--keys", "--json", code=2)
    assert cli.err.startswith("error: --keys and --json exclude each other.\n")
    cli("duplicates", small_yaml, "--out", "found.txt", code=2)
    assert cli.err.startswith("error: --out: name a .csv file.\n")
    cli("duplicates", small_yaml, "--by", "colour", code=1)
    assert cli.err == "error: no item has a number or a text in the field 'colour'\nhint: name another one\n"
    cli("duplicates", small_yaml, "--out", "no/such/found.csv", code=1)
    assert cli.err == (
        "error: cannot write no/such/found.csv: No such file or directory\nhint: name a file in a folder that exists\n"
    )
    cli("duplicates", small_yaml, "--out", "found.csv")
    assert [path.name for path in Path().glob("found*")] == ["found.csv"]

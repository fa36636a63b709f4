"""Files that no source reads as they are, and whether the commands that are advised make a table of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas
import pytest
from rdkit import Chem

from vicinal.toolkit.file_kinds import advise_conversion, json_advice

ROWS = [{"id": 1, "text": 'it\'s "one"'}, {"id": 2, "text": "zwö"}]
GZIPPED = gzip.compress(b"id\n", mtime=0)


def advise(path, data):
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return advise_conversion(path)


def run_advice(advice, folder):
    """Run the command of an advice with this Python."""
    command = advice.hint.partition(": ")[2]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-c", command], check=True, cwd=folder, env={**os.environ, "PATH": path})


@pytest.mark.parametrize(
    ("name", "text", "kind", "target"),
    [
        ("a.json", json.dumps(ROWS), "a JSON array", "a.jsonl"),
        ("my data.json", "\ufeff\n" + json.dumps(ROWS, indent=2), "a JSON array", "my data.jsonl"),
        ("a.json", json.dumps(ROWS).encode("utf-16"), "a JSON array", "a.jsonl"),
        ("a.json", json.dumps({"version": 1, "rows": ROWS}), "a JSON object", "a.jsonl"),
        ("a.geojson", json.dumps({"bbox": [1], "features": ROWS}), "a JSON object", "a.jsonl"),
        ("a.json", "\n".join(map(json.dumps, ROWS)), "JSON with an object on each line", "a.jsonl"),
    ],
)  # fmt: skip
def test_json_becomes_json_lines(tmp_path, name, text, kind, target):
    advice = advise(tmp_path / name, text)
    assert advice.kind == kind
    run_advice(advice, tmp_path)
    assert [json.loads(line) for line in (tmp_path / target).read_text().splitlines()] == ROWS


def test_packed_json_becomes_json_lines(tmp_path):
    run_advice(advise(tmp_path / "a.json.gz", gzip.compress(json.dumps(ROWS).encode())), tmp_path)
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == ROWS


@pytest.mark.parametrize("name", ["a.smi", "a.SMILES", "a.smi.gz", "a.ism"])
def test_smiles_with_names_become_a_table(tmp_path, name):
    data = b"CCO ethanol\n\nC\nc1ccccc1\tbenzene, pure \r\n"
    advice = advise(tmp_path / name, gzip.compress(data) if name.endswith(".gz") else data)
    assert advice.kind == "a list of SMILES with their names"
    run_advice(advice, tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    assert rows == [
        {"name": "ethanol", "smiles": "CCO"},
        {"name": "3", "smiles": "C"},
        {"name": "benzene, pure", "smiles": "c1ccccc1"},
    ]


@pytest.mark.parametrize("name", ["a.sdf", "a.sdf.gz", "a.mol"])
def test_molecules_become_a_table(tmp_path, name):
    blocks = []
    for smiles, title in (("CCO", "ethanol"), ("C", "")):
        molecule = Chem.MolFromSmiles(smiles)
        molecule.SetProp("_Name", title)
        blocks.append(Chem.MolToMolBlock(molecule))
    data = (blocks[0] if name == "a.mol" else "".join(f"{block}$$$$\n" for block in blocks)).encode()
    advice = advise(tmp_path / name, gzip.compress(data) if name.endswith(".gz") else data)
    assert advice.kind == "a file of molecules"
    run_advice(advice, tmp_path)
    rows = [{"name": "ethanol", "smiles": "CCO"}, {"name": "2", "smiles": "C"}]
    assert list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text()))) == rows[: 1 if name == "a.mol" else 2]


@pytest.mark.parametrize(
    ("name", "write"), [("a.feather", pandas.DataFrame.to_feather), ("a.orc", pandas.DataFrame.to_orc),
                        ("a.dta", pandas.DataFrame.to_stata)]
)  # fmt: skip
def test_tables_of_other_programs_become_parquet(tmp_path, name, write):
    write(pandas.DataFrame(ROWS), tmp_path / name)
    run_advice(advise_conversion(tmp_path / name), tmp_path)
    assert pandas.read_parquet(tmp_path / "a.parquet")[["id", "text"]].to_dict("records") == ROWS


def make_zip(*names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "kind", "hint"),
    [
        ("a.xlsx", make_zip("xl/book"), "a spreadsheet", "read_excel('{folder}/a.xlsx').to_csv('{folder}/a.csv'"),
        ("a.XLS", b"\xd0\xcf\x11\xe0", "a spreadsheet", "save it as CSV UTF-8"),
        ("a.csv", make_zip("xl/workbook.xml"), "an Excel workbook", "read_excel"),
        ("a.csv", make_zip("a"), "a zip archive", "unpack it, and name what is in it"),
        ("a.tar.gz", gzip.compress(b"x", mtime=0), "an archive", "unpack it, and name what is in it"),
        ("a", b"PAR1" + bytes(9), "a parquet file without its suffix", "add the suffix to its name"),
        ("a.csv", GZIPPED + bytes(9), "a gzip file without its suffix", "add the suffix to its name"),
        ("a.npy", np.lib.format.magic(1, 0) + bytes(9), "a NumPy array", "convert it to csv, tsv, jsonl or parquet"),
        ("a.db", b"SQLite format 3\0", "an SQLite database", "convert it to csv, tsv, jsonl or parquet"),
        ("a.jpg", b"\xff\xd8\xff", "a picture", "name the folder that holds it, which is read as a whole"),
        ("a.mp4", b"", "a video", "name the folder that holds it, which is read as a whole"),
        ("a.pdf", b"", "a PDF document", "extract its text"),
        ("a.txt", b"%PDF-1.7\nplain enough", "a PDF document", "extract its text"),
        ("a.docx", make_zip("word/document.xml"), "a document", "extract its text"),
        ("a.txt", b"{\\rtf1 plain}", "a document", "extract its text"),
        ("a.bin", b"\x07\0\x01\x02", "a binary file", "convert it to csv, tsv, jsonl or parquet"),
        ("a.json", "", "a JSON file", "an object a line, in a .jsonl"),
        ("a.json", "id,text\n", "no JSON, though its name says so", "rename it by what it is"),
    ],
)  # fmt: skip
def test_other_files_are_named(tmp_path, name, data, kind, hint):
    advice = advise(tmp_path / name, data)
    assert advice.kind == kind
    assert hint.format(folder=tmp_path) in advice.hint


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.csv", "id,text\n"), ("a.txt", "ORCA\nBZhang\n"), ("a", ""), ("a.csv", "id,text\n".encode("utf-16-le")),
     ("a.txt", "é\n".encode("cp1252")), ("a.parquet", b"PAR1\0\0"), ("a.jsonl", "{}\n"),
     ("a.csv.gz", gzip.compress(b"a", mtime=0))],
)  # fmt: skip
def test_texts_and_tables_need_no_advice(tmp_path, name, data):
    assert advise(tmp_path / name, data) is None


def test_a_file_that_does_not_exist_is_known_by_its_name(tmp_path):
    assert advise_conversion(tmp_path / "none.json").kind == "a JSON file"
    assert advise_conversion(tmp_path / "none.xlsx").kind == "a spreadsheet"
    assert advise_conversion(tmp_path / "none.csv") is None


def test_a_command_never_writes_over_its_input(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(ROWS))
    run_advice(json_advice(path, path.read_bytes()), tmp_path)
    assert json.loads(path.read_text()) == ROWS
    assert len((tmp_path / "a-converted.jsonl").read_text().splitlines()) == 2

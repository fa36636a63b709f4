"""The source `molecules`: lists with names, SDF and molfiles, and whatever is wrong in them."""

from __future__ import annotations

import gzip
import tracemalloc
from itertools import islice

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from rdkit import Chem
from rdkit.Chem import rdDepictor

from vicinal import Failure, Item, SourceError, create_manager
from vicinal.cli.app import app
from vicinal.testing import SourceContract
from vicinal_molecule.molecules import Molecules

ETHANOL, ASPIRIN = "CCO", "CC(=O)Oc1ccccc1C(=O)O"
BENZENE = "c1ccccc1"


def make_block(smiles, name="", version="V2000"):
    molecule = Chem.MolFromSmiles(smiles)
    rdDepictor.Compute2DCoords(molecule)
    molecule.SetProp("_Name", name)
    return Chem.MolToV3KMolBlock(molecule) if version == "V3000" else Chem.MolToMolBlock(molecule)


def make_record(smiles, name="", **properties):
    data = "".join(f">  <{key}>  (1)\n{value}\n\n" for key, value in properties.items())
    return f"{make_block(smiles, name)}{data}$$$$\n"


def write(folder, name, text):
    path = folder / name
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def read(folder, name, text, **params):
    """Each item as its key, content and metadata; each failure as its key and message."""
    source = Molecules(Molecules.Params(path=write(folder, name, text), **params))
    return [
        (one.key, one.message) if isinstance(one, Failure) else (one.key, one.content, dict(one.metadata))
        for one in source
    ]


class TestLines(SourceContract):
    def make_source(self, tmp_path):
        return Molecules(Molecules.Params(path=write(tmp_path, "a.smi", "CCO ethanol\nC methane\nCC ethane\n")))


class TestSdf(SourceContract):
    def make_source(self, tmp_path):
        return Molecules(
            Molecules.Params(path=write(tmp_path, "a.sdf.gz", "".join(map(make_record, ("C", "CC", "CO")))))
        )


# --- lists


@pytest.mark.parametrize("name", ["a.smi", "a.smi.gz", "A.SMI", "a.txt", "a.ism"])
def test_names_follow_the_smiles(tmp_path, name):
    text = "# a comment\nCCO ethanol\n\nCC(=O)Oc1ccccc1C(=O)O\tacetylsalicylic acid\r\nC  plain methane \nN\n"
    assert read(tmp_path, name, text) == [
        ("ethanol", ETHANOL, {}),
        ("acetylsalicylic acid", ASPIRIN, {}),
        ("plain methane", "C", {}),
        ("4", "N", {}),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smiles name\nCCO ethanol\n", [("ethanol", "CCO", {})]),
        ("SMILES\tID\tMW\nCCO\tethanol\t46.07\n", [("ethanol", "CCO", {"MW": "46.07"})]),
        ("zinc_id smiles\nZ1 CCO\n", [("Z1", "CCO", {})]),
        ("smiles mw zinc_id\nCCO 46.07 Z1\n", [("Z1", "CCO", {"mw": "46.07"})]),
        ("canonical_smiles\nCCO\n", [("1", "CCO", {})]),
        ("smiles\tname\nCCO\n\tnothing\n", [("1", "CCO", {}), ("nothing", "", {})]),
        ("CCO\tethanol\t46.07\tsolvent\n", [("ethanol", "CCO", {"column 3": "46.07", "column 4": "solvent"})]),
        ("CCO |$a;;$| ethanol\n", [("ethanol", "CCO |$a;;$|", {})]),
        ("CCO |$a;; ethanol\n", [("1", "CCO |$a;; ethanol", {})]),
        ("InChI=1S/CH4/h1H4 methane\n", [("methane", "InChI=1S/CH4/h1H4", {})]),
        ("InChI\tname\nInChI=1S/CH4/h1H4\tmethane\n", [("methane", "InChI=1S/CH4/h1H4", {})]),
        ("", []),
        ("# nothing\n\n", []),
    ],
)
def test_lists_may_have_a_header_and_columns(tmp_path, text, expected):
    assert read(tmp_path, "a.smi", text) == expected


def test_names_that_occur_again_get_their_number(tmp_path):
    text = "C methane\nCC ethane\nC methane\nN\nO 4\n"
    assert [key for key, *_ in read(tmp_path, "a.smi", text)] == ["methane", "ethane", "methane #3", "4", "4 #5"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_names_are_read_in_the_encodings_of_old_files(tmp_path, encoding):
    assert read(tmp_path, "a.smi", "C Säure\nCC ethane\n".encode(encoding)) == [
        ("Säure", "C", {}),
        ("ethane", "CC", {}),
    ]


def test_a_column_may_be_the_key(tmp_path):
    text = "smiles\tname\tcas\nCCO\tethanol\t64-17-5\nC\tmethane\n"
    assert read(tmp_path, "a.smi", text, key="cas") == [
        ("64-17-5", "CCO", {"name": "ethanol"}),
        ("record 2", "record 2 has no 'cas' for its key"),
    ]


# --- SDF


@pytest.mark.parametrize("name", ["a.sdf", "a.sdf.gz", "A.SDF", "a.sd"])
def test_records_have_their_names_and_properties(tmp_path, name):
    text = make_record(ETHANOL, "ethanol", MW="46.07", note="one\ntwo") + make_record(ASPIRIN)
    assert read(tmp_path, name, text) == [
        ("ethanol", ETHANOL, {"MW": "46.07", "note": "one\ntwo"}),
        ("2", ASPIRIN, {}),
    ]


def test_the_last_record_may_lack_its_end_and_lines_may_end_as_on_windows(tmp_path):
    text = (make_record(ETHANOL, "a") + make_record(BENZENE, "b").removesuffix("$$$$\n")).replace("\n", "\r\n")
    assert read(tmp_path, "a.sdf", text) == [("a", ETHANOL, {}), ("b", BENZENE, {})]


@pytest.mark.parametrize("version", ["V2000", "V3000"])
def test_a_molfile_is_one_molecule(tmp_path, version):
    assert read(tmp_path, "a.mol", make_block("C[C@H](N)C(=O)O", "L-alanine", version)) == [
        ("L-alanine", "C[C@H](N)C(=O)O", {})
    ]


def test_a_property_may_be_the_key(tmp_path):
    text = make_record(ETHANOL, "ethanol", CAS="64-17-5") + make_record(BENZENE, "benzene")
    assert read(tmp_path, "a.sdf", text, key="CAS") == [
        ("64-17-5", ETHANOL, {"name": "ethanol"}),
        ("record 2", "record 2 has no 'CAS' for its key"),
    ]


NO_COUNTS = "record 2 is not a molfile: its line of counts (V2000, V3000) is missing"
BROKEN = {
    "five bonds": (make_block("CC(C)(C)C", "five").replace("  1  2  1", "  1  2  3"), "not a possible molecule: "),
    "no end": (make_block(BENZENE, "open").replace("M  END\n", ""), "not a valid molfile: it has no line 'M  END'"),
    "an unknown element": (
        make_block(ETHANOL, "x").replace(" O  ", " Xx "),
        "not a valid molfile: Element 'Xx' not",
    ),
    "no counts": (
        f"{ETHANOL}\n\n\nM  END\n",
        "record 2 is not a molfile: its line of counts (V2000, V3000) is missing",
    ),
    "no atoms": (make_block("", "none"), "the molecule has no atoms"),
    "nothing": ("", NO_COUNTS),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_records_are_failures_and_the_rest_is_indexed(lite, capfd, broken):
    block, reason = BROKEN[broken]
    text = f"{make_record(ETHANOL, 'a')}{block}> <x>\n1\n\n$$$$\n{make_record(BENZENE, 'b', x=2)}"
    write(lite.folder, "items.sdf", text)
    solution = lite.solution(encoder="{type: morgan}", source="{type: molecules, path: items.sdf}")
    report = solution.ingest()
    assert (report.seen, report.new, report.failed) == (3, 2, 1)
    assert solution.failures()[0].message.startswith(reason)
    assert dict(solution.search(BENZENE)[0].metadata) == {"x": "2"}
    assert "RDKit" not in capfd.readouterr().err


def test_a_broken_record_does_not_stop_pruning_but_a_truncated_file_does(lite):
    broken = BROKEN["five bonds"][0] + "$$$$\n"
    write(lite.folder, "items.sdf", make_record(ETHANOL, "a") + make_record(BENZENE, "b"))
    solution = lite.solution(encoder="{type: morgan}", source="{type: molecules, path: items.sdf}")
    assert solution.ingest().new == 2
    write(lite.folder, "items.sdf", make_record(ETHANOL, "a") + broken)
    assert solution.ingest(prune=True).removed == 1


def test_what_a_damaged_gzip_hides_is_not_pruned(lite):
    whole = "".join(make_record(ASPIRIN, f"m{number}") for number in range(2_000))
    path = write(lite.folder, "items.sdf.gz", whole)
    solution = lite.solution(encoder="{type: morgan}", source="{type: molecules, path: items.sdf.gz}")
    assert solution.ingest().new == 2_000
    path.write_bytes(path.read_bytes()[:-2_000])
    report = solution.ingest(prune=True)
    assert (report.removed, report.failed) == (0, 1)
    assert "may hold indexed items" in report.warnings[0]
    assert solution.failures()[0].key == "items.sdf.gz"


def test_five_bonds_in_a_list_have_their_reason(lite, capfd):
    write(lite.folder, "items.smi", "C methane\nC(C)(C)(C)(C)C five\nCCO |$a;; broken\nCC ethane\n")
    solution = lite.solution(encoder="{type: morgan}", source="{type: molecules, path: items.smi}")
    assert (solution.ingest().new, len(solution.failures())) == (2, 2)
    assert {one.key: one.message.partition(",")[0] for one in solution.failures()} == {
        "five": "not a possible molecule: Explicit valence for atom # 0 C",
        "3": "its CXSMILES extension '|$a;; broken' is broken",
    }
    assert "RDKit" not in capfd.readouterr().err


# --- files


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.sdf", None, "does not exist"),
        ("a.smi.gz", None, "does not exist"),
        ("a.smi", b"PK\0\1", "is not a text"),
        ("b.sdf.gz", b"not gzip", "cannot be read: Not a gzipped file"),
    ],
)
def test_files_that_cannot_be_read_end_the_run(tmp_path, name, data, message):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=message):
        list(Molecules(Molecules.Params(path=tmp_path / name)))


def test_other_files_are_refused_at_validation(tmp_path):
    with pytest.raises(ValidationError, match=r"a file of molecules ends in \.smi, .* a table is read by `table`"):
        Molecules.Params(path=tmp_path / "a.csv")


def test_the_count_is_estimated(tmp_path):
    for name, text in {"a.sdf": make_record(ETHANOL) * 7, "a.smi": "C x\n" * 9, "a.mol": make_block(ETHANOL)}.items():
        source = Molecules(Molecules.Params(path=write(tmp_path, name, text)))
        assert source.count() == sum(1 for _ in source)
    assert Molecules(Molecules.Params(path=write(tmp_path, "a.sdf.gz", ""))).count() is None


def test_a_file_is_streamed(tmp_path):
    path = write(tmp_path, "a.sdf", make_record(ETHANOL, x="y" * 1_000) * 20_000)
    source = iter(Molecules(Molecules.Params(path=path)))
    list(islice(source, 100))
    tracemalloc.start()
    assert sum(isinstance(item, Item) for item in islice(source, 3_000)) == 3_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 25 << 20
    assert peak < 2 << 20


def test_a_line_without_end_is_no_molecule_and_takes_no_memory(tmp_path):
    text = "C methane\n" + "C" * (3 << 20) + "\nCC ethane\n"
    keys = [(key, min(len(content), 1 << 20)) for key, content, _ in read(tmp_path, "a.smi", text)]
    assert keys == [("methane", 1), ("2", 1 << 20), ("ethane", 2)]


def test_it_is_registered():
    assert create_manager().sources.load("molecules") is Molecules


@pytest.mark.parametrize("name", ["drugs.sdf", "drugs.smi", "drugs.sdf.gz", "drugs.mol"])
def test_init_suggests_it(tmp_path, name):
    path = write(tmp_path, name, make_record(ETHANOL, "a") if "smi" not in name else "CCO a\n")
    output = tmp_path / "drugs.yaml"
    done = CliRunner().invoke(app, ["init", str(path), "-o", str(output)])
    assert done.exit_code == 0, done.output
    assert f'source: {{type: molecules, path: "{name}"}}' in output.read_text()
    assert "encoder: {type: morgan}" in output.read_text()
    assert CliRunner().invoke(app, ["validate", str(output)]).exit_code == 0

"""`substructure`: of the nearest molecules those that contain a SMARTS, as many as asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from rdkit import Chem, DataStructs, RDConfig
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

from inprocess_server import run_server
from serve_process import run_server_process
from vicinal import FilterError, Item
from vicinal.cli import app as cli
from vicinal_molecule.substructure import Substructure

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
PATTERNS = ("c1ccccc1", "[CX3](=O)[OX2H1]", "S(=O)(=O)", "[N+](=O)[O-]", "[Se]", "[R]", "C", "[U]")


@pytest.fixture(scope="module")
def molecules():
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()[:700]
    texts = dict.fromkeys(line.split()[0] for line in lines)
    return [text for text in texts if Chem.MolFromSmiles(text) is not None][:600]


def fill(workshop, molecules, encoder="{type: morgan}"):
    text = "".join(f"{molecule} m{number}\n" for number, molecule in enumerate(molecules))
    (workshop.folder / "items.smi").write_text(text)
    solution = workshop.solution(encoder=encoder, source="{type: molecules, path: items.smi}")
    assert solution.ingest().failed == 0
    return solution


def test_it_finds_the_nearest_of_those_that_have_it_whatever_lies_between(workshop, molecules):
    """For each pattern the ten hits are those of a search through all molecules that have it."""
    solution = fill(workshop, molecules)
    generator = GetMorganGenerator(radius=2, fpSize=2048)
    parsed = [Chem.MolFromSmiles(text) for text in molecules]
    vectors = [generator.GetFingerprint(molecule) for molecule in parsed]
    queries = [0, 50, 300]
    for pattern in PATTERNS:
        matching = [n for n, each in enumerate(parsed) if each.HasSubstructMatch(Chem.MolFromSmarts(pattern))]
        results = solution.search([molecules[n] for n in queries], item_filters={"substructure": pattern})
        for query, hits in zip(queries, results, strict=True):
            near = {n: DataStructs.TanimotoSimilarity(vectors[query], vectors[n]) for n in matching}
            expected = sorted((value for value in near.values() if value), reverse=True)[:10]
            assert [hit.similarity for hit in hits] == pytest.approx(expected, abs=1e-6), pattern
            assert {int(hit.key[1:]) for hit in hits} <= {*matching}
            assert [hit.rank for hit in hits] == [*range(1, len(hits) + 1)]


def test_with_a_key_and_a_small_limit(lite, molecules):
    solution = fill(lite, molecules[:200])
    hits = solution.search("@m3", limit=2, item_filters={"substructure": "[OX2H]"})
    assert len(hits) == 2
    assert all(hit.key != "m3" and Chem.MolFromSmiles(hit.content).HasSubstructMatch(OH) for hit in hits)


OH = Chem.MolFromSmarts("[OX2H]")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "substructure: the SMARTS is empty"),
        ("c1ccccc", "substructure: not a SMARTS: unclosed ring, in 'c1ccccc'"),
        ("CC)", "substructure: not a SMARTS: syntax error at character 3, in 'CC)'"),
        ("what", "substructure: not a SMARTS: syntax error at character 1, in 'what'"),
        ("C" * 5_001, "substructure: a SMARTS has at most 5,000 printable characters"),
        ("C\0C", "substructure: a SMARTS has at most 5,000 printable characters"),
        ("C\ud800", "substructure: a SMARTS has at most 5,000 printable characters"),
    ],
)
def test_what_is_no_smarts_is_refused(pattern, message, capfd):
    with pytest.raises(FilterError) as caught:
        Substructure(pattern)
    assert str(caught.value) == message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("pattern", "content", "matches"),
    [
        ("c1ccccc1", ASPIRIN, True),
        ("c1ccccc1", "C1CCCCC1", False),
        ("C1=CC=CC=C1", ASPIRIN, False),
        ("[#6]", "InChI=1S/CH4/h1H4", True),
        ("C[C@H](N)C(=O)O", "C[C@H](N)C(=O)O", True),
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", False),
        ("CC(N)C(=O)O", "C[C@@H](N)C(=O)O", True),
        ("[Na+]", "CC(=O)[O-].[Na+]", True),
        ("C", "not a molecule", False),
        ("C", None, False),
        ("C", Path("a.mol"), False),
    ],
)
def test_it_matches_as_rdkit_does(pattern, content, matches):
    assert Substructure(pattern).matches(Item("m", content)) is matches


def test_other_filters_and_other_items_are_refused(lite, molecules):
    solution = fill(lite, molecules[:20])
    with pytest.raises(FilterError, match="cannot be filtered by 'colour'") as caught:
        solution.search(ASPIRIN, item_filters={"colour": "red"})
    assert caught.value.hint == "this solution's item filters: substructure"
    lite.write([("a", "one", 1)])
    texts = lite.solution("texts")
    texts.ingest()
    with pytest.raises(FilterError, match="cannot be filtered by 'substructure'"):
        texts.search("one", item_filters={"substructure": "C"})


def test_the_command_line_has_it_as_an_option(lite, molecules):
    fill(lite, [ASPIRIN, "OC(=O)c1ccccc1O", "CC(=O)O", "CCO"]).close()
    arguments = ["search", str(lite.folder / "things.yaml"), ASPIRIN, "--substructure"]
    found = CliRunner().invoke(cli.app, [*arguments, "c1ccccc1", "--json"])
    assert found.exit_code == 0, found.output
    assert [hit["key"] for hit in json.loads(found.stdout)["hits"]] == ["m0", "m1"]
    assert (
        "--substructure PATTERN  Only molecules that contain a SMARTS"
        in CliRunner().invoke(cli.app, ["search", "-h"]).output
    )


def test_a_wrong_smarts_ends_the_command_with_its_reason(lite, capfd):
    fill(lite, [ASPIRIN]).close()
    code = cli.main(["search", str(lite.folder / "things.yaml"), ASPIRIN, "--substructure", "c1cc"])
    assert code == 2
    assert capfd.readouterr().err.startswith("error: substructure: not a SMARTS: unclosed ring, in 'c1cc'\nhint: ")


def test_over_http_it_is_an_item_filter(lite):
    solution = fill(lite, [ASPIRIN, "OC(=O)c1ccccc1O", "CC(=O)O", "CCO"])
    with run_server(solution) as client:
        [described] = client.get("/api/solutions").json()["solutions"]
        assert described["query"]["item_filters"] == [
            {"name": "substructure", "summary": "molecules that contain a SMARTS, as c1ccccc1"}
        ]
        found = client.search(ASPIRIN, item_filters={"substructure": "c1ccccc1"}).json()["hits"]
        assert [hit["key"] for hit in found] == ["m0", "m1"]
        every = client.search(ASPIRIN, item_filters={}).json()["hits"]
        assert len(every) == 4
        wrong = client.search(ASPIRIN, item_filters={"substructure": "c1cc"})
        assert wrong.status_code == 422
        assert wrong.json()["error"].startswith("substructure: not a SMARTS: unclosed ring, in 'c1cc'")
        assert client.search(ASPIRIN, item_filters={"colour": "red"}).status_code == 409
        assert client.search(ASPIRIN, item_filters={"substructure": 3}).status_code == 422
        assert client.search(ASPIRIN, item_filters={"substructure": "C" * 100_000}).status_code == 422
        batch = client.post(
            "/api/things/search", json={"queries": ["CCO", ASPIRIN], "item_filters": {"substructure": "S"}}
        )
        assert [result["hits"] for result in batch.json()["results"]] == [[], []]


def test_while_a_server_holds_the_file_it_is_asked(lite):
    fill(lite, [ASPIRIN, "OC(=O)c1ccccc1O", "CC(=O)O", "CCO"]).close()
    yaml = lite.folder / "things.yaml"
    with run_server_process(yaml):
        arguments = ["search", str(yaml), ASPIRIN, "--json", "--substructure"]
        found = CliRunner().invoke(cli.app, [*arguments, "c1ccccc1"])
        assert [hit["key"] for hit in json.loads(found.stdout)["hits"]] == ["m0", "m1"]
        wrong = CliRunner().invoke(cli.app, [*arguments, "c1cc"])
        assert isinstance(wrong.exception, FilterError)
        assert str(wrong.exception) == "substructure: not a SMARTS: unclosed ring, in 'c1cc'"

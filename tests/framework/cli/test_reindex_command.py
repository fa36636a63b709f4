"""``vicinal reindex``: its gate, what it keeps, and the way back, alone and through a server that holds the Milvus."""

from __future__ import annotations

import json

import pytest

from inprocess_server import run_server

ROWS = [(f"k{number}", f"label{number % 4}" + f" word{number % 4}" * (number // 4), number % 4) for number in range(24)]
GOOD, BAD = "{type: learner}", "{type: hashed, salt: bad}"
GATE = ("--gate", "mAP@10>=live", "--labels", "year")


@pytest.fixture
def things(lite, installed_encoders):
    """A solution whose encoders are those of an installed plugin."""
    lite.write(ROWS)
    solution = lite.solution(encoder=GOOD)
    solution.ingest()
    return solution


@pytest.fixture(params=["alone", "through a server"])
def reindex(request, things, lite, cli):
    """Runs the command, by an encoder that the YAML has then."""

    def run(*arguments, encoder=None, code=0):
        if encoder:
            lite.yaml(encoder=encoder)
        return cli("reindex", lite.folder / "things.yaml", *arguments, code=code)

    if request.param == "alone":
        things.close()
        yield run
        return
    with run_server(things) as client:
        things.publish_address(client.url)
        yield run


def test_a_gate_that_is_not_passed_and_what_is_left_then(reindex, cli):
    assert reindex(*GATE, encoder=BAD, code=1) == ""
    assert "error: nothing was replaced: mAP@10 0." in cli.err
    assert "0.9439 of what is live, on 24 queries, does not pass mAP@10>=live\n" in cli.err
    assert "hint: `vicinal reindex` without a gate puts the new one in place" in cli.err
    assert reindex("--drop-new") == "things: the new one is removed\n"
    assert reindex("--drop-new") == "things: there is no new one\n"


def test_what_is_replaced_is_kept_and_put_back(reindex, cli, lite):
    report = json.loads(reindex("--keep", "--json", "--gate", "P@1>=0", "--labels", "year", encoder=BAD))
    assert (report["new"], report["gate"]["passed"]) == (24, True)
    status = cli.json("status", lite.folder / "things.yaml")
    assert (status["generation"], status["previous"]["items"]) == (2, 24)
    assert "`vicinal reindex --rollback`" in cli("status", lite.folder / "things.yaml")
    assert reindex("--rollback") == (
        "things: rolled back to generation 1 with 24 items; generation 2 is kept in its place\n"
    )
    assert "warning: the YAML does not describe what is searched now" in cli.err
    found = json.loads(reindex("--rollback", "--json"))
    assert (found["generation"], found["warnings"]) == (2, [])
    assert json.loads(reindex("--drop-old", "--json")) == {"solution": "things", "dropped": True}
    reindex("--rollback", code=1)
    assert "error: nothing is kept that 'things' could be rolled back to" in cli.err


def test_judgments_of_files(reindex, lite):
    qrels = lite.folder / "judged.csv"
    qrels.write_text("query,key\nword1 label1,k1\nword2,k2\n@k3,k7\n")
    out = reindex("--gate", "recall@20>=live", "--qrels", qrels)
    assert "gate: recall@20 1.0000 of the new one, 1.0000 of what is live, on 3 queries, passes recall@20>=live" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--gate", "P@1>=live"), "--gate needs either --labels or --qrels, which say what is relevant."),
        (("--labels", "year"), "--labels is for --gate."),
        (("--drop-failed",), "--drop-failed is for --gate."),
        (("--rollback", "--drop-old"), "--rollback and --drop-old exclude each other."),
        (("--rollback", "--keep"), "--rollback builds nothing; the options of a reindex do not go with it."),
        (("--gate", "P@1>=live", "--labels", "year", "--queries", __file__), "--queries needs --qrels"),
    ],
)
def test_options_that_do_not_go_together(cli, arguments, message):
    cli("reindex", "things.yaml", *arguments, code=2)
    assert message in cli.err


def test_a_wrong_condition_is_said_at_once(reindex, cli):
    reindex("--gate", "mAP@10=live", "--labels", "year", code=1)
    assert "'mAP@10=live' is no condition" in cli.err


def test_stored_contents_stand_for_the_source(reindex, lite):
    (lite.folder / "items.csv").unlink()
    assert reindex("--from", "stored", encoder=BAD).startswith("things: 24 items seen in ")

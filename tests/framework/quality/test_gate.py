"""The gate of a reindex: measures of the new generation on the same queries as those of the live one."""

from __future__ import annotations

import pytest

from vicinal import VicinalError, build_gate
from vicinal.errors import GateFailedError, StoreMismatchError
from vicinal.quality.gate import GateCondition

pytestmark = pytest.mark.long_on_server

ANIMALS = {"cat": "purrs meows whiskers", "dog": "barks wags fetches", "cow": "moos grazes chews"}
ROWS = [
    (f"{animal}{number}", f"{animal} {words} {words.split()[number % 3]}", animal)
    for animal, words in ANIMALS.items()
    for number in range(8)
]
GOOD, BAD = "{type: learner}", "{type: hashed, salt: bad}"


@pytest.fixture
def shop(workshop):
    def write(rows):
        lines = ["key,text,animal", *(",".join(row) for row in rows)]
        (workshop.folder / "items.csv").write_text("\n".join(lines) + "\n")

    workshop.write_rows = write
    write(ROWS)
    return workshop


@pytest.mark.parametrize(
    ("text", "value", "live", "passed"),
    [
        ("mAP@10>=live", 0.5, 0.5, True),
        ("mAP@10>live", 0.5, 0.5, False),
        ("mAP@10>=live", 0.4999, 0.5, False),
        ("mAP@10 >= live - 0.02", 0.48, 0.5, True),
        ("mAP@10>=live-.02", 0.47, 0.5, False),
        ("P@1>=live+0.1", 0.6, 0.5, True),
        ("nDCG@10>=0.6", 0.6, None, True),
        ("nDCG@10>=0.6", 0.59, None, False),
        ("nDCG@10>=live-0.000001", 0.5, 0.5000005, True),
    ],
)
def test_a_condition(text, value, live, passed):
    condition = GateCondition.parse(text)
    assert condition.check(value, live) == passed
    assert GateCondition.parse(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mAP@10", "'mAP@10' is no condition"),
        ("mAP@10>=", "is no condition"),
        ("mAP@10>=old", "is no condition"),
        ("mAP@10<=live", "is no condition"),
        ("map@10>=live", "there is no measure 'map@10'"),
        ("P@0>=live", "there is no measure 'P@0'"),
    ],
)
def test_what_is_no_condition(text, message):
    with pytest.raises(VicinalError, match=message):
        build_gate([text], labels="animal")


def test_a_gate_says_what_it_needs(tmp_path):
    with pytest.raises(VicinalError, match="needs either labels or judgments"):
        build_gate(["P@1>=live"])
    with pytest.raises(VicinalError, match="a gate needs a condition"):
        build_gate([], labels="animal")
    with pytest.raises(VicinalError, match="cannot read"):
        build_gate(["P@1>=live"], qrels=tmp_path / "none.csv")
    with pytest.raises(VicinalError, match="sample is 1"):
        build_gate(["P@1>=live"], labels="animal", sample=1)


def test_a_worse_encoder_does_not_pass_and_a_better_one_does(shop):
    solution = shop.solution(encoder=GOOD)
    solution.ingest()
    shop.yaml(encoder=BAD)
    with pytest.raises(GateFailedError) as failed:
        solution.reindex(gate=build_gate(["mAP@10>=live"], labels="animal"))
    assert str(failed.value).startswith("nothing was replaced: mAP@10 0.")
    assert "24 queries, does not pass mAP@10>=live" in str(failed.value)
    status = solution.status()
    assert (status["generation"], status["encoder"]["signature"][:9]) == (1, "learner/1")
    assert status["reindex"]["signature"] == "hashed/16/bad"
    new = solution.open_new()
    assert new.search("cow moos grazes chews moos", limit=1)[0].similarity == pytest.approx(1)
    assert new.encoder.signature == "hashed/16/bad"
    report = solution.reindex(gate=build_gate(["mAP@10>=live - 1", "P@1>=0"], labels="animal"))
    assert report.unchanged == 24, "it is not encoded again"
    first, second = report.gate["checks"]
    assert (first["gate"], first["queries"], first["passed"]) == ("mAP@10>=live-1", 24, True)
    assert first["live"] == 1.0 > first["new"] > 0
    assert first["p"] < 0.001
    assert (second["gate"], second["passed"]) == ("P@1>=0", True)
    assert solution.encoder.signature == "hashed/16/bad"
    shop.yaml(encoder=GOOD)
    checks = solution.reindex(gate=build_gate(["mAP@10>live"], labels="animal")).gate["checks"]
    assert (checks[0]["new"], checks[0]["passed"]) == (1.0, True)


def test_the_live_one_is_evaluated_by_the_config_that_its_state_keeps(shop):
    """The process that reindexes knows the new YAML alone; what failed can be searched by any other process."""
    shop.solution(encoder=GOOD).ingest()
    shop._made[0].close()
    other = shop.solution(encoder=BAD)
    with pytest.raises(GateFailedError, match=r"1\.0000 of what is live"):
        other.reindex(gate=build_gate(["mAP@10>=live"], labels="animal"))
    other.close()
    another = shop.solution(encoder=BAD)
    assert another.open_new().search("cow moos grazes chews moos", limit=1)[0].similarity == pytest.approx(1)
    assert another.open_live().search("@cow1", limit=1)[0].metadata["animal"] == "cow"
    another.close()
    with pytest.raises(GateFailedError):
        other.reindex(gate=build_gate(["mAP@10>=live"], labels="animal"), drop_failed=True)
    assert other.status()["reindex"] is None
    with pytest.raises(VicinalError, match="no reindex of 'things' has left anything"):
        other.open_new()
    shop.yaml(encoder=GOOD)
    other.metadata.set_state(yaml="")
    shop.yaml(encoder=BAD)
    with pytest.raises(StoreMismatchError, match="no config here describes it"):
        other.reindex(gate=build_gate(["mAP@10>=live"], labels="animal"))
    assert other.status()["reindex"] is None, "that is noticed before anything is built"
    assert other.reindex(gate=build_gate(["P@1>=0"], labels="animal")).gate["checks"][0]["live"] is None


def test_both_are_asked_the_same_judged_queries(shop):
    solution = shop.solution(encoder=GOOD)
    solution.ingest()
    qrels = shop.folder / "judged.csv"
    qrels.write_text(
        "query,key\nwhiskers meows,cat1\nbarks fetches,dog0\nmoos,cow0\n@cat3,cat0\n@gone,cow1\n@cow7,cow1\n"
    )
    shop.write_rows([row for row in ROWS if row[0] != "cow7"])
    report = solution.reindex(gate=build_gate(["recall@20>=live-0.5"], qrels=qrels))
    assert report.gate["checks"][0]["queries"] == 4, "without @gone, and without @cow7, which the new one does not have"


def test_an_unknown_label_is_noticed_before_anything_is_built(shop):
    solution = shop.solution(encoder=GOOD)
    solution.ingest()
    with pytest.raises(VicinalError, match="no item has metadata 'anmal'"):
        solution.reindex(gate=build_gate(["P@1>=live"], labels="anmal"))
    assert solution.status()["reindex"] is None

"""``vicinal tune`` and ``check --recall`` on the molecules sample, of which Milvus Lite searches the bits exactly."""

import re
from pathlib import Path

import pytest
import yaml

from vicinal.config import check_config

DOCS = Path(__file__).parents[3] / "docs"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def read_tuned(path):
    return yaml.safe_load(path.read_text())["index"]["tuned"]


def test_the_choice_is_written_applied_and_checked_again(cli, molecules_yaml):
    before = molecules_yaml.read_text()
    lines = cli("tune", molecules_yaml, "--html", "frontier.html").splitlines()

    assert re.fullmatch(r"molecules: \d+ rows on Milvus Lite 3\.2\.2, JACCARD", lines[0])
    assert re.fullmatch(r"\d+ queries: indexed items, each without itself", lines[1])
    assert any(re.match(r"chosen: BIN_FLAT, recall@10 1\.000 \(1\.000 to 1\.000\)", line) for line in lines)
    assert lines[-2] == f"written into {molecules_yaml}; build it: vicinal index {molecules_yaml}"
    assert cli.err.startswith("BIN_FLAT: ")
    assert "frontier.html" in lines[-1]
    assert "recall@10" in Path("frontier.html").read_text()
    written = molecules_yaml.read_text()
    assert [line for line in before.splitlines() if line not in written] == []
    tuned = read_tuned(molecules_yaml)
    assert (tuned["recall"], tuned["low"], tuned["target"], tuned["limit"]) == (1.0, 1.0, 0.95, 10)
    cli("validate", molecules_yaml)
    cli("index", molecules_yaml)
    found = cli.json("check", molecules_yaml, "--recall")
    assert found["consistent"]
    assert found["recall"]["recall"] == {"value": 1.0, "low": 1.0, "high": 1.0, "target": 0.95}
    assert found["recall"]["data"] == tuned["data"]
    assert found["recall"]["warnings"] == []


def test_json(cli, molecules_yaml):
    before = molecules_yaml.read_text()
    report = cli.json("tune", molecules_yaml, "--dry-run", "--recall", 0.9, "--limit", 5, "--clients", 2)

    assert cli.err == ""
    assert report["chosen"] == {"type": "BIN_FLAT", "params": {}, "search": {}}
    assert report["recall"] == {"value": 1.0, "low": 1.0, "high": 1.0, "target": 0.9}
    (point,) = report["frontier"]
    assert (point["type"], point["status"], point["recall"]["value"]) == ("BIN_FLAT", "exact", 1.0)
    assert 0 < point["p50_ms"] <= point["p95_ms"]
    assert (point["clients"]["clients"], point["clients"]["as"]) == (2, "threads")
    assert point["clients"]["searches_per_second"] > 0
    assert molecules_yaml.read_text() == before


def test_what_fell_and_what_grew_is_told(cli, molecules_yaml):
    cli("tune", molecules_yaml)
    rows = read_tuned(molecules_yaml)["rows"]
    edit(molecules_yaml, f"rows: {rows}", f"rows: {rows * 10 // 12}")
    out = cli("check", molecules_yaml, "--recall")
    assert "warning: the collection grew by " in out
    assert "index BIN_FLAT: recall@10 1.000 (1.000 to 1.000)" in out
    assert "grew" not in cli("check", molecules_yaml)

    edit(molecules_yaml, "type: BIN_FLAT", "type: BIN_IVF_FLAT")
    assert "warning: the index is BIN_FLAT, and the YAML says BIN_IVF_FLAT" in cli("check", molecules_yaml, "--recall")


def test_an_index_that_was_never_tuned_has_a_recall_too(cli, molecules_yaml):
    out = cli("check", molecules_yaml, "--recall").splitlines()
    assert out[-1] == "warning: the index was never tuned: run `vicinal tune`"
    assert out[-2].startswith("index BIN_FLAT: recall@10 1.000")


def test_mistakes(cli, molecules_yaml, tmp_path):
    cli("tune", molecules_yaml, "--recall", 1, code=2)
    assert "--recall" in cli.err
    cli("tune", molecules_yaml, "--recall", "nan", code=1)
    assert cli.err.startswith("error: recall is nan\nhint: ")
    cli("tune", molecules_yaml, "--type", "HNSW", code=1)
    assert cli.err.splitlines()[0] == (
        "error: Milvus Lite 3.2.2 builds no index 'HNSW' that can be tuned for these vectors"
    )
    cli("tune", molecules_yaml, "--filter", "uses == 1", code=2)
    assert "uses" in cli.err
    cli("tune", molecules_yaml, "--html", "missing/frontier.html", code=1)
    assert cli.err.startswith("error: cannot write missing/frontier.html: No such file or directory")
    cli("tune", molecules_yaml, "--queries", tmp_path / "missing.txt", code=2)
    (tmp_path / "log.txt").write_text("not a molecule\nnor this\n")
    cli("tune", molecules_yaml, "--queries", tmp_path / "log.txt", code=1)
    assert "fewer than two queries that can be asked" in cli.err
    cli("check", molecules_yaml, "--queries", tmp_path / "log.txt", code=2)
    assert "--queries needs --recall" in cli.err


def test_nothing_indexed(cli, tmp_path, molecules_yaml):
    cli("drop", molecules_yaml, "--yes")
    cli("tune", molecules_yaml, code=1)
    assert cli.err == "error: nothing is indexed in 'molecules' yet\nhint: run `vicinal ingest` first\n"


def test_the_documented_block_is_valid(tmp_path):
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", (DOCS / "tuning.md").read_text(), re.S | re.M)
    path = tmp_path / "a.yaml"
    path.write_text(
        "name: a\nsource: {type: table, path: a.csv, key: k, content: t}\nencoder: {type: sentence}\n" + block
    )
    from vicinal import create_manager

    config, problems = check_config(path, create_manager())
    assert problems == []
    assert config.index.tuned.target == 0.95


@pytest.mark.parametrize(
    ("tuned", "problem"),
    [
        ("{recall: 0.96}", "index.tuned.low: is missing"),
        ("{recall: 96, low: 0.9, target: 0.9, limit: 10, rows: 1}", "index.tuned.recall: "),
        ("{recal: 0.9, low: 0.9, target: 0.9, limit: 10, rows: 1}", "index.tuned.recal: "),
    ],
)
def test_a_wrong_measurement_is_a_mistake_like_any_other(cli, molecules_yaml, tuned, problem):
    with molecules_yaml.open("a") as file:
        file.write(f"index:\n  type: BIN_FLAT\n  tuned: {tuned}\n")
    assert problem in cli("validate", molecules_yaml, code=3) + cli.err

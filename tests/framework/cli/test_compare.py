"""``vicinal compare`` on the molecules sample: its table, its JSON, its verdict, and what it refuses."""

from __future__ import annotations

import re

import pyarrow.parquet as pq
import pytest

OPTIONS = ("--labels", "use", "--sample", 40)


@pytest.fixture
def maccs_yaml(molecules_yaml, cli):
    """The same items by another fingerprint, of a twelfth of the size, indexed."""
    text = molecules_yaml.read_text(encoding="utf-8").replace("name: molecules", "name: maccs")
    path = molecules_yaml.with_name("maccs.yaml")
    path.write_text(re.sub(r"encoder: .*", "encoder: {type: fingerprint, kind: maccs}", text), encoding="utf-8")
    cli("ingest", path)
    return path


def test_table_and_verdict(cli, molecules_yaml, maccs_yaml):
    lines = cli("compare", molecules_yaml, maccs_yaml, *OPTIONS).splitlines()
    assert re.fullmatch(r"40 of \d+ items as queries, \d+ labels in use", lines[0])
    assert lines[2].split() == ["molecules", "maccs"]
    names = [line[1:18].strip() for line in lines if re.search(r"  \S", line[10:])][1:]
    assert names == [
        "mAP@10", "P@1", "P@10", "recall@10", "MRR@10", "nDCG@10", "index recall@10", "index", "bytes an item",
        "in the index", "search, ms", "encode, ms", "items/s encoded",
    ]  # fmt: skip
    assert re.fullmatch(r"measured in \d+\.\d s", lines[-2])
    assert re.match(r"molecules is better: mAP@10 0\.\d\d against 0\.\d\d \(p = |no difference that 40 q", lines[-1])
    assert "vectors are 12 times the size" in lines[-1] or "maccs's vectors are 8% of the size" in lines[-1]


def test_json_and_the_table_of_each_query(cli, molecules_yaml, maccs_yaml, tmp_path):
    report = cli.json(
        "compare", molecules_yaml, maccs_yaml, molecules_yaml, *OPTIONS, "--measure", "nDCG@5", "--no-index-recall",
        "--no-speed", "--per-query", tmp_path / "table.parquet",
    )  # fmt: skip
    assert list(report) == [
        "verdict", "judged_by", "measure", "limit", "queries", "items", "labels", "skipped", "chance", "solutions",
        "pairs", "seconds", "warnings",
    ]  # fmt: skip
    assert [one["name"] for one in report["solutions"]] == ["molecules (1)", "maccs", "molecules (2)"]
    assert [one["size"]["bytes_per_item"] for one in report["solutions"]] == [256, 21, 256]
    assert (report["measure"], report["queries"], report["judged_by"]) == ("nDCG@5", 40, "use")
    same = report["pairs"][1]
    assert (same["difference"], same["p"], same["equal"]) == ({"value": 0.0, "low": 0.0, "high": 0.0}, 1.0, 40)
    table = pq.read_table(tmp_path / "table.parquet")
    assert table.column_names == ["solution", "query", "label", "relevant", "nDCG@5", "found"]
    assert table.num_rows == 120


def test_one_file_twice(cli, molecules_yaml):
    verdict = cli("compare", molecules_yaml, molecules_yaml, *OPTIONS).splitlines()[-1]
    assert verdict.startswith("no difference: both find the same for each of 40 queries")


def test_two_files_of_one_name_are_told_apart_by_their_paths(cli, molecules_yaml):
    other = molecules_yaml.with_name("copy.yaml")
    other.write_text(molecules_yaml.read_text(encoding="utf-8"), encoding="utf-8")
    lines = cli("compare", molecules_yaml, other, *OPTIONS, "--no-speed").splitlines()
    assert lines[2].split() == ["molecule.yaml", "copy.yaml"]
    assert lines[-1] == "no difference: both find the same for each of 40 queries"
    other.write_text(other.read_text(encoding="utf-8").replace("radius: 2", "radius: 3"), encoding="utf-8")
    cli("compare", molecules_yaml, other, *OPTIONS, code=1)
    assert "'copy.yaml' and 'molecule.yaml' are called 'molecules' and have the same stores" in cli.err
    assert "hint: give one of them another `name`, and run `vicinal ingest` with it" in cli.err


def test_mistakes(cli, molecules_yaml, small_yaml):
    cli("compare", molecules_yaml, small_yaml, "--labels", "use", code=1)
    assert cli.err == (
        "error: things.yaml: nothing is indexed in 'things' yet\nhint: run `vicinal ingest things.yaml` first\n"
    )
    for options in (
        [],
        [molecules_yaml, "--labels", "use", "--qrels", molecules_yaml],
        [molecules_yaml, "--queries", molecules_yaml],
        [molecules_yaml, "--measure", "P@1"],
        [molecules_yaml, "--labels", "use", "--sample", "1"],
        ["absent.yaml"],
    ):
        cli("compare", molecules_yaml, *options, code=2)
    cli("compare", molecules_yaml, molecules_yaml, "--labels", "use", "--per-query", "no/table.csv", code=1)
    assert cli.err.startswith("error: cannot write no/table.csv: No such file or directory\n")


def test_help_needs_nothing_heavy(vicinal):
    assert "FILE FILE..." in vicinal("compare", "--help").stdout

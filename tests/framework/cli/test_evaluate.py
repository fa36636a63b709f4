"""``vicinal evaluate`` on the molecules sample: its table, its JSON, its files, and what it refuses."""

import re
import sys
from pathlib import Path

import pyarrow.parquet as pq

CONFIGS = Path(__file__).parents[3] / "configs"


def test_table(cli, molecules_yaml):
    lines = cli("evaluate", molecules_yaml, "--labels", "use", "--sample", 40).splitlines()
    assert re.fullmatch(r"molecules: 40 of \d+ items as queries, \d+ labels in use", lines[0])
    figures = re.findall(r"^ *(\S+(?: recall@10)?) +(\d\.\d{3}) +(\d\.\d{3}) to (\d\.\d{3})", "\n".join(lines), re.M)
    names = ["P@1", "P@10", "recall@10", "mAP@10", "MRR@10", "nDCG@10", "index recall@10"]
    assert [name for name, *_ in figures] == names
    assert all(float(low) <= float(value) <= float(high) for _, value, low, high in figures)
    assert figures[-1][1:] == ("1.000", "1.000", "1.000")
    assert any(re.fullmatch(r"items in random order have P@k 0\.\d{3}", line) for line in lines)
    assert any(re.fullmatch(r"index BIN_FLAT: 40 vectors against all \d+ stored ones", line) for line in lines)
    assert re.fullmatch(r"measured in \d+\.\d s", lines[-1])


def test_json_and_the_table_of_each_query(cli, molecules_yaml, tmp_path):
    report = cli.json(
        "evaluate", molecules_yaml, "--labels", "use", "--measure", "P@1", "--measure", "nDCG@5", "--sample", 40,
        "--per-query", tmp_path / "table.parquet", "--no-index-recall",
    )  # fmt: skip
    assert list(report) == [
        "solution", "judged_by", "metrics", "queries", "items", "labels", "skipped", "chance", "index", "seconds",
        "warnings",
    ]  # fmt: skip
    assert list(report["metrics"]) == ["P@1", "nDCG@5"]
    assert set(report["metrics"]["P@1"]) == {"value", "low", "high"}
    assert (report["queries"], report["judged_by"], report["index"]) == (40, "use", None)
    table = pq.read_table(tmp_path / "table.parquet")
    assert table.column_names == ["query", "label", "relevant", "P@1", "nDCG@5", "found"]
    assert table.num_rows == 40
    assert sum(table["P@1"].to_pylist()) / 40 == report["metrics"]["P@1"]["value"]


def test_the_page_of_a_report(cli, molecules_yaml, tmp_path):
    report = cli.json("evaluate", molecules_yaml, "--labels", "use", "--sample", 40, "--html", tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert "<h1>molecules: how good are the answers?</h1>" in html
    assert f"{report['metrics']['nDCG@10']['value']:.3f}" in html
    assert html.count("data:image/svg+xml;base64,") > 100
    assert html.count("plotly.js v") == 1
    assert 5_000_000 < len(html) < 9_000_000


def test_files_that_cannot_be_written_are_noticed_before_the_work(cli, small_yaml, tmp_path):
    """Nothing is indexed, which would be the error otherwise."""
    (tmp_path / "folder.html").mkdir()
    hint = "hint: name a file in a folder that exists\n"
    for option, file, reason in (
        ("--html", "no/report.html", "No such file or directory"),
        ("--per-query", "no/table.csv", "No such file or directory"),
        ("--per-query", "things.yaml/table.csv", "Not a directory"),
    ):
        cli("evaluate", small_yaml, "--labels", "label", option, file, code=1)
        assert cli.err == f"error: cannot write {file}: {reason}\n{hint}"
    cli("evaluate", small_yaml, "--labels", "label", "--per-query", "table.xlsx", code=1)
    assert cli.err == "error: table.xlsx: a per-query table is .parquet or .csv\nhint: name the file so\n"
    cli("evaluate", small_yaml, "--labels", "label", "--html", "folder.html", code=2)
    cli("map", small_yaml, "--out", "no/map.html", code=1)
    assert cli.err == f"error: cannot write no/map.html: No such file or directory\n{hint}"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_a_page_needs_plotly(cli, small_yaml, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    cli("evaluate", small_yaml, "--labels", "label", "--html", "page.html", code=4)
    assert cli.err == 'error: a page with plots needs the package plotly\nhint: pip install "vicinal[evaluate]"\n'


def test_judgments(cli, molecules_yaml, tmp_path):
    (tmp_path / "pairs.csv").write_text(
        "query,key\nCC(=O)Oc1ccccc1C(=O)O,aspirin\nCn1cnc2c1c(=O)n(C)c(=O)n2C,caffeine\n"
    )
    report = cli.json("evaluate", molecules_yaml, "--qrels", "pairs.csv", "--measure", "P@1")
    assert report["metrics"]["P@1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert cli("evaluate", molecules_yaml, "--qrels", "pairs.csv").startswith("molecules: 2 queries of pairs.csv, ")


def test_items_are_found_by_their_other_smiles(cli, molecules_yaml):
    options = ["--self", "--sample", 40, "--disturbance", "other-smiles", "--disturbance", "tautomer"]
    lines = cli("evaluate", molecules_yaml, *options).splitlines()
    assert re.fullmatch(r"molecules: 40 of \d+ items, each searched with as it is and disturbed", lines[0])
    bounds = r"\[(?:\.\d\d|1), (?:\.\d\d|1)\]"
    rows = re.findall(
        rf"^ *(\S+) +(\d\.\d\d) {bounds} +(\d\.\d\d) {bounds} +(\d\.\d\d) +(\d+) *$", "\n".join(lines), re.M
    )
    assert [name for name, *_ in rows] == ["unchanged", "other-smiles", "tautomer"]
    assert rows[0] == ("unchanged", "1.00", "1.00", "1.00", "40")
    assert rows[1][1:4] == ("1.00", "1.00", "1.00")
    assert max(map(len, lines)) <= 80
    report = cli.json("evaluate", molecules_yaml, *options)
    assert report["disturbances"]["other-smiles"]["recall@1"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_mistakes(cli, molecules_yaml):
    cli("evaluate", molecules_yaml, "--labels", "uses", code=1)
    assert cli.err == "error: no item has metadata 'uses' (did you mean 'use'?)\nhint: known: use\n"
    cli("evaluate", molecules_yaml, code=1)
    assert cli.err.splitlines() == [
        "error: which items are relevant to which?",
        "hint: --labels FIELD takes items of equal metadata for similar (use); --qrels FILE reads judgments;"
        " --self takes each item for its own",
    ]
    cli("evaluate", molecules_yaml, "--labels", "use", "--measure", "ndcg", code=1)
    assert "there is no measure 'ndcg'" in cli.err


def test_options_that_exclude_each_other(cli, molecules_yaml):
    pairs = molecules_yaml.with_name("pairs.csv")
    pairs.write_text("a,b\n")
    for options in (
        ["--labels", "use", "--qrels", pairs],
        ["--queries", pairs],
        ["--labels", "use", "--search"],
        ["--qrels", pairs, "--split", "time"],
        ["--self", "--labels", "use"],
        ["--self", "--measure", "P@1"],
        ["--disturbance", "salt"],
    ):
        cli("evaluate", molecules_yaml, *options, code=2)


def test_a_seed_out_of_range(cli, small_yaml):
    for command in (["evaluate", "--labels", "use"], ["map"]):
        for seed in (-1, 2**32):
            cli(command[0], small_yaml, *command[1:], "--seed", seed, code=2)
            assert f"{seed} is not in the range 0<=x<=4294967295" in cli.err


def test_help_needs_nothing_heavy(vicinal):
    assert "--labels FIELD" in vicinal("evaluate", "--help").stdout


def test_a_recommender_is_compared_with_simple_models(cli, tmp_path):
    films = CONFIGS / "data" / "films"
    file = tmp_path / "films.yaml"
    source, encoder = f"{{type: movielens, path: '{films}'}}", f"{{type: als, interactions: {{path: '{films}'}}}}"
    file.write_text(f"name: films\nsource: {source}\nencoder: {encoder}\n")
    page = tmp_path / "films.html"
    options = ["--split", "leave-last-out", "--sample", 200, "--html", page]
    lines = cli("evaluate", file, *options).splitlines()
    assert lines[0] == "films: split leave-last-out, 200 queries, 360 items ranked"
    names = [line.split("  ")[0].strip() for line in lines if re.search(r"\d\.\d{3} \[1?\.\d{3}, 1?\.\d{3}\]", line)]
    assert names[:4] == ["als", "popularity", "item cosine", "EASE"]
    rows = [line for line in lines if line.strip().startswith(tuple(names[:4])) and " p = " not in line]
    assert [len(re.findall(r"\[", line)) for line in rows] == [3] * 4
    assert max(len(line.rstrip()) for line in rows) <= 80
    assert "nDCG@10" in lines[-2]
    assert " p = " in lines[-2]
    cli("evaluate", file, "--split", "weekly", code=1)
    assert cli.err == "error: there is no split 'weekly'\nhint: known: time, leave-last-out, random\n"
    assert "<h2>coverage@10</h2>" in page.read_text()
    assert lines[-2].partition(": ")[0] in page.read_text()

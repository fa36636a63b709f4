"""What each command does with a solution and prints, on the molecules sample with embedded stores."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest

from vicinal import Solution
from vicinal.cli.demo import SAMPLES

CONFIGS = Path(__file__).parents[3] / "configs"

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
REPORT = [
    "solution", "seen", "new", "updated", "unchanged", "removed", "failed", "skipped", "skip_reasons", "truncated",
    "rows", "seconds", "items_per_second",
    "warnings",
]  # fmt: skip


class TestIngest:
    def test_json_is_the_report_alone(self, vicinal, small_yaml):
        done = vicinal("ingest", small_yaml, "--json")
        report = json.loads(done.stdout)
        assert list(report) == REPORT
        counts = {name: report[name] for name in REPORT[:11]}
        assert counts == {
            "solution": "things", "seen": 5, "new": 3, "updated": 0, "unchanged": 0, "removed": 0, "failed": 2,
            "skipped": 0, "skip_reasons": {}, "truncated": 0, "rows": 3,
        }  # fmt: skip
        assert report["seconds"] > 0
        assert report["items_per_second"] > 0
        assert (report["warnings"], done.stderr) == ([], "")

    def test_terminal_shows_one_line_and_where_to_find_the_reasons(self, cli, small_yaml):
        first, second = cli("ingest", small_yaml).splitlines()
        assert re.fullmatch(r"things: 5 items seen in \d+\.\d s \(\d+/s\): 3 new, 2 failed; 3 rows indexed", first)
        assert second == "reasons: vicinal failures things.yaml"
        again = cli("ingest", small_yaml).splitlines()[0]
        assert re.fullmatch(
            r"things: 5 items seen in \d+\.\d s \(\d+/s\): 3 unchanged, 2 failed; 3 rows indexed", again
        )

    def test_limit_then_all_then_prune(self, cli, small_yaml):
        report = cli.json("ingest", small_yaml, "--limit", 2)
        assert (report["seen"], report["new"], report["rows"]) == (2, 2, 2)
        report = cli.json("ingest", small_yaml)
        assert (report["new"], report["unchanged"], report["failed"], report["rows"]) == (1, 2, 2, 3)
        Path("things.csv").write_text("name,smiles\nbenzene,c1ccccc1\n")
        report = cli.json("ingest", small_yaml)
        assert (report["seen"], report["removed"], report["rows"]) == (1, 0, 3)
        report = cli.json("ingest", small_yaml, "--prune")
        assert (report["seen"], report["removed"], report["rows"]) == (1, 2, 1)

    def test_an_empty_source(self, cli, small_yaml):
        Path("things.csv").write_text("name,smiles\n")
        assert cli("ingest", small_yaml).startswith("things: 0 items seen in ")

    def test_missing_source(self, cli, small_yaml):
        Path("things.csv").unlink()
        assert cli("ingest", small_yaml, code=1) == ""
        assert cli.err.startswith("error: ")
        assert "things.csv" in cli.err


class TestSearch:
    def test_json_is_the_result_alone(self, vicinal, molecules_yaml):
        done = vicinal("search", molecules_yaml, ASPIRIN, "--limit", 3, "--json")
        result = json.loads(done.stdout)
        assert list(result) == ["solution", "hits", "timings_ms"]
        assert result["solution"] == "molecules"
        timings = result["timings_ms"]
        assert list(timings) == [
            "startup_imports", "startup_config", "startup_stores", "startup_model",
            "decode", "encode", "search", "metadata", "total",
        ]  # fmt: skip
        assert all(value >= 0 for value in timings.values())
        assert timings["total"] == pytest.approx(sum(timings[step] for step in list(timings)[4:8]), abs=200)
        assert timings["startup_imports"] > 100  # numpy, pymilvus, RDKit
        assert timings["decode"] < timings["startup_imports"]  # RDKit's import is not part of it
        assert [hit["rank"] for hit in result["hits"]] == [1, 2, 3]
        assert result["hits"][0] == {
            "key": "aspirin",
            "rank": 1,
            "distance": 0.0,
            "similarity": 1.0,
            "uri": "",
            "metadata": {"use": "NSAID"},
            "content": ASPIRIN,
            "segment": None,
            "score": None,
            "note": None,
        }
        assert done.stderr == ""

    def test_query_by_key_leaves_out_the_item_itself(self, cli, molecules_yaml):
        hits = cli.json("search", molecules_yaml, "@aspirin", "--limit", 3)["hits"]
        assert len(hits) == 3
        assert "aspirin" not in [hit["key"] for hit in hits]

    def test_a_filter_holds_for_every_hit(self, cli, molecules_yaml):
        hits = cli.json("search", molecules_yaml, ASPIRIN, "--limit", 5, "--filter", 'use != "NSAID"')["hits"]
        assert len(hits) == 5
        assert "NSAID" not in {hit["metadata"]["use"] for hit in hits}

    def test_several_queries_are_searched_in_one_call(self, cli, molecules_yaml):
        found = cli.json("search", molecules_yaml, ASPIRIN, "@caffeine", "--limit", 1)
        assert [result["hits"][0]["key"] for result in found] == ["aspirin", "theobromine"]

    def test_examples_are_searched_for_with_a_query_and_without(self, cli, molecules_yaml):
        with Solution.from_yaml(molecules_yaml) as solution:
            near = solution.search(like=["@aspirin", ASPIRIN], unlike=["@caffeine"], limit=3)
            beside = solution.search("CCO", like=["@aspirin"], limit=3)
        examples = ("--like", "@aspirin", "--like", ASPIRIN, "--unlike", "@caffeine", "--limit", 3)
        found = cli.json("search", molecules_yaml, *examples)
        assert [hit["key"] for hit in found["hits"]] == [hit.key for hit in near]
        found = cli.json("search", molecules_yaml, "CCO", "--like", "@aspirin", "--limit", 3)
        assert [hit["key"] for hit in found["hits"]] == [hit.key for hit in beside]
        table = cli("search", molecules_yaml, *examples)
        assert near[0].key in table
        assert f"nothing found for '@aspirin, {ASPIRIN}'" in cli(
            "search", molecules_yaml, *examples, "--filter", 'use == "none at all"'
        )

    def test_similarity_and_diversity(self, cli, molecules_yaml):
        with Solution.from_yaml(molecules_yaml) as solution:
            near = solution.search(ASPIRIN, min_similarity=0.3)
            diverse = solution.search(ASPIRIN, diversity=0.7)
        assert 1 < len(near) < 10
        found = cli.json("search", molecules_yaml, ASPIRIN, "--min-similarity", 0.3)
        assert [hit["key"] for hit in found["hits"]] == [hit.key for hit in near]
        found = cli.json("search", molecules_yaml, ASPIRIN, "--diversity", 0.7)
        assert [hit["key"] for hit in found["hits"]] == [hit.key for hit in diverse]

    def test_an_example_that_fails_is_named(self, cli, molecules_yaml):
        assert cli("search", molecules_yaml, "--like", "@unobtainium", code=1) == ""
        assert cli.err.splitlines()[0] == "error: no item has the key 'unobtainium'"
        assert cli("search", molecules_yaml, "CCO", "--unlike", "c1ccc", code=1) == ""
        assert "c1ccc" in cli.err.splitlines()[0]
        assert cli("search", molecules_yaml, "CCO", "--min-similarity", "1.5", code=1) == ""
        assert cli.err == "error: min_similarity is 1.5\nhint: similarities are 0 to 1 here (JACCARD)\n"

    def test_terminal_shows_a_table(self, cli, molecules_yaml):
        lines = cli("search", molecules_yaml, ASPIRIN, "--limit", 2).splitlines()
        assert lines[1].split() == ["#", "similarity", "key", "content", "use"]
        assert lines[3].split() == ["1", "1.000", "████████", "aspirin", ASPIRIN, "NSAID"]
        assert re.fullmatch(r"decode .* ms, encode .* ms, search .* ms, metadata .* ms, total .* ms", lines[-2])
        assert re.fullmatch(r"start-up .* ms: imports .* ms, config .* ms, stores .* ms, model .* ms", lines[-1])

    def test_brackets_of_a_query_are_not_markup(self, cli, molecules_yaml):
        assert cli("search", molecules_yaml, "[red]", code=1) == ""
        assert "'[red]'" in cli.err
        printed = cli("search", molecules_yaml, "c1ccc2[nH]ccc2c1", "C[C@H](N)O", "--limit", 1)
        assert "c1ccc2[nH]ccc2c1" in printed.splitlines()[0]
        assert "C[C@H](N)O" in printed

    def test_unknown_key(self, cli, molecules_yaml):
        assert cli("search", molecules_yaml, "@unobtainium", code=1) == ""
        assert cli.err.splitlines()[0] == "error: no item has the key 'unobtainium'"

    @pytest.mark.all_encoders
    def test_a_query_file_that_does_not_exist_is_named(self, cli):
        Path("images").mkdir()
        shutil.copyfile(CONFIGS / "data" / "images" / "fish" / "fish-1.jpg", "images/fish.jpg")
        file = Path("images.yaml")
        file.write_text("name: images\nsource: {type: folder, path: images}\nencoder: {type: efficientnet_lite0}\n")
        assert cli.json("ingest", file)["rows"] == 1
        assert cli("search", file, "images/fish.jpg", "holiday/gone.jpg", code=1) == ""
        assert cli.err == "error: there is no file holiday/gone.jpg\n"

    def test_filter_without_a_match(self, cli, molecules_yaml):
        printed = cli("search", molecules_yaml, "CCO", "--filter", 'use == "none at all"')
        assert printed.splitlines()[0] == "nothing found for 'CCO'"
        assert cli.json("search", molecules_yaml, "CCO", "--filter", 'use == "none at all"')["hits"] == []


class TestMaintenance:
    def test_status(self, cli, molecules_yaml, rows):
        found = cli.json("status", molecules_yaml)
        assert list(found) == [
            "solution", "items", "rows", "truncated", "failures", "encoder", "index", "replicas", "created", "updated",
            "generation", "reindex", "previous", "promotion", "restoring", "stores",
        ]  # fmt: skip
        assert (found["items"], found["rows"], found["failures"]) == (len(rows), len(rows), 0)
        assert found["encoder"]["type"] == "morgan"
        assert found["index"]["metric"] == "JACCARD"
        assert found["stores"]["redis"]["location"] == str(Path(".vicinal/redis").resolve())
        words = cli("status", molecules_yaml).split()
        assert words[words.index("items") + 1] == f"{len(rows):,}"

    def test_status_before_anything_is_indexed(self, cli, small_yaml):
        found = cli.json("status", small_yaml)
        assert (found["items"], found["index"], found["updated"]) == (0, None, None)
        assert "nothing indexed yet" in cli("status", small_yaml)

    def test_check_of_a_consistent_solution(self, cli, molecules_yaml, rows):
        report = cli.json("check", molecules_yaml)
        assert report == {
            "solution": "molecules", "items": len(rows), "rows": len(rows), "unfinished": 0, "missing_vectors": 0,
            "missing_metadata": 0, "orphan_vectors": 0, "orphan_metadata": 0, "wrong_counts": 0, "repaired": False,
            "consistent": True,
        }  # fmt: skip
        assert cli("check", molecules_yaml).splitlines()[-1] == "consistent"

    def test_check_of_a_damaged_solution_fails_until_repaired(self, cli, molecules_yaml, rows):
        from vicinal import Solution
        from vicinal.types import item_id

        with Solution.from_yaml(molecules_yaml) as solution:
            solution.vectors.delete_rows([item_id("aspirin")])
            solution.metadata.drop_metadata([item_id("caffeine")])
        report = cli.json("check", molecules_yaml, code=1)
        assert (report["missing_vectors"], report["missing_metadata"], report["consistent"]) == (1, 1, False)
        assert (
            cli("check", molecules_yaml, code=1).splitlines()[-1]
            == "inconsistent; run: vicinal check molecule.yaml --repair"
        )
        assert cli("check", molecules_yaml, "--repair").splitlines()[-1] == "repaired"
        report = cli.json("ingest", molecules_yaml)
        assert (report["updated"], report["unchanged"], report["rows"]) == (2, len(rows) - 2, len(rows))
        assert cli.json("check", molecules_yaml)["consistent"] is True

    def test_remove(self, cli, molecules_yaml, rows):
        assert cli("remove", molecules_yaml, "aspirin", "nothing", code=1) == ""
        assert cli.err == "error: not indexed: nothing\nhint: keys are case-sensitive\n"
        assert cli("remove", molecules_yaml, "aspirin", "caffeine") == "molecules: 2 removed\n"
        assert cli.json("status", molecules_yaml)["items"] == len(rows) - 2
        assert cli.json("remove", molecules_yaml, "abacavir") == {"solution": "molecules", "removed": 1}
        assert cli.json("search", molecules_yaml, ASPIRIN, "--limit", 1)["hits"][0]["key"] != "aspirin"
        assert cli.json("ingest", molecules_yaml)["new"] == 3

    @pytest.mark.parametrize("answer", ["n\n", ""])
    def test_drop_asks_first(self, cli, molecules_yaml, rows, monkeypatch, answer):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert cli("drop", molecules_yaml, code=1) == ""
        assert cli.err.startswith(f"drop 'molecules' with {len(rows)} items? [y/N]: ")
        assert cli.err.endswith("error: nothing was dropped\nhint: --yes drops without asking\n")
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        assert cli("drop", molecules_yaml) == f"molecules: dropped, {len(rows)} items\n"

    def test_drop_leaves_nothing(self, cli, molecules_yaml, rows):
        assert cli.json("drop", molecules_yaml, "--yes") == {"solution": "molecules", "dropped": len(rows)}
        assert cli.json("status", molecules_yaml)["items"] == 0
        assert cli("search", molecules_yaml, "CCO", code=1) == ""
        assert cli("drop", molecules_yaml, "--yes") == "molecules: dropped, 0 items\n"

    def test_index_rebuilds_as_the_yaml_says(self, cli, molecules_yaml):
        assert cli.json("index", molecules_yaml) == {
            "solution": "molecules",
            "index": {"type": "BIN_FLAT", "metric": "JACCARD", "params": {}, "search": {}},
        }
        assert cli("index", molecules_yaml) == "molecules: built BIN_FLAT, JACCARD\n"
        molecules_yaml.write_text(molecules_yaml.read_text() + "index: HNSW\n")
        assert cli("index", molecules_yaml, code=3) == ""
        assert re.match(r"error: Milvus Lite [\d.]+ cannot build index 'HNSW' for binary vectors\nhint: ", cli.err)

    def test_export_and_import_move_everything_without_encoding(self, cli, molecules_yaml, rows):
        arguments = ("search", "molecule.yaml", "@aspirin", "--limit", 20)
        before = cli.json(*arguments)["hits"]
        assert cli("export", molecules_yaml, "out/all.parquet") == f"molecules: {len(rows)} items in out/all.parquet\n"
        assert cli.json("export", molecules_yaml, "all.parquet") == {
            "solution": "molecules", "exported": len(rows), "path": "all.parquet",
        }  # fmt: skip
        cli("drop", molecules_yaml, "--yes")
        shutil.rmtree("data")
        report = cli.json("import", molecules_yaml, "all.parquet")
        assert (list(report), report["new"], report["rows"]) == (REPORT, len(rows), len(rows))
        assert cli.json(*arguments)["hits"] == before
        assert cli.json("import", molecules_yaml, "all.parquet")["new"] == 0
        assert cli.json("check", molecules_yaml)["consistent"] is True

    def test_import_of_a_file_that_is_not_an_export(self, cli, molecules_yaml):
        assert cli("import", molecules_yaml, "molecule.yaml", code=1) == ""
        assert cli.err.startswith("error: molecule.yaml is not a parquet file that can be read: ")


class TestFailures:
    def test_failures_are_listed_with_stage_and_reason(self, cli, small_yaml):
        cli("ingest", small_yaml)
        found = cli.json("failures", small_yaml)
        assert [list(failure) for failure in found] == [["key", "stage", "message", "uri", "at"]] * 2
        assert [(failure["key"], failure["stage"]) for failure in found] == [
            ("broken", "decode"),
            ("nonsense", "decode"),
        ]
        assert found[0]["message"] == "not a SMILES: unclosed ring, in 'c1ccccc'"
        printed = cli("failures", small_yaml)
        assert printed.splitlines()[1].split() == ["key", "stage", "reason", "at"]
        assert "unclosed ring" in printed

    def test_retry_reads_only_the_failed_items(self, cli, small_yaml):
        cli("ingest", small_yaml)
        Path("things.csv").write_text(Path("things.csv").read_text().replace("c1ccccc\n", "c1ccccc1C\n"))
        report = cli.json("failures", small_yaml, "--retry")
        assert (report["seen"], report["new"], report["failed"], report["rows"]) == (2, 1, 1, 4)
        assert [failure["key"] for failure in cli.json("failures", small_yaml)] == ["nonsense"]

    def test_no_failures(self, cli, molecules_yaml):
        assert cli("failures", molecules_yaml) == "no failures\n"
        assert cli.json("failures", molecules_yaml) == []


@pytest.mark.all_encoders
def test_demo_indexes_and_searches_the_samples(vicinal):
    molecules_yaml, qa, images, sounds, videos, films = answers = json.loads(vicinal("demo", "demo", "--json").stdout)
    assert [each["solution"] for each in answers] == [
        "molecules",
        "qa",
        "images-offline",
        "audio",
        "videos",
        "recommend",
    ]
    assert all(list(each["ingest"]) == REPORT for each in answers)
    assert {each["ingest"]["failed"] for each in answers} == {0}
    assert [search["hits"][0]["key"] for search in molecules_yaml["searches"]][:2] == ["aspirin", "theobromine"]
    assert qa["searches"][0]["hits"][0]["key"] == "nprobe"
    cut_out, flowers, other = ([hit["key"] for hit in search["hits"]] for search in images["searches"])
    assert cut_out[0] == "fish/fish-4.jpg"
    assert {key.split("/")[0] for key in flowers} == {"flowers"}
    assert "sunset" not in {key.split("/")[0] for key in other}
    owl, chords = ([hit["key"] for hit in search["hits"]] for search in sounds["searches"])
    assert owl[0] == "birds/owl.ogg"
    assert {key.split("/")[0] for key in chords[:2]} == {"chords"}
    still, same = (search["hits"][0] for search in videos["searches"])
    assert (still["key"], still["segment"]["start"]) == ("winter.mp4", 4.0)
    assert same["key"] in ("winter.mp4", "night-out.mp4", "countryside.mp4", "a-day-at-sea.mp4")
    genres = [[hit["metadata"]["genre"] for hit in search["hits"]] for search in films["searches"]]
    assert genres[1:] == [["Sci-Fi"] * 3, ["Comedy"] * 3]
    files = {".vicinal", "data", *(sample.yaml for sample in SAMPLES)}
    assert {file.name for file in Path("demo").iterdir()} == files

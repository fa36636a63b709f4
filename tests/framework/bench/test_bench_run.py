"""A benchmark on both engines: its figures, its proof, its files, and going on after a kill."""

from __future__ import annotations

import json

import pytest

from vicinal.bench.benchmark import run_benchmark
from vicinal.bench.records import Records
from vicinal.cli.app import main
from vicinal.errors import UnsupportedByEngineError, VicinalError

pytestmark = pytest.mark.long_on_server


@pytest.fixture
def engine(where, monkeypatch, write):
    path = write(write().read_text().replace("clients: []", "clients: [2]").replace("batches: []", "batches: [10]"))
    if "://" in where:
        monkeypatch.setenv("MILVUS_URI", where)
    return path


def test_both_engines_are_measured(engine):
    report, folder = run_benchmark(engine)
    flat, few, all_ = report.cases
    assert [case["index"] for case in report.cases] == ["FLAT", "IVF_FLAT", "IVF_FLAT"]
    assert flat["recall"] == all_["recall"] == 1.0
    assert 0.2 < few["recall_low"] < few["recall"] < few["recall_high"] < 1
    assert few["proof"]["is_approximate"]
    assert few["proof"]["all_rows_indexed"] in (True, None)
    assert few["limits"]["1"]["recall"]["value"] >= few["recall"]
    assert "qps" not in few
    assert all_["conc_num_list"] == [2]
    assert all_["qps"] == all_["conc_qps_list"][0] > 0
    assert all_["batches"][0]["qps"] > 0
    assert all_["filters"][0]["recall"]["value"] == 1.0
    assert all_["serial_latency_p50"] <= all_["serial_latency_p95"] <= all_["serial_latency_p99"]
    assert all_["memory"] > 10_000_000
    assert all_["load_duration"] >= report.facts["insert_duration"] > 0
    assert (report.facts["rows"], report.facts["dimension"], report.facts["metric"]) == (2000, 16, "L2")
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert [line["recall"] for line in lines] == [case["recall"] for case in report.cases]
    assert "IVF_FLAT nlist 32" in (folder / "report.html").read_text()


def test_a_run_goes_on_after_its_last_record(write):
    path = write()
    report, folder = run_benchmark(path)
    lines = (folder / "records.jsonl").read_text().splitlines(keepends=True)
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds == ["insert", "build", "search", "filters", "build", "search", "search", "filters"]
    said = []
    (folder / "records.jsonl").write_text("".join(lines[:-1]) + lines[-1][:20])
    again, _ = run_benchmark(path, say=said.append)
    assert again.cases[:2] == report.cases[:2]
    done = [text.split(":")[0] for text in said if not text.startswith(("expected", " "))]
    assert done == [
        "2,000 rows written",
        "IVF_FLAT nlist 32",
        "IVF_FLAT, filter of 10%",
    ]


def test_a_run_whose_records_are_all_there_measures_nothing(write):
    path = write()
    report, folder = run_benchmark(path)
    before = (folder / "records.jsonl").read_bytes()
    again, _ = run_benchmark(path)
    assert again == report
    assert (folder / "records.jsonl").read_bytes() == before


def test_an_index_that_the_engine_cannot_build_is_left_out(write):
    text = write().read_text().replace("{type: FLAT}", "{type: SCANN}")
    report, _ = run_benchmark(write(text))
    assert {case["index"] for case in report.cases} == {"IVF_FLAT"}
    assert report.warnings[0].startswith("SCANN is left out: Milvus Lite 3.2")


def test_a_matrix_of_which_the_engine_can_build_nothing_is_an_error(write):
    text = write().read_text().replace("{type: FLAT}", "{type: SCANN}").replace("IVF_FLAT", "DISKANN")
    text = text.replace("params: {nlist: 32}, search: {nprobe: [1, 32]}", "search: {search_list: 20}")
    with pytest.raises(UnsupportedByEngineError, match="cannot build index 'DISKANN'"):
        run_benchmark(write(text))


def test_a_folder_that_cannot_be_written_is_an_error_before_the_work(write, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VicinalError, match=r"cannot write .*records\.jsonl: Not a directory"):
        run_benchmark(write(), tmp_path / "file" / "results")


def test_a_line_that_was_cut_off_is_as_if_it_were_not_there(tmp_path):
    path = tmp_path / "records.jsonl"
    Records(path).add("a", {"kind": "insert"})
    with path.open("a") as file:
        file.write('{"key": "b", "ki')
    records = Records(path)
    records.add("c", {"kind": "build"})
    assert Records(path).get("b") is None
    assert Records(path).get("c") == {"key": "c", "kind": "build"}


@pytest.mark.long
def test_files_are_imported_by_a_server(write, tmp_path, monkeypatch, milvus_server):
    monkeypatch.setenv("MILVUS_URI", milvus_server)
    text = write().read_text().replace("queries: 50", "queries: 50\nbulk_folder: bulk\nbulk_rows: 1500")
    report, _ = run_benchmark(write(text.replace("name: tiny", "name: bulk")))
    assert [case["recall"] for case in report.cases if case["search"] != {"nprobe": 1}] == [1.0, 1.0]
    assert list((tmp_path / "bulk").iterdir()) == []


def test_milvus_lite_has_no_bulk_import(write):
    with pytest.raises(UnsupportedByEngineError, match="has no bulk import"):
        run_benchmark(write(write().read_text() + "bulk_folder: bulk\n"))


def test_the_estimate_is_from_the_smaller_sizes_and_comes_before_the_run(write, capsys):
    text = write().read_text() + "sizes: [1000, 1500]\n"
    assert main(["bench", str(write(text)), "--estimate", "--json"]) == 0
    estimate = json.loads(capsys.readouterr().out)
    assert (estimate["rows"], estimate["sizes"]) == (2000, [1000, 1500])
    assert [cost["index"] for cost in estimate["indexes"]] == ["FLAT", "IVF_FLAT"]
    for cost in estimate["indexes"]:
        assert 0 <= cost["build"]["low"] <= cost["build"]["value"] <= cost["build"]["high"]
    assert estimate["insert"]["value"] > 0

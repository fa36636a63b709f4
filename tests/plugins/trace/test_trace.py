"""Spans of searches, runs and jobs, as an in-memory exporter of OpenTelemetry's SDK receives them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

from inprocess_server import ROWS, run_server
from vicinal.errors import VicinalError
from vicinal.toolkit.logs import JsonFormatter

CALLER = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture
def spans(monkeypatch):
    """A program's own tracer provider; gives a function that returns the spans that ended, by their names."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())

    def list_spans():
        found = {}
        for span in exporter.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        return found

    yield list_spans
    provider.shutdown()


@pytest.fixture
def solution(lite):
    lite.write(ROWS)
    return lite.solution()


def test_a_run_has_a_span_for_each_stage_and_a_search_one_for_each_step(solution, spans):
    solution.ingest()
    found = spans()
    (run,) = found.pop("ingest")
    assert run.parent is None
    assert {name: run.attributes[f"vicinal.{name}"] for name in ("solution", "total", "new", "failed", "rows")} == {
        "solution": "things", "total": 60, "new": 60, "failed": 0, "rows": 60,
    }  # fmt: skip
    stages = ("read", "decode", "encode", "write_metadata", "write_vectors", "commit", "index")
    assert set(found) == {f"ingest.{stage}" for stage in stages}
    for name, parts in found.items():
        assert sum(part.attributes["vicinal.items"] for part in parts) == 60, name
        assert all(part.parent.span_id == run.context.span_id for part in parts), name
        assert all(run.start_time <= part.start_time <= part.end_time <= run.end_time for part in parts), name
    with trace.get_tracer("a program").start_as_current_span("a program") as caller:
        solution.search("text 1", limit=3)
    (search,), (encode,) = spans()["search"], spans()["search.encode"]
    assert search.parent.span_id == caller.context.span_id
    assert dict(search.attributes) == {"vicinal.solution": "things", "vicinal.queries": 1, "vicinal.hits": 3}
    assert encode.parent.span_id == search.context.span_id
    assert {name for name in spans() if name.startswith("search.")} == {
        "search.decode", "search.encode", "search.search", "search.metadata",
    }  # fmt: skip


def test_a_run_that_fails_says_with_what_error_and_nothing_else_of_it(solution, spans, monkeypatch):
    def fail(*_):
        raise VicinalError("a secret")

    monkeypatch.setattr(type(solution.source), "__iter__", fail)
    with pytest.raises(VicinalError):
        solution.ingest()
    (run,) = spans()["ingest"]
    assert run.status.status_code is trace.StatusCode.ERROR
    assert (run.attributes["vicinal.state"], run.attributes["error.type"]) == ("failed", "VicinalError")
    assert "secret" not in run.to_json()
    assert not trace.get_current_span().get_span_context().is_valid


def test_searches_and_jobs_of_a_server_are_children_of_the_callers_spans(solution, spans):
    with run_server(solution) as client:
        job = client.http.post("/api/things/ingest", json={}, headers=CALLER).json()
        client.wait_for_job(job)
        assert client.http.post("/api/things/search", json={"query": "text 1"}, headers=CALLER).is_success
        assert client.get("/readyz").is_success
        assert client.http.post("/api/things/search", json={"query": ""}).status_code == 422
    found = spans()
    searched, refused = found["POST /api/{name}/search"]
    assert format(searched.context.trace_id, "032x") == CALLER["traceparent"].split("-")[1]
    assert format(searched.parent.span_id, "016x") == CALLER["traceparent"].split("-")[2]
    assert dict(searched.attributes) == {
        "http.request.method": "POST",
        "http.route": "/api/{name}/search",
        "http.response.status_code": 200,
        "vicinal.solution": "things",
    }
    assert refused.parent is None
    assert refused.attributes["http.response.status_code"] == 422
    (search,), (run,), (work,), (posted,) = (
        found[name] for name in ("search", "ingest", "job", "POST /api/{name}/ingest")
    )
    assert search.parent.span_id == searched.context.span_id
    assert work.parent.span_id == posted.context.span_id
    assert work.attributes["vicinal.job.id"] == job["id"]
    assert (work.attributes["vicinal.job.kind"], work.attributes["vicinal.state"]) == ("ingest", "done")
    assert run.parent.span_id == work.context.span_id
    assert not any("readyz" in name for name in found)
    assert "text 1" not in "".join(span.to_json() for one in found.values() for span in one)


def test_a_reindex_is_a_run_whose_stages_are_those_of_what_it_writes(solution, spans):
    solution.ingest()
    before = {name: len(found) for name, found in spans().items()}
    solution.reindex()
    found = {name: parts[before.get(name, 0) :] for name, parts in spans().items()}
    (run,) = found.pop("ingest")
    assert (run.attributes["vicinal.new"], run.attributes["vicinal.rows"]) == (60, 60)
    assert {name: sum(part.attributes["vicinal.items"] for part in parts) for name, parts in found.items()} == (
        dict.fromkeys(before.keys() - {"ingest"}, 60)
    )
    assert {part.parent.span_id for parts in found.values() for part in parts} == {run.context.span_id}


def test_a_log_line_has_the_trace_that_it_belongs_to(spans):
    record = logging.makeLogRecord({"msg": "hello", "name": "vicinal"})
    assert "trace_id" not in json.loads(JsonFormatter().format(record))
    with trace.get_tracer("a program").start_as_current_span("work") as span:
        line = json.loads(JsonFormatter().format(record))
    assert line["trace_id"] == format(span.context.trace_id, "032x")
    assert line["span_id"] == format(span.context.span_id, "016x")


PROGRAM = """
import sys, vicinal_trace
from vicinal.toolkit.tracing import get_tracer
vicinal_trace.search_finished("things", 1, 2, 3.0, {"encode": 2.0, "total": 3.0})
print(any(name.partition(".")[0] == "opentelemetry" for name in sys.modules), get_tracer() is not None)
"""


@pytest.mark.parametrize(
    ("variables", "answer", "said"),
    [
        ({}, "False False", ""),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "False False", ""),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"}, "False False", ""),
        ({"OTEL_TRACES_EXPORTER": "console"}, "True True", '"service.name": "vicinal"'),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_SERVICE_NAME": "shop"}, "True True", '"service.name": "shop"'),
    ],
)
def test_without_the_variables_nothing_of_opentelemetry_is_imported(variables, answer, said):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=inherited | variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == answer
    assert said in done.stderr
    assert ('"name": "search.encode"' in done.stderr) == bool(said)


def test_propagators_that_are_not_there_are_told_before_fastapi_looks_for_them(tmp_path):
    command = [sys.executable, "-m", "vicinal", "serve", str(tmp_path / "things.yaml")]
    done = subprocess.run(
        command, env=os.environ | {"OTEL_PROPAGATORS": "tracecontext,b4"}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.splitlines()) == (
        3,
        [
            "error: OTEL_PROPAGATORS: Propagator b4 not found. It is either misspelled or not installed.",
            "hint: install its package, as opentelemetry-propagator-b3, or unset the variable",
        ],
    )

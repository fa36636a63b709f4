"""schemathesis sends what the OpenAPI document allows and what it forbids, and finds nothing.

It checks that nothing valid is refused and nothing invalid is accepted, that responses conform, that there is no 5xx,
and that a 405 names every method. About 600 requests and twelve seconds for each solution.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from inprocess_server import run_server

MAX_EXAMPLES = 15
"""Of each operation in the phase of fuzzing."""
HOOKS = """
import schemathesis
from hypothesis import strategies

schemathesis.openapi.format("milvus-expression", strategies.sampled_from({filters}))
schemathesis.openapi.format("declared-field", strategies.just(""))
schemathesis.openapi.format("item-filters", strategies.just("{{}}"))
schemathesis.openapi.format("examples", strategies.just("[]"))

def fits_64_bits(value):
    if isinstance(value, (dict, list)):
        return all(map(fits_64_bits, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int) or -(2**63) <= value < 2**64

@schemathesis.hook
def filter_body(context, body):
    return fits_64_bits(body)
"""
"""Metadata may be any JSON, but for integers of more than 64 bits; a schema cannot say that for every depth."""


def run_schemathesis(client, folder, filters, *arguments):
    """Run all phases for single operations, the same each time; return what it prints."""
    job = client.ingest()["id"]
    (folder / "schemathesis.toml").write_text(f'[parameters]\nname = "things"\nid = "{job}"\n')
    (folder / "hooks_of_schemathesis.py").write_text(HOOKS.format(filters=filters))
    options = ["--phases", "examples,coverage,fuzzing", "--max-examples", str(MAX_EXAMPLES)]
    fixed = ["--generation-deterministic", "--continue-on-failure", "--suppress-health-check", "all", "--no-color"]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{client.url}/openapi.json", *options, *fixed, *arguments],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks_of_schemathesis", "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def successful_routes(client):
    """Return the routes that answered a request with success, as ``POST /api/{name}/search``."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    labels = [sample.labels for family in families for sample in family.samples if family.name == "vicinal_requests"]
    return {f"{one['method']} {one['route']}" for one in labels if one["status"].startswith("2")}


def assert_described(document, schema, value):
    """Check that a response has the fields of its schema, and no others."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema["required"]) <= set(value) <= set(schema["properties"])
        for name, field in schema["properties"].items():
            for part in value.get(name) if isinstance(value.get(name), list) else [value.get(name)]:
                for one in field.get("anyOf", [field.get("items", field)]):
                    assert_described(document, one, part)


@pytest.mark.parametrize("encoder", ["hashed", "words", "labelled"])
def test_responses_have_the_fields_of_their_schemas(lite, encoder):
    lite.write([("k1", "a text", 1), ("k2", "bad", 2)])
    solution = lite.solution(encoder=f"{{type: {encoder}}}")
    with run_server(solution) as client:
        job = client.ingest()
        document = client.get("/openapi.json").json()
        for method, path, body in (
            ("post", "/api/{name}/search", {"query": "a"}),
            ("get", "/api/{name}/items", None),
            ("get", "/api/{name}/items/{key}", None),
            ("get", "/api/{name}/ingest/{id}", None),
            ("get", "/api/{name}/failures", None),
            ("get", "/api/solutions", None),
            ("get", "/api/{name}/suggestions", None),
            ("get", "/readyz", None),
        ):
            response = client.request(method, path.format(name="things", key="k1", id=job["id"]), json=body)
            content = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
            assert response.status_code == 200
            assert_described(document, content.get("anyOf", [content])[0], response.json())


@pytest.mark.long
def test_server_of_texts_does_what_its_schema_says(text_client, tmp_path):
    filters = ["", "year > 2000", "year in [2001, 2002] or year == 2005"]
    operations = sum(map(len, text_client.get("/openapi.json").json()["paths"].values()))
    assert operations > 20
    assert f"{operations} selected / {operations} total" in run_schemathesis(text_client, tmp_path, filters)
    assert successful_routes(text_client) >= {
        "POST /api/{name}/search",
        "GET /api/{name}/items",
        "POST /api/{name}/items",
        "GET /api/{name}/items/{key:path}",
    }


@pytest.mark.long
def test_server_of_files_does_what_its_schema_says(file_client, tmp_path):
    run_schemathesis(file_client, tmp_path, [""])
    assert successful_routes(file_client) >= {"POST /api/{name}/search", "POST /api/{name}/items"}


@pytest.mark.long
def test_server_of_a_notation_does_what_its_schema_says(lite, tmp_path):
    """Not every text is a SMILES, which a schema cannot say; so texts may be refused here."""
    lite.write([("ethanol", "CCO", 1), ("phenol", "c1ccccc1O", 2)])
    solution = lite.solution(encoder="{type: morgan}")
    solution.ingest()
    with run_server(solution) as client:
        run_schemathesis(client, tmp_path, [""], "--exclude-checks", "positive_data_acceptance")
        assert "POST /api/{name}/render" in successful_routes(client)

"""schemathesis sends what the OpenAPI document allows and what it forbids, and finds nothing.

It checks that nothing valid is refused and nothing invalid is accepted, that responses conform, that there is no 5xx,
and that a 405 names every method. About 600 requests and twelve seconds for each solution.
"""

from __future__ import annotations

import os
import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

from inprocess_server import run_server

MAX_EXAMPLES = 15
"""Of each operation in the phase of fuzzing."""
HOOKS = """
import schemathesis
from hypothesis import strategies

schemathesis.openapi.format("milvus-expression", strategies.sampled_from({filters}))
schemathesis.openapi.format("item-filters", strategies.just("{{}}"))
"""


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


def test_server_of_texts_does_what_its_schema_says(text_client, tmp_path):
    filters = ["", "year > 2000", "year in [2001, 2002] or year == 2005"]
    assert "22 selected / 22 total" in run_schemathesis(text_client, tmp_path, filters)
    assert successful_routes(text_client) >= {
        "POST /api/{name}/search",
        "GET /api/{name}/items",
        "POST /api/{name}/items",
        "GET /api/{name}/items/{key:path}",
    }


def test_server_of_files_does_what_its_schema_says(file_client, tmp_path):
    run_schemathesis(file_client, tmp_path, [""])
    assert successful_routes(file_client) >= {"POST /api/{name}/search", "POST /api/{name}/items"}


def test_server_of_a_notation_does_what_its_schema_says(lite, tmp_path):
    """Not every text is a SMILES, which a schema cannot say; so texts may be refused here."""
    lite.write([("ethanol", "CCO", 1), ("phenol", "c1ccccc1O", 2)])
    solution = lite.solution(encoder="{type: morgan}")
    solution.ingest()
    with run_server(solution) as client:
        run_schemathesis(client, tmp_path, [""], "--exclude-checks", "positive_data_acceptance")
        assert "POST /api/{name}/render" in successful_routes(client)

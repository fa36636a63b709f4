"""The dashboard, the alerts of docs/operating.md and its table have the metrics and the labels that /metrics has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from vicinal.server.metrics import Metrics

ROOT = Path(__file__).parents[2]
PANELS = [
    panel
    for panel in json.loads((ROOT / "deploy" / "grafana" / "vicinal.json").read_text(encoding="utf-8"))["panels"]
    if panel["type"] != "row"
]
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
ALERTS = [
    rule
    for block in re.findall(r"^```yaml\n(groups:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for group in yaml.safe_load(block)["groups"]
    for rule in group["rules"]
]
OF_PROMETHEUS = {"job", "instance"}
"""Labels that Prometheus adds to each series."""
SELECTOR = re.compile(r'\b(vicinal_\w+)((?:\{(?:[^"}]|"[^"]*")*\})?)')


@pytest.fixture(scope="module")
def labels():
    """The labels of each series that /metrics has, by its name."""
    metrics = Metrics()
    metrics.count_request("/api/{name}/search", "POST", 200, 0.1)
    metrics.observe_batch("things", 2)
    metrics.observe_steps("things", {"encode": 3.0, "total": 5.0})
    metrics.add_solution("things", lambda: 0)
    metrics.count_ingested("things", "new", 1)
    metrics.count_job("things", "ingest", "done", 3.0)
    metrics.set_health("things", True, {"items": 1, "rows": 1, "failures": 0})
    found = {}
    for family in text_string_to_metric_families(metrics.to_text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def find_mistakes(expression, labels):
    """The metrics and the labels of an expression of Prometheus that there are not."""
    selectors = SELECTOR.findall(expression)
    assert selectors, expression
    unknown = [name for name, _ in selectors if name not in labels]
    known = set().union(*(labels.get(name, set()) for name, _ in selectors))
    for name, braces in selectors:
        wanted = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', braces))
        unknown += sorted(wanted - labels.get(name, set()) - OF_PROMETHEUS)
    grouped = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(",")}
    return unknown + sorted(grouped - known - OF_PROMETHEUS)


@pytest.mark.parametrize(
    ("expression", "mistakes"),
    [
        ('sum by (le, step) (rate(vicinal_search_step_seconds_bucket{solution=~"a"}[5m]))', []),
        ("rate(vicinal_search_step_second_bucket[5m])", ["vicinal_search_step_second_bucket"]),
        ('vicinal_items{solutions="a", job="b"}', ["solutions"]),
        ("sum by (step) (vicinal_items)", ["step"]),
    ],
)
def test_a_mistake_is_found(labels, expression, mistakes):
    assert find_mistakes(expression, labels) == mistakes


@pytest.mark.parametrize("panel", [pytest.param(panel, id=panel["title"]) for panel in PANELS])
def test_a_panel_asks_for_what_there_is(labels, panel):
    for target in panel["targets"]:
        assert find_mistakes(target["expr"], labels) == []
        kept = {name.strip() for group in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for name in group.split(",")}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept - {"le"}


def test_panels_lie_beside_one_another_and_every_metric_has_one(labels):
    taken = [
        (column, line)
        for panel in PANELS
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(column for column, _ in taken) < 24
    asked = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    names = {re.sub(r"_(bucket|sum|count|created|total)$", "", name) for name in labels}
    assert {name for name in names if name not in asked} == set()


def test_an_alert_asks_for_what_there_is(labels):
    assert len(ALERTS) >= 5
    for rule in ALERTS:
        assert find_mistakes(rule["expr"], labels) == []
        assert rule["for"] and rule["labels"]["severity"] and rule["annotations"]["summary"]


def test_every_metric_is_described_with_its_labels(labels):
    rows = dict(re.findall(r"^\| `(vicinal_\w+)` \| [^|]* \| ([^|]*) \|", PAGE, re.MULTILINE))
    described = {name: set(re.findall(r"`(\w+)`", cell)) for name, cell in rows.items()}
    real = {
        re.sub(r"_(bucket|sum|count)$", "", name): wanted - {"le"}
        for name, wanted in labels.items()
        if not name.endswith("_created")
    }
    assert described == real

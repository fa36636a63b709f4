"""The evaluate view: figures with intervals, confused labels, and worst queries that one can search with."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from browser_server import SampleServer, copy_samples
from vicinal import Solution, evaluate, tune

HOSTILE = "<img src=x onerror=document.title='ran'>"
DRUGS = """
name: drugs
source: {type: table, path: drugs.csv, key: name, content: smiles}
encoder: {type: morgan}
"""
HOSTILE_YAML = """
name: hostile
source: {type: table, path: hostile.csv, key: name, content: smiles}
encoder: {type: morgan}
"""


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Forty drugs that were evaluated, as many with hostile names and labels, and a solution that was not."""
    folder = copy_samples(tmp_path_factory.mktemp("evaluated"))
    header, *lines = (folder / "data" / "molecules.csv").read_text().splitlines()
    (folder / "drugs.csv").write_text("\n".join([header, *lines[:40]]) + "\n")
    (folder / "drugs.yaml").write_text(DRUGS)
    rows = [f"{HOSTILE}{number},{line.split(',')[1]},{HOSTILE}{number % 3}" for number, line in enumerate(lines[:12])]
    (folder / "hostile.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "hostile.yaml").write_text(HOSTILE_YAML)
    reports = {}
    for name in ("drugs", "hostile"):
        with Solution.from_yaml(folder / f"{name}.yaml") as solution:
            solution.ingest()
            reports[name] = evaluate(solution, labels="use")
            if name == "drugs":
                reports["tuning"] = tune(solution, 0.9, defaults_only=True)
    server = SampleServer(folder, "drugs", "hostile", "qa")
    server.reports = reports
    yield server
    server.close()


@pytest.fixture
def open_view(open_tab, evaluated):
    def open_view(route="drugs/evaluate", **options):
        return open_tab(evaluated.url, **options).open(route)

    return open_view


def test_figures_stand_with_their_intervals(open_view, evaluated):
    page = open_view("drugs")
    page.get_by_role("link", name="Evaluate", exact=True).click()
    expect(page.locator(".heading").first).to_contain_text(
        re.compile(r"\d+ of 40 items as queries, \d+ labels in use\.")
    )
    metrics = evaluated.reports["drugs"].metrics
    rows = page.locator(".bars").first.locator("tbody tr")
    expect(rows).to_have_count(len(metrics) + 1)
    for name, estimate in metrics.items():
        row = rows.filter(has=page.get_by_role("rowheader", name=name, exact=True))
        expect(row).to_contain_text(f"{estimate.value:.3f}")
        expect(row).to_contain_text(f"{estimate.low:.3f} to {estimate.high:.3f}")
        shares = row.locator(".bar").evaluate(
            "(bar) => { const whisker = bar.querySelector('.whisker').getBoundingClientRect();"
            " const all = bar.getBoundingClientRect();"
            " return [(whisker.left - all.left) / all.width, (whisker.right - all.left) / all.width]; }"
        )
        assert shares == pytest.approx([estimate.low, estimate.high], abs=0.02)
    expect(page.locator(".finding").first).to_contain_text("It loses nothing")


def test_confusions_are_a_table_with_counts(open_view, evaluated):
    page = open_view()
    confusions = evaluated.reports["drugs"].details.confusions
    expect(page.locator(".pairs li")).to_have_count(min(12, len(confusions.list_pairs())))
    label, found, count = confusions.list_pairs()[0]
    expect(page.locator(".pairs li").first).to_contain_text(f"{label} finds {found}")
    cell = page.locator(f'.matrix td[title^="{label} finds {found}: "]')
    expect(cell).to_have_text(str(count))


def test_the_worst_queries_are_shown_and_searched_with(open_view, evaluated):
    page = open_view()
    worst = evaluated.reports["drugs"].details.worst
    first = page.locator(".worst > li").first
    expect(first.locator("h3").first).to_have_text(worst[0].query[1:])
    marks = [f"{'✓ right' if hit.gain else '✗ wrong'}" for hit in worst[0].hits]
    expect(first.locator(".verdict")).to_have_text(["asked", *marks, *["expected"] * len(worst[0].missed)])
    keys = first.locator(".card").evaluate_all("cards => cards.map((card) => card.dataset.key)")
    assert keys == [worst[0].query[1:], *(hit.hit.key for hit in worst[0].hits), *worst[0].missed]
    expect(page.locator(".worst > li")).to_have_count(8)
    page.get_by_role("button", name=re.compile(r"Show \d+ more")).click()
    expect(page.locator(".worst > li")).to_have_count(len(worst))
    first.get_by_role("button", name="Search", exact=True).click()
    expect(page).to_have_url(re.compile(r"drugs\?q=%40"))
    expect(page.locator(".cards.found .card").first).to_have_attribute("data-key", worst[0].hits[0].hit.key)


def test_nothing_of_an_item_is_read_as_html(open_view):
    page = open_view("hostile/evaluate")
    expect(page.locator(".worst h3").first).to_contain_text(HOSTILE)
    expect(page.locator(".bars").nth(1)).to_contain_text(HOSTILE)
    assert page.locator("img[src='x']").count() == 0
    assert page.title() == "Hostile – vicinal"


def test_an_evaluation_is_outdated_once_the_collection_changes(open_view, evaluated):
    page = open_view("hostile/evaluate")
    expect(page.locator(".worst")).to_be_visible()
    expect(page.locator(".outdated")).to_have_count(0)
    evaluated.client.post("/api/hostile/items", json={"key": "new", "content": "CCO"}).raise_for_status()
    page.reload()
    expect(page.locator(".outdated")).to_contain_text("Outdated: the collection has changed since.")


def test_the_frontier_of_a_tuning(open_view, evaluated):
    """Of forty fingerprints all are compared, whatever the index."""
    page = open_view()
    tuned = evaluated.reports["tuning"]
    frontier = page.locator(".frontier")
    expect(frontier.locator("circle:not(.ring)")).to_have_count(len(tuned.frontier))
    expect(frontier.locator("circle.ring")).to_have_count(1)
    row = frontier.locator(".tried tbody tr").first
    expect(row).to_contain_text(tuned.chosen.describe())
    expect(row).to_contain_text("chosen")
    expect(row).to_contain_text(f"{tuned.chosen.recall.low:.3f} to {tuned.chosen.recall.high:.3f}")


def test_without_an_evaluation_the_view_says_how_to_run_one(open_view):
    page = open_view("qa/evaluate")
    expect(page.get_by_role("heading", name="Not evaluated yet")).to_be_visible()
    expect(page.locator(".command")).to_have_text("vicinal evaluate FILE.yaml --labels FIELD")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_view_fits_a_phone(open_view, scheme):
    page = open_view(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True, is_mobile=True)
    expect(page.locator(".worst")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    heights = page.locator(".views a").evaluate_all("links => links.map((link) => link.offsetHeight)")
    assert max(heights) < 40
    right = page.locator(".views a").last.evaluate("(link) => link.getBoundingClientRect().right")
    assert right <= 390

"""The page of an evaluation in a real browser: its plots, its items, and that nothing of an item runs."""

import pytest

import disturbed_encoders
from file_encoders import index_pictures
from image_helpers import SAMPLE_IMAGES
from report_page import open_page
from search_helpers import ROWS
from vicinal import evaluate
from vicinal.quality.evaluation.item_cards import build_worst_queries
from vicinal.quality.kept_reports import read_kept_reports

HOSTILE = "<img src=x onerror=document.title='ran'></script><script>document.title='ran'</script>&lt;b>"


@pytest.fixture
def open_report(browser, tmp_path):
    """Evaluates a solution and opens the page; what that complains of or requests fails the test."""
    with open_page(browser) as open_tab:

        def open_report(solution, options=None, **given):
            path = tmp_path / "report.html"
            report = evaluate(solution, html=path, index_recall=False, **given)
            return open_tab(path, **(options or {})), report

        yield open_report


@pytest.fixture
def pictures(lite):
    """Eight indexed pictures in two folders."""
    return index_pictures(lite, SAMPLE_IMAGES[:8])


@pytest.fixture
def texts(lite):
    lite.write(ROWS[:60])
    solution = lite.solution(extra="fields: {year: int64}")
    solution.ingest()
    return solution


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_stand_beside_what_they_found(pictures, open_report, scheme):
    page, report = open_report(pictures, {"color_scheme": scheme}, labels="folder", measures=["nDCG@3"])
    assert page.title() == "things: how good are the answers?"
    assert page.locator("h2").all_inner_texts() == ["Figures", "Queries", "Labels", "Confusions", "Worst queries"]
    (worst, *_) = report.details.worst
    article = page.locator("article").first
    assert article.locator("h3").inner_text() == f"1. {worst.query}"
    marks = article.locator(".mark").all_inner_texts()
    expected = [f"{place}. {'✓ right' if one.gain else '✗ wrong'}" for place, one in enumerate(worst.hits, 1)]
    assert marks == ["asked", *expected, *["expected"] * len(worst.missed)]
    for picture in article.locator("img").all():
        sides = picture.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])")
        assert 100 < max(sides) <= 160
    assert article.locator("img").count() == len(marks)


def test_figures_are_plotted_with_their_intervals(texts, open_report):
    page, report = open_report(texts, labels="year")
    names = list(report.metrics)
    plot = page.locator("section").nth(0)
    assert plot.locator(".ytick").all_text_contents() == names
    assert plot.locator(".points path").count() == plot.locator(".errorbar").count() == len(names)
    rows = plot.locator("tbody tr").all_inner_texts()
    assert rows[0].split("\t")[:2] == ["P@1", f"{report.metrics['P@1'].value:.3f}"]
    assert page.locator("section").nth(2).locator(".ytick").all_text_contents() == [
        one.label for one in report.details.labels
    ]
    cells = page.locator("section").nth(3).locator(".heatmap-label").all_text_contents()
    assert sum(int(cell) for cell in cells if cell) == 60


def test_what_the_index_loses_is_told(texts, tmp_path):
    evaluate(texts, labels="year", html=tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert "the index FLAT returns 100.0% (100.0% to 100.0%), measured by 60 vectors against all 60. It loses" in html


def test_nothing_of_an_item_runs_or_is_read_as_html(lite, open_report):
    lite.write([(f"{number}{HOSTILE}", f"{HOSTILE}{number}", f"{HOSTILE}{number % 3}") for number in range(12)])
    solution = lite.solution()
    solution.ingest()
    page, report = open_report(solution, labels="year")
    assert page.locator("article h3").first.inner_text() == f"1. {report.details.worst[0].query}"
    assert HOSTILE in page.locator("article figure").nth(1).inner_text()
    assert page.locator("article p").first.inner_text().startswith(f"label {HOSTILE[:59].rstrip()}…")
    assert page.locator("article img").count() == 0
    page.wait_for_timeout(200)
    assert page.title() == "things: how good are the answers?"


def test_a_drawing_that_tries_to_run_scripts_is_only_seen(lite, open_report):
    lite.write([(f"k{number}", f"ab{number}cd{number}", number % 2) for number in range(8)])
    solution = lite.solution(encoder="{type: hostile}", extra="fields: {year: int64}")
    solution.ingest()
    page, _ = open_report(solution, labels="year")
    assert page.locator("article img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 60
    page.wait_for_timeout(200)
    assert page.title() == "things: how good are the answers?"


def test_queries_of_ones_own_are_shown_as_texts(texts, open_report, lite):
    (lite.folder / "pairs.csv").write_text(f"a query of many words,k7\ntext 1,k1\n{HOSTILE},gone\n")
    page, _ = open_report(texts, qrels=lite.folder / "pairs.csv")
    titles = sorted(page.locator("article h3").all_inner_texts(), key=lambda title: title[3:])
    assert [title[3:] for title in titles] == [HOSTILE, "a query of many words"]
    missed = page.locator("article .missed").all_inner_texts()
    assert sorted(" ".join(text.split()) for text in missed) == ["expected gone not indexed", "text 7 expected k7"]


def test_a_page_is_bounded(pictures):
    report = evaluate(pictures, labels="folder", index_recall=False)
    whole = build_worst_queries(pictures, report.details)
    small = build_worst_queries(pictures, report.details, 20_000)
    assert whole.count("<img") > 3 * small.count("<img") > 0
    assert len(small) < 20_000 + 500 * whole.count("<figure")
    assert small.count("<figure") == whole.count("<figure")


def test_it_fits_a_phone(texts, open_report):
    page, _ = open_report(texts, {"viewport": {"width": 390, "height": 844}}, labels="year")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_items_found_by_themselves_have_a_plot_for_each_measure(lite, open_report):
    """Two items have one text: to the encoder they are near-duplicates."""
    lite.manager.register(disturbed_encoders, "disturbed")
    rows = [(f"k{number}", f"word {number} and many others {number % 7}", 2000) for number in range(30)]
    lite.write([*rows, ("twin", rows[0][1], 2000), ("<i>", rows[1][1], 2000)])
    solution = lite.solution(encoder="{type: bag}")
    solution.ingest()
    page, report = open_report(solution, self_test=True)
    headings = ["Figures", "recall@1", "recall@10", "MRR@10", "Near-duplicates"]
    assert page.locator("h2").all_inner_texts() == headings
    assert page.locator("section").nth(1).locator(".ytick").all_text_contents() == list(report.disturbances)
    pairs = {(pair.key, pair.found) for pair in report.near_duplicates}
    shown = [article.locator("figcaption b").all_inner_texts() for article in page.locator("article").all()]
    assert {tuple(pair) for pair in shown} == pairs
    assert any("<i>" in pair for pair in pairs)
    assert read_kept_reports(solution)["self_test"]["report"] == report.to_dict()

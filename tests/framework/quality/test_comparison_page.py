"""The page of a comparison in a real browser: its verdict, its plots, and that nothing of an item runs."""

import pytest

from report_page import open_page
from vicinal import compare

HOSTILE = "<img src=x onerror=document.title='ran'></script>"


@pytest.fixture
def open_comparison(browser, tmp_path):
    """Compares solutions and opens the page; what that complains of or requests fails the test."""
    with open_page(browser) as open_tab:

        def open_comparison(solutions, options=None, **given):
            path = tmp_path / "report.html"
            comparison = compare(solutions, html=path, index_recall=False, speed=False, **given)
            return open_tab(path, is_drawn="labels" in given, **(options or {})), comparison

        yield open_comparison


@pytest.fixture
def solutions(lite):
    """Texts of three words by their letters, and by random vectors; keys and labels that try to run."""
    words = ("apple", "lemon", "cherry")
    lite.write(
        [(f"k{number}{HOSTILE}", f"{words[number % 3]} {number}", f"{HOSTILE}{number % 3}") for number in range(45)]
    )
    made = [lite.solution(name, encoder=f"{{type: {name}}}") for name in ("hashed", "letters")]
    for solution in made:
        solution.ingest()
    return made


def test_figures_differences_and_costs(solutions, open_comparison):
    page, comparison = open_comparison(solutions, labels="year")
    assert page.title() == "Compared: hashed and letters"
    assert page.locator("h2").all_inner_texts() == [
        "Verdict", "mAP@10", "Differences", "hashed → letters", "Size and speed",
    ]  # fmt: skip
    assert page.locator("section").nth(0).locator("b").inner_text() == comparison.verdict
    plots = page.locator(".plot")
    assert plots.nth(0).locator(".ytick").all_text_contents() == ["hashed", "letters"]
    assert plots.nth(1).locator(".bars path").count() == 40
    better = page.locator("section").nth(3).locator("p").inner_text()
    assert better.startswith("letters is better for 4")
    assert page.locator("section").nth(3).locator("tbody tr").count() == 10
    assert HOSTILE in page.locator("section").nth(3).locator("td").first.inner_text()
    page.wait_for_timeout(200)
    assert page.title() == "Compared: hashed and letters"


def test_without_labels_there_is_no_plot(solutions, open_comparison):
    page, comparison = open_comparison(solutions)
    assert page.locator("h2").all_inner_texts() == ["Verdict", "Differences", "Size and speed"]
    assert page.locator("section").nth(0).locator("b").inner_text() == comparison.verdict


def test_it_fits_a_phone(solutions, open_comparison):
    page, _ = open_comparison(solutions, {"viewport": {"width": 390, "height": 844}}, labels="year")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_one_solution_twice(solutions, open_comparison):
    page, _ = open_comparison([solutions[1]] * 2, labels="year")
    assert page.locator("section").nth(3).locator("p").inner_text() == (
        "letters (2) is better for 0 queries, letters (1) for 0; the others are equal."
    )

"""The page of a report in a real browser: it loads nothing, draws its plots, and shows data as texts."""

from __future__ import annotations

import pytest

from report_page import open_page
from vicinal.toolkit.html_report import Section, format_table, render_page

HOSTILE = "<img src=x onerror=document.title='ran'></script><script>document.title='ran'</script>&lt;b>{{title}}"


@pytest.fixture
def tab(browser, tmp_path):
    """Opens a page; what it complains of or requests fails the test."""
    with open_page(browser) as open_tab:
        yield lambda html, **options: open_tab(write(tmp_path, html), **options)


def write(folder, html):
    path = folder / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


def bars(names):
    axis = {"type": "category", "automargin": True}
    return {
        "data": [{"type": "bar", "orientation": "h", "x": list(range(1, len(names) + 1)), "y": names}],
        "layout": {"yaxis": axis, "xaxis": {"title": {"text": names[0]}}, "title": {"text": names[0]}},
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sections_have_their_plots_in_order(tab, scheme):
    sections = [Section("One", "<p>first</p>", bars(["a", "b"])), Section("Two", "<p>second</p>")]
    page = tab(
        render_page("A report", [*sections, Section("Three", figure=bars(["c"]))], "Of two."), color_scheme=scheme
    )
    assert page.title() == "A report"
    assert page.locator("h1, header p, h2, section p").all_inner_texts() == [
        *("A report", "Of two.", "One", "first", "Two", "second", "Three")
    ]
    assert page.locator("section:nth-of-type(1) .plot .bars path").count() == 2
    assert page.locator("section:nth-of-type(2) .plot").count() == 0
    assert page.locator("section:nth-of-type(3) .plot .ytick").all_text_contents() == ["c"]
    text, ground = (
        page.locator(element).first.evaluate(f"(element) => getComputedStyle(element).{style}")
        for element, style in ((".ytick text", "fill"), ("section", "backgroundColor"))
    )
    expected = (
        ("rgb(21, 32, 40)", "rgb(255, 255, 255)") if scheme == "light" else ("rgb(230, 236, 240)", "rgb(22, 29, 35)")
    )
    assert (text, ground) == expected


def test_paper_is_white(tab):
    page = tab(render_page("A report", [Section("One", "text", bars(["a"]))]), color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator(".ytick text").evaluate("(text) => getComputedStyle(text).fill") == "rgb(21, 32, 40)"


def test_data_are_shown_as_texts(tab):
    sections = [Section(HOSTILE, format_table([HOSTILE], [[HOSTILE], [3]]), bars([HOSTILE]))]
    page = tab(render_page(HOSTILE, sections, HOSTILE))
    for element in ("h1", "header p", "h2", "th"):
        assert page.locator(element).inner_text() == HOSTILE
    assert page.locator("td").all_inner_texts() == [HOSTILE, "3"]
    assert page.locator(".plot .ytick").text_content() == HOSTILE
    assert page.locator(".plot .xtitle").text_content() == HOSTILE
    assert page.title() == HOSTILE


def test_scripts_that_are_not_the_pages_own_do_not_run(browser, tmp_path):
    html = render_page("A report", [Section("One", "<script>document.title = 'ran'</script>", bars(["a"]))])
    page = browser.new_page()
    page.goto(write(tmp_path, html).as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached")
    assert page.title() == "A report"
    page.close()


def test_a_page_without_plots_is_small(tab):
    html = render_page("A report", [Section("One", "<p>text</p>")])
    assert len(html) < 10_000
    assert tab(html, is_drawn=False).locator("section p").inner_text() == "text"


def test_it_fits_a_phone(tab):
    rows = [["a long name of a thing"] * 8] * 3
    page = tab(
        render_page("A report", [Section("One", format_table(["column"] * 8, rows), bars(["a", "b"]))]),
        viewport={"width": 390, "height": 844},
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_texts_of_undecodable_names_are_written(tab):
    page = tab(render_page("A report", [Section("One", figure=bars(["caf\udce9"]))]))
    assert page.locator(".plot .ytick").text_content() == "caf?"

"""Layout and accessibility: on a phone, in light and dark, with a keyboard, and with low vision."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
ROUTES = [
    "molecules?q=CC(%3DO)Oc1ccccc1C(%3DO)O&w.use=NSAID",
    "molecules/items",
    "molecules/duplicates?min=0.8",
    "molecules/index",
    "qa",
    "qa?q=how+do+I+pick+nprobe&w.topic=index",
    "images-offline?q=%40fish%2Ffish-1.jpg",
    "audio?q=%40birds%2Fcuckoo.ogg",
    "videos?q=%40winter.mp4",
    "qa?like=nprobe&unlike=primary-key&d=0.5",
    "images-offline?like=city%2Fcity-1.jpg&unlike=fish%2Ffish-1.jpg",
    "qa/items?s=topic&like=nprobe&unlike=primary-key",
]
CONTRAST = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color[3] > 200) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest(".hidden, .skip, :disabled")) continue;
    const [one, other] = [light(rgb(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) low.push(`${element.className}: ${element.textContent.slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return low;
}"""
NAMELESS = """() => [...document.querySelectorAll("button, a, input, select, canvas[role]")].filter((element) => {
  const label = element.labels?.[0]?.textContent || element.getAttribute("aria-label") || element.textContent;
  return element.checkVisibility() && !label.trim();
}).map((element) => element.outerHTML)"""


def wait_until_settled(page):
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".loading, [aria-busy]")).to_have_count(0)
    expect(page.locator(".card, .statistics .facts").first).to_be_visible()
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("route", ROUTES)
def test_phone_layout_does_not_scroll_sideways(open_tab, route):
    page = open_tab(**PHONE).open(route)
    wait_until_settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    outside = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((element) => {
          const box = (element.closest(".key") ?? element).getBoundingClientRect(); // which cuts off a long name
          return box.width > 1 && element.checkVisibility() && (box.left < 0 || box.right > 361);
        }).map((element) => element.outerHTML.slice(0, 120))"""
    )
    assert outside == []


@pytest.mark.parametrize("route", ROUTES)
def test_texts_have_contrast_in_light_and_dark_and_controls_have_names(open_tab, route):
    page = open_tab(color_scheme="light").open(route)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        wait_until_settled(page)
        assert page.evaluate(CONTRAST) == [], scheme
    assert page.evaluate(NAMELESS) == []


def test_theme_follows_the_system_until_one_is_chosen(open_tab):
    page = open_tab(color_scheme="dark").open("molecules?q=CCO")
    wait_until_settled(page)
    ground = "getComputedStyle(document.body).backgroundColor"
    picture = page.locator(".card img").first
    dark = page.evaluate(ground)
    expect(picture).to_have_attribute("src", re.compile("color=ffffff"))
    page.emulate_media(color_scheme="light")
    expect(picture).to_have_attribute("src", re.compile("color=1b2430"))
    assert page.evaluate(ground) != dark
    for _ in range(2):
        page.get_by_role("button", name=re.compile("^Colors")).click()
    assert page.evaluate(ground) == dark
    page.reload()
    wait_until_settled(page)
    expect(page.get_by_role("button", name="Colors: dark. Change")).to_be_visible()
    assert page.evaluate(ground) == dark


def test_reduced_motion_disables_animations(open_tab):
    moving = "document.getAnimations().length"
    page = open_tab(reduced_motion="reduce").open("qa/items")
    wait_until_settled(page)
    page.get_by_role("button", name=re.compile("^Remove")).first.click()
    expect(page.locator(".toast")).to_be_visible()
    assert page.evaluate(moving) == 0
    page.get_by_role("button", name="Undo").click()


def test_focused_elements_have_a_visible_outline(tab):
    page = tab.open("qa?q=index")
    wait_until_settled(page)
    for _ in range(12):
        page.keyboard.press("Tab")
        shown = page.evaluate(
            """() => {
              const style = getComputedStyle(document.activeElement);
              const around = getComputedStyle(document.activeElement.parentElement);
              return style.outlineStyle !== "none" || around.boxShadow !== "none";
            }"""
        )
        assert shown, page.evaluate("document.activeElement.outerHTML")


def test_screen_readers_are_told_the_current_page_and_invalid_inputs(tab):
    """Both attributes need a value: an empty one means false."""
    tab.expected = ("422",)
    page = tab.open("qa?q=index")
    wait_until_settled(page)
    solutions = page.get_by_role("navigation", name="Solutions")
    expect(solutions.locator("[aria-current=page]")).to_have_text(re.compile("^QA"))
    page.get_by_role("button", name=re.compile("^Filter")).click()
    expression = page.get_by_label("Expression")
    expression.fill("topic = 3")
    expression.press("Enter")
    expect(expression).to_have_attribute("aria-invalid", "true")
    expect(expression).to_have_accessible_description(re.compile("unexpected character"))
    expression.fill('topic == "redis"')
    expression.press("Enter")
    expect(page.locator("[aria-invalid]")).to_have_count(0)


def test_page_requests_nothing_from_other_origins(tab, server):
    page = tab.page
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    tab.open("images-offline")
    wait_until_settled(page)
    assert requested
    assert [url for url in requested if not url.startswith(server.url)] == []

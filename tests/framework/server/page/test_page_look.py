"""How the page looks: on a phone, in light and dark, to whoever uses no mouse and sees little."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
ROUTES = [
    "molecules?q=CC(%3DO)Oc1ccccc1C(%3DO)O&w.use=NSAID",
    "molecules/items",
    "molecules/index",
    "qa",
    "qa?q=how+do+I+pick+nprobe&w.topic=index",
    "images-offline?q=%40fish%2Ffish-1.jpg",
    "audio?q=%40birds%2Fcuckoo.ogg",
    "videos?q=%40winter.mp4",
]
CONTRAST = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] > 200) return colour;
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


def settled(page):
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".loading, [aria-busy]")).to_have_count(0)
    expect(page.locator(".card, .statistics .facts").first).to_be_visible()
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("route", ROUTES)
def test_a_phone_shows_everything_without_scrolling_sideways(visit, route):
    page = visit(**PHONE).open(route)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    outside = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((element) => {
          const box = element.getBoundingClientRect();
          return box.width > 1 && element.checkVisibility() && (box.left < 0 || box.right > 361);
        }).map((element) => element.outerHTML.slice(0, 120))"""
    )
    assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("route", ROUTES)
def test_every_text_can_be_read_and_every_control_has_a_name(visit, route, scheme):
    page = visit(color_scheme=scheme).open(route)
    settled(page)
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []


def test_the_theme_is_the_systems_until_it_is_chosen(visit):
    page = visit(color_scheme="dark").open("molecules?q=CCO")
    settled(page)
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
    settled(page)
    expect(page.get_by_role("button", name="Colors: dark. Change")).to_be_visible()
    assert page.evaluate(ground) == dark


def test_whoever_wants_no_motion_gets_none(visit):
    moving = "document.getAnimations().length"
    page = visit(reduced_motion="reduce").open("qa/items")
    settled(page)
    page.get_by_role("button", name=re.compile("^Remove")).first.click()
    expect(page.locator(".toast")).to_be_visible()
    assert page.evaluate(moving) == 0
    page.get_by_role("button", name="Undo").click()


def test_what_has_focus_shows_it(reader):
    page = reader.open("qa?q=index")
    settled(page)
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


def test_the_page_needs_nothing_from_elsewhere(reader, server):
    page = reader.page
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    reader.open("images-offline")
    settled(page)
    assert asked
    assert [url for url in asked if not url.startswith(server.url)] == []

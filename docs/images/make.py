"""Takes the pictures of the page that stand in the documentation: `python docs/images/make.py [NAME…]`.

It serves copies of the sample solutions, looks at them with Debian's Chromium, and saves each picture with 256 colours.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DATA = ROOT / "configs" / "data"
sys.path[:0] = [str(ROOT / "tests" / "helpers")]

from browser_server import NAMES, SAMPLES, SampleServer, copy_samples, find_browser  # noqa: E402

WIDE = {"viewport": {"width": 1280, "height": 820}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
MOST_BYTES = 150_000


@dataclass(frozen=True)
class Shot:
    """A route, what is done there, and the screen it is seen on."""

    route: str
    act: Callable[[Page], object] = lambda page: None
    screen: dict[str, Any] = field(default_factory=lambda: WIDE)
    scheme: str = "light"


def upload(file: str) -> Callable[[Page], object]:
    return lambda page: page.locator("input[type=file]").first.set_input_files(DATA / file)


def index(page: Page) -> None:
    page.get_by_role("button", name="Index now").click()
    expect(page.get_by_role("heading", name="2 failures")).to_be_visible(timeout=60_000)


def play(page: Page) -> None:
    wave = page.locator(".cards.found .wave").first
    expect(wave).not_to_have_attribute("aria-valuemax", "0")
    wave.click(position={"x": 150, "y": 20})


def choose_point(key: str) -> Callable[[Page], object]:
    """Waits for the map, and clicks an item's point, which lies where map_plot.js has it."""

    def choose(page: Page) -> None:
        canvas = page.locator(".plot canvas")
        expect(canvas).to_be_visible(timeout=120_000)  # UMAP is compiled
        points = page.request.get("/api/molecules/map").json()["points"]
        x, y = next((point["x"], point["y"]) for point in points if point["key"] == key)
        width, height = canvas.evaluate("canvas => [canvas.clientWidth, canvas.clientHeight]")
        unit = min(width, height) / 2 - 18
        canvas.click(position={"x": width / 2 + x * unit, "y": height / 2 - y * unit})

    return choose


SHOTS = {
    "page-molecules": Shot("molecules?q=CC(%3DO)Oc1ccccc1C(%3DO)O&k=12"),
    "page-questions": Shot("qa?q=how+do+I+pick+nprobe&k=5&w.topic=index"),
    "page-pictures": Shot("images-offline?k=12", upload("images/sunset/sunset-2.jpg"), scheme="dark"),
    "page-sounds": Shot("audio?q=%40birds%2Fcuckoo.ogg", play),
    "page-videos": Shot("videos", upload("videos/fish.jpg"), scheme="dark"),
    "page-examples": Shot(
        "images-offline?k=12&like=sunset%2Fsunset-2.jpg&like=fish%2Ffish-1.jpg&unlike=city%2Fcity-2.jpg"
    ),
    "page-recommend": Shot("recommend?q=user%3A7&like=3&like=9&unlike=191"),
    "page-map": Shot("molecules/map", choose_point("aspirin")),
    "page-duplicates": Shot("molecules/duplicates?min=0.8"),
    "page-items": Shot("molecules/items?s=use&like=aspirin"),
    "page-index": Shot("shelf/index", index),
    "page-phone": Shot("molecules?q=CC(%3DO)Oc1ccccc1C(%3DO)O", screen=PHONE, scheme="dark"),
}


def take(browser: Browser, url: str, shot: Shot) -> bytes:
    context = browser.new_context(base_url=url, color_scheme=shot.scheme, reduced_motion="reduce", **shot.screen)
    page = context.new_page()
    page.goto(f"/#/{shot.route}")
    expect(page.locator("h1")).to_be_visible()
    shot.act(page)
    expect(page.locator(".loading, [aria-busy]")).to_have_count(0)
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)  # pictures and videos decode
    taken = page.screenshot()
    context.close()
    return taken


def save(name: str, taken: bytes) -> None:
    path = HERE / f"{name}.png"
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(256).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")
    assert path.stat().st_size <= MOST_BYTES, f"{name} is too large"


def shelf(folder: Path) -> None:
    """A folder of pictures with two that cannot be read."""
    (folder / "shelf.yaml").write_text(
        "name: shelf\nsource: {type: folder, path: shelf}\nencoder: {type: efficientnet_lite0}\n"
    )
    (folder / "shelf").mkdir()
    for picture in sorted(DATA.glob("images/*/*.jpg")):
        (folder / "shelf" / picture.name).write_bytes(picture.read_bytes())
    (folder / "shelf" / "holiday.jpg").write_bytes(picture.read_bytes()[:6000])
    (folder / "shelf" / "letter.jpg").write_text("Dear all, this is no picture.")


def take_all(
    browser: Browser, folder: Path, solutions: Sequence[str], indexed: Sequence[str], names: list[str]
) -> None:
    """Take these pictures of a server of some solutions, of which some are indexed before."""
    server = SampleServer(folder, *solutions)
    try:
        server.ingest(*indexed)
        for name in names:
            if name != "page-index":
                take(browser, server.url, SHOTS[name])  # the second time everything is loaded
            save(name, take(browser, server.url, SHOTS[name]))
    finally:
        server.close()


def main(names: list[str]) -> None:
    wanted = names or list(SHOTS)
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = copy_samples(Path(made))
        shelf(folder)
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        samples = [name for name in wanted if name != "page-index"]
        take_all(browser, folder, (*SAMPLES, "recommend"), (*NAMES, "recommend"), samples)
        if "page-index" in wanted:
            take_all(browser, folder, ("shelf",), (), ["page-index"])
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])

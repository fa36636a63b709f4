"""Images through a whole solution: a folder with damaged files, and queries by altered copies."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageFilter, ImageOps
from test_image_decode import make_png

from image_helpers import KINDS, picture
from vicinal import Solution

VICINAL = Path(sys.executable).with_name("vicinal")
ROOT = Path(__file__).parents[3]
OFFLINE, PICTURES = "{type: efficientnet_lite0}", "{type: folder, path: pictures}"
FORMATS = {"jpg": {"quality": 85}, "png": {}, "webp": {"quality": 80}, "gif": {}, "bmp": {}}


def make_damaged_file(data, kind, number):
    """A damaged file made of a good one, and the end of its name."""
    spoilt = bytearray(data["png"])
    for place in range(len(spoilt) // 2, len(spoilt) // 2 + 60, 7):
        spoilt[place] ^= 0x2A
    return {
        "truncated": lambda: (data["jpg"][: len(data["jpg"]) // 2], "jpg"),
        "truncated-png": lambda: (data["png"][: len(data["png"]) * 2 // 3], "png"),
        "empty": lambda: (b"", "jpg"),
        "wrong-extension": lambda: (b"RIFF\x24\0\0\0WAVEfmt " + bytes(range(256)) * 4, "png"),
        "flipped": lambda: (bytes(spoilt), "png"),
        "bomb": lambda: (make_png(20_000 + number, 60_000), "png"),
        "text": lambda: (b"These are words, not pixels.\n" * 30, "jpg"),
    }[kind]()


DAMAGED = {"truncated": 12, "truncated-png": 8, "empty": 8, "wrong-extension": 8, "flipped": 10, "bomb": 6, "text": 8}


def test_damaged_files_become_failures_with_reasons(lite):
    folder = lite.folder / "pictures"
    folder.mkdir()
    data = {}
    for number in range(240):
        kind, suffix = list(KINDS)[number % len(KINDS)], list(FORMATS)[number % len(FORMATS)]
        buffer = BytesIO()
        picture(kind, number, (96, 72)).save(buffer, {"jpg": "JPEG"}.get(suffix, suffix), **FORMATS[suffix])
        data[suffix] = buffer.getvalue()
        (folder / f"good-{number}.{suffix}").write_bytes(buffer.getvalue())
    for kind, count in DAMAGED.items():
        for number in range(count):
            content, suffix = make_damaged_file(data, kind, number)
            (folder / f"bad-{kind}-{number}.{suffix}").write_bytes(content)

    yaml = lite.yaml("pictures", encoder=OFFLINE, source=PICTURES)
    done = subprocess.run([VICINAL, "ingest", yaml, "--json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert [report[name] for name in ("seen", "new", "failed", "rows")] == [300, 240, 60, 240]
    solution = lite.solution("pictures", encoder=OFFLINE, source=PICTURES)
    failures = solution.failures()
    assert {failure.key.split("-")[0] for failure in failures} == {"bad"}
    assert {failure.stage for failure in failures} == {"decode"}
    reasons = {kind: {each.message for each in failures if each.key.startswith(f"bad-{kind}-")} for kind in DAMAGED}
    assert reasons["empty"] == {"the file is empty"}
    assert reasons["text"] == {"not an image (looks like text)"}
    assert reasons["wrong-extension"] == {"not an image (a WAV sound; search sounds with an encoder of sounds)"}
    assert all(
        re.fullmatch(r"the image has 1,20\d,\d{3},000 pixels, more than Pillow opens", each) for each in reasons["bomb"]
    )
    truncated, broken = "truncated: the file ends before its last pixels", "damaged: its data cannot be decoded"
    assert reasons["truncated"] == reasons["truncated-png"] == {f"the image is {truncated}"}
    assert reasons["flipped"] <= {f"the image is {truncated}", f"the image is {broken}"}
    hit = solution.search(str(folder / "good-7.webp"), limit=1)[0]
    assert (hit.key, hit.rank) == ("good-7.webp", 1)
    assert hit.similarity > 0.999
    assert solution.ingest().unchanged == 240


def unique_scene(number, size=(256, 192)):
    """A picture unlike all others: a scene in other colours, and parts of two more in it."""
    rng = random.Random(number)
    hue, *rest = picture(rng.choice(list(KINDS)), number, size).convert("HSV").split()
    turn = rng.randrange(256)
    scene = Image.merge("HSV", (hue.point(lambda level: (level + turn) % 256), *rest)).convert("RGB")
    for part in (1, 2):
        across, down = (round(length * rng.uniform(0.3, 0.55)) for length in size)
        other = picture(rng.choice(list(KINDS)), number + 1_000 * part, (across, down))
        place = round(rng.uniform(0, size[0] - across)), round(rng.uniform(0, size[1] - down))
        scene.paste(ImageOps.mirror(other) if rng.random() < 0.5 else other, place)
    return scene


def cropped_and_blurred(image, rng):
    """A copy as it comes back from the world: cropped to about four fifths of its area, and blurred."""
    width, height = image.size
    share = rng.uniform(0.85, 0.95)
    left, top = rng.uniform(0, 1 - share) * width, rng.uniform(0, 1 - share) * height
    cropped = image.crop((round(left), round(top), round(left + share * width), round(top + share * height)))
    return cropped.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))


@pytest.mark.long
def test_altered_copy_finds_its_original(lite):
    rng = random.Random(0)
    originals, copies = lite.folder / "pictures", lite.folder / "copies"
    originals.mkdir()
    copies.mkdir()
    for number in range(200):
        image = unique_scene(number)
        image.save(originals / f"{number}.png")
        cropped_and_blurred(image, rng).save(copies / f"{number}.jpg", quality=rng.randint(30, 70))
    solution = lite.solution("copies", encoder=OFFLINE, source=PICTURES)
    assert solution.ingest().rows == 200
    results = solution.search([copies / f"{number}.jpg" for number in range(200)], limit=1)
    right = [result[0].key == f"{number}.png" for number, result in enumerate(results)]
    assert sum(right) / 200 >= 0.95


def test_ivf_sq8_on_few_images(workshop):
    text = (ROOT / "configs" / "image.yaml").read_text()
    index = next(line for line in text.splitlines() if line.startswith("index:"))
    source = f"{{type: folder, path: '{ROOT / 'configs' / 'data' / 'images'}'}}"
    solution = workshop.solution("classic", encoder="{type: resnet18, weights: random}", source=source, extra=index)
    assert solution.ingest().rows == 40
    result = solution.search(ROOT / "configs" / "data" / "images" / "fish" / "fish-2.jpg", limit=40)
    assert len(result) == 40
    assert (result[0].key, result[0].similarity) == ("fish/fish-2.jpg", pytest.approx(1, abs=1e-2))
    assert result[1].key.startswith("fish/")


@pytest.mark.parametrize("name", ["image-offline", "image"])
def test_sample_config_is_valid(name, manager):
    config = Solution.from_yaml(ROOT / "configs" / f"{name}.yaml", manager=manager).config
    assert config.source.type == "folder"
    if name == "image":
        assert (config.encoder.type, config.encoder.params.weights) == ("resnet18", "IMAGENET1K_V1")
        assert (config.index.type, config.index.metric) == ("IVF_SQ8", "L2")
        assert (config.index.params, config.index.search) == ({"nlist": 2048}, {"nprobe": 32})


def test_sample_images_are_forty_of_eight_kinds():
    paths = sorted((ROOT / "configs" / "data" / "images").rglob("*.jpg"))
    assert len(paths) == 40
    assert {path.parent.name for path in paths} == set(KINDS)
    assert sum(path.stat().st_size for path in paths) < 1_000_000

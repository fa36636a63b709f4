"""What notebooks show: small copies of media, in HTML that needs nothing else and in which no item's text is obeyed."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from audio_helpers import make_chirp, write_sound
from vicinal.toolkit.html import Card, build_cards, media_to_html
from vicinal.toolkit.media_preview import MAX_FILE_BYTES, extract_clip, make_thumbnail
from vicinal.types import Rendering
from video_helpers import counting_frames, read_number, write_video

pytestmark = pytest.mark.all_encoders

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&"
HOSTILE_SVG = '<svg onload="alert(1)"><script>alert(1)</script><a href="javascript:alert(1)"><rect/></a></svg>'


class Reader(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = set(), {}, ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(attrs)

    def handle_data(self, data):
        self.text += data


def read_media(html):
    """The media type and the bytes of the only data URI in it."""
    ((media_type, data),) = re.findall(r'src="data:([^;]+);base64,([^"]*)"', html)
    return media_type, b64decode(data)


@pytest.fixture
def photo(tmp_path):
    """A picture of 800 by 400 pixels, which EXIF turns upright: 400 by 800."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (800, 400), "red").save(tmp_path / "photo.jpg", exif=exif)
    return tmp_path / "photo.jpg"


@pytest.mark.parametrize("kind", ["text", "svg", "image", "audio", "video"])
def test_nothing_of_an_item_is_obeyed(tmp_path, kind):
    value = {"text": HOSTILE, "svg": HOSTILE_SVG}.get(kind, str(tmp_path / HOSTILE.replace("/", "")))
    card = Card(kind, media_to_html(kind, value, HOSTILE), HOSTILE, HOSTILE, [(HOSTILE, HOSTILE)])
    read = Reader(build_cards([card], ""))
    assert read.tags <= {"div", "span", "strong", "img"}
    assert set(read.attributes) <= {"style", "alt", "src"}
    assert read.text.count(HOSTILE) >= 4


def test_an_svg_is_an_image_in_which_no_script_runs():
    html = media_to_html("svg", HOSTILE_SVG)
    assert html.startswith("<img ")
    assert html.count("<") == 1
    media_type, svg = read_media(html)
    assert media_type == "image/svg+xml"
    assert svg.decode() == HOSTILE_SVG.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')


def test_a_long_text_is_shortened():
    assert Reader(media_to_html("text", "x" * 1000)).text == "x" * 499 + "…"


def test_a_picture_becomes_an_upright_thumbnail(photo):
    media_type, data = read_media(Rendering("image", str(photo))._repr_html_())
    assert media_type == "image/jpeg"
    assert Image.open(io.BytesIO(data)).size == (80, 160)
    assert len(data) < 1000


def test_a_transparent_picture_stays_transparent(tmp_path):
    Image.new("RGBA", (50, 50), (255, 0, 0, 100)).save(tmp_path / "a.png")
    thumbnail = make_thumbnail(tmp_path / "a.png")
    assert thumbnail.media_type == "image/png"
    assert Image.open(io.BytesIO(thumbnail.data)).getpixel((10, 10)) == (255, 0, 0, 100)


def test_a_video_is_shown_from_the_key_frame_before_the_found_moment(tmp_path):
    write_video(tmp_path / "a.mp4", counting_frames(seconds=6), options={"g": "50", "bf": "0"})
    with av.open(str(tmp_path / "a.mp4")) as video:
        keys = [round(packet.pts * packet.time_base * 25) for packet in video.demux(video=0) if packet.is_keyframe]
    clip = extract_clip("video", tmp_path / "a.mp4", 2.4, 3.0)
    with av.open(io.BytesIO(clip.data)) as copied:
        frames = [read_number(frame.to_image()) for frame in copied.decode(video=0)]
    assert clip.media_type == "video/mp4"
    assert frames == list(range(max(key for key in keys if key <= 60), 75))  # 25 frames a second


def test_a_sound_is_shown_from_its_found_window(tmp_path):
    write_sound(tmp_path / "a.wav", make_chirp(seconds=10.0))
    media_type, data = read_media(media_to_html("audio", str(tmp_path / "a.wav"), start=4.0, end=6.0))
    with av.open(io.BytesIO(data)) as copied:
        seconds = sum(frame.samples for frame in copied.decode(audio=0)) / 44_100
    assert media_type == "audio/wav"
    assert seconds == pytest.approx(2.0, abs=0.1)


def test_a_small_sound_without_windows_is_shown_as_it_is(tmp_path):
    write_sound(tmp_path / "a.ogg", make_chirp(seconds=1.0))
    assert read_media(media_to_html("audio", str(tmp_path / "a.ogg"))) == (
        "audio/ogg",
        (tmp_path / "a.ogg").read_bytes(),
    )


@pytest.mark.parametrize(
    ("kind", "name", "content", "reason"),
    [
        ("image", "gone.jpg", None, "the file no longer exists"),
        ("image", "broken.jpg", b"no picture", "cannot be shown here"),
        ("audio", "long.ogg", bytes(MAX_FILE_BYTES + 1), "0.5 MB"),
        ("video", "\0", None, "the file no longer exists"),
    ],
)
def test_in_place_of_a_file_that_cannot_be_shown_stands_its_name(tmp_path, kind, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert Reader(media_to_html(kind, str(tmp_path / name))).text == f"{name} ({reason})"
    assert str(tmp_path) not in media_to_html(kind, str(tmp_path / name))


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path):
    Image.fromarray(np.zeros((10_001, 10_000), np.uint8)).save(tmp_path / "a.png")
    assert Reader(media_to_html("image", str(tmp_path / "a.png"))).text == "a.png (cannot be shown here)"


def test_without_cards_stands_what_the_caller_says():
    assert Reader(build_cards([], "no hits")).text == "no hits"


def test_there_is_no_path_of_this_machine_in_it(photo):
    assert str(Path(photo).parent) not in Rendering("image", str(photo))._repr_html_()

"""Videos for the tests: generated shots, frames that tell their own number, and a cheap encoder of images."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from vicinal import Encoder, Item, ItemError, Segment, Space, create_manager, hookimpl
from vicinal_video.decode_plan import plan_decoding
from vicinal_video.keyframes import Keyframes
from vicinal_video.sampling import sample_by_interval
from vicinal_video.video import Video

DATA = Path(__file__).parents[2] / "configs" / "data"

sys.path.insert(0, str(DATA))
import make_videos  # noqa: E402

SIZE = (96, 64)
FORMATS = {
    "h264.mp4": ("libx264", {}),
    "short-gops.mp4": ("libx264", {"x264-params": "keyint=10:min-keyint=10:scenecut=0"}),
    "long-gop.mp4": ("libx264", {"x264-params": "keyint=999:bframes=8:b-pyramid=normal:scenecut=0"}),
    "open-gops.mkv": ("libx264", {"x264-params": "keyint=12:min-keyint=12:open-gop=1:bframes=3:scenecut=0"}),
    "key-frames-only.mov": ("libx264", {"g": "1"}),
    "h264.ts": ("libx264", {"bf": "2"}),
    "hevc.mp4": ("libx265", {"x265-params": "log-level=none:keyint=15:open-gop=1"}),
    "mpeg4.avi": ("mpeg4", {"g": "9"}),
    "mpeg2.mpg": ("mpeg2video", {}),
    "vp8.webm": ("libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "vp9-hidden-frames.mkv": ("libvpx-vp9", {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "6"}),
    "av1.mkv": ("libsvtav1", {"preset": "12", "svtav1-params": "keyint=40"}),
    "mjpeg.avi": ("mjpeg", {"pix_fmt": "yuvj420p"}),
}
"""Codec and options of a video, by its name."""


class ColourGrid(Encoder):
    """An image as the mean colours of 4 by 4 cells; a query may also be the name of a colour."""

    @property
    def space(self):
        return Space(48)

    @property
    def signature(self):
        return "colour-grid"

    def decode(self, item):
        if isinstance(item.content, str | Path):
            try:
                image = Image.open(item.content)
            except OSError as error:
                raise ItemError("not an image") from error
        elif isinstance(item.content, Image.Image):
            image = item.content
        else:
            raise ItemError("not an image")
        return [Segment(np.asarray(image.convert("RGB").resize((4, 4), Image.Resampling.BOX)))]

    def decode_query(self, query):
        if query in ("red", "green", "blue"):
            return self.decode(Item("query", Image.new("RGB", (8, 8), query)))
        return super().decode_query(query)

    def encode(self, samples):
        vectors = np.array([sample.reshape(48) for sample in samples], np.float32).reshape(-1, 48) + 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@hookimpl
def register_encoders(encoders):
    encoders.add("colour-grid", f"{__name__}:ColourGrid", summary="of the tests: mean colours of cells")


def make_registry():
    manager = create_manager()
    assert manager.register(sys.modules[__name__], "tests").status == "ok"
    return manager.encoders


def make_keyframes(**params):
    """The encoder over the cheap encoder of images."""
    params = {"image": {"type": "colour-grid"}, **params}
    return Keyframes(Keyframes.Params.model_validate(params, context={"encoders": make_registry()}))


def numbered_frame(number, size=SIZE):
    """A frame that tells its number by twelve cells of black or white."""
    bits = np.array([(number >> bit) & 1 for bit in range(12)], np.uint8).reshape(3, 4) * 255
    return Image.fromarray(bits).resize(size, Image.Resampling.NEAREST).convert("RGB")


def read_number(image):
    """Read the number that ``numbered_frame`` drew, in an image or in a decoded frame."""
    grey = image.convert("L") if isinstance(image, Image.Image) else image.to_image().convert("L")
    bits = np.asarray(grey.resize((4, 3), Image.Resampling.BOX)).reshape(12) > 127
    return sum(int(bit) << position for position, bit in enumerate(bits))


def write_video(path, frames, rate=25, codec="libx264", options=None, **properties):
    """Write images as a video.

    ``times`` are the frames' seconds, where they are not evenly spread; ``rotation`` says by how many degrees a player
    has to turn the frames counterclockwise, ``aspect`` how much wider than high pixels are; ``sound`` adds a track.
    """
    path = Path(path)
    flags = {"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options=flags) as container:
        stream = audio = None
        for number, image in enumerate(frames):
            if stream is None:
                stream = _add_video_stream(container, codec, rate, options, image.size, properties)
                audio = container.add_stream("aac", rate=16_000, layout="mono") if properties.get("sound") else None
            frame = av.VideoFrame.from_image(image)
            if "times" in properties:
                frame.pts, frame.time_base = round(1000 * properties["times"][number]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            write_silence(container, audio)
    return path


def _add_video_stream(container, codec, rate, options, size, properties):
    stream = container.add_stream(codec, rate=rate, options=options or {})
    stream.width, stream.height = size
    stream.thread_count = 1  # on several, x264 writes another file on a busy machine
    stream.pix_fmt = properties.get("pix_fmt") or "yuv420p"
    if "times" in properties:
        stream.codec_context.time_base = Fraction(1, 1000)
    if "rotation" in properties:
        stream.set_display_rotation(properties["rotation"])
    if "aspect" in properties:
        stream.codec_context.sample_aspect_ratio = properties["aspect"]
    return stream


def write_silence(container, audio):
    """Write two and a half seconds of silence."""
    for number in range(40):
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        block.sample_rate, block.pts = 16_000, 1024 * number
        container.mux(audio.encode(block))
    container.mux(audio.encode(None))


def open_video(path, max_seconds=14_400.0):
    return Video(Path(path), max_seconds)


def shot_frames(*kinds, seed=0, **properties):
    """The frames of generated shots."""
    return make_videos.film([make_videos.shot(kind, seed) for kind in kinds], **properties)


def counting_frames(seconds=6, rate=25, size=SIZE):
    """Frames numbered from 0."""
    return (numbered_frame(number, size) for number in range(round(seconds * rate)))


def sampled_numbers(path, every=1.0):
    """Start and number of each sampled frame, by the plan where there is one, and the end of the video."""
    video = open_video(path)
    plan = plan_decoding(*video.index_packets(), every)
    frames = video.decode_planned(plan) if plan else sample_by_interval(video.decode_all(), every)
    return [(round(start, 3), read_number(frame)) for frame, start in frames], video.end


def segment_spans(path, **params):
    """Start and end of each segment of a video."""
    segments = make_keyframes(**params).decode(Item("x", path))
    return [(round(segment.start, 2), round(segment.end, 2)) for segment in segments]

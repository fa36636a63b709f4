"""Encoders of files for the server's tests: a file's vector is the histogram of its bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vicinal import IMAGE, TEXT, Encoder, ItemError, Rendering, Segment, Space, hookimpl


class ByteHistogram(Encoder):
    """Reads any file, and refuses one that begins with ``bad``."""

    query_modalities = (IMAGE,)

    @property
    def space(self):
        return Space(256)

    @property
    def signature(self):
        return "bytes"

    def decode(self, item):
        try:
            data = Path(item.content).read_bytes()
        except OSError as error:
            raise ItemError(f"{item.content} cannot be read: {error.strerror}") from error
        if data.startswith(b"bad"):
            raise ItemError(f"{item.content} is bad")
        if data.startswith(b"crash"):
            raise RuntimeError("a decoder's own defect")
        return [Segment(data)]

    def encode(self, samples):
        counts = np.stack([np.bincount(np.frombuffer(data, np.uint8), minlength=256) for data in samples])
        vectors = (counts + 1e-3).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def render(self, item):
        return Rendering("image", str(item.content))


class FileOrText(ByteHistogram):
    """Takes files and texts; a query that is the path of a file is that file, as the contract allows."""

    query_modalities = (IMAGE, TEXT)
    opened_paths: list = []  # noqa: RUF012

    def decode_query(self, query):
        if isinstance(query, str):
            if query.startswith("text:"):
                return [Segment(query.removeprefix("text:").encode())]
            if Path(query).is_file():
                self.opened_paths.append(query)
                return self.decode_query(Path(query))
        return super().decode_query(query)


class Undeclared(ByteHistogram):
    """An encoder of files that does not declare them as its query modality."""

    query_modalities = ()


@hookimpl
def register_encoders(encoders):
    encoders.add("bytes", "file_encoders:ByteHistogram", summary="for tests")
    encoders.add("either", "file_encoders:FileOrText", summary="for tests")
    encoders.add("undeclared", "file_encoders:Undeclared", summary="for tests")


def index_pictures(lite, images):
    """Ingest copies of images in two folders, ``even`` and ``odd``, as a solution of histograms."""
    assert lite.manager.register(sys.modules[__name__], "files of the tests").status == "ok"
    for number, image in enumerate(images):
        folder = lite.folder / "files" / ("even", "odd")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / image.name).write_bytes(image.read_bytes())
    solution = lite.solution(encoder="{type: bytes}", source="{type: folder, path: files}")
    solution.ingest()
    return solution

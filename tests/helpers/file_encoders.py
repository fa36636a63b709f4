"""Encoders of files for the server's tests: a file's vector is how often each byte occurs in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vicinal import Encoder, ItemError, Rendering, Segment, Space, hookimpl


class Bytes(Encoder):
    """Reads any file; one that begins with ``bad`` is refused."""

    query_modalities = ("image",)

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


class Either(Bytes):
    """Files and texts: a query that is a file's path is that file, as the contract allows."""

    query_modalities = ("image", "text")
    opened: list = []  # noqa: RUF012

    def decode_query(self, query):
        if isinstance(query, str):
            if query.startswith("text:"):
                return [Segment(query.removeprefix("text:").encode())]
            if Path(query).is_file():
                self.opened.append(query)
                return self.decode_query(Path(query))
        return super().decode_query(query)


class Undeclared(Bytes):
    """An encoder of files whose author did not say so."""

    query_modalities = ()


@hookimpl
def register_encoders(encoders):
    encoders.add("bytes", "file_encoders:Bytes", summary="for tests")
    encoders.add("either", "file_encoders:Either", summary="for tests")
    encoders.add("undeclared", "file_encoders:Undeclared", summary="for tests")

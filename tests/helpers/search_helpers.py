"""The rows of 300 texts, vectors of texts by the tests' encoder, and the keys of hits."""

from __future__ import annotations

from encoders import Hashed

ROWS = [(f"k{number}", f"text {number}", 2000 + number % 10) for number in range(300)]


def encode_texts(texts, **params):
    return Hashed(Hashed.Params(**params)).encode(texts)


def keys(hits):
    return [hit.key for hit in hits]

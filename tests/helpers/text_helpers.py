"""Texts of several kinds, and the encoder ``sentence``."""

from __future__ import annotations

import ast
import random
import sysconfig
from pathlib import Path

import numpy as np

from vicinal_text.sentence import SentenceEncoder

TEXTS = (
    "How do I pick nprobe for an IVF index?",
    "The number of probes trades speed for recall.",
    "A recipe for apple pie with cinnamon.",
    "Ünïcödé, naïve café: 東京は日本の首都です 🍎\tand\nmore",
    "x",
)
TWO_SENTENCES = "An index of inverted lists has cells. A search looks into some of them."
BLANK = {
    "nothing": "",
    "whitespace of ASCII": " \t\r\n\v\f",
    "whitespace of Unicode": "\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000",
    "control characters": "\0\x07\x1b\x7f\x85",
    "zero-width characters": "\u200b\u200c\u200d\u2060\ufeff",
    "direction marks": "\u200e\u202a\u202c\u2066\u2069",
    "byte order marks": "\ufeff \ufffe",
    "soft hyphens": "\u00ad\u00ad",
    "combining marks": "\u0301\u0308\u20dd\u0903",
    "variation selectors and tags": "\ufe0f\U000e0100\U000e0041",
    "letters without a shape": "\u3164\u115f\u1160\uffa0\u2800",
    "embedded objects": "\ufffc",
    "halves of surrogate pairs": "\ud800\udfff",
}
"""Texts in which nothing can be seen, by kind."""
LONG = " ".join(f"word{number} of a text that is far longer than the model reads" for number in range(200))


def make_encoder(**params):
    return SentenceEncoder(SentenceEncoder.Params(**params))


def row_cosines(first, second):
    return (first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


def collect_docstrings(count):
    """English texts of 8 to 20 words that every Python has: docstrings of the standard library."""
    found = {}
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        try:
            nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in nodes:
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                words = (ast.get_docstring(node) or "").split()
                if len(words) >= 8 and ">>>" not in words:
                    found[" ".join(words[:20])] = None
    return random.Random(1).sample(sorted(found), count)

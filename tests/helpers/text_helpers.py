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

"""What happens to a sequence before somebody searches with it: mutations, a part of it, the other strand."""

from __future__ import annotations

import numpy as np
from vicinal import Disturbance

from vicinal_dna.bases import parse_bases, reverse_complement

__all__ = ["DISTURBANCES"]

_MUTATED = 0.05
_MIN_PART = 50


def _mutate(content: object, generator: np.random.Generator) -> str:
    bases = list(parse_bases(content))
    count = max(1, round(_MUTATED * len(bases)))
    for place in generator.choice(len(bases), count, replace=False):
        bases[place] = str(generator.choice([base for base in "ACGT" if base != bases[place]]))
    return "".join(bases)


def _take_part(content: object, generator: np.random.Generator) -> str | None:
    """Take a random half; None of a sequence of fewer than 100 bases."""
    bases = parse_bases(content)
    half = len(bases) // 2
    start = int(generator.integers(half + 1))
    return bases[start : start + half] if half >= _MIN_PART else None


def _take_other_strand(content: object, _: np.random.Generator) -> str:
    return reverse_complement(parse_bases(content))


DISTURBANCES = (
    Disturbance("mutated", "sequences with 5% of mutations", _mutate, hint="try shorter words: a smaller `k`"),
    Disturbance("cut", "halves of sequences", _take_part, hint="index shorter windows: a smaller `window`"),
    Disturbance("other-strand", "other strands", _take_other_strand, hint="write `strands: both` on the encoder"),
)

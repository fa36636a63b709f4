"""What a FASTA file holds, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from vicinal_dna.fasta import open_fasta, read_records


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers of a FASTA file; lengths are in letters.

    Attributes:
        n50: Records of this length or more hold half of all letters.
        gc: The share of G and C among A, C, G, T and U, 0 to 1; None where there is none of them.
    """

    records: int
    broken: int
    letters: int
    shortest: int
    longest: int
    mean: float
    n50: int
    gc: float | None


def measure(path: Path) -> Stats:
    """Read a FASTA file, of which one record at a time is held.

    Raises:
        FastaError: The file is not FASTA.
        OSError: It cannot be read.
    """
    lengths: list[int] = []
    letters: Counter[str] = Counter()
    broken = 0
    with open_fasta(path) as stream:
        for record in read_records(stream):
            if record.fault:
                broken += 1
            else:
                lengths.append(len(record.sequence))
                letters.update(record.sequence)
    return _summarize(sorted(lengths), letters, broken)


def _summarize(lengths: list[int], letters: Counter[str], broken: int) -> Stats:
    total = sum(lengths)
    gc, known = (sum(letters[base] for base in bases) for bases in ("GC", "ACGTU"))
    return Stats(
        records=len(lengths),
        broken=broken,
        letters=total,
        shortest=min(lengths, default=0),
        longest=max(lengths, default=0),
        mean=round(total / len(lengths), 1) if lengths else 0.0,
        n50=_find_n50(lengths, total),
        gc=round(gc / known, 4) if known else None,
    )


def _find_n50(lengths: list[int], total: int) -> int:
    held = 0
    for length in reversed(lengths):
        held += length
        if 2 * held >= total:
            return length
    return 0

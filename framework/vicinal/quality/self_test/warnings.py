"""What a known-item search warns of, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vicinal.plugin.evaluation import Disturbance
from vicinal.quality.self_test.report import DisturbanceResult, SelfReport

__all__ = ["list_warnings"]

_ALIKE = 0.95
_FEW_ITEMS = 100
_FEW_QUERIES = 30


def list_warnings(report: SelfReport, disturbances: Mapping[str, Disturbance], usual: float) -> Iterator[str]:
    """Warnings of figures below what is expected, of near-duplicates, and of an encoder that makes all items alike.

    ``usual`` is the similarity of two random items.
    """
    if usual > _ALIKE:
        yield (
            f"two random items have a similarity of {usual:.3f}: the encoder hardly tells them apart;"
            " is it made for such items, and are its weights trained?"
        )
    for name, result in report.disturbances.items():
        if result.found < disturbances[name].expected:
            yield _describe_miss(result, disturbances[name].hint)
    if count := len({pair.key for pair in report.near_duplicates}):
        first, is_one = report.near_duplicates[0], count == 1
        have = "item has a near-duplicate that is" if is_one else "items have near-duplicates that are"
        yield (
            f"{count:,} {have} found in {'its' if is_one else 'their'} place, {first.found!r} for {first.key!r}:"
            " see `vicinal duplicates FILE`"
        )
    if report.items < _FEW_ITEMS:
        yield f"among {report.items:,} items each is easily found: figures fall where there are more"
    if report.sample < _FEW_QUERIES:
        yield f"{report.sample} items are few: the intervals are rough, and too narrow"


def _describe_miss(result: DisturbanceResult, hint: str) -> str:
    """As ``mirrored pictures are found in 40%: index a mirrored copy of each, too``; 99.6% are not 100%."""
    share = min(int(100 * result.found + 0.5), 99)
    return f"{result.label} are found in {share}%" + (f": {hint}" if hint else "")

"""A comparison in one sentence: which solution is better, by how much, and at what cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vicinal.quality.comparison.report import ComparedSolution, Comparison, PairedTest

__all__ = ["describe_comparison", "enumerate_texts", "format_p"]

_SIZES = {1 / 10: "a tenth of", 1 / 8: "an eighth of", 1 / 5: "a fifth of", 1 / 4: "a quarter of", 1 / 3: "a third of"}
_SIZES |= {1 / 2: "half", 2 / 3: "two thirds of", 3 / 4: "three quarters of"}
_SIZES |= {2: "twice", 3: "three times", 4: "four times"}
_TOLERANCE = 0.04
"""How far a ratio may be from the one that a word stands for."""
_SAME_SIZE = 1.05
_MIN_SPEED_RATIO = 1.5
"""Timings that differ by less may be chance."""
_MIN_ITEMS = 8
"""Encoding fewer items says little of its speed."""


def describe_comparison(comparison: Comparison) -> str:
    """The verdict, without a full stop."""
    if not comparison.measure:
        return _describe_overlap(comparison)
    if len(comparison.solutions) == 2:
        return _describe_two(comparison)
    return _describe_many(comparison)


def format_p(p: float) -> str:
    """A p-value with two digits that count."""
    return f"{p:.2g}"


def _describe_overlap(comparison: Comparison) -> str:
    if all(pair.equal == comparison.queries for pair in comparison.pairs):
        return _describe_equal(comparison)
    shares = ", ".join(f"{pair.first} and {pair.second} share {pair.overlap.value:.0%}" for pair in comparison.pairs)
    return f"without labels or judgments nothing says which is better: of the first {comparison.limit} hits, {shares}"


def _describe_two(comparison: Comparison) -> str:
    pair = comparison.pairs[0]
    best, other = _rank_solutions(comparison)
    if pair.equal == comparison.queries:
        return _add_costs_of_cheaper(_describe_equal(comparison), best, other)
    if not pair.is_shown:
        return _add_costs_of_cheaper(_describe_unshown(comparison, pair), best, other)
    value, others = _format_values([best, other], comparison.measure)
    p = format_p(pair.p or 0.0)
    head = f"{best.name} is better: {comparison.measure} {value} against {others} (p = {p})"
    return _add_costs(head, best, other)


def _describe_equal(comparison: Comparison) -> str:
    both = "both" if len(comparison.solutions) == 2 else "all"
    return f"no difference: {both} find the same for each of {comparison.queries:,} queries"


def _describe_unshown(comparison: Comparison, pair: PairedTest) -> str:
    first, second = comparison.solutions
    values = _format_values([first, second], comparison.measure)
    difference = pair.difference
    assert difference is not None and pair.p is not None
    return (
        f"no difference that {comparison.queries:,} queries could show: {comparison.measure} {' and '.join(values)}"
        f" (difference {difference.value:+.3f}, 95% interval {difference.low:+.3f} to {difference.high:+.3f},"
        f" p = {format_p(pair.p)})"
    )


def _describe_many(comparison: Comparison) -> str:
    if all(pair.equal == comparison.queries for pair in comparison.pairs):
        return _describe_equal(comparison)
    best, *others = _rank_solutions(comparison)
    worse = [one for one in others if comparison.find_pair(best.name, one.name).is_shown]
    alike = [one for one in others if one not in worse]
    value, *values = _format_values([best, *others], comparison.measure)
    shown = dict(zip([one.name for one in others], values, strict=True))
    if not worse:
        return (
            f"no difference that {comparison.queries:,} queries could show: {comparison.measure} from"
            f" {values[-1]} ({others[-1].name}) to {value} ({best.name})"
        )
    largest = max(comparison.find_pair(best.name, one.name).adjusted_p or 0.0 for one in worse)
    against = enumerate_texts([f"{one.name} ({shown[one.name]})" for one in worse])
    p = f"p {'=' if len(worse) == 1 else '≤'} {format_p(largest)} by Holm"
    if not alike:
        return f"{best.name} is best: {comparison.measure} {value}, against {against}, {p}"
    rest = enumerate_texts([f"{one.name} ({shown[one.name]})" for one in alike])
    return (
        f"{best.name} ({comparison.measure} {value}) is better than {against}, {p};"
        f" between it and {rest} {comparison.queries:,} queries could show no difference"
    )


def _rank_solutions(comparison: Comparison) -> list[ComparedSolution]:
    """The solutions by the measure that decides, best first; of equal ones the first."""
    return sorted(comparison.solutions, key=lambda one: -one.metrics[comparison.measure].value)


def _format_values(solutions: Sequence[ComparedSolution], measure: str) -> list[str]:
    """The values with two decimals, or as many as tell them apart, up to four."""
    values = [one.metrics[measure].value for one in solutions]
    for decimals in (2, 3, 4):
        texts = [f"{value:.{decimals}f}" for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts


# --- costs


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one solution is cheaper or dearer in; ``text`` has ``{its}`` or ``{it}`` in the place of its name."""

    is_lower: bool
    text: str


def _list_costs(one: ComparedSolution, other: ComparedSolution) -> Iterator[_Cost]:
    """How the first one's costs differ from the other's, as far as that is more than chance makes."""
    ratio = one.size.bytes_per_item / (other.size.bytes_per_item or 1.0)
    if max(ratio, 1 / (ratio or 1.0)) > _SAME_SIZE:
        yield _Cost(ratio < 1, f"{{its}} vectors are {_describe_ratio(ratio)} the size")
    mine, others = one.speed, other.speed
    if mine is None or others is None:
        return
    is_measured = min(mine.items, others.items) >= _MIN_ITEMS
    if one.encoder != other.encoder and is_measured and mine.items_per_second and others.items_per_second:
        yield from _list_slowness("encodes", others.items_per_second / mine.items_per_second)
    if mine.search_ms_p95 < others.search_ms or others.search_ms_p95 < mine.search_ms:
        yield from _list_slowness("searches", mine.search_ms / others.search_ms)


def _list_slowness(verb: str, ratio: float) -> Iterator[_Cost]:
    """``ratio`` is that of the times."""
    if ratio >= _MIN_SPEED_RATIO:
        yield _Cost(False, f"{{it}} {verb} {_format_factor(ratio)} times as slowly")
    elif ratio <= 1 / _MIN_SPEED_RATIO:
        yield _Cost(True, f"{{it}} {verb} {_format_factor(1 / ratio)} times as fast")


def _add_costs(verdict: str, one: ComparedSolution, other: ComparedSolution) -> str:
    """The verdict that ``one`` is better, with its costs."""
    return verdict + _join_costs(sorted(_list_costs(one, other), key=lambda cost: not cost.is_lower))


def _add_costs_of_cheaper(verdict: str, one: ComparedSolution, other: ComparedSolution) -> str:
    """The verdict that there is no difference, with what the one of smaller vectors, or else the quicker one, saves."""
    if not (costs := list(_list_costs(one, other))):
        return verdict
    if not costs[0].is_lower:
        one, costs = other, list(_list_costs(other, one))
    first = costs[0].text.format(its=f"{one.name}'s", it=one.name)
    return f"{verdict}; {first}{_join_costs(costs[1:])}"


def _join_costs(costs: Sequence[_Cost]) -> str:
    """The costs after something good: each is joined by ``but`` where it says the opposite of what is before it."""
    text, is_good = "", True
    for cost in costs:
        text += f", {'and' if cost.is_lower == is_good else 'but'} {cost.text.format(its='its', it='it')}"
        is_good = cost.is_lower
    return text


def _describe_ratio(ratio: float) -> str:
    for known, words in _SIZES.items():
        if abs(ratio / known - 1) < _TOLERANCE:
            return words
    return f"{_format_factor(ratio)} times" if ratio > 1 else f"{ratio:.0%} of"


def _format_factor(factor: float) -> str:
    return f"{factor:.1f}".removesuffix(".0") if factor < 10 else f"{factor:,.0f}"


def enumerate_texts(texts: Sequence[str]) -> str:
    """The texts as a sentence names them: A, B and C."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"

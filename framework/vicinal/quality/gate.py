"""The gate of a reindex: measures of the new generation, as ``mAP@10>=live``, on the same queries as the live one's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.errors import VicinalError
from vicinal.quality.estimates import compute_sign_flip_p
from vicinal.quality.evaluation.search_report import PerQuery
from vicinal.quality.evaluation.searches import SearchOptions, evaluate_judged, evaluate_labels
from vicinal.quality.judgments import JudgedQuery, read_judgments
from vicinal.quality.labels import count_labels, require_queries
from vicinal.quality.measures import Measures
from vicinal.quality.sample import require_seed
from vicinal.solution.gate import Gate, GateResult

if TYPE_CHECKING:
    from vicinal.solution.solution import Solution

__all__ = ["GateCondition", "QualityGate", "build_gate"]

_DEFAULT_SAMPLE = 2_000
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_CONDITION = re.compile(rf"\s*(\S+?)\s*(>=|>)\s*(?:(live)\s*(?:([+-])\s*({_NUMBER}))?|({_NUMBER}))\s*")
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class GateCondition:
    """That a measure of the new generation reaches a number, or that of the live one and a number more or less."""

    measure: str
    is_strict: bool
    """Whether reaching it exactly is too little."""
    is_relative: bool
    """Whether ``number`` is added to what the live one has."""
    number: float

    @classmethod
    def parse(cls, text: str) -> GateCondition:
        """Read ``mAP@10>=live``, ``P@1>=live-0.02``, ``nDCG@10>0.6``.

        Raises:
            VicinalError: it is none, or there is no such measure.
        """
        if (match := _CONDITION.fullmatch(text)) is None:
            raise VicinalError(
                f"{text!r} is no condition", hint="as 'mAP@10>=live', 'mAP@10>=live-0.02' or 'mAP@10>=0.6'"
            )
        measure, operator, live, sign, change, number = match.groups()
        Measures.parse([measure])
        value = float(change or 0) * (-1 if sign == "-" else 1) if live else float(number)
        return cls(measure, operator == ">", bool(live), value)

    def check(self, new: float, live: float | None) -> bool:
        """Whether the new one's value fulfils it."""
        least = self.compute_least(live)
        return new > least + _ROUNDING if self.is_strict else new >= least - _ROUNDING

    def compute_least(self, live: float | None) -> float:
        """What the new one's value has to reach."""
        return self.number + (live or 0.0 if self.is_relative else 0.0)

    def __str__(self) -> str:
        number = f"{abs(self.number):.9f}".rstrip("0").rstrip(".")
        change = f"{'-' if self.number < 0 else '+'}{number}" if self.number else ""
        return f"{self.measure}{'>' if self.is_strict else '>='}{'live' + change if self.is_relative else number}"


class QualityGate(Gate):
    """Lets a new generation pass that fulfils all of some conditions."""

    def __init__(
        self,
        conditions: Sequence[GateCondition],
        labels: str = "",
        judged: Sequence[JudgedQuery] = (),
        sample: int | None = None,
        seed: int = 0,
    ) -> None:
        """Queries are items with ``labels``, or the ``judged`` ones; both evaluations ask up to ``sample`` of them."""
        self._conditions = conditions
        self._labels = labels
        self._judged = judged
        measures = Measures.parse([condition.measure for condition in conditions])
        limit = sample or (2**63 if judged else _DEFAULT_SAMPLE)
        self._options = SearchOptions(measures, limit, seed, index_recall=False)

    @property
    def _is_relative(self) -> bool:
        return any(condition.is_relative for condition in self._conditions)

    def prepare(self, live: Solution) -> None:
        """See that the live one's items have labels.

        Raises:
            VicinalError: they have not, or the live one cannot be compared with.
            DependencyError: ``ir-measures`` is not installed.
        """
        self._options.measures.compute([])
        if self._is_relative:
            live.open_live()
        if self._labels:
            count_labels(live.metadata, self._labels)

    def judge(self, live: Solution, new: Solution) -> GateResult:
        """Evaluate the new one, and the live one where a condition names it, on the queries that both can answer.

        Raises:
            VicinalError: fewer than two queries can be answered by both.
        """
        figures = self._evaluate_solution(new)
        other = self._evaluate_solution(live.open_live()) if self._is_relative else None
        if other is not None:
            figures, other = _select_common(figures, other)
        checks = [self._check_condition(condition, figures, other) for condition in self._conditions]
        passed = all(check["passed"] for check in checks)
        return GateResult(passed, "; ".join(map(_describe_check, checks)), checks)

    def _evaluate_solution(self, solution: Solution) -> PerQuery:
        if self._labels:
            report = evaluate_labels(solution, self._labels, self._options)
        else:
            report = evaluate_judged(solution, self._judged, "the judgments", self._options)
        assert report.per_query is not None
        return report.per_query

    def _check_condition(self, condition: GateCondition, new: PerQuery, live: PerQuery | None) -> dict[str, Any]:
        values = new.values[condition.measure]
        others = live.values[condition.measure] if live is not None else None
        value, other = float(values.mean()), None if others is None else float(others.mean())
        return {
            "gate": str(condition),
            "measure": condition.measure,
            "new": round(value, 6),
            "live": None if other is None else round(other, 6),
            "least": round(condition.compute_least(other), 6),
            "queries": len(values),
            "p": None if others is None else round(compute_sign_flip_p(values - others, self._options.seed), 6),
            "passed": condition.check(value, other),
        }


def build_gate(
    conditions: Sequence[str],
    *,
    labels: str = "",
    qrels: str | Path | None = None,
    queries: str | Path | None = None,
    judged: Sequence[JudgedQuery] = (),
    sample: int | None = None,
    seed: int = 0,
) -> Gate:
    """A gate for ``Solution.reindex``: the new items have to be found as well as those that they replace.

    Args:
        conditions: as ``mAP@10>=live``, ``P@1>=live-0.02``, ``nDCG@10>=0.6``; all of them have to be fulfilled.
        labels: a metadata field; indexed items are searched with, and those of the same label are relevant.
        qrels: what people judged relevant, as TREC qrels or a CSV of query and key.
        queries: the texts of the queries that ``qrels`` name by id, as a CSV of id and query.
        judged: the judged queries themselves, in place of ``qrels``.
        sample: the most queries that are asked, drawn at random; by default 2,000, and all of the judged ones.
        seed: of that sample.

    Raises:
        VicinalError: a condition or a file cannot be read, or it is not said what is relevant.
    """
    if not conditions:
        raise VicinalError("a gate needs a condition", hint="as 'mAP@10>=live'")
    parsed = [GateCondition.parse(condition) for condition in conditions]
    if queries is not None and qrels is None:
        raise VicinalError("queries needs qrels, which says what is relevant to them", hint="give both, or neither")
    if qrels is not None:
        judged = read_judgments(Path(qrels), Path(queries) if queries is not None else None)
    if bool(labels) == bool(judged):
        raise VicinalError(
            "a gate needs either labels or judgments, which say what is relevant",
            hint="labels are a metadata field that similar items share; judgments are qrels",
        )
    require_seed(seed)
    if sample is not None and sample < 2:
        raise VicinalError(f"sample is {sample}", hint="a mean takes two queries or more")
    return QualityGate(parsed, labels, judged, sample, seed)


def _select_common(first: PerQuery, second: PerQuery) -> tuple[PerQuery, PerQuery]:
    """Both on the queries that both have, in the same order.

    Raises:
        VicinalError: those are fewer than two.
    """
    places = [{_name_query(query): place for place, query in enumerate(one.queries)} for one in (first, second)]
    common = [name for name in places[0] if name in places[1]]
    require_queries(len(common), "both have to answer the same queries; take a larger sample")
    return _select_queries(first, [places[0][name] for name in common]), _select_queries(
        second, [places[1][name] for name in common]
    )


def _name_query(query: Mapping[str, str]) -> str:
    return query.get("id", query["query"])


def _select_queries(figures: PerQuery, places: Sequence[int]) -> PerQuery:
    values = {name: values[list(places)] for name, values in figures.values.items()}
    return PerQuery([figures.queries[place] for place in places], values)


def _describe_check(check: Mapping[str, Any]) -> str:
    verb = "passes" if check["passed"] else "does not pass"
    live = "" if check["live"] is None else f", {check['live']:.4f} of what is live"
    return (
        f"{check['measure']} {check['new']:.4f} of the new one{live}, on {check['queries']:,} queries, {verb}"
        f" {check['gate']}"
    )

"""Compares solutions on the same queries: quality with a paired test, size of the vectors, speed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, count
from pathlib import Path

from vicinal.errors import VicinalError
from vicinal.plugin.encoder_calls import require_signature
from vicinal.quality.comparison.answers import Answers, ask_all
from vicinal.quality.comparison.items import CommonItems, find_common_items
from vicinal.quality.comparison.page import build_comparison_page
from vicinal.quality.comparison.queries import Questions, choose_questions
from vicinal.quality.comparison.report import ComparedSolution, Comparison, PairedTest
from vicinal.quality.comparison.size import compute_vector_size
from vicinal.quality.comparison.speed import measure_speed
from vicinal.quality.comparison.turns import SolutionTurns, require_searchable
from vicinal.quality.comparison.verdict import describe_comparison
from vicinal.quality.estimates import adjust_by_holm, compute_sign_flip_p, estimate_means
from vicinal.quality.evaluation.evaluation import require_outputs
from vicinal.quality.evaluation.search_report import PerQuery
from vicinal.quality.index_recall import IndexRecall, measure_index_recall
from vicinal.quality.labels import require_queries
from vicinal.quality.measures import Measures
from vicinal.quality.per_query import PerQueryTable
from vicinal.quality.sample import require_seed
from vicinal.solution.solution import Solution
from vicinal.toolkit.pages import write_page

__all__ = ["compare", "name_solutions"]

DEFAULT_SAMPLE = 2_000
_DEFAULT_MEASURES = ("mAP@10", "P@1", "P@10", "recall@10", "MRR@10", "nDCG@10")
_DEFAULT_LIMIT = 10
_FEW_QUERIES = 30


def compare(
    solutions: Sequence[Solution],
    *,
    labels: str = "",
    qrels: str | Path | None = None,
    queries: str | Path | None = None,
    measures: Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
    per_query: str | Path | None = None,
    html: str | Path | None = None,
    index_recall: bool = True,
    speed: bool = True,
    names: Sequence[str] = (),
) -> Comparison:
    """Measure how good, how large and how quick solutions are on the same queries, and whether that differs.

    The queries are items that all of them have indexed, or those of ``qrels``; hits that not all have are left out.
    Without labels or judgments it compares what they find, not which is better.

    Args:
        solutions: two or more; one may be given twice.
        labels: a metadata field, of the first solution; items of the same label are relevant to each other.
        qrels: what people judged relevant, as TREC qrels or a CSV of query and key.
        queries: the texts of the queries that ``qrels`` name by id, as a CSV of id and query.
        measures: P@k, recall@k, mAP@k, MRR@k, nDCG@k; the first decides, mAP@10 by default.
        sample: the most queries that are asked, drawn at random; by default 2,000, and all of ``qrels``.
        seed: of that sample, of the intervals and of the tests.
        per_query: a .parquet or .csv file that gets the figures of each query in each solution.
        html: a file that gets the comparison as a page of its own, with plots.
        index_recall: whether to measure what each index loses, too; that reads all stored vectors.
        speed: whether to measure how quickly each searches and encodes.
        names: what to call the solutions; by default their own names, numbered where they are equal.

    Raises:
        NothingIndexedError: one of them has nothing indexed.
        VicinalError: they have no two items in common, it cannot be measured so, one argument excludes another, or a
            file cannot be written.
        DependencyError: ``ir-measures`` is not installed or, for a page, plotly.
    """
    _require_one_way(solutions, labels, qrels, queries, measures, sample, names)
    require_seed(seed)
    started = time.perf_counter()
    names = name_solutions(names or [solution.name for solution in solutions])
    parsed = _parse_measures(measures, is_judged=bool(labels) or qrels is not None)
    turns = SolutionTurns(solutions)
    table, page = (None if path is None else Path(path) for path in (per_query, html))
    require_outputs(table, page)
    with PerQueryTable(table, _name_columns(labels, qrels), parsed.names) as rows:
        require_searchable(turns, names)
        items = find_common_items(solutions)
        questions = choose_questions(
            solutions[0].metadata,
            items,
            labels=labels,
            qrels=None if qrels is None else Path(qrels),
            queries=None if queries is None else Path(queries),
            sample=sample or (DEFAULT_SAMPLE if qrels is None else 2**63),
            seed=seed,
        )
        answers = ask_all(turns, names, questions, items, parsed, rows)
    comparison = _build_comparison(turns, names, questions, items, answers, parsed, seed)
    if index_recall:
        _measure_index_recalls(turns, comparison, questions, seed)
    if speed:
        _measure_speeds(turns, comparison, questions, answers)
    comparison.verdict = describe_comparison(comparison)
    comparison.seconds = time.perf_counter() - started
    if page is not None:
        write_page(page, build_comparison_page(comparison))
    return comparison


def name_solutions(names: Sequence[str]) -> list[str]:
    """Names that tell them apart: those that stand there more than once get a number."""
    counts, taken = Counter(names), set(names)
    numbered: list[str] = []
    for name in names:
        if counts[name] > 1:
            name = next(new for number in count(1) if (new := f"{name} ({number})") not in taken)
        taken.add(name)
        numbered.append(name)
    return numbered


def _require_one_way(
    solutions: Sequence[Solution],
    labels: str,
    qrels: str | Path | None,
    queries: str | Path | None,
    measures: Sequence[str],
    sample: int | None,
    names: Sequence[str],
) -> None:
    if len(solutions) < 2:
        raise VicinalError("a comparison takes two solutions or more", "give one twice to see what chance makes")
    if names and len(names) != len(solutions):
        raise VicinalError(f"there are {len(names)} names for {len(solutions)} solutions", "give each one a name")
    if labels and qrels is not None:
        raise VicinalError("labels and qrels exclude each other: both say what is relevant", "give one of them")
    if queries is not None and qrels is None:
        raise VicinalError("queries needs qrels, which says what is relevant to them", "give both, or neither")
    if measures and not labels and qrels is None:
        raise VicinalError("measures need labels or qrels, which say what is relevant", "give one of them")
    if sample is not None and sample < 2:
        raise VicinalError(f"sample is {sample}", hint="an interval takes two queries or more")


def _parse_measures(measures: Sequence[str], *, is_judged: bool) -> Measures:
    return Measures.parse(measures or _DEFAULT_MEASURES) if is_judged else Measures((), _DEFAULT_LIMIT)


def _name_columns(labels: str, qrels: str | Path | None) -> tuple[str, ...]:
    if qrels is not None:
        return ("solution", "id", "query")
    return ("solution", "query", "label") if labels else ("solution", "query")


def _build_comparison(
    turns: SolutionTurns,
    names: Sequence[str],
    questions: Questions,
    items: CommonItems,
    answers: Answers,
    measures: Measures,
    seed: int,
) -> Comparison:
    """
    Raises:
        VicinalError: fewer than two queries could be answered by all.
    """
    warnings = [*questions.warnings, *_describe_odd(names, items, answers)]
    require_queries(len(answers.asked), "; ".join(warnings))
    if len(answers.asked) < _FEW_QUERIES:
        warnings.append(f"{len(answers.asked)} queries are few: the intervals are rough, and too narrow")
    asked = [query.columns for query in answers.asked]
    compared = [
        ComparedSolution(
            name,
            solution.name,
            require_signature(solution.encoder),
            total,
            dict(zip(measures.names, estimate_means(values, seed), strict=True)) if measures.names else {},
            compute_vector_size(solution),
            per_query=PerQuery(asked, dict(zip(measures.names, values.T, strict=True))),
        )
        for name, solution, total, values in zip(names, turns.solutions, items.totals, answers.values, strict=True)
    ]
    return Comparison(
        questions.judged_by,
        measures.names[0] if measures.names else "",
        measures.depth,
        len(answers.asked),
        len(items.ids),
        compared,
        _test_pairs(names, answers, seed),
        labels=questions.labels,
        skipped=len(answers.refused),
        chance=questions.chance,
        warnings=warnings,
    )


def _describe_odd(names: Sequence[str], items: CommonItems, answers: Answers) -> list[str]:
    """Warnings: items that not all solutions have, and queries that one could not answer."""
    warnings = []
    for name, total in zip(names, items.totals, strict=True):
        if left_out := total - len(items.ids):
            verb = "is" if left_out == 1 else "are"
            warnings.append(f"{left_out:,} of {total:,} items of {name} {verb} not in each solution, and left out")
    if answers.refused:
        others = f" (and {len(answers.refused) - 1:,} others)" if len(answers.refused) > 1 else ""
        warnings.append(f"query {answers.refused[0]}{others}")
    return warnings


def _test_pairs(names: Sequence[str], answers: Answers, seed: int) -> list[PairedTest]:
    """A test of each two solutions by the first measure; all of them together are corrected by Holm.

    Of all pairs and not of those with the best one alone: which one that is, the same figures have told.
    """
    pairs = list(combinations(range(len(names)), 2))
    differences = [answers.values[second, :, :1] - answers.values[first, :, :1] for first, second in pairs]
    has_measure = answers.values.shape[2] > 0
    ps = [compute_sign_flip_p(one[:, 0], seed) for one in differences] if has_measure else []
    adjusted = adjust_by_holm(ps)
    return [
        PairedTest(
            names[first],
            names[second],
            estimate_means(answers.overlaps[first, second][:, None], seed)[0],
            answers.equal[first, second],
            estimate_means(differences[number], seed)[0] if has_measure else None,
            ps[number] if has_measure else None,
            adjusted[number] if has_measure else None,
        )
        for number, (first, second) in enumerate(pairs)
    ]


def _measure_index_recalls(turns: SolutionTurns, comparison: Comparison, questions: Questions, seed: int) -> None:
    """Measure each solution once, though it may stand there twice."""
    known: dict[int, IndexRecall | None] = {}
    for number, compared in enumerate(comparison.solutions):
        solution = turns.open(number)
        if id(solution) not in known:
            known[id(solution)] = measure_index_recall(solution, questions.keys, comparison.limit, seed)
        compared.index = known[id(solution)]


def _measure_speeds(turns: SolutionTurns, comparison: Comparison, questions: Questions, answers: Answers) -> None:
    requests = [query.request for query in answers.asked]
    speeds = measure_speed(turns, requests, questions.keys, comparison.limit)
    for compared, speed in zip(comparison.solutions, speeds, strict=True):
        compared.speed = speed

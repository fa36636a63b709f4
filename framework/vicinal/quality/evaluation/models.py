"""Evaluates the model of an encoder that brings an ``Evaluation``, beside the simple models that it has to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.errors import PluginError, VicinalError
from vicinal.plugin.evaluation import Evaluation, HeldOut, RankItems
from vicinal.plugin.foreign_calls import attribute_errors
from vicinal.quality.estimates import Estimate, compute_sign_flip_p, estimate_coverage, estimate_means
from vicinal.quality.evaluation.model_report import BaselineComparison, ModelReport, Trial
from vicinal.quality.labels import require_queries
from vicinal.quality.measures import Measures, Ranking
from vicinal.quality.per_query import PerQueryTable
from vicinal.toolkit.slices import iter_slices

__all__ = ["ModelOptions", "evaluate_models"]

_QUERIES_PER_CALL = 256


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """``sample`` is the most queries that are asked; ``split`` is the evaluation's first one where it is empty."""

    measures: Measures
    sample: int
    seed: int = 0
    split: str = ""
    search: bool = False
    per_query: Path | None = None


@dataclass(slots=True)
class _Measured:
    """The figures of one model: for each query and measure, and in all."""

    values: np.ndarray
    metrics: dict[str, Estimate]


def evaluate_models(solution: str, evaluation: Evaluation, options: ModelOptions) -> ModelReport:
    """Fit each model to one part of the data, and rank all items for what was held back.

    Raises:
        VicinalError: there is no such split, the data cannot be split, or the encoder's own model cannot be fitted.
    """
    split = options.split or evaluation.splits[0]
    if split not in evaluation.splits:
        raise VicinalError(f"there is no split {split!r}", f"known: {', '.join(evaluation.splits)}")
    model, *baselines = evaluation.models
    trials = list(_search_params(evaluation, split, options)) if options.search else []
    primary = options.measures.names[options.measures.primary]
    best = _choose_best(trials, primary)
    held_out = _split_evaluation(evaluation, split, options, validation=False)
    asked = min(len(held_out.queries), options.sample)
    report = ModelReport(solution, model, split, {}, asked, held_out.items, params=best, trials=trials)
    columns = ("model", "query")
    with PerQueryTable(options.per_query, columns, options.measures.names) as table:
        own = _measure_model(evaluation, model, best, held_out, options, table)
        report.warnings += filter(None, [evaluation.fit_note])
        measured = {}
        for name in baselines:
            try:
                measured[name] = _measure_model(evaluation, name, {}, held_out, options, table)
            except PluginError:
                raise
            except VicinalError as error:
                report.refused[name] = str(error)
    report.metrics = own.metrics
    report.baselines = {name: found.metrics for name, found in measured.items()}
    report.comparison = _compare_with_best(own, measured, options)
    return report


def _search_params(evaluation: Evaluation, split: str, options: ModelOptions) -> Iterator[Trial]:
    """Measure the solution's own parameters, then those of the grid, on a validation part."""
    if not evaluation.grid:
        raise VicinalError("this encoder has no parameters to search", "leave --search out")
    held_out = _split_evaluation(evaluation, split, options, validation=True)
    with PerQueryTable(None, (), ()) as table:
        for params in ({}, *evaluation.grid):
            measured = _measure_model(evaluation, evaluation.models[0], params, held_out, options, table)
            yield Trial(params, measured.metrics)


def _choose_best(trials: Sequence[Trial], measure: str) -> Mapping[str, Any]:
    """The parameters of the highest figure, as four decimals show it; of equal ones the first, the solution's own."""
    return max(trials, key=lambda trial: round(trial.metrics[measure].value, 4)).params if trials else {}


def _split_evaluation(evaluation: Evaluation, split: str, options: ModelOptions, *, validation: bool) -> HeldOut:
    """
    Raises:
        PluginError: what the evaluation held back is inconsistent.
        VicinalError: fewer than two queries have something held back.
    """
    with attribute_errors(type(evaluation).__name__, "split"):
        held_out = evaluation.split(split, validation=validation, seed=options.seed)
    if len(held_out.queries) != len(held_out.relevant):
        raise PluginError(f"{type(evaluation).__name__}.split returned queries and relevant items of different lengths")
    other = "hold back another part: --split"
    if validation:
        other = f"--search holds back a validation part of what is left, too: leave it out, or {other}"
    require_queries(len(held_out.queries), other)
    return held_out


def _measure_model(
    evaluation: Evaluation,
    name: str,
    params: Mapping[str, Any],
    held_out: HeldOut,
    options: ModelOptions,
    table: PerQueryTable,
) -> _Measured:
    """Fit a model and compute its figures over a random sample of the queries, the same for every model."""
    with attribute_errors(f"{type(evaluation).__name__}, model {name!r}", "fit_model"):
        rank = evaluation.fit_model(name, held_out, params)
    numbers = _choose_queries(held_out, options)
    depth, values, lists = options.measures.depth, [], []
    for part in iter_slices(numbers, _QUERIES_PER_CALL):
        found = _rank_items(rank, part, depth, name)
        rankings = [
            _judge_ranking(row, held_out.relevant[number]) for row, number in zip(found, part.tolist(), strict=True)
        ]
        values.append(options.measures.compute(rankings))
        lists.append(found)
        table.write(
            [
                {
                    "model": name,
                    "query": held_out.queries[number],
                    "relevant": ranking.relevant,
                    **dict(zip(options.measures.names, figures, strict=True)),
                    "found": [str(item) for item in row.tolist() if item >= 0],
                }
                for number, row, ranking, figures in zip(
                    part.tolist(), found, rankings, values[-1].tolist(), strict=True
                )
            ]
        )
    figures = np.concatenate(values)
    metrics = dict(zip(options.measures.names, estimate_means(figures, options.seed), strict=True))
    metrics[f"coverage@{depth}"] = estimate_coverage(np.concatenate(lists), held_out.items)
    return _Measured(figures, metrics)


def _choose_queries(held_out: HeldOut, options: ModelOptions) -> np.ndarray:
    count = len(held_out.queries)
    if count <= options.sample:
        return np.arange(count)
    return np.sort(np.random.default_rng(options.seed).choice(count, options.sample, replace=False))


def _rank_items(rank: RankItems, queries: np.ndarray, depth: int, name: str) -> np.ndarray:
    """
    Raises:
        PluginError: a model does not return what it has to.
    """
    found = rank(queries, depth)
    if not isinstance(found, np.ndarray) or found.shape != (len(queries), depth) or found.dtype.kind != "i":
        raise PluginError(f"model {name!r} returned no integers of shape ({len(queries)}, {depth})")
    return found


def _judge_ranking(found: np.ndarray, relevant: np.ndarray) -> Ranking:
    return Ranking(np.isin(found, relevant).astype(int).tolist(), len(relevant))


def _compare_with_best(
    own: _Measured, baselines: Mapping[str, _Measured], options: ModelOptions
) -> BaselineComparison | None:
    """The encoder's model against the baseline whose primary measure is highest."""
    if not baselines:
        return None
    number = options.measures.primary
    name = max(baselines, key=lambda name: float(baselines[name].values[:, number].mean()))
    differences = own.values[:, number] - baselines[name].values[:, number]
    difference = estimate_means(differences[:, None], options.seed)[0]
    return BaselineComparison(
        name, options.measures.names[number], difference, compute_sign_flip_p(differences, options.seed)
    )

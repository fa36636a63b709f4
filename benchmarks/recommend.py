"""How well ALS recommends on your own copy of MovieLens, beside simple models and beside ways to use it wrongly.

``python benchmarks/recommend.py ml-100k``: a folder with ``u.data`` (100K), ``ratings.dat`` (1M, 10M) or
``ratings.csv`` (20M and later), from https://grouplens.org/datasets/movielens/. It may not be redistributed, so it is
not here.

Every rating counts as an interaction, whatever its stars. A part is held back: the last 20% of each user's ratings by
time, rounded down, and in a second table a random 20% of all. For each user all films are ranked but those in the rest
of the history, and the ten best are compared with what was held back: recall@10 is the share of it that is among them,
nDCG@10 has gains of 1. Means over the users, with 95% intervals; coverage is the share of all films that stand in any
list.

ALS by cosine          the same model, users and films scaled to length 1
mean of liked vectors  the mean of the vectors of a user's films in place of the folded-in user
ALS, library's own     factors 100, regularization 0.01, alpha 1
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import common
from common import Results, temporary_folder
from vicinal import Solution
from vicinal.quality.evaluation.models import ModelOptions, evaluate_models
from vicinal.quality.measures import Measures
from vicinal.solution.learning import SourceItems
from vicinal_recommend.evaluation.baselines import BASELINES
from vicinal_recommend.evaluation.evaluation import RecommenderEvaluation

LIBRARY_DEFAULTS = {"factors": 100, "regularization": 0.01, "alpha": 1.0}
EXPECTED = {
    ("time", "als"): "at least 0.200",
    ("time", "popularity"): "0.122",
    ("random", "als"): "at least 0.430",
    ("random", "popularity"): "0.212",
}
"""nDCG@10 on MovieLens 100K."""


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("path", type=Path, metavar="FOLDER", help="a MovieLens folder")
    parser.add_argument("--users", type=int, default=10_000, metavar="N", help="at most so many random users (10,000)")
    parser.add_argument("--weight", metavar="COLUMN", help="weigh interactions, by `rating` say; by default all alike")
    options = parser.parse_args()
    results = Results(options.json)
    with temporary_folder() as where:
        evaluation = build_evaluation(where, options)
    is_100k = (options.path / "u.data").is_file() and not options.weight
    for split, title in (("time", "the last 20% of each user"), ("random", "a random 20% of all")):
        rows = measure(evaluation, split, options.users, is_100k=is_100k)
        results.add(split, f"{options.path.name}, {title}", rows)
    results.print()


def build_evaluation(where: Path, options: argparse.Namespace) -> RecommenderEvaluation:
    """The evaluation of a solution of this folder, with the other ways to use ALS beside the baselines."""
    folder = str(options.path.resolve())
    weight = f", weight: {options.weight}" if options.weight else ""
    file = where / "films.yaml"
    file.write_text(
        f"name: films\nsource: {{type: movielens, path: '{folder}'}}\n"
        f"encoder: {{type: als, interactions: {{path: '{folder}'{weight}}}}}\n"
    )
    solution = Solution.from_yaml(file)
    encoder: Any = solution.encoder
    evaluation = encoder.build_evaluation(SourceItems(solution.source))
    others = {
        **BASELINES,
        "ALS by cosine": lambda matrix: rank_by_cosine(encoder, matrix),
        "mean of liked vectors": lambda matrix: rank_by_mean(encoder, matrix),
        "ALS, library's own": lambda matrix: encoder.fit_scores(matrix, LIBRARY_DEFAULTS),
    }
    return evaluation.with_others(others)


def rank_by_cosine(encoder: Any, matrix: Any) -> Any:
    lengths = np.linalg.norm(encoder.fit_factors(matrix, {}), axis=1)
    score = encoder.fit_scores(matrix, {})
    return lambda users: score(users) / np.maximum(lengths, 1e-12)  # a user's own length changes no order


def rank_by_mean(encoder: Any, matrix: Any) -> Any:
    factors = encoder.fit_factors(matrix, {})
    return lambda users: matrix[users].sign() @ factors @ factors.T


def measure(evaluation: RecommenderEvaluation, split: str, users: int, *, is_100k: bool) -> list[dict[str, Any]]:
    """A row for each model."""
    options = ModelOptions(Measures.parse(["recall@10", "nDCG@10"]), users, split=split)
    report = evaluate_models("films", evaluation, options)
    rows: list[dict[str, Any]] = []
    for name, metrics in {report.model: report.metrics, **report.baselines}.items():
        row: dict[str, Any] = {"model": name}
        for measure, one in metrics.items():
            row[measure] = f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"
        rows.append(row | ({"nDCG@10 on 100K": EXPECTED.get((split, name), "")} if is_100k else {}))
    return rows + [{"model": f"{name}: {reason}"} for name, reason in report.refused.items()]


if __name__ == "__main__":
    main()

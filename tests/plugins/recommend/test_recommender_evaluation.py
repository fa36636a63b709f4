"""Models on generated tastes: users of four groups who choose within their own, in the course of time."""

import numpy as np
import pytest

from vicinal.quality.evaluation.models import ModelOptions, evaluate_models
from vicinal.quality.measures import Measures
from vicinal_recommend.evaluation.baselines import fit_ease, fit_popularity
from vicinal_recommend.evaluation.evaluation import RecommenderEvaluation
from vicinal_recommend.evaluation.splits import Log

USERS, ITEMS, GROUPS = 240, 200, 4


@pytest.fixture(scope="module")
def tastes():
    rng = np.random.default_rng(5)
    popularity = rng.random(ITEMS) ** 3
    users, items = [], []
    for user in range(USERS):
        likes = popularity * np.where(np.arange(ITEMS) % GROUPS == user % GROUPS, 8, 1)
        chosen = rng.choice(ITEMS, 30, replace=False, p=likes / likes.sum())
        users += [user] * len(chosen)
        items += chosen.tolist()
    return Log(np.array(users), np.array(items), np.ones(len(users), np.float32), rng.random(len(users)))


def evaluation(log, fit=lambda matrix, params: fit_ease(matrix), grid=()):
    return RecommenderEvaluation(log, [f"u{user}" for user in range(USERS)], ITEMS, "own", fit, grid)


def test_models_that_see_tastes_beat_popularity(tastes):
    options = ModelOptions(Measures.parse(["recall@10", "nDCG@10"]), 2_000)
    report = evaluate_models("films", evaluation(tastes), options)
    assert (report.queries, report.items, report.split) == (USERS, ITEMS, "time")
    assert list(report.baselines) == ["popularity", "item cosine", "EASE"]
    popular = report.baselines["popularity"]
    for name in ("item cosine", "EASE"):
        assert report.baselines[name]["recall@10"].low > popular["recall@10"].high
        assert report.baselines[name]["coverage@10"].low > popular["coverage@10"].value
    assert report.metrics == report.baselines["EASE"]
    assert report.comparison.baseline in ("item cosine", "EASE")


@pytest.mark.parametrize("split", ["time", "leave-last-out", "random"])
def test_popularity_equals_a_direct_computation(tastes, split):
    """Each user's ten most popular items that he has not touched, against what was held back of him."""
    made = evaluation(tastes, fit=lambda matrix, params: fit_popularity(matrix))
    options = ModelOptions(Measures.parse(["recall@10"]), 2_000, split=split)
    report = evaluate_models("films", made, options)
    held_out = made.split(split)
    matrix = held_out.training.matrix.toarray()
    counts = (matrix > 0).sum(axis=0)
    recalls = []
    for user, relevant in zip(held_out.training.users, held_out.relevant, strict=True):
        order = [item for item in np.argsort(-counts, kind="stable") if matrix[user, item] == 0][:10]
        recalls.append(len(set(order) & set(relevant.tolist())) / len(relevant))
    assert report.metrics["recall@10"].value == pytest.approx(np.mean(recalls))
    assert report.comparison.p < 0.01


def test_nothing_of_the_test_part_is_seen_when_parameters_are_chosen(tastes):
    made = evaluation(tastes)
    test, validation = made.split("time"), made.split("time", validation=True)
    for number, user in enumerate(test.training.users):
        assert not validation.training.matrix[user, test.relevant[number]].toarray().any()
    place = {user: number for number, user in enumerate(validation.training.users.tolist())}
    for number, user in enumerate(test.training.users.tolist()):
        assert not set(validation.relevant[place[user]].tolist()) & set(test.relevant[number].tolist())
    assert (test.training.matrix.nnz, validation.training.matrix.nnz) == (USERS * 24, USERS * 20)


def test_queries_are_named_as_users_search(tastes):
    held_out = evaluation(tastes).split("leave-last-out")
    assert held_out.queries[:2] == ["user:u0", "user:u1"]
    assert {len(relevant) for relevant in held_out.relevant} == {1}

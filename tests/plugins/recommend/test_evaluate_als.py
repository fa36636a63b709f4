"""ALS as it is evaluated, on the sample with planted tastes."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vicinal import Item, SourceError, VicinalError, evaluate
from vicinal_recommend.als import Als
from vicinal_recommend.evaluation.als import list_trials, scale_weights
from vicinal_recommend.evaluation.log import read_log
from vicinal_recommend.evaluation.splits import to_matrix
from vicinal_recommend.interactions import InteractionTable

FILMS = Path(__file__).parents[3] / "configs" / "data" / "films"
KEYS = sorted((str(number) for number in range(1, 361)), key=str.encode)


def make_als(path=FILMS, **params):
    table = params.pop("interactions", {})
    return Als(Als.Params.model_validate({"interactions": {"path": path, **table}, **params}))


@pytest.fixture
def films(lite):
    source = f"{{type: movielens, path: '{FILMS}'}}"
    return lite.solution("films", source=source, encoder=f"{{type: als, interactions: {{path: '{FILMS}'}}}}")


def test_als_finds_twice_as_much_as_popularity(films):
    """The solution need not be ingested. Planted tastes are as plain to EASE and item cosine as to ALS."""
    report = evaluate(films)
    assert (report.model, report.split, report.queries, report.items) == ("als", "time", 400, 360)
    assert list(report.baselines) == ["popularity", "item cosine", "EASE"]
    assert report.metrics["recall@10"].value >= 2 * report.baselines["popularity"]["recall@10"].value
    assert report.metrics["nDCG@10"].low > report.baselines["popularity"]["nDCG@10"].high
    comparison = report.comparison
    assert (comparison.baseline, comparison.measure) == ("EASE", "nDCG@10")
    assert comparison.difference.low < 0 < comparison.difference.high
    assert comparison.p > 0.05


def test_it_is_the_model_that_recommends():
    """Fitted to all interactions, a user's scores are the inner products of what a search uses and what is stored."""
    encoder = make_als()
    encoder.restore(encoder.fit([Item(key, key) for key in KEYS]))
    log, users = read_log(encoder.params.interactions, KEYS)
    score = encoder.fit_scores(to_matrix(log, len(users), len(KEYS)), {})
    stored = encoder.encode([encoder.decode(Item(key, key))[0].sample for key in KEYS])
    for name in ("7", "42", "400"):
        [segment] = encoder.decode_query(f"user:{name}")
        expected = stored @ segment.sample
        assert score(np.array([users.index(name)]))[0] == pytest.approx(expected, abs=2e-3)


def test_changed_parameters_are_those_of_another_model():
    encoder = make_als(factors=16)
    log, users = read_log(encoder.params.interactions, KEYS)
    matrix = to_matrix(log, len(users), len(KEYS))
    changed = encoder.fit_scores(matrix, {"factors": 8, "alpha": 1.0})(np.arange(20))
    assert changed == pytest.approx(make_als(factors=8, alpha=1.0).fit_scores(matrix, {})(np.arange(20)), abs=1e-4)
    assert encoder.fit_factors(matrix, {"factors": 8}).shape == (360, 8)
    assert encoder.params.factors == 16


def test_items_that_nobody_touched_in_the_training_part_are_last():
    log, users = read_log(InteractionTable(path=FILMS), KEYS)
    matrix = to_matrix(log.select(log.items != 5), len(users), len(KEYS))
    scores = make_als(factors=8).fit_scores(matrix, {})(np.arange(3))
    assert np.isneginf(scores[:, 5]).all()
    assert np.isfinite(np.delete(scores, 5, axis=1)).all()


def test_weights_have_a_mean_of_one():
    scaled = scale_weights(csr_matrix(np.array([[2.0, 0, 4], [0, 6, 0]], np.float32)))
    assert scaled.toarray().tolist() == [[0.5, 0, 1], [0, 1.5, 0]]


def test_trials_change_something_and_are_few():
    trials = list(list_trials(64, 20.0, 3.0))
    assert len(trials) == 13
    assert {"regularization": 20.0, "alpha": 3.0} not in trials
    assert {"factors": 128} in trials
    assert {"regularization": 2.0, "alpha": 3.0} in trials
    assert len(list(list_trials(32, 7.0, 3.0))) == 13


class TestLog:
    def test_the_formats_of_movielens_are_read_alike(self, tmp_path):
        rows = [("1", "10", "4", "100"), ("1", "20", "5", "90"), ("2", "10", "1", "300"), ("2", "99", "3", "1")]
        lines = ["userId,movieId,rating,timestamp", *map(",".join, rows)]
        (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
        (tmp_path / "ratings.dat").write_text("".join("::".join(row) + "\n" for row in rows))
        (tmp_path / "u.data").write_text("".join("\t".join(row) + "\n" for row in rows))
        for name in ("ratings.csv", "ratings.dat", "u.data"):
            log, users = read_log(InteractionTable(path=tmp_path / name), ["20", "10"])
            assert users == ["1", "2"]
            assert (log.users.tolist(), log.items.tolist()) == ([0, 0, 1], [1, 0, 1])
            assert (log.weights.tolist(), log.times.tolist()) == ([1, 1, 1], [100, 90, 300])

    def test_weights_and_times_are_columns_of_one_s_own(self, tmp_path):
        path = tmp_path / "plays.csv"
        path.write_text("who,what,plays,day\na,x,3,2024-01-02\na,y,0,2024-01-01\nb,x,1,2024-01-03\nb,y,7,soon\n")
        columns = {"user": "who", "item": "what", "weight": "plays", "time": "day"}
        log, users = read_log(InteractionTable(path=path, **columns), ["x", "y"])
        assert users == ["a", "b"]
        assert (log.users.tolist(), log.items.tolist(), log.weights.tolist()) == ([0, 1], [0, 0], [3, 1])
        assert log.times[1] - log.times[0] == 86_400
        log, _ = read_log(InteractionTable(path=path, min_weight=2, **columns), ["x", "y"])
        assert log.weights.tolist() == [3]

    def test_without_times(self, tmp_path):
        path = tmp_path / "plays.csv"
        path.write_text("who,what\na,x\n")
        log, _ = read_log(InteractionTable(path=path, user="who", item="what"), ["x"])
        assert log.times is None

    def test_no_interaction_with_an_item_of_the_source(self):
        with pytest.raises(VicinalError, match="has no interaction with an item of the source"):
            read_log(InteractionTable(path=FILMS), ["no film"])

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(SourceError):
            read_log(InteractionTable(path=tmp_path / "ratings.csv"), KEYS)

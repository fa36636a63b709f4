"""Evaluating an encoder's own model beside simple ones, on an evaluation that ranks by fixed scores."""

import numpy as np
import pytest

from vicinal import Evaluation, HeldOut, VicinalError, evaluate
from vicinal.errors import PluginError
from vicinal.quality.evaluation.models import ModelOptions, evaluate_models
from vicinal.quality.measures import Measures

QUERIES, ITEMS = 300, 60


class Noisy(Evaluation):
    """Ranks items by whether they are relevant, plus noise: the less of it, the better the model."""

    splits = ("time", "random")
    models = ("own", "worst", "good", "huge")
    grid = ({"noise": 3.0}, {"noise": 0.2})
    noise = {"worst": 3.0, "good": 1.0}  # noqa: RUF012

    def __init__(self, own=0.8):
        self.own = own
        self.asked = []

    def split(self, name, *, validation=False, seed=0):
        self.asked.append((name, validation))
        rng = np.random.default_rng(7 + validation)
        relevant = [np.sort(rng.choice(ITEMS, rng.integers(1, 9), replace=False)) for _ in range(QUERIES)]
        return HeldOut([f"user:{number}" for number in range(QUERIES)], relevant, ITEMS, relevant)

    def fit_model(self, name, held_out, params):
        self.asked.append((name, dict(params)))
        if name == "huge":
            raise VicinalError("it takes 3.2 TB for 200,000 items")
        noise = params.get("noise", self.noise.get(name, self.own))
        scores = np.random.default_rng(len(name)).normal(0, noise, (QUERIES, ITEMS))
        for row, relevant in zip(scores, held_out.training, strict=True):
            row[relevant] += 1
        return lambda numbers, limit: np.argsort(-scores[numbers], axis=1)[:, :limit]


def options(*names, **given):
    return ModelOptions(Measures.parse(names or ("recall@10", "nDCG@10")), given.pop("sample", 2_000), **given)


def test_figures_equal_a_direct_computation():
    evaluation = Noisy()
    report = evaluate_models("films", evaluation, options("recall@5", "P@5"))
    held_out = evaluation.split("time")
    lists = evaluation.fit_model("own", held_out, {})(np.arange(QUERIES), 5)
    hits = [len(set(row) & set(relevant.tolist())) for row, relevant in zip(lists, held_out.relevant, strict=True)]
    recall = np.mean([hit / len(relevant) for hit, relevant in zip(hits, held_out.relevant, strict=True)])
    assert {name: one.value for name, one in report.metrics.items()} == pytest.approx(
        {"recall@5": recall, "P@5": np.mean(hits) / 5, "coverage@5": len(np.unique(lists)) / ITEMS}
    )
    assert all(one.low <= one.value <= one.high for one in report.metrics.values())
    assert (report.solution, report.model, report.split, report.queries, report.items) == (
        "films", "own", "time", QUERIES, ITEMS,
    )  # fmt: skip


def test_it_is_compared_with_the_best_baseline_and_a_refused_one_is_named():
    report = evaluate_models("films", Noisy(own=0.5), options())
    assert list(report.baselines) == ["worst", "good"]
    assert report.refused == {"huge": "it takes 3.2 TB for 200,000 items"}
    comparison = report.comparison
    assert (comparison.baseline, comparison.measure) == ("good", "nDCG@10")
    difference = report.metrics["nDCG@10"].value - report.baselines["good"]["nDCG@10"].value
    assert comparison.difference.value == pytest.approx(difference)
    assert comparison.difference.low > 0
    assert comparison.p == pytest.approx(1 / 10_001)
    assert comparison.describe("own").startswith("own beats good, the best baseline: nDCG@10 +0.")


def test_a_worse_and_an_equal_model_are_called_so():
    worse = evaluate_models("films", Noisy(own=3.0), options()).comparison
    assert worse.describe("own").startswith("own loses to good, the best baseline: nDCG@10 -0.")

    class Equal(Noisy):
        models = ("good", "good")

    equal = evaluate_models("films", Equal(), options()).comparison
    assert equal.p == 1.0
    assert equal.describe("own").startswith("no difference between own and good is shown: nDCG@10 +0.0000")


def test_parameters_are_chosen_on_a_validation_part_and_judged_on_another():
    evaluation = Noisy(own=0.8)
    report = evaluate_models("films", evaluation, options(search=True))
    assert [dict(trial.params) for trial in report.trials] == [{}, {"noise": 3.0}, {"noise": 0.2}]
    assert report.params == {"noise": 0.2}
    assert evaluation.asked[:6] == [
        ("time", True), ("own", {}), ("own", {"noise": 3.0}), ("own", {"noise": 0.2}),
        ("time", False), ("own", {"noise": 0.2}),
    ]  # fmt: skip
    best = report.trials[2].metrics["nDCG@10"].value
    assert best == max(trial.metrics["nDCG@10"].value for trial in report.trials)
    assert report.metrics["nDCG@10"].value != best


@pytest.mark.parametrize("noise", [0.8, 0.8 + 1e-9])
def test_of_equal_parameters_the_solution_s_own_are_best(noise):
    evaluation = Noisy(own=0.8)
    evaluation.grid = ({"noise": 3.0}, {"noise": noise})
    assert evaluate_models("films", evaluation, options(search=True)).params == {}


def test_what_the_model_s_last_fit_noticed_is_a_warning():
    class Doubtful(Noisy):
        @property
        def fit_note(self):
            return f"it has learnt nothing with {self.asked[-1][1]}"

    assert evaluate_models("films", Noisy(), options()).warnings == []
    report = evaluate_models("films", Doubtful(), options(search=True))
    assert report.warnings == ["it has learnt nothing with {'noise': 0.2}"]


def test_a_sample_is_the_same_for_each_model(tmp_path):
    path = tmp_path / "table.csv"
    report = evaluate_models("films", Noisy(), options(sample=50, per_query=path))
    assert report.queries == 50
    lines = path.read_text().splitlines()
    assert lines[0] == "model,query,relevant,recall@10,nDCG@10,found"
    asked = {name: [line.split(",")[1] for line in lines if line.startswith(name + ",")] for name in ("own", "good")}
    assert asked["own"] == asked["good"]
    assert len(set(asked["own"])) == 50


def test_the_report_as_json():
    report = evaluate_models("films", Noisy(), options(search=True)).to_dict()
    assert list(report) == [
        "solution", "model", "split", "metrics", "queries", "items", "baselines", "refused", "comparison", "params",
        "trials", "seconds", "warnings",
    ]  # fmt: skip
    assert set(report["metrics"]["nDCG@10"]) == {"value", "low", "high"}
    assert report["params"] == {"noise": 0.2}
    assert list(report["comparison"]) == ["baseline", "measure", "difference", "p"]


def test_mistakes_of_the_user():
    with pytest.raises(VicinalError, match="there is no split 'weekly'") as error:
        evaluate_models("films", Noisy(), options(split="weekly"))
    assert error.value.hint == "known: time, random"

    class Fixed(Noisy):
        grid = ()

    with pytest.raises(VicinalError, match="has no parameters to search"):
        evaluate_models("films", Fixed(), options(search=True))


@pytest.mark.parametrize("search", [True, False])
def test_a_part_of_too_few_queries_is_an_error(search):
    """The hint tells of --search where that holds back another part, and only there."""

    class Few(Noisy):
        def split(self, name, *, validation=False, seed=0):
            held_out = super().split(name, validation=validation, seed=seed)
            return HeldOut([], [], ITEMS, []) if validation == search else held_out

    with pytest.raises(VicinalError, match="0 queries are too few to say anything") as error:
        evaluate_models("films", Few(), options(search=search))
    told = "--search holds back a validation part of what is left, too: leave it out, or "
    assert error.value.hint == (told if search else "") + "hold back another part: --split"


def test_mistakes_of_a_plugin():
    class Short(Noisy):
        def fit_model(self, name, held_out, params):
            return lambda numbers, limit: np.zeros((len(numbers), limit - 1), int)

    with pytest.raises(PluginError, match=r"model 'own' returned no integers of shape \(256, 10\)"):
        evaluate_models("films", Short(), options())

    class Few(Noisy):
        def split(self, name, *, validation=False, seed=0):
            return HeldOut(["user:1"], [np.array([1])], ITEMS, None)

    with pytest.raises(VicinalError, match="1 query is too few to say anything"):
        evaluate_models("films", Few(), options())

    class Broken(Noisy):
        def split(self, name, *, validation=False, seed=0):
            raise KeyError("user")

    with pytest.raises(KeyError) as error:
        evaluate_models("films", Broken(), options())
    assert "Broken" in "".join(error.value.__notes__)


def test_an_encoder_brings_its_evaluation(lite, monkeypatch):
    lite.write([("k1", "text", 1)])
    solution = lite.solution()
    monkeypatch.setattr(type(solution.encoder), "build_evaluation", lambda self, items: Noisy(own=1 / len(list(items))))
    report = evaluate(solution, split="random", measures=["nDCG@3"])
    assert (report.solution, report.split, list(report.metrics)) == ("things", "random", ["nDCG@3", "coverage@3"])
    assert report.seconds > 0

"""A shop of 200 articles and few purchases: the model says when it has learnt next to nothing, and of which items."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recommend_helpers import FILMS, fit, make_als
from vicinal import Item, ItemError, ItemSkipped, evaluate
from vicinal.quality.sample import read_sample
from vicinal_recommend.explained import compute_explained_share

pytestmark = pytest.mark.long_on_server

ARTICLES = 200
NAMED = {"user": "customer", "item": "article", "time": "day"}
SETTINGS = "user: customer, item: article, time: day"


def write_shop(folder, purchases, *, per_customer=5, seed=0):
    """``articles.csv`` and ``purchases.csv``: five groups of customers who buy four of five times of their own kind."""
    rng = np.random.default_rng(seed)
    known = 1 / np.arange(1, ARTICLES + 1) ** 0.7
    rng.shuffle(known)
    rows = ["customer,article,day"]
    for number in range(purchases):
        customer = int(rng.integers(purchases // per_customer))
        weights = known * np.where(np.arange(ARTICLES) % 5 == customer % 5, 8, 1)
        rows.append(f"c{customer},A{rng.choice(ARTICLES, p=weights / weights.sum()):03},{number}")
    (folder / "purchases.csv").write_text("\n".join(rows) + "\n")
    articles = [f"A{number:03},article {number}" for number in range(ARTICLES)]
    (folder / "articles.csv").write_text("\n".join(["id,title", *articles]) + "\n")
    return folder / "purchases.csv"


def make_shop(workshop, purchases, params="", **shape):
    path = write_shop(workshop.folder, purchases, **shape)
    return workshop.solution(
        source=f"{{type: table, path: '{path.parent}/articles.csv', key: id, content: title}}",
        encoder=f"{{type: als, interactions: {{path: '{path}', {SETTINGS}}}{params}}}",
    )


def fit_shop(folder, purchases, **params):
    path = write_shop(folder, purchases)
    return fit(make_als(path, NAMED, **params), [f"A{number:03}" for number in range(ARTICLES)])


class TestExplainedShare:
    def test_it_is_what_the_formula_says(self):
        """Every pair of a user and an item is written out."""
        rng = np.random.default_rng(3)
        confidences = np.where(rng.random((30, 20)) < 0.2, rng.random((30, 20)) * 5, 0).astype(np.float32)
        users, items = (rng.normal(0, 0.3, (rows, 4)).astype(np.float32) for rows in (30, 20))
        scores = users.astype(np.float64) @ items.T
        error = np.where(confidences > 0, confidences * (1 - scores) ** 2, scores**2).sum()
        found = compute_explained_share(csr_matrix(confidences), users, items)
        assert found == pytest.approx(1 - error / confidences.sum(), abs=1e-5)

    def test_zeros_explain_nothing(self):
        confidences = csr_matrix(np.eye(3, dtype=np.float32))
        assert compute_explained_share(confidences, np.zeros((3, 2)), np.zeros((3, 2))) == 0


class TestTooFew:
    def test_what_shrinks_to_nothing_is_refused(self, tmp_path):
        with pytest.raises(ItemError) as raised:
            fit_shop(tmp_path, 200)
        assert str(raised.value) == (
            "179 pairs of a user and an item are too few for `regularization: 20` with `alpha: 3`:"
            " all vectors shrink to nothing"
        )
        assert "vicinal evaluate FILE --search" in raised.value.hint

    def test_next_to_nothing_is_noted_with_what_to_do(self, tmp_path):
        assert fit_shop(tmp_path, 500).fit_note == (
            "457 pairs of a user and an item are too few for `regularization: 20` with `alpha: 3`: the model explains"
            " 7.2% of them; `vicinal evaluate FILE --search` finds what suits them better, as a higher `alpha` or a"
            " lower `regularization`"
        )

    @pytest.mark.parametrize("params", [{"alpha": 10}, {"regularization": 5}])
    def test_that_is_a_remedy(self, tmp_path, params):
        assert fit_shop(tmp_path, 500, **params).fit_note == ""

    def test_more_is_enough(self, tmp_path):
        assert fit_shop(tmp_path, 5_000).fit_note == ""
        assert fit(make_als(FILMS)).fit_note == ""


class TestItemsOfWhichNothingIsLearnt:
    """Of 300 purchases the vectors of two articles shrink to a billionth of the others'."""

    def list_unlearnt(self, encoder):
        lengths = np.linalg.norm(encoder.state["factors"], axis=1)
        names = [encoder._items.get(row) for row in np.flatnonzero(lengths < 1e-9 * lengths.max())]
        assert len(names) == 2
        return names

    def test_they_are_skipped(self, tmp_path):
        encoder = fit_shop(tmp_path, 300)
        for name in self.list_unlearnt(encoder):
            with pytest.raises(ItemSkipped, match="too few had to do with it: its vector is next to nothing"):
                encoder.decode(Item(name, "an article"))

    def test_or_stand_where_cold_ones_do(self, tmp_path):
        encoder = fit_shop(tmp_path, 300, cold="popular")
        [cold] = encoder.decode(Item("new", "an article"))
        for name in self.list_unlearnt(encoder):
            [segment] = encoder.decode(Item(name, "an article"))
            assert (segment.sample == cold.sample).all()
        assert np.isfinite(cold.sample).all()
        assert not encoder.to_query_vector(cold.sample).any()


def test_a_search_by_an_item_that_nobody_has_touched_is_refused(workshop):
    """It would find the other such items, all alike, and no more."""
    shop = make_shop(workshop, 1_000, ", cold: popular")
    assert shop.ingest().new == ARTICLES
    touched = {line.split(",")[1] for line in (workshop.folder / "purchases.csv").read_text().splitlines()[1:]}
    cold = sorted({f"A{number:03}" for number in range(ARTICLES)} - touched)
    assert cold
    with pytest.raises(ItemError, match="nothing is known that is like this item"):
        shop.search("@" + cold[0])
    assert shop.search("@A003", limit=3)[0].similarity < 1
    assert len(shop.search("user:c1", limit=5, diversity=0.5)) == 5
    assert read_sample(shop, 300).vectors.shape == (ARTICLES, 128)


def test_a_run_and_an_evaluation_warn(lite):
    shop = make_shop(lite, 500)
    [warning] = shop.ingest().warnings
    assert warning.startswith("457 pairs of a user and an item are too few")
    [warning] = evaluate(shop, split="leave-last-out").warnings
    assert "are too few for `regularization: 20`" in warning


def test_a_search_finds_what_beats_popularity(lite):
    shop = make_shop(lite, 1_000, per_customer=15)
    report = evaluate(shop, search=True)
    assert report.params["alpha"] == 10
    assert report.metrics["nDCG@10"].value > 1.1 * report.baselines["popularity"]["nDCG@10"].value
    assert report.warnings == []

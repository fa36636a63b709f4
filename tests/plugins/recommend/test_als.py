"""The encoder ``als``: its contract, and that it agrees with the library ``implicit``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recommend_helpers import FILMS, KEYS, fit, fit_implicit, make_als, read_matrix
from vicinal import Item, ItemError, ItemSkipped
from vicinal.errors import UnknownItemError
from vicinal.testing import EncoderContract
from vicinal_recommend.als import Als


@pytest.fixture(scope="module")
def als():
    return fit(make_als())


@pytest.fixture(scope="module")
def weighted():
    return fit(make_als(interactions={"weight": "rating"}))


class TestContract(EncoderContract):
    encoder_class = Als
    good = tuple(Item(key, (f"film {key}",)) for key in "12345")  # what people see; no query reads it
    bad = (Item("cold", "a film that nobody has seen"), "", "film 1")
    query_differs = True

    @property
    def params(self) -> Mapping[str, Any]:
        return {"interactions": {"path": FILMS}, "factors": 8, "iterations": 3}

    @property
    def variants(self) -> list[Mapping[str, Any]]:
        others = ({"factors": 9}, {"regularization": 1.0}, {"alpha": 1.0}, {"iterations": 4}, {"seed": 1})
        tables = ({"weight": "rating"}, {"weight": "rating", "min_weight": 4})
        return [
            *({**self.params, **other} for other in others),
            *({**self.params, "interactions": {"path": FILMS, **table}} for table in tables),
        ]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("params", [{"regularization": 1e30}, {"regularization": 1e300}, {"alpha": 1e38}])
def test_vectors_that_float32_cannot_hold_are_an_error(params):
    with pytest.raises(ItemError, match="beyond float32") as raised:
        fit(make_als(factors=4, iterations=3, **params))
    assert "`regularization` or `alpha`" in raised.value.hint


class TestFoldIn:
    @pytest.mark.parametrize("weight", [None, "rating"])
    def test_a_users_vector_is_that_of_implicit(self, als, weighted, weight):
        encoder, matrix = (weighted if weight else als), read_matrix(weight=weight)
        model = fit_implicit(matrix)
        for row in range(0, 400, 40):
            expected = model.recalculate_user(row, matrix.weights[row])
            found = encoder.decode_query(f"user:{matrix.users[row]}")[0].sample
            assert not found[:64].any()
            assert np.allclose(found[64:] * encoder.scale, expected, rtol=1e-3, atol=1e-4)

    def test_it_is_the_solution_of_the_formula(self, als):
        """Every term of the sum over all items is written out: the gradient of what the vector minimises is zero."""
        matrix, row = read_matrix(), 17
        user = als.decode_query(f"user:{matrix.users[row]}")[0].sample[64:] * als.scale
        items = np.array([als.decode(Item(key, ""))[0].sample[64:] for key in matrix.items], np.float64) / als.scale
        weights = matrix.weights[row].toarray()[0]
        confidences, preferences = np.where(weights > 0, 3.0 * weights, 1.0), weights > 0
        gradient = (confidences * (items @ user - preferences)) @ items + 20.0 * user
        assert np.abs(gradient).max() < 1e-4

    def test_its_list_agrees_with_that_of_the_factorization(self, als):
        matrix = read_matrix()
        model = fit_implicit(matrix)
        rows = np.arange(400)
        fitted, _ = model.recommend(rows, matrix.weights, N=10)
        folded, _ = model.recommend(rows, matrix.weights, N=10, recalculate_user=True)
        shared = [len(set(a) & set(b)) / 10 for a, b in zip(fitted, folded, strict=True)]
        assert np.mean(shared) >= 0.9


class TestExamples:
    def stored(self, encoder, *keys):
        return np.array([encoder.decode(Item(key, ""))[0].sample for key in keys], np.float32).reshape(len(keys), 128)

    def test_they_are_folded_in_as_a_history_is(self, als):
        user = als.combine_examples(self.stored(als, "3", "25", "51"), self.stored(als))
        model = fit_implicit(matrix := read_matrix())
        liked = csr_matrix(np.isin(matrix.items, ["3", "25", "51"]).astype(np.float32)[None])
        expected = model.recalculate_user(0, liked)
        assert not user[:64].any()
        assert np.allclose(user[64:] * als.scale, expected, rtol=1e-3, atol=1e-4)

    def test_what_is_not_liked_draws_its_kind_down(self, als):
        liked, unliked = self.stored(als, "3", "25"), self.stored(als, "2")
        with_unliked = als.combine_examples(liked, unliked)
        without = als.combine_examples(liked, unliked[:0])
        comedies = self.stored(als, "2", "145", "30", "177")
        assert ((comedies @ with_unliked) < (comedies @ without)).all()
        assert with_unliked @ unliked[0] < 0 < with_unliked @ liked[0]

    def test_a_user_among_the_liked_is_where_it_starts(self, als):
        user = als.encode([als.decode_query("user:7")[0].sample])
        assert np.allclose(als.combine_examples(user, self.stored(als)), user[0], atol=1e-5)
        moved = als.combine_examples(np.concatenate([user, self.stored(als, "3")]), self.stored(als))
        assert moved @ self.stored(als, "3")[0] > user[0] @ self.stored(als, "3")[0]

    def test_a_user_cannot_be_unliked(self, als):
        user = als.encode([als.decode_query("user:7")[0].sample])
        unliked = np.concatenate([self.stored(als, "3"), user])
        with pytest.raises(ItemError, match="a user cannot be among what is not liked") as error:
            als.combine_examples(self.stored(als, "3"), unliked)
        assert error.value.argument == "unlike.1"

    def test_an_item_finds_others_by_cosine(self, als):
        stored = self.stored(als, "3", "25")
        query, vectors = als.to_query_vector(stored[0]), stored[:, 64:] / als.scale
        cosine = vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1])
        assert query @ stored[0] == pytest.approx(1.0, abs=1e-6)
        assert query @ stored[1] == pytest.approx(cosine, abs=1e-6)

    def test_neither_half_of_a_stored_vector_outweighs_the_other(self, als):
        stored = self.stored(als, *KEYS)
        assert np.linalg.norm(stored[:, :64], axis=1) == pytest.approx(1.0, abs=1e-5)
        assert np.linalg.norm(stored[:, 64:], axis=1).max() == pytest.approx(1.5, abs=1e-5)


class TestUsers:
    def test_what_they_have_seen_is_left_out(self, als):
        matrix = read_matrix()
        expected = {matrix.items[item] for item in matrix.weights[matrix.users.index("7")].indices}
        assert set(als.list_excluded_keys("user:7")) == expected
        assert als.list_excluded_keys("@7") == ()
        assert als.list_excluded_keys("user:nobody") == ()

    def test_unless_it_is_included(self):
        assert fit(make_als(seen="include", iterations=1)).list_excluded_keys("user:7") == ()

    def test_an_unknown_one_is_refused_with_what_to_write(self, als):
        with pytest.raises(UnknownItemError, match="there is no user 'nobody'") as raised:
            als.decode_query("user:nobody")
        assert "user:1" in raised.value.hint

    def test_another_text_is_no_query(self, als):
        with pytest.raises(ItemError, match="'drama' is no user") as raised:
            als.decode_query("drama")
        assert "@KEY" in raised.value.hint

    def test_the_example_is_a_user_that_there_is(self, als):
        (modality,) = als.query_modalities
        assert als.decode_query(modality.example)


class TestColdItems:
    def test_they_are_skipped(self, als):
        with pytest.raises(ItemSkipped, match="nobody had to do with it"):
            als.decode(Item("9999", "a new film"))

    def test_or_stand_behind_what_a_user_likes(self):
        encoder = fit(make_als(cold="popular"))
        cold = encoder.encode([encoder.decode(Item("9999", "a new film"))[0].sample])[0]
        stored = np.array([encoder.decode(Item(key, ""))[0].sample for key in KEYS])
        ranks = []
        for user in range(1, 401):
            scores = stored @ encoder.decode_query(f"user:{user}")[0].sample
            ranks.append((scores > cold @ encoder.decode_query(f"user:{user}")[0].sample).sum())
        assert min(ranks) >= 50
        assert np.linalg.norm(cold[:64]) == pytest.approx(1.0, abs=1e-5)

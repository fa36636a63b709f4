"""Intervals that hold the truth as often as they say, and p-values of cases that are known."""

import numpy as np
import pytest

from vicinal.quality.estimates import (
    Estimate,
    adjust_by_holm,
    compute_sign_flip_p,
    estimate_coverage,
    estimate_means,
)


def test_means_are_the_means_and_columns_have_intervals_of_their_own():
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.random(400), rng.random(400) < 0.1, np.full(400, 0.25)])
    narrow, wide, none = estimate_means(values)
    assert [one.value for one in (narrow, wide, none)] == pytest.approx(values.mean(axis=0))
    for estimate, deviation in ((narrow, values[:, 0].std()), (wide, values[:, 1].std())):
        assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * deviation / 20, rel=0.08)
        assert estimate.low < estimate.value < estimate.high
    assert none == Estimate(0.25, 0.25, 0.25)


def test_one_row_has_an_interval_of_one_point():
    assert estimate_means(np.array([[0.3]])) == [Estimate(0.3, 0.3, 0.3)]


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_figure_that_is_no_number_is_refused(odd):
    """A mean of NaN says nothing, and a test of NaN would say p = 0.0001."""
    with pytest.raises(ValueError, match="a figure is NaN or infinite"):
        estimate_means(np.array([[0.5], [odd]]))
    with pytest.raises(ValueError, match="a figure is NaN or infinite"):
        compute_sign_flip_p(np.array([0.5] * 20 + [odd]))


def test_no_rows_have_no_mean():
    with pytest.raises(ValueError, match="there is no value to take the mean of"):
        estimate_means(np.empty((0, 2)))


def test_intervals_are_the_same_for_one_seed():
    values = np.random.default_rng(0).random((50, 1))
    assert estimate_means(values, seed=4) == estimate_means(values, seed=4) != estimate_means(values, seed=5)


@pytest.mark.parametrize("kind", ["shares", "hits"])
def test_intervals_hold_the_truth_in_93_to_97_of_100_draws(kind):
    """200 queries each: their nDCG, of a skewed distribution, or whether the first hit is right."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        values, truth = (rng.beta(0.4, 0.9, 200), 0.4 / 1.3) if kind == "shares" else (rng.random(200) < 0.3, 0.3)
        estimate = estimate_means(values[:, None].astype(float))[0]
        held += estimate.low <= truth <= estimate.high
    assert 93 <= held <= 97


def test_coverage_counts_different_items():
    """Without the first list three items would be lost, without the second one, without the third none."""
    found = np.array([[1, 2, 3, 0], [0, 4, -1, -1], [0, -1, -1, -1]])
    estimate = estimate_coverage(found, 20)
    margin = 1.959964 * ((2 / 3) * ((3 - 4 / 3) ** 2 + (1 - 4 / 3) ** 2 + (0 - 4 / 3) ** 2) / 400) ** 0.5
    assert estimate.value == 0.25
    assert (estimate.low, estimate.high) == pytest.approx((0.25 - margin, 0.25 + margin))


def test_coverage_that_no_list_changes_is_sure():
    assert estimate_coverage(np.array([[0, 1]] * 5), 4) == Estimate(0.5, 0.5, 0.5)


def test_coverage_intervals_hold_the_expected_coverage():
    """The truth is the mean coverage of many other draws of as many lists; the interval is wide rather than narrow."""
    rng = np.random.default_rng(3)
    weights = 1 / np.arange(1, 301)
    weights /= weights.sum()

    def draw():
        return np.stack([rng.choice(300, 5, replace=False, p=weights) for _ in range(80)])

    truth = np.mean([len(np.unique(draw())) / 300 for _ in range(200)])
    estimates = [estimate_coverage(draw(), 300) for _ in range(100)]
    assert sum(one.low <= truth <= one.high for one in estimates) >= 93


class TestSignFlip:
    def test_equal_systems(self):
        assert compute_sign_flip_p(np.zeros(500)) == 1.0

    def test_one_query_shows_nothing(self):
        assert compute_sign_flip_p(np.array([0.9])) == 1.0
        assert compute_sign_flip_p(np.empty(0)) == 1.0

    def test_a_few_differences_are_exact(self):
        """Five wins of five: of 32 patterns two are as far out; one of five lost: the two with the same sum, twelve."""
        assert compute_sign_flip_p(np.array([1, 1, 1, 1, 1, 0, 0])) == 2 / 32
        assert compute_sign_flip_p(np.array([1, 1, 1, 1, -1])) == 12 / 32
        assert compute_sign_flip_p(np.array([0.5, -0.5])) == 1.0

    def test_a_clear_difference(self):
        rng = np.random.default_rng(0)
        assert compute_sign_flip_p(0.1 + 0.2 * rng.standard_normal(300)) == pytest.approx(1 / 10_001)

    def test_noise_is_no_difference_as_often_as_it_should_be(self):
        """Of 200 pairs of alike systems about one in ten has p below 0.1."""
        rng = np.random.default_rng(0)
        small = sum(compute_sign_flip_p(rng.standard_normal(40), seed) < 0.1 for seed in range(200))
        assert 10 <= small <= 30

    def test_it_agrees_with_the_normal_approximation(self):
        from scipy.stats import norm

        differences = np.random.default_rng(5).standard_normal(2_000) + 0.05
        z = abs(differences.sum()) / np.sqrt((differences**2).sum())
        assert compute_sign_flip_p(differences) == pytest.approx(2 * norm.sf(z), rel=0.15)

    def test_the_sign_does_not_matter(self):
        differences = np.random.default_rng(5).standard_normal(100) + 0.2
        assert compute_sign_flip_p(differences) == compute_sign_flip_p(-differences)


class TestHolm:
    def test_the_smallest_counts_for_all_tests_and_each_next_one_for_one_less(self):
        assert adjust_by_holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])

    def test_none_is_above_one_or_below_one_before_it(self):
        assert adjust_by_holm([0.5, 0.9, 0.011, 0.01]) == pytest.approx([1.0, 1.0, 0.04, 0.04])

    def test_a_single_test_stays_as_it_is(self):
        assert adjust_by_holm([0.03]) == [0.03]
        assert adjust_by_holm([]) == []

    def test_of_three_alike_systems_a_difference_is_found_in_at_most_one_of_twenty(self):
        rng = np.random.default_rng(2)
        found = 0
        for seed in range(200):
            a, b, c = rng.standard_normal((3, 30))
            tests = [compute_sign_flip_p(one, seed) for one in (a - b, a - c, b - c)]
            found += min(adjust_by_holm(tests)) < 0.05
        assert found <= 15

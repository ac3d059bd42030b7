"""Page's test against SciPy and enumeration; the error rate of the level where gains end."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paribus.stats.paired import tost
from paribus.stats.trend import gains, page


@pytest.mark.parametrize("shape", [(2, 3), (12, 3), (10, 4), (5, 6), (3, 8)])
def test_pages_exact_test_equals_scipys(shape: tuple[int, int]) -> None:
    table = np.random.default_rng(shape[0]).normal(size=shape) + 0.3 * np.arange(shape[1])
    rises = stats.page_trend_test(table, method="exact")
    drops = stats.page_trend_test(-table, method="exact")
    found = page(table)
    assert found.statistic == rises.statistic
    assert found.p == pytest.approx(min(1, 2 * min(rises.pvalue, drops.pvalue)), rel=1e-9)


def test_pages_test_of_many_levels_equals_scipys_approximation() -> None:
    table = np.random.default_rng(0).normal(size=(7, 12)) + 0.05 * np.arange(12)
    theirs = stats.page_trend_test(table, method="asymptotic")
    assert page(table).p == pytest.approx(2 * theirs.pvalue, rel=1e-9)


def test_the_exact_test_with_ties_counts_the_orders_of_the_ranks() -> None:
    table = np.array([[1, 2, 2, 3], [1, 1, 1, 2], [2, 1, 3, 3.0]])
    ranks = stats.rankdata(table, axis=1)
    found = page(table)
    assert found.statistic == np.sum(ranks @ np.arange(1, 5))
    per_block = [[np.dot(r, o) for o in permutations(range(1, 5))] for r in ranks]
    sums = np.array([sum(one) for one in product(*per_block)])
    assert found.p == pytest.approx(2 * np.mean(sums >= found.statistic))


def test_the_approximation_takes_ties_into_account() -> None:
    rng = np.random.default_rng(1)
    table = rng.integers(0, 3, (10, 9)).astype(float)
    table[0] += 0.2 * np.arange(9)
    statistic = page(table).statistic
    shuffled = rng.permuted(np.repeat(stats.rankdata(table, axis=1)[None], 20_000, 0), axis=2)
    sums = np.sum(shuffled @ np.arange(1, 10), 1)
    tail = min(np.mean(sums >= statistic), np.mean(sums <= statistic))
    assert page(table).p == pytest.approx(2 * tail, abs=0.02)


def test_two_levels_make_a_sign_test() -> None:
    table = np.stack([np.zeros(8), [1, 2, 3, 4, 5, 6, 7, -8]], 1)
    assert page(table).p == pytest.approx(stats.binomtest(7, 8).pvalue)


def test_the_direction_is_that_of_the_outcome() -> None:
    table = np.tile(np.arange(4.0), (3, 1))
    assert page(table).direction == "increasing"
    assert page(-table).direction == "decreasing"
    assert page(table).p == page(-table).p == pytest.approx(2 / 24**3)


@pytest.mark.parametrize("shape", [(5, 4), (5, 20), (3, 1)])
def test_equal_levels_have_no_trend(shape: tuple[int, int]) -> None:
    found = page(np.ones(shape))
    assert (found.p, found.direction) == (1, "none")


@given(st.integers(1, 6), st.integers(2, 10), st.integers(0, 1000))
def test_only_the_ranks_within_blocks_matter(blocks: int, levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 5, (blocks, levels)).astype(float)
    assert page(np.exp(table) + 100 * rng.integers(0, 9, (blocks, 1))) == page(table)


NOISE = np.random.default_rng(3).normal(0, 0.1, (10, 5))


def test_the_level_from_which_on_gains_do_not_matter() -> None:
    table = np.array([0.0, 2.0, 3.0, 3.1, 3.1]) + NOISE
    found = gains(table, 0.5, higher_is_better=True)
    assert found.level == 2
    assert found.remaining[0] == pytest.approx((table[:, 1:] - table[:, [0]]).mean(0).max())
    assert found.p[1] > 0.99
    assert math.isnan(found.p[-1])
    assert math.isnan(found.remaining[-1])
    assert gains(-table, 0.5, higher_is_better=False) == found


def test_a_gain_at_the_top_leaves_the_level_open() -> None:
    table = np.array([0.0, 0.0, 0.0, 0.0, 1.0]) + NOISE
    assert gains(table, 0.5, higher_is_better=True).level is None


def test_a_gain_between_low_levels_does_not_matter_if_later_levels_lose_it() -> None:
    table = np.array([0.0, 1.0, 0.0, 0.0, 0.0]) + NOISE
    assert gains(table, 0.5, higher_is_better=True).level == 1


def test_each_level_rests_on_one_sided_t_tests() -> None:
    table = NOISE[:, :2]
    d = table[:, 1] - table[:, 0]
    expected = stats.ttest_1samp(d, 0.1, alternative="less").pvalue
    assert gains(table, 0.1, higher_is_better=True).p[0] == pytest.approx(expected)


@pytest.mark.parametrize("step", [0.2, 0.5])
def test_differences_without_spread_count_as_in_tost(step: float) -> None:
    table = np.tile([0.0, step], (6, 1))
    assert gains(table, 0.3, higher_is_better=True).p[0] == tost(table[:, 1], 0.3)


def test_few_blocks_and_levels_show_nothing() -> None:
    assert gains(np.zeros((1, 3)), 1.0, higher_is_better=True).level is None
    assert gains(np.zeros((4, 3)), 1.0, higher_is_better=True).level is None  # p = 1 / 2^4
    assert gains(np.zeros((5, 1)), 1.0, higher_is_better=True).level is None


@pytest.mark.parametrize("margin", [0.0, -1.0, math.nan, math.inf])
def test_a_margin_must_be_above_zero(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        gains(NOISE, margin, higher_is_better=True)


@pytest.mark.parametrize(
    "means",
    [
        (0.0, 1.0),  # the one gain is just the margin
        (0.0, 0.0, 0.0, 0.0, 0.0, 1.0),  # gains from every level, shared noise of the top
        (-1.0, 0.0, 1.0, 1.0),  # some levels are enough
        (0.0, -9.0, 1.0, 1.0, -9.0),  # no order among the levels
    ],
)
def test_a_level_that_still_gains_the_margin_is_named_in_at_most_5_percent(
    means: tuple[float, ...],
) -> None:
    rng, trials, wrong = np.random.default_rng(0), 1000, 0
    still = [m for m, one in enumerate(means) if max(means[m:]) - one >= 1]
    for table in np.array(means) + rng.normal(0, 0.7, (trials, 8, len(means))):
        wrong += gains(table, 1.0, higher_is_better=True).level in still
    assert wrong <= trials * 0.05 + 3 * math.sqrt(trials * 0.05 * 0.95)

"""Paired statistics against published worked examples and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paribus.stats.paired import holm, mean_interval, paired, sign_flips, tost

# Student (1908), additional hours of sleep gained by two drugs, ten patients.
SLEEP = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
# Darwin's maize, cross- less self-fertilised, eighths of an inch (Fisher, 1935, section 21).
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48.0])


def test_students_sleep_data() -> None:
    found = paired(SLEEP)
    assert found.difference == pytest.approx(1.58)
    assert found.p == pytest.approx(0.002833, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert found.effect_size == pytest.approx(4.0621 / math.sqrt(10), abs=1e-4)
    assert found.superiority == 0.95  # nine above zero, one tie


def sign_flip(d: np.ndarray) -> float:
    return sign_flips([d])[0]


def test_fishers_exact_count_for_darwins_maize() -> None:
    assert sign_flip(MAIZE) == pytest.approx(2 * 863 / 2**15)


@pytest.mark.parametrize("n", [6, 10, 16])
def test_the_smallest_exact_sign_flip_p_value(n: int) -> None:
    assert sign_flip(np.linspace(1, 2, n)) == pytest.approx(2 / 2**n)


@pytest.mark.parametrize("n", [2, 7, 12])
def test_the_exact_sign_flip_test_equals_scipys(n: int) -> None:
    d = np.random.default_rng(n).normal(0.4, 1, n).round(1)  # with ties
    theirs = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", vectorized=False, n_resamples=np.inf
    )
    assert sign_flip(d) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_many_pairs_use_the_same_random_signs_each_time() -> None:
    d = np.random.default_rng(1).normal(0.3, 1, 40)
    assert sign_flip(d) == sign_flip(d)
    assert sign_flip(d) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.02)


def test_tost_equals_two_one_sided_t_tests() -> None:
    d = np.array([0.01, -0.02, 0.015, 0.0, -0.005, 0.02])
    margin, n = 0.02, 6
    error = d.std(ddof=1) / math.sqrt(n)
    above = stats.t.sf((d.mean() + margin) / error, n - 1)
    below = stats.t.cdf((d.mean() - margin) / error, n - 1)
    assert tost(d, margin) == pytest.approx(max(above, below), rel=1e-10)


def test_holm_published_example() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_was_not_tested() -> None:
    np.testing.assert_array_equal(holm(np.array([0.01, math.nan, 0.02])), [0.02, math.nan, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_lies_between_no_correction_and_bonferroni(p_values: list[float]) -> None:
    p = np.array(p_values)
    adjusted = holm(p)
    assert np.all(adjusted >= p)
    assert np.all(adjusted <= np.minimum(1, p * len(p)) + 1e-12) or np.all(adjusted <= 1)
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(adjusted[order]) >= 0)


def test_the_interval_of_a_mean() -> None:
    low, high = mean_interval(SLEEP)
    assert (low, high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert all(map(math.isnan, mean_interval(np.array([1.0]))))
    assert mean_interval(np.array([2.0, 2.0])) == (2.0, 2.0)


def test_few_and_equal_differences_have_no_invented_numbers() -> None:
    assert math.isnan(paired(np.array([])).difference)
    assert math.isnan(paired(np.array([1.0])).p)
    same = paired(np.zeros(10))
    assert (same.p, same.p_sign_flip, same.low, same.high) == (1, 1, 0, 0)


def test_equal_differences_rest_on_their_signs_alone() -> None:
    for d in (np.full(6, 0.01), np.array([0.9 - 0.8, 0.5 - 0.4, 0.7 - 0.6, 0.3 - 0.2, 0.1, 0.1])):
        found = paired(d)
        assert found.p == found.p_sign_flip == 2 / 2**6
        assert tost(d, 0.2) == 1 / 2**6
        assert tost(d, 0.005) == 1

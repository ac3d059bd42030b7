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


# --- differences on splits of the same rows -----------------------------------------------------


def test_the_corrected_test_by_hand() -> None:
    """Ten folds: tested on / trained on is 1 / 9, so the variance counts 1 / 10 + 1 / 9 times."""
    found = paired(SLEEP, overlap=1 / 9)
    error = 1.2299955 * math.sqrt(0.2111111)  # Student's sd; plain it would be 0.3889
    assert error == pytest.approx(0.565144, abs=1e-6)
    half = 2.2621572 * error
    assert (found.low, found.high) == pytest.approx((1.58 - half, 1.58 + half), abs=1e-6)
    assert mean_interval(SLEEP, 1 / 9) == pytest.approx((found.low, found.high))
    assert found.p == pytest.approx(2 * stats.t.sf(1.58 / error, 9), abs=1e-6)
    assert tost(SLEEP, 3.0, 1 / 9) == pytest.approx(stats.t.sf(1.42 / error, 9), abs=1e-6)
    assert (found.difference, found.effect_size) == pytest.approx((1.58, 1.58 / 1.2299955))
    assert math.isnan(found.p_sign_flip)


def test_the_corrected_test_is_exact_for_equally_correlated_differences() -> None:
    n, overlap, rng = 10, 0.25, np.random.default_rng(0)
    rho = overlap / (1 + overlap)
    shared, own = rng.normal(size=(2_000, 1)), rng.normal(size=(2_000, n))
    differences = math.sqrt(rho) * shared + math.sqrt(1 - rho) * own
    p = np.array([paired(d, math.nan, overlap).p for d in differences])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p < level) == pytest.approx(level, abs=4 * math.sqrt(level / 2_000))
    covered = np.array([mean_interval(d, overlap) for d in differences])
    assert np.mean((covered[:, 0] < 0) & (covered[:, 1] > 0)) == np.mean(p > 0.05)


def false_positives(kfold: bool, seeds: int, rows: int = 60, studies: int = 600) -> list[float]:
    """Compare two nearest-centroid classifiers that are equally good: how often do they differ?

    Each has four columns of its own, alike in distribution. Every seed splits the same rows anew,
    a fifth of them to be tested on. Returns the share of p-values below 5 %, plain and corrected.
    """
    rng = np.random.default_rng(seeds)
    y = np.arange(rows) % 2
    x = rng.normal(size=(studies, rows, 8)) + 0.5 * y[:, None]
    differences = []
    for seed in range(seeds):
        if not kfold or seed % 5 == 0:
            order = rng.permuted(np.tile(np.arange(rows), (studies, 1)), axis=1)
        test = np.zeros((studies, rows), bool)
        np.put_along_axis(test, order[:, seed % 5 :: 5] if kfold else order[:, ::5], True, axis=1)
        one, zero = ((~test & (y == label)).astype(float) for label in (1, 0))
        ones, zeros = (np.einsum("sr,src->sc", w, x) / w.sum(1, keepdims=True) for w in (one, zero))
        towards_one = (x - (ones + zeros)[:, None] / 2) * (ones - zeros)[:, None]
        accuracies = [
            np.mean((towards_one[..., own].sum(-1) > 0) == y, axis=1, where=test)
            for own in (slice(4), slice(4, 8))
        ]
        differences.append(accuracies[0] - accuracies[1])
    table = np.stack(differences, 1)
    return [
        float(np.mean([paired(d, math.nan, overlap).p < 0.05 for d in table]))
        for overlap in (0.0, 0.25)
    ]


@pytest.mark.parametrize(("kfold", "seeds"), [(False, 10), (False, 30), (True, 10), (True, 30)])
def test_equal_classifiers_on_resampled_rows_differ_at_five_per_cent_only_when_corrected(
    kfold: bool, seeds: int
) -> None:
    plain, corrected = false_positives(kfold, seeds)
    assert plain > 0.15
    assert corrected < 0.08


def test_no_overlap_is_no_correction_and_more_is_more_careful() -> None:
    assert paired(SLEEP, overlap=0.0) == paired(SLEEP)
    assert tost(SLEEP, 3.0, 0.0) == tost(SLEEP, 3.0)
    p = [paired(SLEEP, overlap=overlap).p for overlap in (0, 0.1, 0.25, 1, 100)]
    assert p == sorted(p)
    assert paired(SLEEP, overlap=1e6).p == pytest.approx(1, abs=0.01)


def test_equal_differences_rest_on_signs_that_depend_on_each_other() -> None:
    """That n equally correlated normal values agree has the chance 1 / (n + 1) at rho = 1/2."""
    for n in (2, 6, 40):
        d = np.full(n, 0.01)
        assert tost(d, 0.2, overlap=1.0) == pytest.approx(1 / (n + 1), rel=1e-9)
        assert paired(d, overlap=1.0).p == pytest.approx(2 / (n + 1), rel=1e-9)
        assert tost(d, 0.2, overlap=1e-12) == pytest.approx(2.0**-n, rel=1e-4)
        assert tost(d, 0.005, overlap=1.0) == 1
    same = paired(np.zeros(10), overlap=0.25)
    assert (same.p, same.low, same.high) == (1, 0, 0)
    assert math.isnan(same.p_sign_flip)


@pytest.mark.parametrize("overlap", [-0.1, math.nan, math.inf])
def test_an_impossible_overlap_is_refused(overlap: float) -> None:
    for call in (
        lambda: paired(SLEEP, overlap=overlap),
        lambda: mean_interval(SLEEP, overlap),
        lambda: tost(SLEEP, 1.0, overlap),
    ):
        with pytest.raises(ValueError, match="overlap must be a number of zero or more"):
            call()

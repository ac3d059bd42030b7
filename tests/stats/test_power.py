"""Powers and sample sizes against statsmodels, published numbers and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from paribus.stats.power import (
    detectable,
    equivalence_power,
    pilot_sd_interval,
    power,
    seeds_for_equivalence,
    seeds_needed,
)


@pytest.mark.parametrize("n", [2, 3, 6, 10, 50, 1000, 100_000])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_power_equals_statsmodels(n: int, alpha: float) -> None:
    for shift in (0.0, 0.5, 2.0, 4.0):  # further out statsmodels gives nan
        effect = shift / math.sqrt(n)
        theirs = TTestPower().power(effect, n, alpha)
        assert power(n, 3.0, -3.0 * effect, alpha) == pytest.approx(theirs, abs=1e-8)


def test_power_has_a_value_far_out() -> None:
    # Where the distribution function of SciPy's noncentral t gives nan: P(|N(40, 1)| > t |s|).
    s = np.abs(stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000))
    expected = stats.norm.cdf(40 - stats.t.ppf(0.9995, 1) * s).mean()
    assert power(2, 1.0, 40 / math.sqrt(2), 0.001) == pytest.approx(expected, abs=1e-5)
    assert power(10, 1e-200, 1.0, 0.05) == 1


@pytest.mark.parametrize("n", [3, 6, 10, 100])
def test_the_detectable_difference_has_the_power_asked_for(n: int) -> None:
    difference = detectable(n, 0.02, 0.05, power=0.9)
    assert power(n, 0.02, difference, 0.05) == pytest.approx(0.9, abs=1e-9)
    theirs = TTestPower().solve_power(effect_size=None, nobs=n, alpha=0.05, power=0.9)
    assert difference == pytest.approx(0.02 * theirs, rel=1e-6)


@pytest.mark.parametrize(("d", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_seeds_needed_equals_published_sample_sizes(d: float, n: int) -> None:
    assert seeds_needed(sd=1.0, margin=d, alpha=0.05) == n


def test_seeds_needed_looks_up_to_100_000() -> None:
    found = seeds_needed(1.0, 0.009, 0.05)
    assert found is not None
    assert 65_536 < found < 100_000
    assert power(found, 1.0, 0.009, 0.05) >= 0.8 > power(found - 1, 1.0, 0.009, 0.05)
    assert seeds_needed(1.0, 0.008, 0.05) is None


@pytest.mark.parametrize(
    ("cv", "ratio", "subjects", "published"),
    [
        # Examples of the manual of the R package PowerTOST.
        (0.30, 0.95, 40, 0.815845),
        (0.25, 0.95, 24, 0.7391155),
        (0.25, 0.95, 22, 0.6953401),
        (0.20, 0.95, 20, 0.834680),
        (0.20, 0.92, 28, 0.822742),
    ],
)
def test_equivalence_power_equals_published_numbers(
    cv: float, ratio: float, subjects: int, published: float
) -> None:
    # A 2x2 crossover on the log scale, within 0.80 to 1.25, has one degree of freedom less than as
    # many pairs: so one pair less, and the sd that gives the same standard error.
    error = math.sqrt(math.log(1 + cv**2) * 2 / subjects)
    n = subjects - 1
    found = equivalence_power(n, error * math.sqrt(n), math.log(1.25), 0.05, math.log(ratio))
    assert found == pytest.approx(published, abs=6e-7)


@pytest.mark.parametrize(
    ("n", "margin", "difference"), [(2, 8.0, 0.0), (6, 1.0, 0.3), (20, 0.6, 0)]
)
def test_equivalence_power_equals_simulation(n: int, margin: float, difference: float) -> None:
    d = np.random.default_rng(n).normal(difference, 1, (100_000, n))
    half = stats.t.ppf(0.95, n - 1) * d.std(1, ddof=1) / math.sqrt(n)
    shown = np.mean(np.abs(d.mean(1)) + half < margin)
    assert equivalence_power(n, 1.0, margin, 0.05, difference) == pytest.approx(shown, abs=0.006)


@given(st.integers(2, 10_000), st.floats(-6, 4), st.sampled_from([0.05, 0.005]))
def test_equivalence_at_the_margin_is_shown_at_most_at_alpha(
    n: int, log_margin: float, alpha: float
) -> None:
    margin = math.exp(log_margin)
    at_margin = equivalence_power(n, 1.0, margin, alpha, margin)
    assert 0 <= at_margin <= alpha + 1e-9
    assert at_margin <= equivalence_power(n, 1.0, margin, alpha) + 1e-9


@pytest.mark.parametrize("margin", [0.02, 0.5, 1.0, 5.0])
def test_seeds_for_equivalence_are_the_fewest(margin: float) -> None:
    n = seeds_for_equivalence(1.0, margin, 0.05)
    assert n is not None
    assert equivalence_power(n, 1.0, margin, 0.05) >= 0.8
    assert n == 2 or equivalence_power(n - 1, 1.0, margin, 0.05) < 0.8
    # Large samples: n = ((z_0.95 + z_0.90) sd / margin)^2 (Julious, 2004).
    if n > 1000:
        assert n == pytest.approx((stats.norm.ppf([0.95, 0.90]).sum() / margin) ** 2, rel=0.001)


@pytest.mark.parametrize(
    ("n", "low", "high"), [(2, 0.446, 31.91), (5, 0.599, 2.874), (10, 0.688, 1.826)]
)
def test_the_interval_of_an_sd_has_the_factors_of_the_tables(
    n: int, low: float, high: float
) -> None:
    assert pilot_sd_interval(1.0, n) == pytest.approx((low, high), rel=1e-3)
    assert pilot_sd_interval(0.02, n) == pytest.approx(
        0.02 * np.sqrt((n - 1) / stats.chi2.ppf([0.975, 0.025], n - 1))
    )


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_nothing_is_planned_from_an_sd_or_margin_that_cannot_be(bad: float) -> None:
    assert math.isnan(power(10, bad, 1.0, 0.05))
    assert math.isnan(detectable(10, bad, 0.05))
    assert math.isnan(equivalence_power(10, bad, 1.0, 0.05))
    assert math.isnan(equivalence_power(10, 1.0, bad, 0.05))
    assert seeds_needed(bad, 1.0, 0.05) is seeds_needed(1.0, bad, 0.05) is None
    assert seeds_for_equivalence(bad, 1.0, 0.05) is seeds_for_equivalence(1.0, bad, 0.05) is None
    assert all(map(math.isnan, pilot_sd_interval(bad, 10)))


def test_nothing_is_planned_from_one_pair_or_an_impossible_level() -> None:
    assert math.isnan(power(1, 1.0, 1.0, 0.05))
    assert math.isnan(detectable(1, 1.0, 0.05))
    assert math.isnan(equivalence_power(1, 1.0, 1.0, 0.05))
    assert all(map(math.isnan, pilot_sd_interval(1.0, 1)))
    for alpha in (0.0, 1.0, math.nan):
        assert math.isnan(power(10, 1.0, 1.0, alpha))
        assert math.isnan(equivalence_power(10, 1.0, 1.0, alpha))
        assert seeds_needed(1.0, 1.0, alpha) is seeds_for_equivalence(1.0, 1.0, alpha) is None
    assert math.isnan(detectable(10, 1.0, 0.05, power=1.0))
    assert seeds_needed(1.0, 1.0, 0.05, power=1.0) is None
    assert seeds_for_equivalence(1.0, 1.0, 0.05, power=0.01) is None


@pytest.mark.parametrize("overlap", [1 / 9, 0.25])
def test_power_with_an_overlap_equals_simulation(overlap: float) -> None:
    """Equally correlated differences: `sd` is what the sample's sd estimates."""
    n, shift, rng = 10, 1.5, np.random.default_rng(1)
    # In units of that sd the part that all share has the variance `overlap`.
    d = shift + math.sqrt(overlap) * rng.normal(size=(100_000, 1)) + rng.normal(size=(100_000, n))
    error = d.std(1, ddof=1) * math.sqrt(1 / n + overlap)
    found = np.mean(np.abs(d.mean(1)) / error > stats.t.ppf(0.975, n - 1))
    assert power(n, 1.0, shift, 0.05, overlap) == pytest.approx(found, abs=0.006)
    shown = np.mean(np.abs(d.mean(1) - shift) + stats.t.ppf(0.95, n - 1) * error < 2)
    assert equivalence_power(n, 1.0, 2.0, 0.05, overlap=overlap) == pytest.approx(shown, abs=0.006)


def test_no_number_of_seeds_brings_the_error_below_what_shared_rows_leave() -> None:
    overlap = 0.25
    # For many seeds the power is that of a normal test with the error sd √overlap.
    z = stats.norm.ppf([0.975, 0.8]).sum()
    assert seeds_needed(1.0, 0.99 * z * 0.5, 0.05, overlap=overlap) is None
    found = seeds_needed(1.0, 1.05 * z * 0.5, 0.05, overlap=overlap)
    assert found is not None
    assert power(found, 1.0, 1.05 * z * 0.5, 0.05, overlap) >= 0.8
    assert power(found - 1, 1.0, 1.05 * z * 0.5, 0.05, overlap) < 0.8
    assert detectable(100_000, 1.0, 0.05, overlap=overlap) == pytest.approx(z * 0.5, rel=1e-3)
    z = stats.norm.ppf([0.95, 0.9]).sum()
    assert seeds_for_equivalence(1.0, 0.99 * z * 0.5, 0.05, overlap=overlap) is None
    assert seeds_for_equivalence(1.0, 1.05 * z * 0.5, 0.05, overlap=overlap) is not None


@pytest.mark.parametrize("overlap", [-1.0, math.nan, math.inf])
def test_nothing_is_planned_with_an_impossible_overlap(overlap: float) -> None:
    assert math.isnan(power(10, 1.0, 1.0, 0.05, overlap))
    assert math.isnan(detectable(10, 1.0, 0.05, overlap=overlap))
    assert math.isnan(equivalence_power(10, 1.0, 1.0, 0.05, overlap=overlap))
    assert seeds_needed(1.0, 1.0, 0.05, overlap=overlap) is None
    assert seeds_for_equivalence(1.0, 1.0, 0.05, overlap=overlap) is None

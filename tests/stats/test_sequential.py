"""Group-sequential looks against published tables, brute force and simulated studies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paribus.stats.paired import mean_interval, paired, tost
from paribus.stats.sequential import (
    Decision,
    boundaries,
    decide,
    levels,
    looks,
    repeated_interval,
    spend,
)

Shape = Literal["obrien-fleming", "pocock"]
SIZES = (6, 10, 15, 22, 30)
DENSE = (6, 8, 10, 12, 14)  # where levels for a known variance err most
SLEEP = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])  # Student (1908)


@pytest.mark.parametrize(
    ("shape", "table"),
    [
        ("obrien-fleming", [2.963, 1.969]),
        ("obrien-fleming", [3.710, 2.511, 1.993]),
        ("obrien-fleming", [4.333, 2.963, 2.359, 2.014]),
        ("obrien-fleming", [4.877, 3.357, 2.680, 2.290, 2.031]),
        ("pocock", [2.438, 2.427, 2.410, 2.397, 2.386]),
    ],
)
def test_published_boundaries_of_equally_spaced_looks(shape: Shape, table: list[float]) -> None:
    count = len(table)
    found = boundaries(np.arange(1, count + 1) / count, 0.05, shape)
    np.testing.assert_allclose(found, table, atol=5.1e-4)


def test_spending_by_its_closed_forms() -> None:
    half = 4 * stats.norm.sf(stats.norm.isf(0.05 / 4) / math.sqrt(0.5))
    np.testing.assert_allclose(spend([0.5, 1], 0.05), [half, 0.05])
    np.testing.assert_allclose(
        spend([0.5, 1], 0.05, "pocock"), [0.05 * math.log(1 + (math.e - 1) / 2), 0.05]
    )


@pytest.mark.parametrize("shape", ["obrien-fleming", "pocock"])
@pytest.mark.parametrize("sides", [1, 2])
def test_unequally_spaced_looks_cross_with_the_probability_spent(shape: Shape, sides: int) -> None:
    t = np.array([0.2, 0.5, 0.6, 1.0])
    alpha = 0.05
    critical = boundaries(t, alpha, shape, sides)
    correlation = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    spent = spend(t, 2 * alpha / sides, shape) * sides / 2
    for k in (2, 4):
        within = stats.multivariate_normal.cdf(
            critical[:k],
            cov=correlation[:k, :k],
            lower_limit=-critical[:k] if sides == 2 else np.full(k, -np.inf),
            abseps=3e-6,
            releps=3e-6,
            rng=np.random.default_rng(0),
        )
        assert 1 - within == pytest.approx(spent[k - 1], abs=1e-5)


def test_one_look_is_the_plain_test() -> None:
    assert boundaries([1], 0.05) == pytest.approx([1.959964], abs=1e-6)
    assert boundaries([1], 0.05, sides=1) == pytest.approx([1.644854], abs=1e-6)
    for sides in (1, 2):
        assert levels([10], 0.05, sides=sides) == pytest.approx([0.05], rel=1e-12)
    plain = paired(SLEEP)
    assert repeated_interval(SLEEP, levels([10], 0.05)[0]) == pytest.approx((plain.low, plain.high))


@pytest.mark.parametrize("shape", ["obrien-fleming", "pocock"])
@pytest.mark.parametrize("sides", [1, 2])
def test_many_pairs_have_the_levels_of_a_known_variance(shape: Shape, sides: int) -> None:
    sizes = np.array([400, 700, 1000, 1500, 2000])
    critical = stats.norm.isf(levels(sizes, 0.01, shape, sides) / sides)
    np.testing.assert_allclose(critical, boundaries(sizes / 2000, 0.01, shape, sides), atol=1e-3)


def simulated(sizes: Sequence[int], studies: int, seed: int) -> np.ndarray:
    """Return the t statistics [look, study] of normal differences with mean zero."""
    rng = np.random.default_rng(seed)
    total, squares, found, last = np.zeros(studies), np.zeros(studies), [], 0
    for n in sizes:
        new = n - last
        part = rng.standard_normal(studies) * math.sqrt(new)
        total += part
        squares += part**2 / new + 2 * rng.standard_gamma((new - 1) / 2, studies)
        found.append(total / np.sqrt(n * (squares - total**2 / n) / (n - 1)))
        last = n
    return np.array(found)


T = {SIZES: simulated(SIZES, 500_000, 1), DENSE: simulated(DENSE, 500_000, 2)}


def error(sizes: tuple[int, ...], nominal: np.ndarray, sides: int) -> float:
    critical = stats.t.isf(nominal / sides, np.array(sizes) - 1)[:, None]
    t = np.abs(T[sizes]) if sides == 2 else T[sizes]
    return float(np.mean(np.any(t >= critical, 0)))


@pytest.mark.parametrize("sizes", [SIZES, DENSE])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 11])
@pytest.mark.parametrize("shape", ["obrien-fleming", "pocock"])
@pytest.mark.parametrize("sides", [1, 2])
def test_t_tests_on_few_pairs_err_as_often_as_alpha_says(
    sizes: tuple[int, ...], alpha: float, shape: Shape, sides: int
) -> None:
    # The interval of a look leaves the true mean out where its test rejects it: coverage, too.
    chance = math.sqrt(alpha / 500_000)
    assert error(sizes, levels(sizes, alpha, shape, sides), sides) == pytest.approx(
        alpha, abs=3.5 * chance
    )


def test_levels_for_a_known_variance_would_err_too_often() -> None:
    known = 2 * stats.norm.sf(boundaries(np.array(DENSE) / 14, 0.05))
    assert error(DENSE, known, 2) > 0.053


@pytest.mark.parametrize(("true", "impatient"), [(0.0, True), (0.6, False)])
def test_an_interval_holds_the_mean_where_the_study_stopped(true: float, impatient: bool) -> None:
    nominal = levels(SIZES, 0.05)
    studies = 1000
    held = plain = 0
    for d in np.random.default_rng(3).normal(true, 1, (studies, 30)):
        for n, level in zip(SIZES, nominal, strict=True):
            repeated, usual = repeated_interval(d[:n], level), mean_interval(d[:n])
            low, high = usual if impatient else repeated
            if low > 0 or high < 0 or n == SIZES[-1]:
                held += repeated[0] <= true <= repeated[1]
                plain += usual[0] <= true <= usual[1]
                break
    assert held >= 0.95 * studies
    if impatient:  # stopped by a rule that the interval does not know
        assert plain < 0.9 * studies


def test_an_interval_leaves_out_zero_just_where_the_test_rejects() -> None:
    p = paired(SLEEP).p
    assert repeated_interval(SLEEP, p * 1.001)[0] > 0
    assert repeated_interval(SLEEP, p * 0.999)[0] < 0
    assert repeated_interval(SLEEP, p)[0] == pytest.approx(0, abs=1e-12)


def test_equivalence_is_seldom_claimed_at_the_edge_of_the_margin() -> None:
    sizes = (6, 9, 13, 20)
    nominal = levels(sizes, 0.05, sides=1)
    studies = np.random.default_rng(4).normal(1, 0.5, (2000, 20))
    claimed = sum(
        any(tost(d[:n], 1.0) <= level for n, level in zip(sizes, nominal, strict=True))
        for d in studies
    )
    assert 0.03 * 2000 < claimed <= 0.05 * 2000 + 3 * math.sqrt(0.05 * 2000)


@pytest.mark.parametrize("effect", [0, 1.5])
def test_a_family_of_four_keeps_its_error(effect: float) -> None:
    # With an effect in the first contrast Holm frees its share for the three others.
    studies = 2000
    d = np.random.default_rng(5).normal(0, 1, (studies, 4, 30))
    d[:, 0] += effect
    p = np.stack([stats.ttest_1samp(d[:, :, :n], 0, axis=2).pvalue for n in SIZES], 1)
    decided = [decide(list(one), SIZES) for one in p]
    false = sum(any(one.look is not None for one in found[effect > 0 :]) for found in decided)
    assert 0.03 * studies < false <= 0.05 * studies + 3 * math.sqrt(0.05 * studies)
    if effect:
        assert np.mean([found[0].look is not None for found in decided]) > 0.99


def test_what_a_rejection_frees_is_used_from_the_same_look_on() -> None:
    whole, half = levels(SIZES, 0.05), levels(SIZES, 0.025)
    between = (whole[2] + half[2]) / 2
    start = [np.ones(2), np.ones(2)]
    assert decide([*start, np.array([between, 0.0])], SIZES) == [
        Decision(2, whole[2]),
        Decision(2, half[2]),
    ]
    assert decide([*start, np.array([between, 1.0])], SIZES) == [Decision(None, half[2])] * 2


def test_what_was_rejected_stays_so_and_past_looks_are_not_taken_again() -> None:
    whole, half = levels(SIZES, 0.05), levels(SIZES, 0.025)
    between = (whole[1] + half[1]) / 2
    rows = [np.ones(2), np.array([between, 1.0]), np.array([1.0, 0.0]), np.ones(2)]
    assert decide(rows, SIZES) == [Decision(None, whole[3]), Decision(2, half[3])]


def test_one_look_is_holms_method() -> None:
    found = decide([np.array([0.01, 0.04, 0.03, 0.005])], [12])
    assert [one.look for one in found] == [0, None, None, 0]
    assert [one.level for one in found] == pytest.approx([0.0125, 0.025, 0.025, 0.0125])


def test_a_contrast_without_a_test_counts_in_the_family() -> None:
    found = decide([np.array([0.03, math.nan])], [12])
    assert [one.look for one in found] == [None, None]
    assert [one.level for one in found] == pytest.approx([0.025, 0.025])
    assert decide([np.array([])], [12]) == []


@given(st.integers(2, 20), st.sampled_from([0.1, 0.05, 0.01, 0.05 / 11]), st.sampled_from([1, 2]))
@settings(max_examples=10, deadline=None)
def test_obrien_fleming_boundaries_fall(count: int, alpha: float, sides: int) -> None:
    critical = boundaries(np.arange(1, count + 1) / count, alpha, "obrien-fleming", sides)
    assert np.all(np.diff(critical) < 0)


@given(
    st.lists(st.floats(0.01, 1), min_size=1, max_size=20, unique=True).map(sorted),
    st.floats(1e-4, 0.5),
    st.sampled_from(["obrien-fleming", "pocock"]),
)
def test_spending_increases_to_alpha(t: list[float], alpha: float, shape: Shape) -> None:
    spent = spend([*t[:-1], 1.0], alpha, shape)
    assert np.all(np.diff(spent) >= 0)
    assert spent[-1] == pytest.approx(alpha)


@given(st.integers(7, 200), st.integers(1, 12), st.sampled_from(["obrien-fleming", "pocock"]))
@settings(max_examples=10, deadline=None)
def test_a_larger_share_of_alpha_raises_every_level(most: int, m: int, shape: Shape) -> None:
    # Holm's shortcut of the closed procedure rests on this.
    sizes = looks(most)
    less, more = levels(sizes, 0.05 / (m + 1), shape), levels(sizes, 0.05 / m, shape)
    assert np.all(less < more)
    assert np.all(more <= spend(np.array(sizes) / most, 0.05 / m, shape) * (1 + 1e-9))


@given(st.integers(2, 2000), st.integers(2, 50))
def test_looks_increase_to_the_maximum(maximum: int, first: int) -> None:
    sizes = looks(maximum, first)
    assert sizes[-1] == maximum
    assert len(sizes) <= 5
    assert len(sizes) == 1 or sizes[0] == first
    assert list(sizes) == sorted(set(sizes))


def test_proposed_looks() -> None:
    assert looks(30) == (6, 9, 13, 20, 30)
    assert looks(10) == (6, 10)
    assert looks(7) == (6, 7)
    assert looks(6) == looks(6, first=9) == (6,)


@pytest.mark.filterwarnings("error")
def test_bad_input_has_no_invented_numbers() -> None:
    for sizes in ([], [1, 5], [6, 6], [8, 6], [6.5, 8], [6, 3000]):
        with pytest.raises(ValueError, match="whole numbers"):
            levels(sizes, 0.05)
    for t in ([], [0, 1], [0.5, 0.5], [0.5, 1.1], [math.nan, 1]):
        with pytest.raises(ValueError, match="fractions"):
            boundaries(t, 0.05)
    for alpha in (0, 0.5, math.nan):
        with pytest.raises(ValueError, match="alpha"):
            levels(SIZES, alpha)
    with pytest.raises(ValueError, match="shape"):
        levels(SIZES, 0.05, "linear")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sides"):
        levels(SIZES, 0.05, sides=3)
    with pytest.raises(ValueError, match="planned"):
        decide([np.ones(1)] * 2, [6])
    for rows in ([], [np.ones(2), np.ones(1)]):
        with pytest.raises(ValueError, match="every contrast"):
            decide(rows, SIZES)
    with pytest.raises(ValueError, match="level"):
        repeated_interval(SLEEP, 1.0)
    with pytest.raises(ValueError, match="2 pairs"):
        looks(1)
    assert all(map(math.isnan, repeated_interval(np.array([1.0]), 0.01)))
    assert all(map(math.isnan, repeated_interval(np.array([1.0, math.nan]), 0.01)))
    assert repeated_interval(np.full(6, 0.5), 0.01) == (0.5, 0.5)
    assert repeated_interval(SLEEP, 0) == (-math.inf, math.inf)


@pytest.mark.filterwarnings("error")
def test_a_first_look_far_too_early_to_spend_anything() -> None:
    found = levels([6, 1000, 2000], 0.05 / 50)
    assert found[0] < 1e-100
    assert found[2] == pytest.approx(0.001, rel=0.1)

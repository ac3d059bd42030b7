"""Curves: known slopes, turning points and areas; the rate of false alarms by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paribus.stats.curves import area, epochs_to, falls, turning_point
from paribus.stats.paired import sign_flips

EPOCHS = np.arange(1, 31)


def noise(seed: int, seeds: int = 8, sd: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sd, (seeds, len(EPOCHS)))


def test_the_slope_is_the_change_per_doubling_of_the_epochs() -> None:
    curves = 5 - 0.25 * np.log2(EPOCHS) + np.arange(6)[:, None]
    found = falls(curves)
    assert found.difference == pytest.approx(-0.25)
    assert (found.low, found.high) == pytest.approx((-0.25, -0.25))
    assert found.n == 6
    assert falls(np.array([[3.0, 1.0], [2.0, 1.0]])).difference == pytest.approx(-1.5)


def test_curves_equal_to_a_constant_do_not_fall() -> None:
    found = falls(np.full((6, 10), 0.1) + np.arange(6)[:, None])
    assert (found.difference, found.p) == (0, 1)


def test_slopes_are_those_of_least_squares() -> None:
    curves = noise(0)
    slopes = np.polyfit(np.log2(EPOCHS), curves.T, 1)[0]
    assert falls(curves).difference == pytest.approx(slopes.mean())


def test_wandering_curves_seldom_seem_to_fall() -> None:
    # Random walks: their epochs resemble their neighbours, which is no trend.
    walks = np.random.default_rng(1).normal(size=(400, 8, 30)).cumsum(2)
    alarms = sum(falls(one).p < 0.05 for one in walks)
    assert alarms <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95)


def test_the_turning_point_of_overfitting_curves() -> None:
    curves = 3 * np.exp(-EPOCHS / 4) + 0.1 * EPOCHS + noise(2, sd=0.05)
    exact = 4 * math.log(7.5)  # 8.06
    found = turning_point(curves)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= exact <= found.high
    assert found.high - found.low <= 5
    lowest = 3 * math.exp(-2) + 0.8
    assert found.rise == pytest.approx(3 + 3 * math.exp(-7.5) - lowest, abs=0.1)
    assert found.p <= 2 / 2**8  # no other pattern of signs than the observed one and its opposite


def test_two_epochs_make_a_one_sided_sign_flip_test() -> None:
    d = np.array([0.3, -0.1, 0.4, 0.2, 0.5, -0.2, 0.6])
    found = turning_point(np.stack([np.zeros(7), d], 1))
    assert found.epoch == 1
    assert found.p == pytest.approx(sign_flips([d])[0] / 2)


@pytest.mark.parametrize("n", [2, 5, 12])
def test_curves_that_end_at_their_lowest_do_not_overfit(n: int) -> None:
    found = turning_point(np.tile(1 / EPOCHS, (n, 1)) + 0.001 * noise(4, n))
    assert found.epoch == 30
    assert found.p > 0.5
    assert turning_point(np.ones((n, 5))).p == 1


@pytest.mark.parametrize(
    "kind", ["flat", "wandering", "skewed", "falling to a plateau", "many seeds"]
)
def test_curves_that_do_not_rise_seldom_seem_to_overfit(kind: str) -> None:
    rng = np.random.default_rng(5)
    trials, seeds, epochs = (100, 18, 5) if kind == "many seeds" else (250, 8, 30)
    curves = rng.normal(size=(trials, seeds, epochs))
    if kind == "wandering":
        curves = curves.cumsum(2)
    elif kind == "skewed":
        curves = rng.exponential(size=curves.shape)
    elif kind == "falling to a plateau":
        curves = curves + 5 * np.maximum(0, 1 - EPOCHS / 15)
    alarms = sum(turning_point(one).p < 0.05 for one in curves)
    assert alarms <= trials * 0.05 + 3 * math.sqrt(trials * 0.05 * 0.95)


def test_the_interval_holds_the_true_turning_point() -> None:
    curves = 0.02 * (EPOCHS - 13) ** 2 + np.random.default_rng(6).normal(0, 0.3, (200, 8, 30))
    found = [turning_point(one) for one in curves]
    held = sum(one.low <= 13 <= one.high for one in found if one.low and one.high)
    assert held >= 0.95 * 200 - 3 * math.sqrt(200 * 0.95 * 0.05)


def test_the_rise_is_not_raised_by_the_choice_of_the_lowest_epoch() -> None:
    curves = np.random.default_rng(7).normal(size=(200, 8, 30))
    rises = np.array([turning_point(one).rise for one in curves])
    assert abs(rises.mean()) < 4 * rises.std() / math.sqrt(200)
    naive = curves.mean(1)[:, -1] - curves.mean(1).min(1)
    assert naive.mean() > 0.5


def test_one_seed_has_a_lowest_epoch_and_no_more() -> None:
    found = turning_point(np.array([[3.0, 1.0, 2.0]]))
    assert (found.epoch, found.low, found.high) == (2, None, None)
    assert math.isnan(found.p)
    assert math.isnan(found.rise)


def test_the_first_epoch_that_reaches_a_target() -> None:
    curves = np.array([[0.1, 0.5, 0.9], [0.9, 0.1, 0.9], [0.1, math.nan, 0.2]])
    epochs, reached = epochs_to(curves, 0.5, higher_is_better=True)
    np.testing.assert_array_equal(epochs, [2, 1, math.nan])
    assert reached == 2
    epochs, reached = epochs_to(curves, 0.1, higher_is_better=False)
    np.testing.assert_array_equal(epochs, [1, 2, 1])
    assert reached == 3


def test_the_mean_level_of_a_curve() -> None:
    curves = np.array([[0.0, 1.0, 2.0, 3.0], [4.0, 0.0, 0.0, 4.0], [2.0, 2.0, 2.0, 2.0]])
    np.testing.assert_allclose(area(curves), [1.5, 4 / 3, 2])
    np.testing.assert_array_equal(area(np.array([[3.0], [4.0]])), [3, 4])


@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 100))
def test_the_mean_level_lies_within_the_curve(seeds: int, epochs: int, seed: int) -> None:
    curves = np.random.default_rng(seed).normal(size=(seeds, epochs))
    level = area(curves)
    assert np.all(level >= curves.min(1) - 1e-12)
    assert np.all(level <= curves.max(1) + 1e-12)


def test_curves_that_cannot_be_judged_are_an_error() -> None:
    broken = np.array([[1.0, math.nan], [1.0, 2.0]])
    for ask in (falls, turning_point, area):
        with pytest.raises(ValueError, match="complete"):
            ask(broken)
    with pytest.raises(ValueError, match="two epochs"):
        falls(np.ones((3, 1)))
    with pytest.raises(ValueError, match="target"):
        epochs_to(np.ones((3, 2)), math.nan, True)
    with pytest.raises(ValueError, match="shape"):
        epochs_to(np.ones(3), 0.5, True)

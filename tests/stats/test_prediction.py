"""Prediction intervals against SciPy and against how often one more value lies within them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from paribus.stats.prediction import as_far_off, prediction_interval


def test_it_is_students_interval_widened_by_one_value() -> None:
    x = np.random.default_rng(0).normal(97.0, 0.2, 10)
    low, high = prediction_interval(x)
    scale = x.std(ddof=1) * math.sqrt(1 + 1 / 10)
    expected = stats.t.interval(0.95, 9, x.mean(), scale)
    np.testing.assert_allclose((low, high), expected, rtol=1e-12)


@pytest.mark.parametrize("positive", [False, True])
def test_one_more_run_lies_within_it_as_often_as_it_says(positive: bool) -> None:
    rng, studies = np.random.default_rng(1), 4000
    x = rng.normal(-3, 0.8, (studies, 11))
    x = np.exp(x) if positive else x
    inside = 0
    for values in x:
        low, high = prediction_interval(values[:10], positive=positive)
        inside += low <= values[10] <= high
    assert abs(inside / studies - 0.95) < 3 * math.sqrt(0.95 * 0.05 / studies)


def test_positive_values_have_positive_bounds_and_equal_ones_no_width() -> None:
    low, high = prediction_interval(np.array([0.001, 0.02, 0.3]), positive=True)
    assert 0 < low < high
    assert prediction_interval(np.ones(5)) == (1, 1)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
def test_too_few_or_unfinished_values_have_none(values: list[float]) -> None:
    assert all(math.isnan(bound) for bound in prediction_interval(np.array(values)))


def test_a_zero_among_positive_values_is_no_error() -> None:
    assert prediction_interval(np.array([0.0, 1.0]), positive=True)[0] < 0


@pytest.mark.parametrize("positive", [False, True])
def test_a_value_is_outside_the_interval_where_few_are_as_far_off(positive: bool) -> None:
    x = np.random.default_rng(2).lognormal(0, 0.3, 10)
    for bound in prediction_interval(x, positive=positive):
        assert as_far_off(bound, x, positive=positive) == pytest.approx(0.05)
    centre = float(np.exp(np.log(x).mean())) if positive else float(x.mean())
    assert as_far_off(centre, x, positive=positive) == pytest.approx(1)


def test_no_value_is_off_where_all_are_equal_but_another_one() -> None:
    assert as_far_off(1.0, np.ones(5)) == 1
    assert as_far_off(0.9, np.ones(5)) == 0
    assert math.isnan(as_far_off(1.0, np.ones(1)))
    assert as_far_off(0.0, np.array([0.1, 0.2]), positive=True) == 0

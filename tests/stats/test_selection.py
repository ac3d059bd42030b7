"""The choice of one of several by cross-validation."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paribus.stats.selection import select

# Two tables of cross-validated errors of ever larger trees, worked through by hand:
# stats.stackexchange.com/questions/13471 (60 cars) and its sequel on the meaning of xstd.
CARS = {
    "means": (1.05013, 0.54650, 0.31439, 0.27281, 0.30120, 0.29649, 0.21761, 0.21076, 0.21076),
    "errors": (
        *(0.189409, 0.084423, 0.063681, 0.060605, 0.058992),
        *(0.059138, 0.045295, 0.042196, 0.042196),
    ),
}
LARGER = {
    "means": (
        *(1.0002790, 0.8385070, 0.7963870, 0.7695997, 0.7560406),
        *(0.7466449, 0.7356289, 0.7388091, 0.7254237, 0.7248227),
    ),
    "errors": (
        *(0.01853630, 0.01749290, 0.01709283, 0.01653832, 0.01606136),
        *(0.01600352, 0.01549501, 0.01559568, 0.01522645, 0.01526605),
    ),
}


def test_the_best_tree_has_7_splits_and_the_simplest_about_as_good_one_6() -> None:
    assert select(CARS["means"], CARS["errors"], higher_is_better=False) == (7, 6)


def test_the_tenth_tree_is_best_and_the_seventh_within_one_standard_error() -> None:
    assert select(LARGER["means"], LARGER["errors"], higher_is_better=False) == (9, 6)
    better = [1 - mean for mean in LARGER["means"]]
    assert select(better, LARGER["errors"], higher_is_better=True) == (9, 6)


def test_without_any_spread_the_simplest_is_the_best() -> None:
    assert select([0.9, 0.95, 0.95], [0, 0, 0], higher_is_better=True) == (1, 1)
    assert select([0.9], [0.1], higher_is_better=True) == (0, 0)


numbers = st.floats(-100, 100)


@given(st.lists(st.tuples(numbers, st.floats(0, 10)), min_size=1, max_size=9), st.booleans())
def test_nothing_is_better_than_the_best_nor_about_as_good_and_simpler(
    table: list[tuple[float, float]], higher_is_better: bool
) -> None:
    means, errors = [mean for mean, _ in table], [error for _, error in table]
    best, simplest = select(means, errors, higher_is_better)
    assert means[best] == (max if higher_is_better else min)(means)
    assert simplest <= best
    sign = 1 if higher_is_better else -1
    short = [sign * (means[best] - mean) for mean in means]
    assert short[simplest] <= errors[best] + 1e-9
    assert all(one > errors[best] - 1e-9 for one in short[:simplest])


@pytest.mark.parametrize(
    ("means", "errors"),
    [([], []), ([0.5], [0.1, 0.1]), ([math.nan], [0.1]), ([0.5], [math.nan]), ([0.5], [-0.1])],
)
def test_what_cannot_be_compared_is_refused(means: list[float], errors: list[float]) -> None:
    with pytest.raises(ValueError, match="mean"):
        select(means, errors, higher_is_better=True)

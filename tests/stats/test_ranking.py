"""The Bayesian bootstrap of ranks against closed forms and invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paribus.stats.ranking import Ranked, ranking

TABLE = np.random.default_rng(0).normal(size=(8, 4)) + np.array([0, 0.2, 0.4, 1.0])


@pytest.mark.parametrize("d", [[1.0, -3.0], [1.0, 2.0, -2.5], [0.5, 1.0, 2.0, -1.5, -0.7]])
def test_two_arms_have_the_closed_form(d: list[float]) -> None:
    # A weighted sum of exponential variables is above zero with the probability
    # sum over d_i > 0 of prod over j of d_i / (d_i - d_j), by partial fractions.
    expected = sum(
        math.prod(a / (a - b) for j, b in enumerate(d) if j != i) for i, a in enumerate(d) if a > 0
    )
    blocks = 10.0 * np.arange(len(d))  # what the blocks have in common does not matter
    first, second = ranking(np.stack([blocks + d, blocks], 1), True, draws=100_000)
    assert first.best == pytest.approx(expected, abs=0.005)
    assert second.best == pytest.approx(1 - first.best)
    assert first.mean_rank == pytest.approx(2 - first.best)


def test_the_order_of_clear_arms_is_certain() -> None:
    table = np.array([3.0, 1.0, 2.0]) + 0.01 * TABLE[:, :3]
    assert ranking(table, True) == [Ranked(1, 1, 1, 1), Ranked(3, 0, 3, 3), Ranked(2, 0, 2, 2)]
    assert ranking(table, False)[1] == Ranked(1, 1, 1, 1)


def test_the_interval_of_a_rank_holds_95_percent_of_the_draws() -> None:
    # The arm is first with probability 0.04, then 0.01, by the closed form a / (a + b).
    for a, b, low in ((4.0, 96.0, 1), (1.0, 99.0, 2)):
        found = ranking(np.array([[a, 0.0], [-b, 0.0]]), True)[0]
        assert (found.low, found.high) == (low, 2)


def test_equal_arms_share_their_rank_and_probability() -> None:
    # Every third arm is the same, and best.
    table = np.repeat(TABLE[:, -1:], 9, axis=1)
    table[:, [0, 1, 3, 4, 6, 7]] -= np.arange(1, 7)
    found = ranking(table, True)
    assert found[2] == found[5] == found[8] == Ranked(2, pytest.approx(1 / 3), 2, 2)
    assert found[0].mean_rank == 4
    assert ranking(np.zeros((5, 4)), True) == [Ranked(2.5, 0.25, 2.5, 2.5)] * 4


@settings(max_examples=30)
@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 1000), st.booleans())
def test_ranks_and_probabilities_add_up(
    blocks: int, arms: int, seed: int, higher_is_better: bool
) -> None:
    table = np.random.default_rng(seed).integers(0, 3, (blocks, arms)).astype(float)
    found = ranking(table, higher_is_better, draws=200)
    assert sum(one.best for one in found) == pytest.approx(1)
    assert sum(one.mean_rank for one in found) == pytest.approx(arms * (arms + 1) / 2)
    assert all(1 <= one.low <= one.high <= arms for one in found)
    mirrored = ranking(-table, not higher_is_better, draws=200)
    assert mirrored == found


def test_the_result_keeps_the_order_of_the_arms() -> None:
    order = [2, 0, 3, 1]
    found = ranking(TABLE, True)
    assert ranking(TABLE[:, order], True) == [found[i] for i in order]


def test_the_same_seed_gives_the_same_result() -> None:
    assert ranking(TABLE, True) == ranking(TABLE, True)
    assert ranking(TABLE, True) != ranking(TABLE, True, seed=1)


def test_one_block_says_nothing() -> None:
    found = ranking(np.array([[1.0, 2.0]]), True)
    assert len(found) == 2
    assert math.isnan(found[0].best)
    assert math.isnan(found[1].high)


def test_few_blocks_are_too_sure_as_often_as_documented() -> None:
    tables = np.random.default_rng(2).normal(size=(600, 5, 2))
    sure = sum(abs(ranking(one, True, draws=400)[0].best - 0.5) > 0.45 for one in tables)
    assert sure / 600 == pytest.approx(0.25, abs=0.06)


def test_no_draws_are_an_error() -> None:
    with pytest.raises(ValueError, match="draw"):
        ranking(TABLE, True, draws=0)

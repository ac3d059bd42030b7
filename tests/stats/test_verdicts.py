"""The rule that gives the four verdicts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paribus.stats.verdicts import judge

RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 1, 10)
NOISE = (NOISE - NOISE.mean()) / NOISE.std(ddof=1)  # mean 0, sd 1


def verdict(
    difference: float, sd: float, margin: float | None = 0.01, higher_is_better: bool = True
) -> str:
    return judge([difference + sd * NOISE], margin, higher_is_better)[0].verdict


def test_a_clear_difference_is_better_or_worse_by_the_direction_of_the_outcome() -> None:
    assert verdict(+0.1, 0.01) == "better"
    assert verdict(-0.1, 0.01) == "worse"
    assert verdict(+0.1, 0.01, higher_is_better=False) == "worse"
    assert verdict(-0.1, 0.01, higher_is_better=False) == "better"


def test_equivalence_is_said_only_where_it_is_shown() -> None:
    assert verdict(0, 0.001) == "equivalent"
    assert verdict(0, 0.1) == "inconclusive"  # no significant difference is not equivalence
    assert verdict(0, 0.001, margin=None) == "inconclusive"


def test_a_difference_shown_to_be_smaller_than_the_margin_is_equivalent() -> None:
    assert verdict(0.002, 0.001) == "equivalent"
    assert verdict(0.002, 0.001, margin=None) == "better"


def test_identical_arms_are_equivalent() -> None:
    (judged,) = judge([np.zeros(10)], 0.01, True)
    assert judged.verdict == "equivalent"


def test_fewer_than_six_seeds_are_a_pilot() -> None:
    judged = judge([np.full(5, 0.3) + 0.01 * NOISE[:5], np.array([])], 0.01, True)
    assert [one.verdict for one in judged] == ["pilot", "not comparable"]
    assert math.isnan(judged[0].p_adjusted)


def test_more_contrasts_make_each_verdict_harder() -> None:
    d = 0.008 + 0.01 * NOISE  # p = 0.03
    assert judge([d], None, True)[0].verdict == "better"
    assert judge([d] * 5, None, True)[0].verdict == "inconclusive"


def test_contrasts_without_enough_pairs_count_in_the_correction() -> None:
    d = 0.008 + 0.01 * NOISE
    assert judge([d, *[np.array([])] * 4], None, True)[0].verdict == "inconclusive"


def test_no_equivalence_is_shown_within_less_than_one_test_row() -> None:
    same = np.zeros(10)
    assert judge([same], 0.01, True, resolution=1 / 60)[0].verdict == "inconclusive"
    assert judge([same], 0.02, True, resolution=1 / 60)[0].verdict == "equivalent"


def test_an_undecided_contrast_says_how_many_seeds_would_decide_it() -> None:
    (judged,) = judge([0.02 * NOISE], 0.01, True)
    # d = 0.5 at 5 % and 80 % power needs 34 pairs.
    assert judged.seeds_needed == 34
    assert judge([0.1 + 0.01 * NOISE], 0.01, True)[0].seeds_needed is None


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_two_arms_that_differ_by_noise_alone_are_seldom_told_apart(higher_is_better: bool) -> None:
    rng = np.random.default_rng(7)
    told = 0
    for _ in range(200):
        judged = judge(list(rng.normal(0, 1, (4, 10))), None, higher_is_better)
        told += any(one.verdict in ("better", "worse") for one in judged)
    assert told <= 18  # 5 % of 200, and three standard errors

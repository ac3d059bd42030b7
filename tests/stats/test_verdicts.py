"""The rule that gives the four verdicts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from paribus.stats.power import equivalence_power, seeds_for_equivalence, seeds_needed
from paribus.stats.sequential import levels, repeated_interval
from paribus.stats.verdicts import SPENDING, Judged, Looks, judge, judge_in_looks

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
    # d = 0.5 at 1.25 %, what a second look may err: 48 pairs would find it with 80 % power, but
    # equivalence takes more to show.
    assert TTestPower().solve_power(0.5, alpha=0.0125, power=0.8) == pytest.approx(47.76, abs=0.01)
    assert (
        equivalence_power(52, 0.02, 0.01, 0.0125) < 0.8 <= equivalence_power(53, 0.02, 0.01, 0.0125)
    )
    assert judged.seeds_needed == 53
    assert judge([0.1 + 0.01 * NOISE], 0.01, True)[0].seeds_needed is None


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_two_arms_that_differ_by_noise_alone_are_seldom_told_apart(higher_is_better: bool) -> None:
    rng = np.random.default_rng(7)
    told = 0
    for _ in range(200):
        judged = judge(list(rng.normal(0, 1, (4, 10))), None, higher_is_better)
        told += any(one.verdict in ("better", "worse") for one in judged)
    assert told <= 18  # 5 % of 200, and three standard errors


PLANNED = Looks((6, 9, 14), planned=True)
EXTENDED = Looks((8, 16, 24))


def in_looks(
    table: np.ndarray, looks: Looks, margin: float | None = 0.5, taken: int | None = None
) -> list[Judged]:
    """Judge contrasts whose differences are the columns of a table [seed, contrast]."""
    pairs = [dict(enumerate(column)) for column in table.T]
    count = len(looks.seeds) if taken is None else taken
    return judge_in_looks(pairs, [count] * len(pairs), looks, margin, True)


def test_a_contrast_keeps_the_numbers_of_the_look_that_decided_it() -> None:
    clear = np.linspace(9.9, 10.1, 14)
    (early,) = in_looks(clear[:6, None], PLANNED, taken=1)
    clear[6:] = -50  # what came later, because another contrast went on
    (late,) = in_looks(clear[:, None], PLANNED)
    assert early == late
    assert late.verdict == "better"
    assert late.paired.n == 6
    interval = repeated_interval(clear[:6], float(levels(PLANNED.seeds, 0.05, SPENDING)[0]))
    assert (late.paired.low, late.paired.high) == interval


def test_a_contrast_that_no_look_decides_has_all_of_them() -> None:
    (judged,) = in_looks(RNG.normal(0.3, 1, (14, 1)), PLANNED)
    assert judged.verdict == "inconclusive"
    assert [look.seeds for look in judged.looks] == [6, 9, 14]
    assert [look.level for look in judged.looks] == pytest.approx(
        levels((6, 9, 14), 0.05, SPENDING)
    )


def test_a_look_that_the_runs_are_not_complete_for_is_not_taken() -> None:
    (judged,) = in_looks(np.full((14, 1), 1.0) + RNG.normal(0, 0.01, (14, 1)), PLANNED, taken=0)
    assert judged.verdict == "not comparable"
    assert not judged.looks


def test_fewer_pairs_than_a_verdict_needs_stay_a_pilot_at_every_look() -> None:
    pairs = [{block: 1.0 + 0.01 * block for block in range(5)}]
    (judged,) = judge_in_looks(pairs, [3], PLANNED, 0.5, True)
    assert judged.verdict == "pilot"


@pytest.mark.parametrize("looks", [PLANNED, EXTENDED], ids=["planned", "extended"])
def test_looking_again_and_again_keeps_the_error_of_each_kind_of_claim(looks: Looks) -> None:
    """1,200 studies of three contrasts; the bounds are three standard errors above the promise."""
    draw = np.random.default_rng(5)
    studies, most = 1200, looks.seeds[-1]
    promised = 0.05 if looks.planned else sum(looks.own_error(k) for k in range(3))
    bound = promised + 3 * math.sqrt(promised * (1 - promised) / studies)
    wrong = {"different": 0, "alike": 0}
    for _ in range(studies):
        noise = draw.normal(0, 1, (most, 3))
        none = in_looks(noise, looks, margin=None)
        wrong["different"] += any(one.verdict in ("better", "worse") for one in none)
        at_the_edge = in_looks(noise + 0.5, looks)
        wrong["alike"] += any(one.verdict == "equivalent" for one in at_the_edge)
    assert wrong["different"] / studies < bound
    assert wrong["alike"] / studies < bound


def test_a_later_look_that_was_not_planned_has_a_smaller_error_of_its_own() -> None:
    assert [EXTENDED.own_error(k) for k in range(3)] == [0.05, 0.0125, 0.00625]
    table = np.c_[RNG.normal(0, 1, 24), np.r_[RNG.normal(9, 1, 24)]]
    left, decided = in_looks(table, EXTENDED, margin=None)
    assert decided.verdict == "better"
    assert decided.paired.n == 8
    # Holm: at the first look both were open, later one is.
    assert [look.level for look in left.looks] == pytest.approx([0.05, 0.0125, 0.00625])
    usual = repeated_interval(table[:, 0], 0.00625)
    assert (left.paired.low, left.paired.high) == usual


def test_an_overlap_makes_every_claim_harder() -> None:
    better, same = 0.008 + 0.01 * NOISE, 0.004 * NOISE
    plain, corrected = (judge([better], None, True, overlap=o)[0] for o in (0, 0.25))
    assert (plain.verdict, corrected.verdict) == ("better", "inconclusive")
    assert math.isnan(corrected.paired.p_sign_flip)
    plain, corrected = (judge([same], 0.004, True, overlap=o)[0] for o in (0, 0.25))
    assert (plain.verdict, corrected.verdict) == ("equivalent", "inconclusive")
    assert judge([same], 0.01, True, overlap=0.25)[0].verdict == "equivalent"


def test_identical_arms_are_equivalent_on_resampled_rows_too() -> None:
    (judged,) = judge([np.zeros(10)], 0.01, True, overlap=0.25)
    assert judged.verdict == "equivalent"
    assert judged.p_adjusted == 1


def test_where_rows_are_shared_no_number_of_seeds_may_be_enough() -> None:
    d = 0.02 * NOISE
    found = [judge([d, d], 0.01, True, overlap=o)[0].seeds_needed for o in (0.005, 0.25)]
    # Found by a new study at 5 % over both, as nothing is added to one whose rows are shared.
    assert found[0] == max(
        seeds_needed(0.02, 0.01, 0.025, overlap=0.005) or 0,
        seeds_for_equivalence(0.02, 0.01, 0.025, overlap=0.005) or 0,
    )
    assert found[1] is None

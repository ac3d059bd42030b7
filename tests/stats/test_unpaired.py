"""Two independent samples against published examples, SciPy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind

from paribus.stats.unpaired import equivalence, welch
from paribus.stats.verdicts import judge_unpaired

# Student (1908), additional hours of sleep gained by two drugs, as R's `sleep` has them.
FIRST = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SECOND = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
RNG = np.random.default_rng(3)
UNEQUAL = RNG.normal(0.3, 0.1, 7), RNG.normal(0.25, 0.4, 12)
NOISE = RNG.normal(0, 1, 10)
NOISE = (NOISE - NOISE.mean()) / NOISE.std(ddof=1)  # mean 0, sd 1


def test_rs_welch_test_of_students_sleep_data() -> None:
    """t.test(extra ~ group, data = sleep)."""
    found = welch(FIRST, SECOND)
    assert found.p == pytest.approx(0.07939, abs=5e-6)
    assert found.df == pytest.approx(17.776, abs=5e-4)
    assert (found.low, found.high) == pytest.approx((-3.3654832, 0.2054832), abs=5e-8)
    assert found.difference == pytest.approx(0.75 - 2.33)


@pytest.mark.filterwarnings("ignore:Precision loss")  # SciPy's, of the sample without a spread
@pytest.mark.parametrize(("a", "b"), [(FIRST, SECOND), UNEQUAL, (np.full(6, 0.5), FIRST)])
def test_it_is_scipys_welch_test(a: np.ndarray, b: np.ndarray) -> None:
    found, theirs = welch(a, b), stats.ttest_ind(a, b, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert (found.p, found.df) == pytest.approx((theirs.pvalue, theirs.df), rel=1e-10)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-10)


@pytest.mark.parametrize("margin", [0.2, 1.0, 4.0])
@pytest.mark.parametrize(("a", "b"), [(FIRST, SECOND), UNEQUAL, UNEQUAL[::-1]])
def test_equivalence_is_statsmodels_two_one_sided_tests(
    a: np.ndarray, b: np.ndarray, margin: float
) -> None:
    theirs, *_ = ttost_ind(a, b, -margin, margin, usevar="unequal")
    assert equivalence(a, b, margin) == pytest.approx(theirs, rel=1e-9)


def test_splits_that_share_rows_widen_the_interval_by_hand() -> None:
    """Tested on / trained on is 1 / 4 and 1 / 9: 1 / 10 + 1 / 4 and 1 / 10 + 1 / 9 variances."""
    found = welch(FIRST, SECOND, (1 / 4, 1 / 9))
    a, b = FIRST.var(ddof=1) * (0.1 + 1 / 4), SECOND.var(ddof=1) * (0.1 + 1 / 9)
    df = (a + b) ** 2 / (a**2 / 9 + b**2 / 9)
    half = stats.t.ppf(0.975, df) * math.sqrt(a + b)
    assert found.df == pytest.approx(df)
    assert (found.low, found.high) == pytest.approx((-1.58 - half, -1.58 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(1.58 / math.sqrt(a + b), df))
    assert equivalence(FIRST, SECOND, 3.0, (1 / 4, 1 / 9)) == pytest.approx(
        stats.t.sf(1.42 / math.sqrt(a + b), df)
    )


def test_without_any_spread_only_the_ranks_tell_something() -> None:
    low, high = np.full(6, 0.3), np.array([0.9 - 0.4, 0.5, 0.5, 0.5, 0.5, 0.5])  # 0.5 but rounding
    found = welch(high, low)
    exact = stats.mannwhitneyu(np.arange(6) + 10, np.arange(6), method="exact").pvalue
    assert found.p == pytest.approx(exact)  # 2 / 924
    assert found.difference == found.low == found.high == pytest.approx(0.2)
    assert equivalence(high, low, 0.3) == pytest.approx(exact / 2)
    assert equivalence(high, low, 0.1) == 1
    assert welch(low, low).p == 1
    assert welch(high, low, (0.25, 0.25)).p == 1  # nothing is known of dependent values
    assert equivalence(high, low, 0.3, (0.25, 0.25)) == 1


def test_too_few_values_have_no_invented_numbers() -> None:
    assert math.isnan(welch(np.array([]), FIRST).difference)
    one = welch(np.array([1.0]), FIRST)
    assert one.difference == 0.25
    assert all(map(math.isnan, (one.p, one.low, one.high, one.df)))
    assert math.isnan(equivalence(np.array([1.0]), FIRST, 1.0))


SAMPLES = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=12)


@given(SAMPLES, SAMPLES, st.floats(0.01, 50))
def test_the_other_way_round_it_is_the_mirror_image(
    a: list[float], b: list[float], margin: float
) -> None:
    first, second = np.array(a), np.array(b)
    one, other = welch(first, second), welch(second, first)
    assert one.difference == pytest.approx(-other.difference)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.p == pytest.approx(other.p)
    assert 0 <= one.p <= 1
    assert one.low <= one.difference <= one.high
    assert equivalence(first, second, margin) == pytest.approx(equivalence(second, first, margin))


# --- verdicts -----------------------------------------------------------------------------------


def verdict(difference: float, sd: float, margin: float | None = 0.01, better: bool = True) -> str:
    (found,) = judge_unpaired([(0.5 + difference + sd * NOISE, 0.5 + sd * NOISE)], margin, better)
    return found.verdict


def test_the_four_verdicts() -> None:
    assert verdict(+0.1, 0.01) == "better"
    assert verdict(-0.1, 0.01) == "worse"
    assert verdict(+0.1, 0.01, better=False) == "worse"
    assert verdict(0, 0.001) == "equivalent"
    assert verdict(0, 0.1) == "inconclusive"
    assert verdict(0, 0.001, margin=None) == "inconclusive"


def test_fewer_than_six_on_either_side_are_a_pilot() -> None:
    many, few = 0.9 + 0.01 * NOISE, 0.1 + 0.01 * NOISE[:5]
    found = judge_unpaired([(many, few), (few, many), (many, np.array([]))], 0.01, True)
    assert [one.verdict for one in found] == ["pilot", "pilot", "not comparable"]
    assert all(math.isnan(one.p_adjusted) for one in found)


def test_all_count_in_the_correction_those_with_too_few_values_too() -> None:
    a, b = NOISE + 1.1, NOISE
    alone, *_ = judge_unpaired([(a, b)], 5.0, True)
    among, *_ = judge_unpaired([(a, b), (a[:3], b), (b, b)], 5.0, True)
    assert alone.p_adjusted == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert among.p_adjusted == pytest.approx(3 * alone.p_adjusted)
    assert among.p_equivalence >= alone.p_equivalence

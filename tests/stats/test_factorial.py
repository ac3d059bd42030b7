"""The factorial analysis against statsmodels, SciPy, published results and its definitions."""

from __future__ import annotations

import math
from dataclasses import astuple
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from paribus.stats.factorial import Component, Effect, factorial
from paribus.stats.paired import holm, paired

pytestmark = pytest.mark.filterwarnings("error")

# Reaction times of Maxwell and Delaney (1990, p. 497), ten people [noise 2, angle 3], and what R's
# anova(test = "Spherical") prints for them.
REACTION = np.array(
    [
        [[420, 420, 480], [480, 600, 780]],
        [[420, 480, 480], [360, 480, 600]],
        [[480, 480, 540], [660, 780, 780]],
        [[420, 540, 540], [480, 780, 900]],
        [[540, 660, 540], [480, 660, 720]],
        [[360, 420, 360], [360, 480, 540]],
        [[480, 480, 600], [540, 720, 840]],
        [[480, 600, 660], [540, 720, 900]],
        [[540, 600, 540], [480, 720, 780]],
        [[480, 420, 540], [540, 660, 780]],
    ]
)


def random_table(*shape: int, seed: int = 0) -> np.ndarray:
    """Cells of different means and variances, and blocks that differ."""
    rng = np.random.default_rng(seed)
    sd = rng.uniform(0.2, 3, shape[1:])
    block = rng.normal(0, 2, (shape[0], *[1] * (len(shape) - 1)))
    return rng.normal(0, 0.5, shape[1:]) + block + sd * rng.normal(size=shape)


def by_factors(table: np.ndarray) -> dict[tuple[int, ...], Effect]:
    return {effect.factors: effect for effect in factorial(table).effects}


def test_reaction_times_of_maxwell_and_delaney() -> None:
    noise, angle, both = factorial(REACTION).effects
    printed = [
        [f"{x:.4g}" for x in (e.f, e.p, e.epsilon, e.p_corrected)] for e in (noise, angle, both)
    ]
    assert printed == [
        ["33.77", "0.000256", "1", "0.000256"],
        ["40.72", "2.087e-07", "0.9616", "3.402e-07"],
        ["45.31", "9.424e-08", "0.904", "3.454e-07"],
    ]
    assert [(e.df, e.df_error) for e in (noise, angle, both)] == [(1, 9), (2, 18), (2, 18)]


@pytest.mark.parametrize("shape", [(8, 5), (3, 7), (6, 3, 4), (5, 2, 3, 4), (4, 2, 2, 2)])
def test_f_and_p_equal_those_of_statsmodels(shape: tuple[int, ...]) -> None:
    table = random_table(*shape)
    names = [f"f{i}" for i in range(len(shape) - 1)]
    index = pd.MultiIndex.from_product([range(k) for k in shape], names=["block", *names])
    long = pd.Series(table.ravel(), index, name="y").reset_index()
    theirs = AnovaRM(long, "y", "block", within=names).fit().anova_table
    ours = factorial(table).effects
    assert len(ours) == len(theirs)
    for effect in ours:
        row = theirs.loc[":".join(names[f] for f in effect.factors)]
        assert (effect.df, effect.df_error) == (row["Num DF"], row["Den DF"])
        assert effect.f == pytest.approx(row["F Value"], rel=1e-8)
        assert effect.p == pytest.approx(row["Pr > F"], rel=1e-8)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_epsilon_of_one_factor_equals_the_formula_of_greenhouse_and_geisser(
    shape: tuple[int, int],
) -> None:
    table, k = random_table(*shape), shape[1]
    s = np.cov(table.T)
    top = k**2 * (np.diag(s).mean() - s.mean()) ** 2
    rows = s.mean(1)
    bottom = (k - 1) * (np.sum(s**2) - 2 * k * np.sum(rows**2) + k**2 * s.mean() ** 2)
    (effect,) = factorial(table).effects
    assert effect.epsilon == pytest.approx(top / bottom, rel=1e-10)
    corrected = stats.f.sf(effect.f, effect.epsilon * effect.df, effect.epsilon * effect.df_error)
    assert effect.p_corrected == pytest.approx(corrected, rel=1e-8)


@pytest.mark.parametrize("shape", [(30, 3, 4, 2), (5, 3, 4, 5)])
def test_epsilon_of_interactions_equals_that_of_orthonormal_contrasts(
    shape: tuple[int, ...],
) -> None:
    table = random_table(*shape)
    covariance = np.cov(table.reshape(len(table), -1).T)
    for effect in factorial(table).effects:
        contrasts = np.ones((1, 1))
        for f, levels in enumerate(shape[1:]):
            basis = np.linalg.qr(np.c_[np.ones(levels), np.eye(levels)[:, 1:]])[0].T
            contrasts = np.kron(contrasts, basis[1:] if f in effect.factors else basis[:1])
        s = contrasts @ covariance @ contrasts.T
        expected = np.trace(s) ** 2 / (effect.df * np.trace(s @ s))
        assert effect.epsilon == pytest.approx(expected, rel=1e-9)
        assert 1 / effect.df <= effect.epsilon <= min(1, (len(table) - 1) / effect.df) + 1e-12


def test_the_correction_keeps_the_error_rate_where_variances_differ() -> None:
    rng = np.random.default_rng(1)
    tables = rng.normal(size=(1000, 10, 6)) * [0.1, 0.1, 0.1, 0.1, 1, 3]
    found = [factorial(table).effects[0] for table in tables]
    assert np.mean([effect.p < 0.05 for effect in found]) > 0.1
    assert np.mean([effect.p_corrected < 0.05 for effect in found]) < 0.065  # 0.05 + 2 se


def test_two_levels_of_each_factor_give_paired_t_tests() -> None:
    table = random_table(7, 2, 2, 2)
    for effect in factorial(table).effects:
        signs = np.ones((2, 2, 2))
        for f in effect.factors:
            signs *= np.moveaxis(np.reshape([-1, 1], (2, 1, 1)), 0, f)
        t = stats.ttest_1samp((table * signs).sum((1, 2, 3)), 0)
        assert effect.f == pytest.approx(t.statistic**2, rel=1e-10)
        assert effect.p == pytest.approx(t.pvalue, rel=1e-10)
        assert (effect.epsilon, effect.p_corrected) == (1, effect.p)
        (component,) = effect.components
        assert component.p == pytest.approx(effect.p, rel=1e-10)
        assert component.p_adjusted == component.p


def assert_is(component: Component, differences: np.ndarray) -> None:
    """Hold a component against SciPy's t-test of its differences."""
    t = stats.ttest_1samp(differences, 0)
    interval = t.confidence_interval(0.95)
    expected = (
        differences.mean(),
        interval.low,
        interval.high,
        differences.mean() / differences.std(ddof=1),
        t.pvalue,
    )
    assert astuple(component)[1:-1] == pytest.approx(expected, rel=1e-9)


def test_components_are_differences_of_differences_against_the_reference() -> None:
    table, reference = random_table(6, 3, 2, 4), (1, 0, 2)
    r = reference
    effects = {e.factors: e.components for e in factorial(table, reference).effects}
    assert [one.levels for one in effects[0,]] == [(0,), (2,)]
    assert [one.levels for one in effects[0, 2]] == list(product([0, 2], [0, 1, 3]))
    for one in effects[0,]:
        (i,) = one.levels
        assert_is(one, (table[:, i] - table[:, r[0]]).mean((1, 2)))
    for one in effects[0, 2]:
        i, j = one.levels
        a, b = table[:, i].mean(1), table[:, r[0]].mean(1)  # averaged over the second factor
        assert_is(one, (a[:, j] - a[:, r[2]]) - (b[:, j] - b[:, r[2]]))
    for one in effects[0, 1, 2]:
        i, j, k = one.levels
        d = table[:, i] - table[:, r[0]]
        d = d[:, j] - d[:, r[1]]
        assert_is(one, d[:, k] - d[:, r[2]])


def test_simple_effects_are_paired_differences_of_two_arms() -> None:
    table, reference = random_table(6, 3, 2, 4), (1, 0, 2)
    simple = factorial(table, reference).simple_effects
    assert [len(of_factor) for of_factor in simple] == [2 * 8, 1 * 12, 3 * 6]
    for f, of_factor in enumerate(simple):
        for one in of_factor:
            base = tuple(reference[f] if g == f else level for g, level in enumerate(one.levels))
            assert base != one.levels
            assert_is(one, table[:, *one.levels] - table[:, *base])
        assert len({one.levels for one in of_factor}) == len(of_factor)


def test_one_factor_of_two_levels_says_what_paired_says() -> None:
    table = random_table(9, 2)
    found, theirs = factorial(table), paired(table[:, 1] - table[:, 0])
    (component,) = found.effects[0].components
    assert found.simple_effects == ((component,),)
    assert astuple(component)[1:-1] == pytest.approx(
        (theirs.difference, theirs.low, theirs.high, theirs.effect_size, theirs.p), rel=1e-12
    )


def test_holm_corrects_each_family_by_itself() -> None:
    found = factorial(random_table(8, 3, 3, 2))
    families: list[tuple[list[float], list[float]]] = [
        ([e.p_corrected for e in found.effects], [e.p_adjusted for e in found.effects])
    ]
    for components in [*(e.components for e in found.effects), *found.simple_effects]:
        families.append(([c.p for c in components], [c.p_adjusted for c in components]))
    for p, adjusted in families:
        np.testing.assert_array_equal(adjusted, holm(np.array(p)))


def test_eta_squared_shares_out_the_sums_of_squares() -> None:
    table = random_table(6, 3, 4)
    total = np.sum((table - table.mean()) ** 2)
    cells = table.mean(0)
    rest = total - 6 * np.sum((cells - table.mean()) ** 2)  # blocks and effects by block
    ss = {
        (0,): 6 * 4 * np.sum((cells.mean(1) - cells.mean()) ** 2),
        (1,): 6 * 3 * np.sum((cells.mean(0) - cells.mean()) ** 2),
    }
    ss[0, 1] = total - rest - ss[0,] - ss[1,]
    for factors, effect in by_factors(table).items():
        expected = ss[factors] / (ss[factors] + rest)
        assert effect.generalised_eta_squared == pytest.approx(expected, rel=1e-9)
        x = effect.f * effect.df
        assert effect.partial_eta_squared == pytest.approx(x / (x + effect.df_error), rel=1e-9)


def test_four_factors_have_no_interaction_of_four() -> None:
    found = factorial(random_table(4, 2, 2, 2, 2)).effects
    assert [sum(len(e.factors) == order for e in found) for order in (1, 2, 3, 4)] == [4, 6, 4, 0]


STATISTICS = ("f", "p", "epsilon", "p_corrected", "p_adjusted", "partial_eta_squared")


def numbers(effects: tuple[Effect, ...]) -> list[list[float]]:
    return [[getattr(effect, name) for name in STATISTICS] for effect in effects]


shapes = st.lists(st.integers(2, 4), min_size=1, max_size=3).map(tuple)


@settings(max_examples=40, deadline=None)
@given(shapes, st.integers(2, 7), st.integers(0, 10**6), st.data())
def test_block_effects_scale_and_order_change_no_test(
    shape: tuple[int, ...], n: int, seed: int, data: st.DataObject
) -> None:
    table = random_table(n, *shape, seed=seed)
    expected = numbers(factorial(table).effects)
    shifts = np.array(data.draw(st.lists(st.floats(-100, 100), min_size=n, max_size=n)))
    scale = data.draw(st.sampled_from([-1e3, -0.1, 1e-3, 7.0]))
    changed = scale * (table + shifts.reshape(n, *[1] * len(shape)))
    for axis, size in enumerate(changed.shape):
        changed = np.take(changed, data.draw(st.permutations(range(size))), axis)
    np.testing.assert_allclose(numbers(factorial(changed).effects), expected, 1e-6, 1e-9)


@pytest.mark.parametrize("unit", [1e-200, 1e-30, 1e30, 1e200])
def test_very_large_and_small_numbers_lose_nothing(unit: float) -> None:
    table = random_table(5, 3, 2)
    ours, theirs = factorial(table * unit), factorial(table)
    np.testing.assert_allclose(numbers(ours.effects), numbers(theirs.effects), 1e-9)
    for a, b in zip(ours.simple_effects[0], theirs.simple_effects[0], strict=True):
        assert (a.difference / unit, a.low / unit, a.p) == pytest.approx((b.difference, b.low, b.p))


def undecided(component: Component) -> bool:
    return all(map(math.isnan, astuple(component)[2:]))


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_blocks_are_not_judged(n: int) -> None:
    found = factorial(np.arange(6.0).reshape(1, 3, 2)[:n])
    assert found.n == n
    assert len(found.effects) == 3
    assert all(np.isnan(numbers(found.effects)).ravel())
    components = [*found.effects[0].components, *found.simple_effects[0]]
    assert all(map(undecided, components))
    expected = [2, 4, 2, 2, 4, 4] if n else [math.nan] * 6
    np.testing.assert_array_equal([one.difference for one in components], expected)


def test_a_factor_of_one_level_has_no_effect_and_no_part_in_the_correction() -> None:
    table = random_table(6, 3, 2)
    without, found = by_factors(table), by_factors(table[:, :, None])
    for factors, same in [((0,), (0,)), ((2,), (1,)), ((0, 2), (0, 1))]:
        assert numbers((found[factors],)) == numbers((without[same],))
    for factors in [(1,), (0, 1), (1, 2), (0, 1, 2)]:
        assert (found[factors].df, found[factors].components) == (0, ())
        assert np.isnan(numbers((found[factors],))).all()
    assert factorial(table[:, :, None]).simple_effects[1] == ()


@pytest.mark.parametrize(
    "table",
    [
        np.zeros((5, 2)),
        np.full((5, 3, 2), 0.1),
        np.tile([0.1, 0.7, 0.3], (4, 1)),
        [[0.9, 0.8], [0.5, 0.4], [0.7, 0.6], [0.3, 0.2]],  # equal but for rounding
        np.linspace(0, 1, 7)[:, None, None] + np.array([[0.1, 0.4], [0.2, 0.9]]),
    ],
)
def test_blocks_that_agree_leave_nothing_to_judge_by(table: Any) -> None:
    found = factorial(table)
    assert np.isnan(numbers(found.effects)).all()
    for components in [*(e.components for e in found.effects), *found.simple_effects]:
        assert all(map(undecided, components))
    np.testing.assert_allclose(
        [one.difference for one in found.effects[0].components],
        np.diff(np.mean(table, tuple(range(2, np.ndim(table)))), axis=1)[0].cumsum(),
        atol=1e-12,
    )


def test_two_arms_that_agree_leave_the_others_as_they_were_and_count_in_the_correction() -> None:
    table = random_table(6, 3)
    found = factorial(np.c_[table, table[:, 0]]).effects[0]
    first, second, same = found.components
    assert undecided(same)
    assert same.difference == 0
    assert not math.isnan(found.f)
    p = sorted([first.p, second.p])
    assert min(first.p_adjusted, second.p_adjusted) == pytest.approx(min(1, 3 * p[0]))


@pytest.mark.parametrize(
    ("table", "reference", "sentence"),
    [
        (np.zeros(3), None, "axis of blocks"),
        (np.zeros((3, 0)), None, "axis of blocks"),
        ([[1, math.nan]], None, "finite"),
        ([[1, math.inf]], None, "finite"),
        (np.zeros((3, 2)), [0, 0], "reference"),
        (np.zeros((3, 2)), [2], "reference"),
        (np.zeros((3, 2)), [-1], "reference"),
    ],
)
def test_bad_input_is_refused(table: Any, reference: list[int] | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        factorial(np.array(table, float), reference)

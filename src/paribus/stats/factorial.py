"""Factorial analysis of a full crossing measured in every block: effects and what they consist of.

The repeated-measures analysis of variance tests each effect against its own error term, the
effect by block interaction. Its F assumes sphericity, and arms differ much in variance, so the
p-value to read is the one corrected after Greenhouse and Geisser (1959). Each effect is then
taken apart against a reference level: every component is one number per block and a paired
t-test, which assumes nothing of other arms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from paribus.stats.paired import holm

HIGHEST_ORDER = 3
"""Interactions of more factors than this are not tested."""

_ROUNDING = 1e-12  # a spread below this share of the values is none


@dataclass(frozen=True)
class Component:
    """One degree of freedom: a level against its reference, or differences of such differences.

    All but `levels` and `difference` are nan for fewer than two blocks, and where all blocks
    agree: no spread to judge by.
    """

    levels: tuple[int, ...]
    difference: float  # mean over blocks
    low: float  # 95 % t interval of the mean
    high: float
    effect_size: float  # d = mean / sd
    p: float  # Student's t, two-sided
    p_adjusted: float  # Holm over the components listed together


@dataclass(frozen=True)
class Effect:
    """A main effect or an interaction.

    All numbers but the degrees of freedom are nan for fewer than two blocks, for a factor of one
    level (`df` 0), and where the effect is the same in all blocks.
    """

    factors: tuple[int, ...]
    f: float  # Fisher's F = t² where df is 1
    df: int
    df_error: int
    p: float  # if sphericity held
    epsilon: float  # Greenhouse and Geisser (1959), from 1 / df to 1
    p_corrected: float  # with both degrees of freedom times epsilon
    p_adjusted: float  # Holm over the corrected p-values of all effects
    partial_eta_squared: float
    generalised_eta_squared: float  # Olejnik and Algina (2003), all factors manipulated
    components: tuple[Component, ...]  # `levels` are those of the effect's factors


@dataclass(frozen=True)
class Factorial:
    """What n blocks of a full crossing say."""

    n: int
    effects: tuple[Effect, ...]  # main effects, then interactions of two, then of three factors
    simple_effects: tuple[tuple[Component, ...], ...]  # of each factor; `levels` are those of all


def factorial(table: np.ndarray, reference: Sequence[int] | None = None) -> Factorial:
    """Analyse a table [block, levels of factor 1, levels of factor 2, ...] of complete blocks.

    A component of a main effect is level - reference, averaged over the levels of all other
    factors with equal weight; of an interaction, the difference of such differences. A simple
    effect is level - reference of one factor at given levels of all the others. `reference` has
    the index of one level of each factor, by default the first.

    Holm's method corrects over all effects, over the components of one effect, and over the simple
    effects of one factor; a test that the blocks did not allow counts in the correction as one
    with p = 1.

    Raises ValueError for a table without factors or levels, a cell that is not a finite number,
    and a reference that is not a level.
    """
    y = np.asarray(table, float)
    factors = range(y.ndim - 1)
    if not factors or 0 in y.shape[1:]:
        raise ValueError("a table needs an axis of blocks and one of levels for each factor")
    if not np.all(np.abs(y) < 1e300):
        raise ValueError("every cell of every block needs a finite number, below 1e300 in size")
    reference = [0] * len(factors) if reference is None else reference
    if len(reference) != len(factors) or not all(
        0 <= level < levels for level, levels in zip(reference, y.shape[1:], strict=True)
    ):
        raise ValueError("reference needs the index of one level of each factor")
    n = len(y)
    # A power of two changes no digit and keeps squares in range: the largest is now 0.5 to 1.
    exponent = int(np.frexp(np.max(np.abs(y), initial=0.0))[1])
    y = np.ldexp(y, -exponent) if n else np.full((1, *y.shape[1:]), math.nan)
    within = float(np.sum((y - y.mean(0)) ** 2))  # blocks and all effects by block
    effects = [
        replace(
            _effect(y, chosen, within),
            components=_components(y, chosen, reference, exponent, average=True),
        )
        for order in range(1, HIGHEST_ORDER + 1)
        for chosen in combinations(factors, order)
    ]
    adjusted = _adjust(
        np.array([effect.p_corrected for effect in effects]),
        np.array([effect.df > 0 for effect in effects]),
    )
    return Factorial(
        n,
        tuple(replace(e, p_adjusted=float(p)) for e, p in zip(effects, adjusted, strict=True)),
        tuple(_components(y, (f,), reference, exponent, average=False) for f in factors),
    )


def _effect(y: np.ndarray, factors: tuple[int, ...], within: float) -> Effect:
    """Return the test of an effect, its components left out."""
    n, cells = len(y), math.prod(y.shape[1:])
    kept = [y.shape[f + 1] for f in factors]
    df = math.prod(levels - 1 for levels in kept)
    df_error = df * (n - 1)
    z = _average(y, factors)
    for f in factors:
        z = z - z.mean(f + 1, keepdims=True)
    z = z.reshape(n, -1)
    error = z - z.mean(0)
    if df_error == 0 or np.max(np.abs(error)) <= _ROUNDING:
        nan = math.nan
        return Effect(factors, nan, df, df_error, nan, nan, nan, nan, nan, nan, ())
    averaged = cells // math.prod(kept)
    ss = averaged * n * float(np.sum(z.mean(0) ** 2))
    ss_error = averaged * float(np.sum(error**2))
    # The covariance of the effect and the Gram matrix of its blocks have the same eigenvalues.
    gram = error @ error.T if n < error.shape[1] else error.T @ error
    epsilon = float(np.trace(gram) ** 2 / np.sum(gram**2)) / df
    epsilon = min(1.0, max(1 / df, epsilon))
    ratio = (ss / df) / (ss_error / df_error)
    return Effect(
        factors=factors,
        f=ratio,
        df=df,
        df_error=df_error,
        p=float(fdtrc(df, df_error, ratio)),
        epsilon=epsilon,
        p_corrected=float(fdtrc(epsilon * df, epsilon * df_error, ratio)),
        p_adjusted=math.nan,
        partial_eta_squared=ss / (ss + ss_error),
        generalised_eta_squared=ss / (ss + within),
        components=(),
    )


def _components(
    y: np.ndarray,
    factors: tuple[int, ...],
    reference: Sequence[int],
    exponent: int,
    *,
    average: bool,
) -> tuple[Component, ...]:
    """Return level - reference in each of the factors, averaged over the other factors or not."""
    d, size = y, np.abs(y)
    if average:
        d, size = _average(d, factors), _average(size, factors)
    for f in factors:
        at = [reference[f]]
        d = np.delete(d - np.take(d, at, f + 1), at, f + 1)
        size = np.delete(size + np.take(size, at, f + 1), at, f + 1)
    shown = factors if average else range(y.ndim - 1)
    levels = [
        [level for level in range(y.shape[f + 1]) if f not in factors or level != reference[f]]
        for f in shown
    ]
    d, size = d.reshape(len(y), -1), size.reshape(len(y), -1).max(0)
    n, mean = len(d), d.mean(0)
    sd = d.std(0, ddof=1) if n > 1 else np.full(len(mean), math.nan)
    sd[~(sd > _ROUNDING * size)] = math.nan
    error = sd / math.sqrt(n)
    half = stdtrit(n - 1, 0.975) * error
    p = 2 * stdtr(n - 1, -np.abs(mean / error))
    unscaled = np.ldexp(np.stack([mean, mean - half, mean + half]), exponent)
    columns = np.vstack([unscaled, mean / sd, p, _adjust(p)]).T.tolist()
    indices = np.stack(np.meshgrid(*levels, indexing="ij"), -1).reshape(-1, len(levels)).tolist()
    return tuple(Component(tuple(at), *row) for at, row in zip(indices, columns, strict=True))


def _average(y: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    """Average over all factors but these, which keep their axes."""
    others = tuple(axis for axis in range(1, y.ndim) if axis - 1 not in factors)
    return np.asarray(y.mean(others, keepdims=True))


def _adjust(p: np.ndarray, counted: np.ndarray | bool = True) -> np.ndarray:
    """Adjust by Holm's method; nan stays nan, and where counted it makes the others no milder."""
    missing = np.isnan(p)
    adjusted = holm(np.where(missing & counted, 1.0, p))
    return np.where(missing, math.nan, adjusted)

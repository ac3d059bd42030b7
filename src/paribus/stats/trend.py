"""Ordered levels: is there a trend, and from which level on do gains no longer matter?

A table [block, level] holds one outcome per block (seed) and level, the levels in increasing order:
the width of a layer, the number of rows, the strength of a penalty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
from scipy.special import ndtr, stdtr

from paribus.stats.blocks import complete
from paribus.stats.verdicts import ALPHA

_EXACT_UP_TO = 8  # levels: 8! orders of a block


@dataclass(frozen=True)
class Trend:
    """What Page's test says."""

    statistic: float  # L
    p: float  # two-sided
    direction: Literal["increasing", "decreasing", "none"]  # of the outcome with the levels


def page(table: np.ndarray) -> Trend:
    """Test whether the outcome rises or falls with the level (Page, 1963).

    The table is [block, level]. The p-value is twice the smaller one-sided one. It is the exact
    permutation p-value up to 8 levels, by the normal approximation above that; ties have mean
    ranks, and both take their smaller variance into account. Under the null hypothesis every order
    within a block is equally likely: true of arms that do not differ, not of the epochs of one
    training run, which resemble their neighbours.

    Raises ValueError for an incomplete table.
    """
    values = complete(table)
    below = np.sum(values[:, None, :] < values[:, :, None], -1)
    equal = np.sum(values[:, None, :] == values[:, :, None], -1)
    doubled = 2 * below + equal + 1  # twice the mean ranks: whole numbers
    blocks, levels = values.shape
    order = np.arange(1, levels + 1)
    twice_l = int(np.sum(doubled @ order))
    excess = twice_l - blocks * levels * (levels + 1) ** 2 // 2
    if levels <= _EXACT_UP_TO:
        upper, lower = _exact(doubled, twice_l)
    else:
        spread = np.var(doubled, axis=1).sum() * np.var(order) * levels**2 / (levels - 1)
        z = excess / math.sqrt(spread) if spread > 0 else 0.0
        upper, lower = float(ndtr(-z)), float(ndtr(z))
    direction: Literal["increasing", "decreasing", "none"] = "none"
    if excess:
        direction = "increasing" if excess > 0 else "decreasing"
    return Trend(twice_l / 2, min(1.0, 2 * min(upper, lower)), direction)


def _exact(doubled: np.ndarray, twice_l: int) -> tuple[float, float]:
    """Return the chances of a statistic as high and as low, all orders being equally likely."""
    orders = np.array(list(permutations(range(1, doubled.shape[1] + 1))))
    chances = np.ones(1)  # of each 2L, over the blocks so far
    for ranks in doubled:
        chances = np.convolve(chances, np.bincount(orders @ ranks) / len(orders))
    return float(chances[twice_l:].sum()), float(chances[: twice_l + 1].sum())


@dataclass(frozen=True)
class Gains:
    """What the levels above each level still gain."""

    level: int | None  # the column from which on no gain matters; None where that is not shown
    remaining: tuple[float, ...]  # per level, the largest mean gain of a later one; nan for the top
    p: tuple[float, ...]  # per level, that a later one gains more than the margin; nan for the top


def gains(table: np.ndarray, margin: float, higher_is_better: bool) -> Gains:
    """Find the level from which on no later level is better by the margin or more.

    The table is [block, level]; differences are paired within blocks. A level is named where
    one-sided t-tests show of every later level that its mean gain is below the margin. Each level
    is tested at 5 % without correction, as all its tests must succeed (intersection-union, Berger,
    1982), and the levels in a fixed sequence from the top down, each only if all above it succeeded
    (Maurer, Hothorn and Lehmacher, 1995). So the chance to name a level of which a later one does
    gain the margin is at most 5 %, whatever the other levels do. The p-values are adjusted to this.

    `remaining` only describes: the largest of several means is too large on average. With fewer
    than two blocks or two levels nothing is shown. Raises ValueError for an incomplete table or
    unless the margin is above zero.
    """
    values = complete(table) if higher_is_better else -complete(table)
    if not 0 < margin < math.inf:
        raise ValueError(f"the margin must be above zero, not {margin}")
    remaining, p = [math.nan], [math.nan]
    hardest = 0.0
    for level in range(values.shape[1] - 2, -1, -1):
        d = values[:, level + 1 :] - values[:, [level]]
        hardest = max(hardest, float(_p_below(d, margin).max()))
        remaining.insert(0, float(d.mean(0).max()))
        p.insert(0, hardest)
    shown = [level for level, one in enumerate(p) if one < ALPHA]
    return Gains(min(shown, default=None), tuple(remaining), tuple(p))


def _p_below(d: np.ndarray, bound: float) -> np.ndarray:
    """Return per column of d [n, column] the one-sided p-value that its mean is below the bound."""
    n = len(d)
    if n < 2:
        return np.ones(d.shape[1])
    # As in `paired.tost`: without spread, what a one-sided test of the signs can say at best.
    constant = np.ptp(d, 0) <= 1e-9 * np.abs(d).max(0)
    error = np.where(constant, 1.0, d.std(0, ddof=1)) / math.sqrt(n)
    by_signs = np.where(d[0] < bound, 2.0**-n, 1.0)
    return np.where(constant, by_signs, stdtr(n - 1, (d.mean(0) - bound) / error))

"""Curves of the loss over epochs as evidence, the seed being the unit of replication.

An array [seed, epoch] holds one curve per seed, its columns the epochs 1, 2, 3, ... The epochs of
one seed resemble their neighbours, so nothing here counts them as independent: a seed gives one
number, or its whole curve moves as one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from paribus.stats.blocks import complete
from paribus.stats.paired import Paired, paired, sign_patterns

_DRAWS = 2_000


def falls(curves: np.ndarray) -> Paired:
    """Describe the slopes of curves [seed, epoch]: the change per doubling of the epochs.

    One least-squares slope on log2(epoch) per seed, described and tested as paired differences are:
    the loss falls where the interval of the mean slope lies below zero.

    Raises ValueError for curves that are not finite or have fewer than two epochs.
    """
    values = complete(curves)
    epochs = values.shape[1]
    if epochs < 2:
        raise ValueError("a slope needs curves of at least two epochs")
    x = np.log2(np.arange(1, epochs + 1))
    x -= x.mean()
    return paired((values - values[:, :1]) @ x / (x @ x))


@dataclass(frozen=True)
class TurningPoint:
    """Where the mean loss of all seeds is lowest, and whether it rises from there to the end."""

    epoch: int  # of the lowest mean, counted from 1
    low: int | None  # 95 % interval of that epoch; None for one seed
    high: int | None
    rise: float  # from the turning epoch to the last, free of selection; nan for one seed
    p: float  # that there is no rise; nan for one seed


def turning_point(curves: np.ndarray) -> TurningPoint:
    """Find the epoch from which on curves of a loss [seed, epoch] rise: the onset of overfitting.

    The interval is the percentile bootstrap over seeds. It is wide where the curve is flat.

    The lowest of many noisy means lies below the last one even if nothing rises. So the rise of
    each seed is measured from the epoch at which the *other* seeds are lowest: a little too small,
    as they may miss the true one. These rises depend on each other, and a t-test of them would see
    overfitting too often. `p` belongs to the hypothesis that no epoch has a lower mean than the
    last: one-sided sign-flip test of the largest t over all epochs, whole curves flipped (maxT;
    Westfall and Young, 1993). At p ≥ 0.05 no overfitting is seen. Exact for symmetric differences,
    up to 16 seeds over all sign patterns; fewer than 5 seeds cannot reach p < 0.05.

    Raises ValueError for curves that are not finite.
    """
    values = complete(curves)
    n = len(values)
    turn = int(np.argmin(values.mean(0)))
    if n == 1:
        return TurningPoint(turn + 1, None, None, math.nan, math.nan)
    turns = np.sort(np.argmin(_resamples(n) @ values, axis=1))
    low, high = (int(turns[math.ceil(share * _DRAWS) - 1]) for share in (0.025, 0.975))
    elsewhere = np.argmin(values.sum(0) - values, axis=1)  # the others' lowest epoch, per seed
    rises = values[:, -1] - values[np.arange(n), elsewhere]
    return TurningPoint(turn + 1, low + 1, high + 1, float(rises.mean()), _p_rise(values))


@lru_cache(maxsize=4)
def _resamples(n: int) -> np.ndarray:
    """Return how often each of n seeds is drawn, in every bootstrap sample; the same each time."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=_DRAWS).astype(float)


def _p_rise(values: np.ndarray) -> float:
    d = values[:, -1:] - values  # [seed, epoch]
    size = np.sqrt(np.sum(d**2, axis=0))
    d = d[:, size > 0]
    if d.shape[1] == 0:
        return 1.0
    # The cosine with all ones orders columns as t does, and is finite without spread as well.
    d /= size[size > 0]
    observed = d.sum(0).max() - 1e-12
    count = patterns = 0
    for signs in sign_patterns(len(d)):
        sums = signs @ d
        # A pattern and its opposite.
        count += int(np.sum(sums.max(1) >= observed) + np.sum(-sums.min(1) >= observed))
        patterns += 2 * len(signs)
    return count / patterns


def epochs_to(curves: np.ndarray, target: float, higher_is_better: bool) -> tuple[np.ndarray, int]:
    """Return per seed the first epoch that reaches the target, and the number of seeds that do.

    The curves are [seed, epoch], epochs counted from 1; nan for a seed that never gets there. A
    value that is nan has not reached the target. Raises ValueError where the target is nan, or for
    another shape.
    """
    values = np.asarray(curves, float)
    if math.isnan(target):
        raise ValueError("the target must be a number, not nan")
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"expected curves [seed, epoch], not the shape {values.shape}")
    reached = values >= target if higher_is_better else values <= target
    ever = reached.any(1)
    return np.where(ever, reached.argmax(1) + 1.0, math.nan), int(ever.sum())


def area(curves: np.ndarray) -> np.ndarray:
    """Return per seed the mean level of its curve [seed, epoch], by the trapezoid rule.

    It is the area under the curve per epoch, in the units of the outcome; with one epoch, that
    value. Raises ValueError for curves that are not finite.
    """
    values = complete(curves)
    if values.shape[1] == 1:
        return values[:, 0].copy()
    return np.asarray(np.trapezoid(values, axis=1) / (values.shape[1] - 1))

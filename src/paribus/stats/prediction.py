"""Where one more run would lie, by those that there are."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtr, stdtrit


def prediction_interval(values: np.ndarray, *, positive: bool = False) -> tuple[float, float]:
    """Return the 95 % interval of one new value by n values [n] of the same normal distribution.

    mean ± t · sd · √(1 + 1/n), Student's t with n - 1 degrees of freedom (Hahn and Meeker, 1991).
    `positive` values, losses say, are taken by their logarithms; with a zero among them they are
    not. Both ends are nan for fewer than two values or where one is not finite.
    """
    x, logs = _comparable(values, positive)
    if not len(x):
        return math.nan, math.nan
    half = float(stdtrit(len(x) - 1, 0.975)) * _spread(x)
    low, high = float(x.mean()) - half, float(x.mean()) + half
    return (math.exp(low), math.exp(high)) if logs else (low, high)


def as_far_off(value: float, values: np.ndarray, *, positive: bool = False) -> float:
    """Return the share of new values that are as far from the mean of n values, or further.

    The two-sided p-value that belongs to `prediction_interval`: below 0.05 outside of it. Where the
    n values are equal it is 1 for the same value and 0 for any other.
    """
    x, logs = _comparable(values, positive)
    if not len(x) or (logs and value <= 0):
        return 0.0 if len(x) else math.nan
    distance = abs((math.log(value) if logs else value) - float(x.mean()))
    if not (spread := _spread(x)):
        return float(distance == 0)
    return 2 * float(stdtr(len(x) - 1, -distance / spread))


def _comparable(values: np.ndarray, positive: bool) -> tuple[np.ndarray, bool]:
    """Return the values, none where they give no interval, and whether as logarithms."""
    x = np.asarray(values, float)
    if len(x) < 2 or not np.isfinite(x).all():
        return x[:0], False
    logs = positive and bool((x > 0).all())
    return (np.log(x) if logs else x), logs


def _spread(x: np.ndarray) -> float:
    """Return the standard deviation of a new value less the mean of those there are."""
    return float(x.std(ddof=1)) * math.sqrt(1 + 1 / len(x))

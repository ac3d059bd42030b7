"""Two independent samples: interval, test and equivalence of the difference of their means.

Welch's (1947) t, which takes the two variances as they are, with Satterthwaite's (1946) degrees of
freedom. Where the values of a sample were measured on splits of the same rows, its `overlap`
corrects the variance of its mean as it does that of paired differences (see `stats.paired`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from paribus.stats.paired import constant, standard_error


@dataclass(frozen=True)
class Unpaired:
    """What two independent samples say; nan where a sample is too small for it."""

    sizes: tuple[int, int]
    difference: float  # mean of the first - mean of the second
    low: float  # 95 % interval of the difference
    high: float
    df: float  # Satterthwaite's; nan where neither sample has a spread
    p: float  # Welch's t, two-sided

    @property
    def fewest(self) -> int:
        """The size of the smaller sample."""
        return min(self.sizes)


def welch(
    first: np.ndarray, second: np.ndarray, overlaps: tuple[float, float] = (0.0, 0.0)
) -> Unpaired:
    """Describe the difference of two means, first - second.

    Where neither sample has a spread, the interval has no width and the ranks alone tell something:
    the p-value is that of the exact rank-sum test.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    sizes = (len(a), len(b))
    if not all(sizes):
        return Unpaired(sizes, *[math.nan] * 5)
    difference = float(a.mean() - b.mean())
    if min(sizes) < 2:
        return Unpaired(sizes, difference, *[math.nan] * 4)
    error, df = _error(a, b, overlaps)
    if error == 0:
        equal = constant(np.concatenate([a, b]))
        p = 1.0 if equal else min(1.0, 2 * _all_above(sizes, overlaps))
        return Unpaired(sizes, difference, difference, difference, math.nan, p)
    half = float(stdtrit(df, 0.975)) * error
    p = 2 * float(stdtr(df, -abs(difference) / error))
    return Unpaired(sizes, difference, difference - half, difference + half, df, p)


def equivalence(
    first: np.ndarray,
    second: np.ndarray,
    margin: float,
    overlaps: tuple[float, float] = (0.0, 0.0),
) -> float:
    """Return the p-value of two one-sided Welch tests for |difference of the means| < margin."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    if min(len(a), len(b)) < 2:
        return math.nan
    nearest = margin - abs(float(a.mean() - b.mean()))  # to the bound that is harder to exclude
    error, df = _error(a, b, overlaps)
    if error == 0:
        return _all_above((len(a), len(b)), overlaps) if nearest > 0 else 1.0
    return float(stdtr(df, -nearest / error))


def _error(a: np.ndarray, b: np.ndarray, overlaps: tuple[float, float]) -> tuple[float, float]:
    """Return the standard error of the difference of the means, and its degrees of freedom."""
    squares = [
        0.0 if constant(values) else standard_error(values, overlap) ** 2
        for values, overlap in zip((a, b), overlaps, strict=True)
    ]
    total = sum(squares)
    if total == 0:
        return 0.0, math.nan
    # As shares of the whole: squares of tiny variances would vanish.
    parts = ((v / total) ** 2 / (len(x) - 1) for v, x in zip(squares, (a, b), strict=True))
    return math.sqrt(total), 1 / sum(parts)


def _all_above(sizes: tuple[int, int], overlaps: tuple[float, float]) -> float:
    """Return the chance that one sample lies wholly above another from the same population.

    1 where values depend on each other through the rows that they share: no chance is known then.
    """
    return 1.0 if any(overlaps) else 1 / math.comb(sum(sizes), sizes[0])

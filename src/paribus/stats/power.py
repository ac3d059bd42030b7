"""Planning: how many seeds find a difference, or show that there is none that matters.

Everything rests on the sd of the paired differences between two arms, in the units of the outcome.
Before the experiment it is known from a pilot at best: `pilot_sd_interval` says how well.

The powers are exact for normal differences: the probability given the sample's sd, integrated over
the chi distribution of that sd. `scipy.special.nctdtr` is not used, as it gives nan far out.

`overlap` is that of `stats.paired`, for differences on splits of the same rows: the standard error
of the mean is sd √(1 / n + overlap), and no number of seeds brings it below sd √overlap. It must be
a number of zero or more; otherwise a power is nan and a number of seeds None.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import chdtr, chdtri, gammaln, ndtr, stdtrit

_MOST_SEEDS = 100_000
_FAR = 9.0  # standard errors: beyond it the normal distribution holds less than 1e-18
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


def power(n: int, sd: float, difference: float, alpha: float, overlap: float = 0.0) -> float:
    """Return the probability that n pairs find a mean difference: two-sided t-test at `alpha`.

    nan unless n ≥ 2, sd > 0 and 0 < alpha < 1.
    """
    if not (n >= 2 and 0 < sd < math.inf and math.isfinite(difference) and 0 < alpha < 1):
        return math.nan
    if not 0 <= overlap < math.inf:
        return math.nan
    return _power(n, abs(difference) / sd, alpha, overlap)


def _root_n(n: int, overlap: float) -> float:
    """Return the number of sds in a standard error's inverse: √n without overlap."""
    return math.sqrt(n / (1 + n * overlap))


def _power(n: int, effect: float, alpha: float, overlap: float) -> float:
    shift = effect * _root_n(n, overlap)

    def found(v: np.ndarray) -> np.ndarray:
        return np.asarray(ndtr(shift - v) + ndtr(-shift - v))

    return _expected(found, n, alpha / 2, shift - _FAR, shift + _FAR)


def _expected(
    probability: Callable[[np.ndarray], np.ndarray], n: int, tail: float, low: float, high: float
) -> float:
    """Return the mean of probability(v) over v, the critical distance of n values from their mean.

    v is Student's t with `tail` above it, times sample sd / sd: a scaled chi variable, in standard
    errors of the mean. probability(v) must be 1 below `low` and 0 above `high`, or as good as.
    """
    df, critical = n - 1, -float(stdtrit(n - 1, tail))
    least, most = (critical * math.sqrt(chdtri(df, p) / df) for p in (1 - 1e-16, 1e-18))
    if low >= most:
        return 1.0
    if high <= least:
        return 0.0
    certain = float(chdtr(df, df * (low / critical) ** 2)) if low > 0 else 0.0
    low, high = max(low, least), min(high, most)
    v = low + (high - low) * (_NODES + 1) / 2
    u = v / critical
    log_density = (df - 1) * np.log(u) - df * u**2 / 2 + df / 2 * math.log(df / 2) - gammaln(df / 2)
    integral = float(_WEIGHTS @ (probability(v) * 2 * np.exp(log_density))) * (high - low) / 2
    return min(1.0, certain + integral / critical)


def detectable(n: int, sd: float, alpha: float, power: float = 0.8, overlap: float = 0.0) -> float:
    """Return the mean difference that n pairs find with the given power: two-sided t-test.

    nan unless n ≥ 2, sd > 0 and 0 < alpha < power < 1.
    """
    if not (n >= 2 and 0 < sd < math.inf and 0 < alpha < power < 1 and 0 <= overlap < math.inf):
        return math.nan
    low, high = 0.0, 1.0
    while _power(n, high, alpha, overlap) < power:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        enough = _power(n, middle, alpha, overlap) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high * sd


def seeds_needed(
    sd: float, margin: float, alpha: float, power: float = 0.8, overlap: float = 0.0
) -> int | None:
    """Return the number of pairs that finds a mean difference of `margin` with the given power.

    Two-sided t-test at `alpha`. None above 100,000, and unless sd > 0, margin > 0 and
    0 < alpha < power < 1.
    """
    if not (0 < sd < math.inf and 0 < margin < math.inf and 0 < alpha < power < 1):
        return None
    if not 0 <= overlap < math.inf:
        return None
    return _fewest(lambda n: _power(n, margin / sd, alpha, overlap) >= power)


def equivalence_power(
    n: int, sd: float, margin: float, alpha: float, difference: float = 0.0, overlap: float = 0.0
) -> float:
    """Return the probability that n pairs show equivalence within the margin: TOST at `alpha`.

    `difference` is the true mean difference. Equal to the exact power by Owen's Q (Phillips, 1990).
    nan unless n ≥ 2, sd > 0, margin > 0 and 0 < alpha < 0.5.
    """
    if not (n >= 2 and 0 < sd < math.inf and 0 < margin < math.inf and 0 < alpha < 0.5):
        return math.nan
    if not (math.isfinite(difference) and 0 <= overlap < math.inf):
        return math.nan
    root_n = _root_n(n, overlap)
    bound, shift = margin / sd * root_n, abs(difference) / sd * root_n

    def shown(v: np.ndarray) -> np.ndarray:  # the mean lies within bound - v on either side of zero
        return np.asarray(ndtr(bound - v - shift) - ndtr(v - bound - shift))

    return _expected(shown, n, alpha, bound - shift - _FAR, min(bound, bound - shift + _FAR))


def seeds_for_equivalence(
    sd: float, margin: float, alpha: float, power: float = 0.8, overlap: float = 0.0
) -> int | None:
    """Return the number of pairs that shows equivalence with the given power where there is none.

    TOST at `alpha`, the true mean difference zero: the fewest that could do. None above 100,000,
    and unless sd > 0, margin > 0, alpha < 0.5 and 0 < alpha < power < 1.
    """
    if not (0 < sd < math.inf and 0 < margin < math.inf and 0 < alpha < min(power, 0.5)):
        return None
    return _fewest(lambda n: equivalence_power(n, sd, margin, alpha, 0.0, overlap) >= power)


def seeds_to_decide(sd: float, margin: float, alpha: float, overlap: float = 0.0) -> int | None:
    """Return the pairs that have 80 % power either way, or None where no number has.

    To find a mean difference of `margin`, and to show equivalence where there is none.
    """
    found = seeds_needed(sd, margin, alpha, overlap=overlap)
    alike = seeds_for_equivalence(sd, margin, alpha, overlap=overlap)
    return None if found is None or alike is None else max(found, alike)


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """Return the smallest n ≥ 2 that is enough, where all above it are too; None above 100,000."""
    low, high = 1, 2
    while not enough(high):
        if high == _MOST_SEEDS:
            return None
        low, high = high, min(2 * high, _MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def pilot_sd_interval(sd: float, n: int) -> tuple[float, float]:
    """Return the 95 % chi-square interval of the sd that a pilot of n pairs estimates.

    Exact for normal differences. (nan, nan) unless n ≥ 2 and sd > 0: a pilot of equal differences
    tells nothing about their spread.
    """
    if not (n >= 2 and 0 < sd < math.inf):
        return math.nan, math.nan
    low, high = (sd * math.sqrt((n - 1) / chdtri(n - 1, p)) for p in (0.025, 0.975))
    return low, high

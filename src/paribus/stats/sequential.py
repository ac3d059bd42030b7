"""Group-sequential looks: alpha spending, exact levels for Student's t, Holm over contrasts.

A study of at most n_K seeds may look at its paired differences after n_1 < ... < n_K of them and
stop where it knows enough. Each look has a nominal level: a test rejects there where its p-value
is at most that level. The levels spend alpha over the looks (Lan and DeMets, 1983), so that the
error stays at most alpha whenever and for whatever reason the study stops.

The usual levels hold for a known variance (Armitage, McPherson and Rowe, 1969). Applied to t-tests
on few seeds they err too often: 5.1 % for looks at 6, 10, 15, 22, 30, 5.4 % at 6, 8, 10, 12, 14
and, at alpha = 0.05 / 11, a tenth above alpha. `levels` is therefore exact for t. Where the mean is
zero, t / sqrt(t^2 + n - 1), the sum over the root of n times the sum of squares, is independent of
the sum of squares (Basu, 1955), hence a Markov chain over n, and one recursion serves both cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.polynomial.legendre import leggauss
from scipy.special import betainccinv, betaln, ndtr, ndtri, roots_jacobi, stdtrit

from paribus.stats.paired import mean_interval

Shape = Literal["obrien-fleming", "pocock"]

_NEGLIGIBLE = 1e-13  # a tail of this probability is taken as never reached
_NODES, _WEIGHTS = leggauss(24)  # on [-1, 1]
# Of a tail, from its far end; the cube draws the nodes there, where the function is steep.
_ROOTS, _ROOT_WEIGHTS = leggauss(32)
_SHARES = ((1 + _ROOTS) / 2) ** 3
_SHARE_WEIGHTS = _ROOT_WEIGHTS / 2 * 3 * ((1 + _ROOTS) / 2) ** 2
_DEGREE = 32  # of the interpolation between a look's limits


@dataclass(frozen=True)
class Decision:
    """What the looks so far say of one contrast of a family."""

    look: int | None  # the look that rejected its hypothesis, the first being 0
    level: float  # nominal level in force for it at the last look so far


def looks(maximum: int, first: int = 6) -> tuple[int, ...]:
    """Return up to five sample sizes from `first` to `maximum`, each about a like factor apart.

    Fewer where `maximum` is near, itself alone where it is not above `first`. ValueError unless
    both are at least 2.
    """
    if min(maximum, first) < 2:
        raise ValueError(f"a look needs at least 2 pairs, got {min(maximum, first)}")
    if maximum <= first:
        return (maximum,)
    count = min(5, max(2, 1 + (maximum - first) // 3))
    return tuple(round(n) for n in np.geomspace(first, maximum, count).tolist())


def spend(fractions: Sequence[float], alpha: float, shape: Shape = "obrien-fleming") -> np.ndarray:
    """Return the two-sided alpha spent up to each information fraction (Lan and DeMets, 1983).

    `obrien-fleming`: 4 - 4 Phi(z / sqrt(t)) with z the upper alpha / 4 point, which is twice the
    one-sided function at alpha / 2; `pocock`: alpha ln(1 + (e - 1) t). ValueError unless the
    fractions increase within (0, 1] and alpha lies in (0, 1).
    """
    t = np.asarray(fractions, float)
    if t.ndim != 1 or len(t) == 0 or not (np.all(np.diff(t) > 0) and t[0] > 0 and t[-1] <= 1):
        raise ValueError(f"information fractions must increase within (0, 1], got {fractions}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), got {alpha}")
    if shape == "obrien-fleming":
        return np.asarray(4 * ndtr(ndtri(alpha / 4) / np.sqrt(t)))
    if shape == "pocock":
        return alpha * np.log1p((math.e - 1) * t)
    raise ValueError(f"shape must be 'obrien-fleming' or 'pocock', got {shape!r}")


def boundaries(
    fractions: Sequence[float], alpha: float, shape: Shape = "obrien-fleming", sides: int = 2
) -> np.ndarray:
    """Return the critical |z| of each look where the variance is known: the large-sample limit.

    With `sides` = 1, the critical z of a one-sided test at alpha. ValueError as for `spend`, and
    unless alpha lies in (0, 0.5).
    """
    _check(alpha, sides)
    t = tuple(float(fraction) for fraction in fractions)
    return np.array([-ndtri(p) for p in _known_variance(t, alpha, shape, sides)])


def levels(
    sizes: Sequence[int], alpha: float, shape: Shape = "obrien-fleming", sides: int = 2
) -> np.ndarray:
    """Return the nominal level of each look, for p-values of paired t-tests at these sample sizes.

    The last size is the most that the study may take: there, all of alpha is spent. With `sides`
    = 2 the levels are for two-sided p-values, with 1 for one-sided ones, TOST among them. Exact
    where the differences are normal, but for the quadrature: against a finer one, levels were
    within 0.05 % of alpha for looks from 6 pairs on and two or more apart, else within 0.5 %.
    ValueError unless the sizes increase within 2 to 2000, alpha lies in (0, 0.5) and sides is 1
    or 2.
    """
    _check(alpha, sides)
    n = tuple(int(size) for size in sizes)
    increase = n == tuple(sizes) and n == tuple(sorted(set(n)))
    if not n or not increase or n[0] < 2 or n[-1] > 2000:
        raise ValueError(f"looks must be whole numbers that increase within 2 to 2000, got {sizes}")
    return sides * np.array(_student(n, alpha, shape, sides))


def repeated_interval(differences: np.ndarray, level: float) -> tuple[float, float]:
    """Return the repeated confidence interval of a mean (Jennison and Turnbull, 1989).

    With the levels of `levels` at alpha it holds the true mean at all looks at once with
    probability 1 - alpha, so also at the look where the study stopped, whatever made it stop. It
    leaves out zero where the two-sided t-test has p < `level`. With the level of a `Decision` it is
    no narrower, so each one keeps that; a family's hold all their means together only with levels
    at alpha over their number. (nan, nan) for fewer than two differences; of no width where all are
    equal. ValueError unless the level lies in [0, 1).
    """
    if not 0 <= level < 1:
        raise ValueError(f"a level must lie in [0, 1), got {level}")
    low, high = mean_interval(differences)
    if math.isnan(low) or low == high:
        return low, high
    usual, repeated = stdtrit(len(differences) - 1, [0.025, level / 2])
    half = (high - low) / 2 * abs(float(repeated / usual))
    return (low + high) / 2 - half, (low + high) / 2 + half


def decide(
    p_values: Sequence[np.ndarray],
    sizes: Sequence[int],
    alpha: float = 0.05,
    shape: Shape = "obrien-fleming",
    sides: int = 2,
) -> list[Decision]:
    """Decide a family of contrasts at group-sequential looks by Holm's method, at alpha for all.

    `p_values` [look][contrast] holds the looks so far, `sizes` those of all planned looks. Every
    contrast is tested at alpha over the number not yet rejected; what a rejection frees is used
    from the same look on (Maurer and Bretz, 2013; Ye et al., 2013). What is rejected stays so.
    nan rejects nothing but counts in the family. ValueError where the looks differ in length or are
    more than planned, and as for `levels`.
    """
    table = [np.asarray(row, float) for row in p_values]
    if len({row.shape for row in table}) != 1 or table[0].ndim != 1:
        raise ValueError("there must be a look, and each needs one p-value for every contrast")
    if len(table) > len(sizes):
        raise ValueError(f"{len(table)} looks were taken, but {len(sizes)} planned")
    family = len(table[0])
    rejected: dict[int, tuple[int, float]] = {}  # contrast: its look and local alpha

    def in_force(local: float, look: int) -> float:
        return float(levels(sizes, local, shape, sides)[look])

    for look, row in enumerate(table):
        while len(rejected) < family:
            local = alpha / (family - len(rejected))
            level = in_force(local, look)
            new = [i for i in range(family) if i not in rejected and row[i] <= level]
            if not new:
                break
            rejected |= dict.fromkeys(new, (look, local))
    found = []
    for i in range(family):
        at, local = rejected.get(i, (None, alpha / max(1, family - len(rejected))))
        found.append(Decision(at, in_force(local, len(table) - 1)))
    return found


def _check(alpha: float, sides: int) -> None:
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie in (0, 0.5), got {alpha}")
    if sides not in (1, 2):
        raise ValueError(f"sides must be 1 or 2, got {sides}")


def _tails(
    fractions: Sequence[float],
    alpha: float,
    shape: Shape,
    sides: int,
    quantile: Callable[[int, np.ndarray], np.ndarray],
    given: Callable[..., tuple[np.ndarray, np.ndarray]],
) -> tuple[float, ...]:
    """Return the upper tail of each look's statistic in which it rejects.

    `quantile(k, p)` is the point of look k's statistic with p above it. `given(k, x, low, high)`
    holds nodes and probabilities [x, node] of look k - 1's statistic between low and high, where
    look k's is x. Backwards in time the quadrature needs no density that could be singular.
    """
    from scipy.optimize import brentq

    spent = spend(fractions, 2 * alpha / sides, shape) / 2  # on each side
    tails: list[float] = []
    # Probability that no look before this one rejected, where this look's statistic is x.
    before: Callable[[np.ndarray], np.ndarray] = np.ones_like
    for k, (due, total) in enumerate(zip(np.diff(spent, prepend=0.0), spent, strict=True)):
        # The tail lies between what is due (no look before rejects) and all that was spent.
        tail = float(due)
        if k > 0 and due > _NEGLIGIBLE:

            def excess(p: float) -> float:
                reached = before(quantile(k, p * _SHARES))  # noqa: B023
                return float(p * (_SHARE_WEIGHTS @ reached) - due)  # noqa: B023

            # By rounding there may be nothing to gain over what is due.
            if excess(tail) < 0:
                tail = brentq(excess, tail, min(2 * total, 0.5), xtol=1e-18, rtol=1e-7)
        tails.append(tail)
        if k + 1 < len(spent):
            high = float(quantile(k, np.array(max(tail, _NEGLIGIBLE))))
            low = -high if sides == 2 else -float(quantile(k, np.array(_NEGLIGIBLE)))
            # Interpolated, or every look would ask again of all looks before it.
            inner = Chebyshev.interpolate(before, _DEGREE, [low, high])
            before = partial(_survival, partial(given, k + 1, low=low, high=high), inner)
    return tuple(tails)


def _survival(
    given: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], inner: Chebyshev, x: np.ndarray
) -> np.ndarray:
    """Return the mean of `inner` over the last look's statistic within its limits, given x now."""
    nodes, probability = given(x)
    # Where the limits meet, rounding may leave nodes beyond them, of no weight.
    return np.asarray(np.sum(inner(np.clip(nodes, *inner.domain)) * probability, -1))


@lru_cache(maxsize=1024)
def _known_variance(
    t: tuple[float, ...], alpha: float, shape: Shape, sides: int
) -> tuple[float, ...]:
    def given(k: int, x: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        rho = math.sqrt(t[k - 1] / t[k])
        mean, sd = rho * x[:, None], math.sqrt(1 - rho * rho)
        y, width = _between(np.maximum(low, mean - 8 * sd), np.minimum(high, mean + 8 * sd))
        return y, width * np.exp(-0.5 * ((y - mean) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))

    return _tails(t, alpha, shape, sides, lambda _, p: -ndtri(p), given)


@lru_cache(maxsize=1024)
def _student(sizes: tuple[int, ...], alpha: float, shape: Shape, sides: int) -> tuple[float, ...]:
    def quantile(k: int, p: np.ndarray) -> np.ndarray:
        r = np.sqrt(betainccinv(0.5, (sizes[k] - 1) / 2, 2 * p))
        return np.asarray(np.minimum(r, 1 - 1e-12))

    def given(k: int, x: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        # Scaled to a sum of squares of 1, the n values of look k are a random point of a sphere at
        # height x. Of the rest, sqrt(1 - x^2), the share sin(angle) is the contrast of old and new
        # values; `old` of the remaining squares are the spread of the `last` old values.
        n, last = sizes[k], sizes[k - 1]
        new = n - last
        old, chance = np.ones(1), np.ones(1)
        if new > 1:
            old, chance = roots_jacobi(8, (new - 3) / 2, (last - 3) / 2)
            old, chance = (1 + old) / 2, chance / chance.sum()
        x, spread = x[:, None, None], np.sqrt(old)[:, None]
        height = math.sqrt(last / n) * x / np.sqrt(1 - x * x)
        slope = math.sqrt(new / n)

        def limit(bound: float, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """Return the angles between which the last look's statistic is below the bound."""
            steep = bound / math.sqrt(1 - bound * bound) * spread
            turn, reach = np.arctan2(steep, slope), np.hypot(steep, slope)
            arc = np.arcsin(np.clip(height / reach, -1, 1))
            return turn - math.pi + arc, turn - arc

        above, below = limit(high, height), limit(-low, -height)
        end = min(math.pi / 2, 8 / math.sqrt(n))
        start = np.maximum(np.maximum(above[0], -below[1]), -end)
        stop = np.minimum(np.minimum(above[1], -below[0]), end)
        angle, width = _between(start, stop)
        ratio = (height + slope * np.sin(angle)) / (spread * np.cos(angle))
        density = np.cos(angle) ** (n - 3) / math.exp(betaln(0.5, (n - 2) / 2))
        y = ratio / np.sqrt(1 + ratio * ratio)
        probability = chance[:, None] * width * density
        return y.reshape(len(x), -1), probability.reshape(len(x), -1)

    fractions = [n / sizes[-1] for n in sizes]
    return _tails(fractions, alpha, shape, sides, quantile, given)


def _between(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return quadrature nodes and weights along the last axis, of size 1 in both limits."""
    half = np.maximum(stop - start, 0) / 2
    return start + half * (1 + _NODES), half * _WEIGHTS

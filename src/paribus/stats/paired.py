"""Paired differences: interval, tests, effect size and equivalence.

Differences measured on splits of the same rows depend on each other, and their variance is too
small for that of their mean. `overlap`, the rows tested on / the rows trained on, corrects for it:
the variance of the mean is that of the differences × (1 / n + overlap) instead of 1 / n (Nadeau and
Bengio, 2003; for repeated k-fold cross-validation Bouckaert and Frank, 2004). It is that of equally
correlated values with correlation / (1 - correlation) = overlap: a rule of thumb, no theorem.
Zero is for independent differences.

Student's t comes from `scipy.special`: `scipy.stats` takes most of a second to import, and its
tests check each call at length. The tests of this module compare with `scipy.stats`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

_EXACT_UP_TO = 16  # pairs: 2^16 sign patterns


@dataclass(frozen=True)
class Paired:
    """What n paired differences say; nan where n is too small for it."""

    n: int
    difference: float  # their mean
    low: float  # 95 % t interval of the mean
    high: float
    effect_size: float  # d = mean / sd
    superiority: float  # share of differences above zero, ties counted half
    p: float  # Student's t, two-sided
    p_sign_flip: float  # sign-flip test, two-sided; exact up to 16 pairs; nan with an overlap


def paired(
    differences: np.ndarray, p_sign_flip: float | None = None, overlap: float = 0.0
) -> Paired:
    """Describe paired differences [n]; equal differences have an interval of no width.

    `p_sign_flip` may be given where it was computed for many contrasts at once. Raises ValueError
    for an `overlap` below zero.
    """
    _check(overlap)
    d = np.asarray(differences, float)
    n = len(d)
    if n == 0:
        return Paired(0, *[math.nan] * 7)
    mean = float(d.mean())
    superiority = float((np.sum(d > 0) + 0.5 * np.sum(d == 0)) / n)
    if n == 1:
        return Paired(1, mean, math.nan, math.nan, math.nan, superiority, math.nan, math.nan)
    flip = p_sign_flip if p_sign_flip is not None else sign_flips([d])[0]
    if overlap:  # signs of dependent differences cannot be flipped one by one
        flip = math.nan
    if constant(d):
        # No spread to judge by: the signs alone tell something.
        effect = 0.0 if mean == 0 else math.copysign(math.inf, mean)
        of_signs = flip
        if overlap:
            of_signs = 1.0 if mean == 0 else 2 * _all_of_one_sign(n, overlap)
        return Paired(n, mean, mean, mean, effect, superiority, of_signs, flip)
    low, high = mean_interval(d, overlap)
    p = 2 * stdtr(n - 1, -abs(mean) / standard_error(d, overlap))
    return Paired(n, mean, low, high, mean / float(d.std(ddof=1)), superiority, float(p), flip)


def _check(overlap: float) -> None:
    if not 0 <= overlap < math.inf:
        raise ValueError(f"the overlap must be a number of zero or more, not {overlap}")


def standard_error(values: np.ndarray, overlap: float = 0.0) -> float:
    """Return the standard error of the mean of two values or more."""
    n = len(values)
    return float(values.std(ddof=1)) / math.sqrt(n / (1 + n * overlap))


def _all_of_one_sign(n: int, overlap: float) -> float:
    """Return the chance that n values have one given sign if their median is zero.

    Normal and equally correlated, as the correction takes them to be: 2^-n without overlap,
    1 / (n + 1) at an overlap of 1.
    """
    if not overlap:
        return float(2.0**-n)
    z = np.linspace(-9, 9, 721)  # of what they share; this sum converges faster than any power
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float(np.sum(ndtr(math.sqrt(overlap) * z) ** n * density) * (z[1] - z[0]))


def constant(values: np.ndarray) -> bool:
    """Return whether values are equal but for rounding."""
    return bool(np.ptp(values) <= 1e-9 * np.max(np.abs(values)))


def mean_interval(values: np.ndarray, overlap: float = 0.0) -> tuple[float, float]:
    """Return the 95 % t interval of a mean; (nan, nan) for fewer than two values.

    Raises ValueError for an `overlap` below zero.
    """
    _check(overlap)
    v = np.asarray(values, float)
    if len(v) < 2:
        return math.nan, math.nan
    if constant(v):
        return float(v[0]), float(v[0])
    half = float(stdtrit(len(v) - 1, 0.975)) * standard_error(v, overlap)
    return float(v.mean()) - half, float(v.mean()) + half


def sign_flips(differences: Sequence[np.ndarray]) -> list[float]:
    """Return the two-sided p-values of sign-flip tests of paired differences [n] each.

    All 2^n sign patterns up to 16 pairs; above that the observed one and 9,999 random ones, the
    same for every test (Phipson and Smyth, 2010). nan where there are no pairs.
    """
    p_values = [math.nan] * len(differences)
    by_n: dict[int, list[int]] = defaultdict(list)
    for index, d in enumerate(differences):
        by_n[len(d)].append(index)
    for n, indices in by_n.items():
        if n == 0:
            continue
        table = np.stack([np.asarray(differences[i], float) for i in indices], 1)  # [n, test]
        # Patterns that tie with the observed one must not fall below it by rounding.
        observed = np.abs(table.sum(0)) * (1 - 1e-12)
        count, patterns = np.zeros(len(indices)), 0
        for signs in sign_patterns(n):
            count += np.sum(np.abs(signs @ table) >= observed, 0)
            patterns += len(signs)
        for index, found in zip(indices, count / patterns, strict=True):
            p_values[index] = float(found)
    return p_values


def sign_patterns(n: int) -> Iterator[np.ndarray]:
    """Yield sign patterns [pattern, n] in pieces, the observed one (all +1) among them.

    Up to 16 values, one of each pattern and its opposite; above that, 10,000 patterns.
    """
    piece = 2048
    if n <= _EXACT_UP_TO:
        # A pattern and its opposite have the same size: half of them are enough.
        codes = np.arange(2 ** (n - 1))
        for start in range(0, len(codes), piece):
            yield 1.0 - 2.0 * (codes[start : start + piece, None] >> np.arange(n) & 1)
        return
    signs = _random_signs(n)
    for start in range(0, len(signs), piece):
        yield signs[start : start + piece].astype(float)


@lru_cache(maxsize=4)
def _random_signs(n: int) -> np.ndarray:
    """Return the observed signs (all +1) and 9,999 random ones, the same each time."""
    drawn = np.random.default_rng(0).integers(0, 2, (9_999, n), dtype=np.int8) * 2 - 1
    return np.concatenate([np.ones((1, n), np.int8), drawn])


def tost(differences: np.ndarray, margin: float, overlap: float = 0.0) -> float:
    """Return the p-value of two one-sided t-tests for |mean| < margin (Schuirmann, 1987).

    Raises ValueError for an `overlap` below zero.
    """
    _check(overlap)
    d = np.asarray(differences, float)
    if len(d) < 2:
        return math.nan
    if constant(d):  # the least that a one-sided test of the signs can say
        return _all_of_one_sign(len(d), overlap) if abs(d[0]) < margin else 1.0
    nearest = margin - abs(float(d.mean()))  # to the bound that is harder to exclude
    return float(stdtr(len(d) - 1, -nearest / standard_error(d, overlap)))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return Holm's (1979) adjusted p-values in the same order; nan stays nan, not counted."""
    p = np.asarray(p_values, float)
    adjusted = np.full(len(p), math.nan)
    order = [i for i in np.argsort(p, kind="stable") if not math.isnan(p[i])]
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p[index]))
        adjusted[index] = highest
    return adjusted

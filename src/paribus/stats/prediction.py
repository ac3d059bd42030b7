"""Where one more run would lie, by those that there are."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtrit


def prediction_interval(values: np.ndarray, *, positive: bool = False) -> tuple[float, float]:
    """Return the 95 % interval of one new value by n values [n] of the same normal distribution.

    mean ± t · sd · √(1 + 1/n), Student's t with n - 1 degrees of freedom (Hahn and Meeker, 1991).
    `positive` values, losses say, are taken by their logarithms; with a zero among them they are
    not. Both ends are nan for fewer than two values or where one is not finite.
    """
    x = np.asarray(values, float)
    n = len(x)
    if n < 2 or not np.isfinite(x).all():
        return math.nan, math.nan
    logs = positive and bool((x > 0).all())
    if logs:
        x = np.log(x)
    half = float(stdtrit(n - 1, 0.975)) * float(x.std(ddof=1)) * math.sqrt(1 + 1 / n)
    low, high = float(x.mean()) - half, float(x.mean()) + half
    return (math.exp(low), math.exp(high)) if logs else (low, high)

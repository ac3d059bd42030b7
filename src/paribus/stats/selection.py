"""The choice of one of several by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def select(
    means: Sequence[float], errors: Sequence[float], higher_is_better: bool
) -> tuple[int, int]:
    """Return the places of the best mean, and of the simplest one that is about as good.

    The simplest is the first whose mean is within one standard error of the best, where `errors`
    are the standard errors of the means: the rule of one standard error (Breiman, Friedman, Olshen
    and Stone, 1984), for values that stand in the order of complexity. Of equal means the first is
    the best.

    Raises ValueError where there is none, for numbers that are not finite and for errors below 0.
    """
    loss = np.asarray(means, float) * (-1 if higher_is_better else 1)
    spread = np.asarray(errors, float)
    if not len(loss) or loss.shape != spread.shape:
        raise ValueError("there must be a mean and a standard error of each, and one at least")
    if not (np.isfinite([loss, spread]).all() and (spread >= 0).all()):
        raise ValueError("means must be finite, and standard errors finite and not below zero")
    best = int(np.argmin(loss))
    return best, int(np.argmax(loss <= loss[best] + spread[best]))

"""Tables of outcomes in complete blocks."""

from __future__ import annotations

import numpy as np


def complete(table: np.ndarray) -> np.ndarray:
    """Return a table [block, column] as floats, if every block is complete.

    Raises ValueError where the table has another shape, no values, or values that are not finite:
    leaving out a block is the caller's decision.
    """
    values = np.asarray(table, float)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"expected a table of blocks with values, not the shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("every block must be complete: the table has values that are not finite")
    return values

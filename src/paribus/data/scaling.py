"""Scale features, targets and losses by what the training rows alone say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from paribus.data.dataset import Array, Dataset
from paribus.errors import DataError, nearest

How = Literal["none", "unit", "symmetric", "standard"]


@dataclass(frozen=True, eq=False)
class Scaling:
    """x = (features - shift) * scale, after missing values are replaced by `fill`.

    All three are float32 of shape (1,) for images or (columns,) for tables; `fill` is the training
    mean of each column, or None where nothing is missing.
    """

    shift: Array
    scale: Array
    fill: Array | None

    def apply(self, features: Array) -> Array:
        """Return scaled features as float32 of the same shape."""
        scaled = features.astype(np.float32)
        if self.fill is not None:
            scaled = np.where(np.isnan(scaled), self.fill, scaled)
        scaled -= self.shift
        scaled *= self.scale
        return scaled


def fit_scaling(dataset: Dataset, rows: Array, how: How) -> Scaling:
    """Fit a scaling on the training `rows` of a data set.

    how: "none" leaves the numbers alone; "unit" maps to [0, 1] (pixels by their value range,
    columns by their least and largest training value); "symmetric" maps those to [-1, 1];
    "standard" gives mean 0 and population standard deviation 1 (over all pixels together, or per
    column). One-hot columns are left alone; a constant column becomes 0.
    """
    if how not in get_args(How):
        allowed = get_args(How)
        raise DataError(
            f"data.scaling is {how!r}{nearest(str(how), allowed)}; allowed are {', '.join(allowed)}"
        )
    return _fit_image(dataset, rows, how) if dataset.kind == "image" else _fit(dataset, rows, how)


def target_scale(targets: Array, bounded: bool = False) -> tuple[float, float]:
    """Return the shift and the unit by which numeric targets are scaled: (targets - shift) / unit.

    Mean and population standard deviation of the training targets; `bounded`, for outputs between
    0 and 1, the smallest of them and their range. The unit is 1 if they are constant.
    """
    values = targets.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low, 1.0
    return (low, high - low) if bounded else (float(values.mean()), float(values.std()))


def balanced_weights(codes: Array, classes: int) -> Array:
    """Return a weight per class, float32: training rows / (classes · training rows of the class).

    A class without rows has the weight of one with a single row.
    """
    counts = np.bincount(codes, minlength=classes)
    weights: Array = (len(codes) / (classes * np.maximum(counts, 1))).astype(np.float32)
    return weights


def _fit_image(dataset: Dataset, rows: Array, how: How) -> Scaling:
    low, high = dataset.value_range or (0.0, 1.0)
    mean, sd = _pixel_moments(dataset.features, rows) if how == "standard" else (0.0, 1.0)
    shift, scale = _affine(how, *(np.array([value]) for value in (low, high, mean, sd)))
    return Scaling(shift.astype(np.float32), scale.astype(np.float32), None)


def _pixel_moments(features: Array, rows: Array) -> tuple[float, float]:
    """Return mean and population standard deviation over all pixels of `rows`."""
    # In pieces: float64 copies of all pixels would take eight times the memory of the data set.
    pieces = [rows[start : start + 2048] for start in range(0, len(rows), 2048)]
    count = len(rows) * features[0].size
    mean = sum(features[piece].sum(dtype=np.float64) for piece in pieces) / count
    squares = sum(((features[piece] - mean) ** 2).sum() for piece in pieces)
    return float(mean), float(np.sqrt(squares / count))


def _fit(dataset: Dataset, rows: Array, how: How) -> Scaling:
    values = dataset.features[rows].astype(np.float64)
    values[:, np.isnan(values).all(axis=0)] = 0.0  # nothing seen in training: fill with 0
    mean = np.nanmean(values, axis=0)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    shift, scale = _affine(how, low, high, mean, np.nanstd(values, axis=0))
    if dataset.numeric is not None:
        shift, scale = np.where(dataset.numeric, (shift, scale), [[0.0], [1.0]])
    missing = bool(np.isnan(dataset.features).any())
    return Scaling(
        shift.astype(np.float32),
        scale.astype(np.float32),
        mean.astype(np.float32) if missing else None,
    )


def _affine(how: How, low: Array, high: Array, mean: Array, sd: Array) -> tuple[Array, Array]:
    """Return shift and scale, float64 [columns], from each column's summary."""
    if how == "none":
        return np.zeros_like(low), np.ones_like(low)
    if how == "unit":
        shift, spread = low, high - low
    elif how == "symmetric":
        shift, spread = (low + high) / 2, (high - low) / 2
    else:
        shift, spread = mean, sd
    # Low and high tell a constant column exactly; its computed standard deviation may be 1e-17.
    constant = (low == high) | (spread <= np.finfo(np.float32).tiny)
    return np.where(constant, low, shift), 1.0 / np.where(constant, 1.0, spread)

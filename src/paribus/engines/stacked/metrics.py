"""Metrics of stacks, per member: sums over batches, kept on the device, and what they make.

Classes are counted in whole numbers, and so is calibration: no order of adding changes such a sum,
so that it cannot depend on the rest of the stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from paribus.engines.stacked.losses import hits, log_losses, squared_errors

MOST_CLASSES = 100
"""Of a confusion matrix that is kept: with more classes each has its recall alone."""

_BINS = 15
_ONE = 2**24  # a confidence of 1 as a whole number: fp32 has no finer steps from 0.5 to 1

Sums = Mapping[str, Tensor]
"""Sums over the rows of a batch by name, [member, …]."""


@dataclass(frozen=True)
class Pass:
    """What came of one batch: sample losses [member, batch], outputs, targets."""

    losses: Tensor
    outputs: Tensor
    targets: Tensor


class Totals:
    """Sums over batches for every member, kept on the device until they are asked for."""

    def __init__(self) -> None:
        self.rows = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, sums: Sums, rows: int) -> None:
        """Add what a batch of so many rows came to."""
        self.rows += rows
        for name, value in sums.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value

    def numbers(self) -> dict[str, np.ndarray]:
        """Return the sums by name, [member, …]; this waits for the device."""
        return {name: value.cpu().numpy() for name, value in self._sums.items()}


def training_sums(batch: Pass, classify: bool) -> Sums:
    """Return what a training batch is summed up by: its loss, and hits or squared errors."""
    found = {"loss": batch.losses.double().sum(1)}
    if classify:
        found["hits"] = hits(batch.outputs, batch.targets)
    else:
        found["squares"] = squared_errors(batch.outputs, batch.targets).double()
    return found


def evaluation_sums(batch: Pass, loss: str, classify: bool) -> Sums:
    """Return what a tested batch is summed up by; `loss` names its sample losses."""
    if not classify:
        errors = batch.outputs.squeeze(-1) - batch.targets
        return {**training_sums(batch, classify), "errors": errors.abs().double().sum(1)}
    losses, outputs, targets = batch.losses, batch.outputs, batch.targets
    if loss != "cross-entropy":
        losses = log_losses(outputs, targets)
    predicted = outputs.argmax(-1)
    right = (predicted == targets).long()
    found = {
        "loss": batch.losses.double().sum(1),
        "hits": right.sum(1),
        "log_loss": losses.double().sum(1),
        "gaps": _gaps(outputs, predicted, right),
    }
    classes = outputs.shape[-1]
    if classes <= MOST_CLASSES:
        found["confusion"] = _added(targets * classes + predicted, classes**2)
    else:
        found["actual"] = _added(targets, classes)
        found["predicted"] = _added(predicted, classes)
        found["right"] = _added(targets, classes, right)
    return found


def _added(places: Tensor, size: int, values: Tensor | None = None) -> Tensor:
    """Return whole `values` (else ones) [member, batch] added up by place, [member, size]."""
    values = torch.ones_like(places) if values is None else values
    return values.new_zeros(len(places), size).scatter_add_(1, places, values)


def _gaps(outputs: Tensor, predicted: Tensor, right: Tensor) -> Tensor:
    """Return hits less confidence, in units of 1/_ONE, by bin of confidence: [member, bin]."""
    shares = torch.softmax(outputs, -1).gather(-1, predicted.unsqueeze(-1)).squeeze(-1)
    confidence = (shares * _ONE).round().long()
    # Bins are open below and closed above: (0, 1/15], (1/15, 2/15], …
    bins = ((confidence * _BINS - 1) // _ONE).clamp(0, _BINS - 1)
    return _added(bins, _BINS, right * _ONE - confidence)


def metrics_of(
    part: str, totals: Totals, target_unit: np.ndarray, spread: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the metrics of a part of the data, [member] each.

    Numeric targets: `target_unit` [member] turns errors into the target's unit; `spread` [member]
    is the sum of squared deviations of the part's targets. Balanced accuracy is the mean recall of
    the classes that have rows; macro F1 the mean over those and the predicted ones; the expected
    calibration error (ECE; Guo et al., 2017) has 15 bins of equal width.
    """
    held, rows = totals.numbers(), totals.rows
    found = {"loss": held["loss"] / rows}
    if "hits" in held:
        found["accuracy"] = held["hits"] / rows
    if "squares" in held:
        found["rmse"] = np.sqrt(held["squares"] / rows) * target_unit
        found["r2"] = 1 - held["squares"] / np.where(spread > 0, spread, np.nan)
    if "errors" in held:
        found["mae"] = held["errors"] / rows * target_unit
    if "gaps" in held:
        right, predicted, actual = _per_class(held)
        found["balanced_accuracy"] = _mean_share(right, actual)
        found["macro_f1"] = _mean_share(2 * right, actual + predicted)
        found["log_loss"] = held["log_loss"] / rows
        found["ece"] = np.abs(held["gaps"]).sum(1) / (rows * _ONE)
    return {f"{part}_{name}": values for name, values in found.items()}


def tables_of(part: str, totals: Totals) -> dict[str, np.ndarray]:
    """Return what a test found class by class: recall [member, class], nan for a class of no rows.

    For up to `MOST_CLASSES` classes the confusion matrix too: rows [member, class, predicted].
    """
    held = totals.numbers()
    if "gaps" not in held:
        return {}
    right, _, actual = _per_class(held)
    found = {f"{part}_recall": right / np.where(actual, actual, np.nan)}
    if "confusion" in held:
        found[f"{part}_confusion"] = held["confusion"].reshape(len(right), *2 * right.shape[1:])
    return found


def _per_class(held: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows that are right, predicted and there, [member, class] each."""
    if "confusion" not in held:
        return held["right"], held["predicted"], held["actual"]
    classes = int(np.sqrt(held["confusion"].shape[1]))
    matrix = held["confusion"].reshape(-1, classes, classes)
    return matrix.diagonal(axis1=1, axis2=2), matrix.sum(1), matrix.sum(2)


def _mean_share(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """Return the mean of parts/wholes [member, class] over the classes whose whole is not 0."""
    there = wholes > 0
    shares = np.divide(parts, wholes, out=np.zeros(parts.shape), where=there)
    mean: np.ndarray = shares.sum(1) / there.sum(1)
    return mean

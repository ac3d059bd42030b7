"""The outcomes a study can be judged by, how each is compared, and how it is shown to people."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """A final metric of a run: its label, its unit and the direction that is better.

    `scale` turns the stored value into the shown one (accuracy is stored as a share and shown in
    per cent); `unit` names shown values and `difference_unit` shown differences. Amounts above zero
    that are compared as ratios have differences of natural logarithms, which are stored so and
    shown as the ratio; their margin of 0.05 is 5 %, from 1/1.05 to 1.05.
    """

    name: str
    label: str
    higher_is_better: bool
    scale: float = 1.0
    decimals: int = 4
    unit: str = ""
    difference_unit: str = ""
    task: Literal["classification", "regression"] | None = None  # that has it; None: both
    ratio: bool = False  # compared as ratios: differences are of natural logarithms
    lane: Literal["quality", "clock", "surface"] = "quality"

    @property
    def part(self) -> str:
        """The rows it is measured on: test, validation or train; empty for what has none."""
        found = self.name.partition("_")[0]
        return found if self.lane == "quality" and found in _PARTS else ""

    @property
    def of_gradients(self) -> bool:
        """Whether it is of `train.measure_gradients`."""
        return self.name in _GRADIENTS

    def comparable(self, value: float) -> float:
        """Return a stored value as it is subtracted from others; nan where a ratio has none."""
        if not self.ratio:
            return value
        return math.log(value) if 0 < value < math.inf else math.nan

    def bound(self, margin: float) -> float:
        """Return the difference of comparable values that a margin stands for."""
        return math.log1p(margin) if self.ratio else margin

    def shown_difference(self, value: float) -> float:
        """Return a stored difference, or a bound of one, as the number that is shown."""
        if not self.ratio:
            return value * self.scale
        return math.exp(value) if not value > _LARGEST_LOG else math.inf

    def show(self, value: float) -> str:
        """Return a stored value as people read it, without its unit."""
        if self.ratio:
            return _three_digits(value * self.scale)
        return f"{value * self.scale:.{self._decimals(value)}f}"

    def _decimals(self, value: float) -> int:
        """Return with how many decimals a stored value is shown: fewer where it is large."""
        shown = abs(value * self.scale)
        digits = len(f"{shown:.0f}") if shown < _LARGEST_IN_FULL else 0
        return min(self.decimals, max(0, _DIGITS - digits)) if digits else self.decimals

    def show_difference(self, value: float) -> str:
        """Return a stored difference with its sign, without its unit."""
        if self.ratio:
            return f"×{self.show_bound(value)}"
        return f"{value * self.scale:+.{self._decimals(value)}f}"

    def show_bound(self, value: float) -> str:
        """Return a bound of a stored difference, without a sign and without its unit."""
        if not self.ratio:
            return self.show(value)
        ratio = self.shown_difference(value)
        return f"{ratio:.3f}" if 0.9 <= ratio < 1.1 else _three_digits(ratio)

    def show_size(self, value: float) -> str:
        """Return how large a stored difference is, as a margin is shown, without its unit."""
        if self.ratio:
            return f"{100 * (self.shown_difference(abs(value)) - 1):.3g}"
        return self.show(value)

    @property
    def size_unit(self) -> str:
        """The unit of sizes and of margins."""
        return "%" if self.ratio else self.difference_unit

    def show_margin(self, value: float) -> str:
        """Return a stored margin in its shortest form, with its unit."""
        if self.ratio:
            return f"{100 * value:g} %"
        shown = f"{value * self.scale:g}"
        unit = self.difference_unit.removesuffix("s") if shown == "1" else self.difference_unit
        return f"{shown} {unit}".rstrip()


_PARTS = ("test", "validation", "train")
_DIGITS = 6  # that are shown of a large value, of a target in the hundreds of thousands say
_LARGEST_IN_FULL = 1e15
_LARGEST_LOG = 700.0  # of a float, nearly


def _three_digits(value: float) -> str:
    """Return a number with three significant digits, in full between a millionth and a million."""
    if not value or not math.isfinite(value) or not 1e-6 <= abs(value) < 1e6:
        return f"{value:.3g}"
    exponent = int(f"{value:.2e}".partition("e")[2])
    return f"{value:.{max(0, 2 - exponent)}f}"


def _share(name: str, label: str, higher_is_better: bool = True) -> Outcome:
    return Outcome(name, label, higher_is_better, 100.0, 2, "%", "points", "classification")


def _trained(part: str) -> tuple[Outcome, ...]:
    return (
        _share(f"{part}_accuracy", f"{part} accuracy"),
        Outcome(f"{part}_loss", f"{part} loss", False),
        Outcome(f"{part}_rmse", f"{part} RMSE", False, task="regression"),
        Outcome(f"{part}_r2", f"{part} R²", True, task="regression"),
    )


def _tested(part: str) -> tuple[Outcome, ...]:
    return (
        *_trained(part),
        _share(f"{part}_balanced_accuracy", f"{part} balanced accuracy"),
        _share(f"{part}_macro_f1", f"{part} macro F1"),
        Outcome(f"{part}_log_loss", f"{part} log loss", False, task="classification"),
        _share(f"{part}_ece", f"{part} calibration error (ECE)", higher_is_better=False),
        Outcome(f"{part}_mae", f"{part} MAE", False, task="regression"),
    )


def _clock(
    name: str, label: str, unit: str = "s", scale: float = 1.0, higher_is_better: bool = False
) -> Outcome:
    return Outcome(name, label, higher_is_better, scale, unit=unit, ratio=True, lane="clock")


_CLOCK = (
    _clock("train_seconds", "training time"),
    _clock("seconds_per_epoch", "time per epoch"),
    _clock("fastest_epoch_seconds", "time of the fastest epoch"),
    _clock("first_epoch_seconds", "time of the first epoch"),
    _clock("inference_seconds", "time to predict the test rows"),
    _clock("samples_per_second", "samples per second", "", higher_is_better=True),
    _clock("peak_memory", "peak memory of the process", "MB", 1e-6),
    _clock("peak_gpu_memory", "peak memory on the GPU", "MB", 1e-6),
    _clock("energy", "energy", "J"),
)

_SURFACE = (
    Outcome("excess", "value above the minimum", False, lane="surface"),
    Outcome(
        "steps_to_minimum",
        "steps to a global minimum",
        False,
        decimals=1,
        unit="steps",
        difference_unit="steps",
        lane="surface",
    ),
)
"""Of walks on a surface: the value at the end above that of the global minimum, and the first step
within 0.25 of one, which is the number of all steps where there is none."""

_GRADIENTS = {
    outcome.name: outcome
    for outcome in (
        Outcome("gradient_ratio", "gradient of the first layer over the last", True, ratio=True),
        Outcome("inactive_share", "share of inactive units", False, 100.0, 2, "%", "points"),
        Outcome("gradient_noise", "gradient noise scale", False, unit="rows", ratio=True),
    )
}
"""Of vanishing gradients, of saturated or dead units, and of the batch size up to which larger
batches pay (McCandlish et al., 2018): of the last, neither more nor less is better by itself."""

OUTCOMES: dict[str, Outcome] = {
    outcome.name: outcome
    for outcome in (
        *_tested("test"),
        *_tested("validation"),
        *_trained("train"),
        *_CLOCK,
        *_SURFACE,
        *_GRADIENTS.values(),
    )
}

BY_EPOCH: dict[str, Outcome] = {
    outcome.name: outcome
    for outcome in (
        _clock("epoch_seconds", "time of each epoch"),
        _clock("rss", "memory of the process", "MB", 1e-6),
        _clock("gpu_allocated", "GPU memory allocated", "MB", 1e-6),
        _clock("gpu_reserved", "GPU memory reserved", "MB", 1e-6),
        _clock("gpu_peak", "GPU memory at its peak", "MB", 1e-6),
    )
}
"""What is recorded of every epoch that is timed, besides the training loss."""

"""The outcomes a study can be judged by, and how each is shown to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """A final metric of a run: its label, its unit and the direction that is better.

    `scale` turns the stored value into the shown one (accuracy is stored as a share and shown in
    per cent); `unit` names shown values and `difference_unit` shown differences.
    """

    name: str
    label: str
    higher_is_better: bool
    scale: float = 1.0
    decimals: int = 4
    unit: str = ""
    difference_unit: str = ""
    task: Literal["classification", "regression"] | None = None  # that has it; None: both

    def show(self, value: float) -> str:
        """Return a stored value as people read it, without its unit."""
        return f"{value * self.scale:.{self.decimals}f}"

    def show_difference(self, value: float) -> str:
        """Return a stored difference with its sign, without its unit."""
        return f"{value * self.scale:+.{self.decimals}f}"

    def show_margin(self, value: float) -> str:
        """Return a stored margin in its shortest form, with its unit."""
        shown = f"{value * self.scale:g}"
        unit = self.difference_unit.removesuffix("s") if shown == "1" else self.difference_unit
        return f"{shown} {unit}".rstrip()


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


OUTCOMES: dict[str, Outcome] = {
    outcome.name: outcome
    for outcome in (*_tested("test"), *_tested("validation"), *_trained("train"))
}

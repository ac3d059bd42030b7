"""The outcomes a study can be judged by, and how each is shown to people."""

from __future__ import annotations

from dataclasses import dataclass


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


def _accuracy(part: str) -> Outcome:
    return Outcome(f"{part}_accuracy", f"{part} accuracy", True, 100.0, 2, "%", "points")


OUTCOMES: dict[str, Outcome] = {
    outcome.name: outcome
    for part in ("test", "validation", "train")
    for outcome in (
        _accuracy(part),
        Outcome(f"{part}_loss", f"{part} loss", False),
        Outcome(f"{part}_rmse", f"{part} RMSE", False),
        Outcome(f"{part}_r2", f"{part} R²", True),
    )
}

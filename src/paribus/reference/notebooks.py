"""What the reference notebooks printed and concluded, read from `notebooks.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from paribus.errors import InputError


@dataclass(frozen=True)
class Figure:
    """A number that a notebook printed, and where the same number of our runs is to be found.

    With an `epoch` it is a point of a curve, with a `step` too one that was logged within the
    epoch; `running` is the mean since the start of the epoch. Else it is a final metric.
    """

    series: str  # what was printed: "mean training loss, run 1"
    place: str  # which of them: "epoch 1", or an arm
    study: str
    arm: str
    metric: str
    printed: str  # with the decimals that were printed
    percent: bool = False
    epoch: int | None = None
    step: int | None = None
    running: bool = False

    @property
    def what(self) -> str:
        """The figure in words."""
        return f"{self.series}, {self.place}"

    @property
    def value(self) -> float:
        """The number as a store has it: accuracies are shares."""
        return float(self.printed) / (100 if self.percent else 1)

    @property
    def rounding(self) -> float:
        """Half a unit of the last decimal that was printed."""
        decimals = len(self.printed.partition(".")[2])
        return 0.5 * 0.1**decimals / (100 if self.percent else 1)


@dataclass(frozen=True)
class Comparison:
    """Pairs of arms of a study, by the condition that both share."""

    study: str
    pairs: Mapping[str, tuple[str, str]]  # condition -> arm, baseline


@dataclass(frozen=True)
class Claim:
    """What a notebook concluded, and the comparisons that can tell whether it holds.

    `said` is the verdict that the claim stands for. Without pairs the study's own answer is told.
    """

    text: str
    said: str
    written: Comparison | None
    corrected: Comparison


@dataclass(frozen=True)
class Timing:
    """Seconds that a notebook printed for a loop that loaded batches and never ran its model.

    `study` times the training that was meant.
    """

    study: str
    epochs: int
    batch_size: int
    printed: Mapping[str, str]  # device -> seconds


@dataclass(frozen=True)
class Notebook:
    """One notebook: studies as it was written and corrected (name -> overrides), and its words."""

    letter: str
    topic: str
    mistakes: str
    written: Mapping[str, Mapping[str, Any]]
    corrected: Mapping[str, Mapping[str, Any]]
    figures: tuple[Figure, ...]
    claims: tuple[Claim, ...]
    clock: tuple[str, ...]  # studies that time things, which are run by themselves
    timing: Timing | None
    unmeasured: Mapping[str, str]  # what else it printed -> why it is not measured here


@cache
def notebooks() -> Mapping[str, Notebook]:
    """Return the notebooks by their letters."""
    text = (resources.files("paribus") / "reference" / "notebooks.yaml").read_text("utf-8")
    return {letter: _notebook(letter, about) for letter, about in yaml.safe_load(text).items()}


def chosen(letters: Sequence[str]) -> list[Notebook]:
    """Return the notebooks of some letters, or all; InputError for one that there is not."""
    known = notebooks()
    wanted = list(dict.fromkeys(letter.upper() for letter in letters)) or list(known)
    for letter in wanted:
        if letter not in known:
            raise InputError(f"there is no notebook {letter}; there are {', '.join(known)}")
    return [known[letter] for letter in wanted]


def _notebook(letter: str, about: Mapping[str, Any]) -> Notebook:
    return Notebook(
        letter,
        about["topic"],
        about["mistakes"],
        about.get("written", {}),
        about.get("corrected", {}),
        tuple(figure for series in about.get("printed", ()) for figure in _figures(series)),
        tuple(_claim(one) for one in about["claims"]),
        tuple(about.get("clock", ())),
        Timing(**about["timing"]) if "timing" in about else None,
        about.get("unmeasured", {}),
    )


def _figures(series: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield the figures of one series: of several arms, of epochs, or of logged steps."""
    what, study, metric = series["what"], series["study"], series["metric"]
    percent, running = series.get("percent", False), series.get("running", False)
    if "by_arm" in series:
        for name, printed in series["by_arm"].items():
            arm = name + series.get("arms_end", "")
            yield Figure(what, name, study, arm, metric, printed, percent)
        return
    epochs, steps = _counted(series.get("epochs")), _counted(series.get("steps"))
    places = [(epoch, step) for epoch in epochs for step in steps]
    arm = series["arm"]
    for (epoch, step), printed in zip(places, str(series["values"]).split(), strict=True):
        place = f"epoch {epoch}" if len(epochs) > 1 else f"step {step}"
        yield Figure(what, place, study, arm, metric, printed, percent, epoch, step, running)


def _counted(given: Any) -> list[int | None]:
    """Return the numbers of '1-26', of one number or of a list; [None] for nothing."""
    if given is None:
        return [None]
    if isinstance(given, str):
        first, _, last = given.partition("-")
        return list(range(int(first), int(last) + 1))
    return [given] if isinstance(given, int) else list(given)


def _claim(about: Mapping[str, Any]) -> Claim:
    over = about.get("over", [""])
    written = about.get("written")
    return Claim(
        about["claim"],
        about.get("said", ""),
        _comparison(written, over) if written else None,
        _comparison(about["corrected"], over),
    )


def _comparison(about: Mapping[str, Any], over: Sequence[str]) -> Comparison:
    if "arm" not in about:
        return Comparison(about["in"], {})
    return Comparison(
        about["in"],
        {one: (about["arm"].format(one), about["against"].format(one)) for one in over},
    )

"""Colours, shapes and plain words that every kind of report shares.

Hues follow Okabe and Ito's colour-blind-safe set; each also has a dash and a shape, so that a
black-and-white print says the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from paribus.stats.verdicts import Verdict

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's set without yellow, which white paper swallows."""

DASHES = ([1, 0], [6, 3], [2, 2], [10, 3, 2, 3], [10, 4], [4, 2, 1, 2, 1, 2], [1, 3])
"""One dash per colour, in the same order."""

SHAPES = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "triangle-down",
    "cross",
    "triangle-right",
)
"""One point shape per colour, in the same order."""


@dataclass(frozen=True)
class VerdictStyle:
    """How a verdict looks, and what it means.

    `colour` is dark enough for white text on it, or for it on white (contrast above 4.5 to 1).
    """

    colour: str
    shape: str
    terminal: str
    meaning: str


VERDICTS: dict[Verdict, VerdictStyle] = {
    "better": VerdictStyle(
        "#00704F",
        "triangle-up",
        "bold green",
        "The arm beats its baseline by more than chance explains, on these seeds and this data. "
        "The word says nothing about how much: read the interval.",
    ),
    "worse": VerdictStyle(
        "#B34700",
        "triangle-down",
        "bold red",
        "The baseline beats the arm by more than chance explains. It may still be the other way "
        "round with other settings of what is held equal.",
    ),
    "equivalent": VerdictStyle(
        "#005F94",
        "square",
        "bold cyan",
        "The difference was shown to be smaller than the margin. This does not say that the arms "
        "are identical, only that what is left was declared too small to matter.",
    ),
    "inconclusive": VerdictStyle(
        "#5A5F66",
        "circle",
        "yellow",
        "Neither a difference nor equivalence was shown. This is not evidence of no difference: "
        "it takes more seeds to tell.",
    ),
    "pilot": VerdictStyle(
        "#8A3D73",
        "diamond",
        "magenta",
        "Too few paired seeds for any verdict. The figures are a first impression only.",
    ),
    "not comparable": VerdictStyle(
        "#3F3F3F",
        "cross",
        "dim",
        "No seed has a finished run of both arms: runs diverged, failed or are missing.",
    ),
}

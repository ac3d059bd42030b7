"""What a study can be expected to show: before it is run, from a pilot or from a guess."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paribus.errors import InputError
from paribus.judging import paired_differences, testable_margin
from paribus.stats.power import (
    detectable,
    equivalence_power,
    pilot_sd_interval,
    power,
    seeds_to_decide,
)
from paribus.stats.verdicts import ALPHA
from paribus.store.store import StoredRun
from paribus.study.outcomes import OUTCOMES

_FEWEST = 3  # seeds of a pilot


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a contrast's paired differences, and what follows from it.

    Differences of natural logarithms where the outcome is compared as a ratio.
    Each claim at 5 % over the number of contrasts: the first and hardest step of Holm's method.
    """

    contrast: str
    sd: float
    low: float  # 95 % interval of a pilot's; nan for a guess
    high: float
    pilot: int  # seeds that it was seen in; 0 for a guess
    detectable: float  # difference that is found with 80 % power
    power: float  # to find a difference as large as the margin; nan without one
    equivalence_power: float  # to show equivalence where there is no difference; likewise
    seeds: int | None  # that have 80 % power for both


@dataclass(frozen=True)
class Prospect:
    """What so many seeds can show of each contrast, the least spread first."""

    seeds: int
    contrasts: int
    spreads: tuple[Spread, ...]


def prospect(
    content: Mapping[str, Any], runs: Sequence[StoredRun], guess: float | None = None
) -> Prospect:
    """Return what a declared study can show, by the spread that its finished runs have.

    At least three seeds of a contrast make a pilot; `guess` stands for the spread of all contrasts
    instead. InputError for a guess that is not above zero.
    """
    if guess is not None and not 0 < guess < math.inf:
        raise InputError(f"--sd must be a number above 0 (got {guess:g})")
    asked, seeds = content["contrasts"], content["seeds"]
    margin = testable_margin(content)
    margin = margin and OUTCOMES[content["outcome"]].bound(margin)
    alpha, overlap = ALPHA / max(1, len(asked)), float(content.get("overlap", 0.0))

    def spread(contrast: str, sd: float, pilot: int) -> Spread:
        low, high = pilot_sd_interval(sd, pilot)
        nan, needed = math.nan, None
        if margin:
            needed = seeds_to_decide(sd, margin, alpha, overlap)
        return Spread(
            contrast,
            sd,
            low,
            high,
            pilot,
            detectable(seeds, sd, alpha, overlap=overlap),
            power(seeds, sd, margin, alpha, overlap) if margin else nan,
            equivalence_power(seeds, sd, margin, alpha, overlap=overlap) if margin else nan,
            needed,
        )

    if guess is not None:
        return Prospect(seeds, len(asked), (spread("every contrast", guess, 0),) if asked else ())
    found = []
    for one, differences in zip(asked, paired_differences(content, runs), strict=True):
        values = np.array(list(differences.values()))
        if len(values) < _FEWEST:
            continue
        sd = float(values.std(ddof=1))
        if sd > 1e-9 * np.max(np.abs(values)):  # more than rounding
            name = f"{one['varies']}, {one['condition']}".removesuffix(", ")
            found.append(spread(name, sd, len(values)))
    return Prospect(seeds, len(asked), tuple(sorted(found, key=lambda one: one.sd)))

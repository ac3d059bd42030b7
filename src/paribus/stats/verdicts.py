"""The four verdicts on paired differences, and the rule that gives them.

A contrast compares two arms within blocks: the differences `arm - baseline`, one per seed.
Student's t gives the interval and the p-value, an exact sign-flip test stands beside it, two
one-sided t-tests show equivalence within the margin, and Holm's method keeps the family-wise
error of each kind of claim over all contrasts of one question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paribus.stats.paired import Paired, holm, paired, sign_flips, tost
from paribus.stats.power import seeds_needed

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "pilot", "not comparable"]

ALPHA = 0.05
FEWEST_SEEDS = 6
"""Below this many paired seeds there is no verdict, only a pilot."""


@dataclass(frozen=True)
class Judged:
    """The verdict on one contrast, with the p-values it rests on."""

    paired: Paired
    p_adjusted: float  # Holm over the question's contrasts
    p_equivalence: float  # TOST, Holm over the question's contrasts; nan without a margin
    verdict: Verdict
    seeds_needed: int | None  # where inconclusive: for 80 % power to show one margin


def judge(
    differences: Sequence[np.ndarray],
    margin: float | None,
    higher_is_better: bool,
    resolution: float = 0.0,
) -> list[Judged]:
    """Judge all contrasts of one question together.

    Each contrast is an array of paired differences [n], missing pairs left out. The rule, at a
    family-wise 5 % for each kind of claim: `equivalent` where TOST shows the mean difference to lie
    within the margin; else `better` or `worse` where the t-test shows it to differ from zero; else
    `inconclusive`. Fewer than 6 pairs are a `pilot`, none at all `not comparable`.

    All contrasts count in the correction, those without enough pairs too: it must not grow milder
    because runs are missing. `resolution` is the smallest step of the outcome (one test row): no
    equivalence is shown within a smaller margin, because differences that round to nothing would
    seem to show it.
    """
    flips = sign_flips(differences)
    found = [paired(d, flip) for d, flip in zip(differences, flips, strict=True)]
    enough = [one.n >= FEWEST_SEEDS for one in found]
    testable = margin is not None and margin >= resolution

    def corrected(values: Iterable[float]) -> list[float]:
        adjusted = holm(np.array([v if ok else 1.0 for v, ok in zip(values, enough, strict=True)]))
        return [float(v) if ok else math.nan for v, ok in zip(adjusted, enough, strict=True)]

    p = corrected(one.p for one in found)
    p_same = [math.nan] * len(found)
    if margin is not None and testable:
        p_same = corrected(tost(d, margin) for d in differences)
    family = max(1, len(found))
    judged = []
    for d, one, p_adjusted, p_equivalence in zip(differences, found, p, p_same, strict=True):
        verdict = _verdict(one, p_adjusted, p_equivalence, higher_is_better)
        needed = None
        if verdict == "inconclusive" and margin is not None:
            needed = seeds_needed(float(np.std(d, ddof=1)), margin, ALPHA / family)
            needed = max(needed, one.n + 1) if needed else None
        judged.append(Judged(one, p_adjusted, p_equivalence, verdict, needed))
    return judged


def _verdict(
    one: Paired, p_adjusted: float, p_equivalence: float, higher_is_better: bool
) -> Verdict:
    if one.n == 0:
        return "not comparable"
    if one.n < FEWEST_SEEDS:
        return "pilot"
    if p_equivalence < ALPHA:
        return "equivalent"
    if p_adjusted < ALPHA:
        return "better" if (one.difference > 0) == higher_is_better else "worse"
    return "inconclusive"

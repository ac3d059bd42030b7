"""The four verdicts on paired differences, and the rule that gives them.

A contrast compares two arms within blocks: the differences `arm - baseline`, one per seed.
Student's t gives the interval and the p-value, an exact sign-flip test stands beside it, two
one-sided t-tests show equivalence within the margin, and Holm's method keeps the family-wise
error of each kind of claim over all contrasts of one question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paribus.stats.paired import Paired, holm, paired, seeds_needed, tost

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
    differences: Sequence[np.ndarray], margin: float | None, higher_is_better: bool
) -> list[Judged]:
    """Judge all contrasts of one question together.

    Each contrast is an array of paired differences [n], missing pairs left out. The rule, at a
    family-wise 5 % for each kind of claim: `equivalent` where TOST shows the mean difference to lie
    within the margin; else `better` or `worse` where the t-test shows it to differ from zero; else
    `inconclusive`. Fewer than 6 pairs are a `pilot`, none at all `not comparable`.
    """
    found = [paired(d) for d in differences]
    enough = [one.n >= FEWEST_SEEDS for one in found]
    p = holm(np.array([one.p if ok else math.nan for one, ok in zip(found, enough, strict=True)]))
    p_same = holm(
        np.array(
            [
                tost(d, margin) if ok and margin is not None else math.nan
                for d, ok in zip(differences, enough, strict=True)
            ]
        )
    )
    family = max(1, sum(enough))
    judged = []
    for d, one, p_adjusted, p_equivalence in zip(differences, found, p, p_same, strict=True):
        verdict = _verdict(one, float(p_adjusted), float(p_equivalence), higher_is_better)
        needed = None
        if verdict == "inconclusive" and margin is not None:
            needed = seeds_needed(float(np.std(d, ddof=1)), margin, ALPHA / family)
            needed = max(needed, one.n + 1) if needed else None
        judged.append(Judged(one, float(p_adjusted), float(p_equivalence), verdict, needed))
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

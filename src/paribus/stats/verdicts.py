"""The four verdicts on paired differences, and the rule that gives them.

A contrast compares two arms within blocks: the differences `arm - baseline`, one per seed.
Student's t gives the interval and the p-value, an exact sign-flip test stands beside it, two
one-sided t-tests show equivalence within the margin, and Holm's method keeps the family-wise
error of each kind of claim over all contrasts of one question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from paribus.stats.paired import Paired, holm, paired, sign_flips, tost
from paribus.stats.power import seeds_to_decide
from paribus.stats.sequential import Decision, Shape, decide, levels, repeated_interval
from paribus.stats.unpaired import Unpaired, equivalence, welch

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "pilot", "not comparable"]

ALPHA = 0.05
SPENDING: Shape = "pocock"
"""How planned looks spend their error: evenly, so that what is plain is decided early. O'Brien and
Fleming's way keeps nearly all of it for the last look, and takes more runs to get there."""

FEWEST_SEEDS = 6
"""Below this many paired seeds there is no verdict, only a pilot."""


EXTENSION = ALPHA / 4
"""Family-wise error of the first look after one that had spent all of ALPHA; half as much for each
look after that. All looks together keep 1.5 times ALPHA, by the sum of their errors."""


@dataclass(frozen=True)
class Looks:
    """The numbers of seeds after which a study is judged, in increasing order.

    Looks that were `planned` share one error of 5 % (see `sequential`). Others came about one by
    one: the first spent 5 %, and each that followed has a smaller error of its own.
    """

    seeds: tuple[int, ...]
    planned: bool = False

    def own_error(self, look: int) -> float:
        """Return the family-wise error of a look that was not planned."""
        return ALPHA if look == 0 else EXTENSION / 2 ** (look - 1)


@dataclass(frozen=True)
class Look:
    """What one contrast looked like after so many seeds; p-values and intervals are its own."""

    seeds: int
    paired: Paired  # with the interval that holds at this look
    level: float  # that p must not exceed to be better or worse
    p_equivalence: float  # nan without a margin
    level_equivalence: float


@dataclass(frozen=True)
class Judged:
    """The verdict on one contrast, with the p-values it rests on."""

    paired: Paired
    p_adjusted: float  # Holm over the question's contrasts; nan where looks were planned
    p_equivalence: float  # TOST, likewise; nan without a margin
    verdict: Verdict
    seeds_needed: int | None  # where inconclusive: that would decide it, see `seeds_to_decide`
    looks: tuple[Look, ...] = ()  # those taken, where there is more than one
    confidence: float = 0.95  # of the interval


@dataclass(frozen=True)
class JudgedUnpaired:
    """The verdict on two independent samples, with the p-values it rests on."""

    unpaired: Unpaired
    p_adjusted: float  # Holm over all that are judged together
    p_equivalence: float  # TOST, likewise; nan without a margin
    verdict: Verdict


def judge(
    differences: Sequence[np.ndarray],
    margin: float | None,
    higher_is_better: bool,
    resolution: float = 0.0,
    overlap: float = 0.0,
) -> list[Judged]:
    """Judge all contrasts of one question together.

    Each contrast is an array of paired differences [n], missing pairs left out. The rule, at a
    family-wise 5 % for each kind of claim: `equivalent` where TOST shows the mean difference to lie
    within the margin; else `better` or `worse` where the t-test shows it to differ from zero; else
    `inconclusive`. Fewer than 6 pairs are a `pilot`, none at all `not comparable`.

    All contrasts count in the correction, those without enough pairs too: it must not grow milder
    because runs are missing. `resolution` is the smallest step of the outcome (one test row): no
    equivalence is shown within a smaller margin, because differences that round to nothing would
    seem to show it. `overlap` corrects for rows that the splits of the seeds share (see
    `stats.paired`); the sign-flip tests are nan then.
    """
    flips = [math.nan] * len(differences) if overlap else sign_flips(differences)
    found = [paired(d, flip, overlap) for d, flip in zip(differences, flips, strict=True)]
    enough = [one.n >= FEWEST_SEEDS for one in found]
    testable = margin is not None and margin >= resolution
    p = _corrected((one.p for one in found), enough)
    p_same = [math.nan] * len(found)
    if margin is not None and testable:
        p_same = _corrected((tost(d, margin, overlap) for d in differences), enough)
    # A study whose splits share rows gets no more seeds: what counts is a new one.
    error = ALPHA if overlap else EXTENSION
    judged = []
    for d, one, p_adjusted, p_equivalence in zip(differences, found, p, p_same, strict=True):
        verdict = _verdict(one.n, one.difference, p_adjusted, p_equivalence, higher_is_better)
        needed = None
        if verdict == "inconclusive" and margin is not None and testable:
            sd = float(np.std(d, ddof=1))
            needed = seeds_to_decide(sd, margin, error / len(found), overlap)
        judged.append(Judged(one, p_adjusted, p_equivalence, verdict, needed))
    return judged


def judge_unpaired(
    samples: Sequence[tuple[np.ndarray, np.ndarray]],
    margin: float | None,
    higher_is_better: bool,
    overlaps: tuple[float, float] = (0.0, 0.0),
) -> list[JudgedUnpaired]:
    """Judge what first samples have over second ones, all together, by the rule of `judge`.

    The samples are independent; the smaller of the two counts as the number of pairs does.
    """
    found = [welch(first, second, overlaps) for first, second in samples]
    enough = [one.fewest >= FEWEST_SEEDS for one in found]
    p = _corrected((one.p for one in found), enough)
    p_same = [math.nan] * len(found)
    if margin is not None:
        p_same = _corrected((equivalence(a, b, margin, overlaps) for a, b in samples), enough)
    return [
        JudgedUnpaired(
            one,
            p_adjusted,
            p_equivalence,
            _verdict(one.fewest, one.difference, p_adjusted, p_equivalence, higher_is_better),
        )
        for one, p_adjusted, p_equivalence in zip(found, p, p_same, strict=True)
    ]


def judge_in_looks(
    pairs: Sequence[Mapping[int, float]],
    taken: Sequence[int],
    looks: Looks,
    margin: float | None,
    higher_is_better: bool,
    resolution: float = 0.0,
) -> list[Judged]:
    """Judge contrasts that were looked at several times, each until it was decided.

    `pairs` maps the seeds of each contrast (counted from 0) to their paired differences, missing
    ones left out; `taken` is the number of looks that its runs are complete for. A contrast keeps
    the verdict of the look that decided it, and its numbers are those of that look. Planned looks
    share one error (Holm within a group-sequential test); the interval is the repeated one at 95 %,
    each contrast by itself. Looks that were not planned are judged by Holm over what was not
    decided before, each with its own error, and the interval has one minus that error.
    """
    count = max(taken, default=0)
    testable = margin is not None and margin >= resolution
    at = [[_until(one, n) for one in pairs] for n in looks.seeds[:count]]
    seen = [[paired(d, flip) for d, flip in zip(row, sign_flips(row), strict=True)] for row in at]
    same = [[tost(d, margin) if margin and testable else math.nan for d in row] for row in at]

    def decided(values: list[list[float]], sides: int) -> list[list[Decision]]:
        """Return for every look what is decided by then."""
        p_values = [
            np.array(
                [
                    p if look < n and len(d) >= FEWEST_SEEDS else math.nan
                    for p, n, d in zip(values[look], taken, at[look], strict=True)
                ]
            )
            for look in range(count)
        ]
        if not looks.planned:
            return _one_by_one(p_values, looks)
        return [
            decide(p_values[: k + 1], looks.seeds, ALPHA, SPENDING, sides) for k in range(count)
        ]

    different = decided([[one.p for one in row] for row in seen], 2)
    alike = decided(same, 1)
    if looks.planned:
        widths = levels(looks.seeds, ALPHA, SPENDING).tolist()
    else:
        widths = [looks.own_error(look) for look in range(count)]

    def judged(i: int) -> Judged:
        if not taken[i]:
            return Judged(paired(np.empty(0)), math.nan, math.nan, "not comparable", None)
        last = taken[i] - 1
        ends = (alike[last][i].look, different[last][i].look)
        end = min((look for look in ends if look is not None), default=last)
        told = tuple(
            Look(
                looks.seeds[look],
                _with_interval(seen[look][i], at[look][i], widths[look]),
                different[look][i].level,
                same[look][i],
                alike[look][i].level,
            )
            for look in range(end + 1)
        )
        one = told[-1].paired
        p = 0.0 if ends[1] == end else 1.0
        p_same = 0.0 if ends[0] == end else 1.0
        verdict = _verdict(one.n, one.difference, p, p_same, higher_is_better)
        needed = None
        if verdict == "inconclusive" and margin and testable and not looks.planned:
            sd = float(np.std(at[end][i], ddof=1))
            needed = seeds_to_decide(sd, margin, looks.own_error(taken[i]) / len(pairs))
        confidence = 0.95 if looks.planned else 1 - widths[end]
        return Judged(one, math.nan, math.nan, verdict, needed, told, confidence)

    return [judged(i) for i in range(len(pairs))]


def _with_interval(one: Paired, differences: np.ndarray, level: float) -> Paired:
    if one.n < 2:
        return one
    low, high = repeated_interval(differences, level)
    return replace(one, low=low, high=high)


def _until(pairs: Mapping[int, float], seeds: int) -> np.ndarray:
    return np.array([d for block, d in sorted(pairs.items()) if block < seeds])


def _one_by_one(p_values: Sequence[np.ndarray], looks: Looks) -> list[list[Decision]]:
    """Decide by Holm at each look over what no look before it has rejected."""
    found: list[list[Decision]] = []
    rejected: dict[int, int] = {}
    for look, row in enumerate(p_values):
        error = looks.own_error(look)
        left = [i for i in range(len(row)) if i not in rejected]
        adjusted = holm(np.nan_to_num(row[left], nan=1.0))
        rejected |= {i: look for i, p in zip(left, adjusted, strict=True) if p < error}
        level = error / max(1, len(row) - len(rejected))
        found.append([Decision(rejected.get(i), level) for i in range(len(row))])
    return found


def _corrected(values: Iterable[float], enough: Sequence[bool]) -> list[float]:
    """Correct p-values by Holm; those of too few seeds count as 1, and are nan."""
    counted = [v if ok and not math.isnan(v) else 1.0 for v, ok in zip(values, enough, strict=True)]
    adjusted = holm(np.array(counted))
    return [float(v) if ok else math.nan for v, ok in zip(adjusted, enough, strict=True)]


def _verdict(
    n: int, difference: float, p_adjusted: float, p_equivalence: float, higher_is_better: bool
) -> Verdict:
    if n == 0:
        return "not comparable"
    if n < FEWEST_SEEDS:
        return "pilot"
    if p_equivalence < ALPHA:
        return "equivalent"
    if p_adjusted < ALPHA:
        return "better" if (difference > 0) == higher_is_better else "worse"
    return "inconclusive"

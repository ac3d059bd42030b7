"""The figures and conclusions of a notebook beside those of our runs of the same protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from paribus.findings import Analysis
from paribus.reference.notebooks import Claim, Comparison, Figure, Notebook
from paribus.stats.prediction import as_far_off, prediction_interval
from paribus.stats.verdicts import Judged, judge

Upheld = Literal["holds", "does not hold", "not decided"]


@dataclass(frozen=True)
class Ran:
    """A study that was run: its analysis, and the final metrics of its runs.

    `margin` is None where it is less than one row; `metrics` maps (arm, metric) to the value of
    each seed.
    """

    analysis: Analysis
    margin: float | None
    metrics: Mapping[tuple[str, str], Mapping[int, float]]


@dataclass(frozen=True)
class Compared:
    """A printed figure and what our runs gave in its place; nan where there are none."""

    figure: Figure
    n: int
    mean: float
    sd: float
    least: float
    most: float
    low: float  # 95 % prediction interval of one run
    high: float
    as_far_off: float  # share of runs that are as far from the mean, or further

    @property
    def inside(self) -> bool | None:
        """Whether the figure, as it was rounded, lies in the interval; None without one."""
        if math.isnan(self.low):
            return None
        own, half = self.figure.value, self.figure.rounding
        return self.low - half <= own <= self.high + half

    @property
    def deviation(self) -> float:
        """How many standard deviations of our runs the figure is from their mean."""
        return (self.figure.value - self.mean) / self.sd if self.sd > 0 else math.nan


@dataclass(frozen=True)
class Effect:
    """What one pair of arms differs by, as it was written or corrected."""

    condition: str
    judged: Judged


@dataclass(frozen=True)
class Judgement:
    """A claim beside the verdicts as it was written and corrected."""

    claim: Claim
    written: tuple[Effect, ...]
    corrected: tuple[Effect, ...]
    answer: str  # of the corrected study, where no pairs were named

    @property
    def upheld(self) -> Mapping[str, Upheld]:
        """Whether the claim holds under the corrected protocol, by condition."""
        return {one.condition: self._holds(one) for one in self.corrected}

    def _holds(self, one: Effect) -> Upheld:
        if one.judged.verdict == self.claim.said:
            return "holds"
        undecided = one.judged.verdict in ("inconclusive", "pilot", "not comparable")
        return "not decided" if undecided else "does not hold"


@dataclass(frozen=True)
class Timed:
    """What a loop that only loads takes here, and what training takes; nan where not measured.

    Seconds for all epochs that the notebook's timing had.
    """

    loading: float
    training: float
    why: str  # training could not be measured; empty where it was


@dataclass(frozen=True)
class Reproduction:
    """A notebook beside our runs: its figures, and what becomes of its conclusions.

    `changed` are settings that are not the notebook's.
    """

    notebook: Notebook
    ran: Mapping[str, Ran]
    figures: tuple[Compared, ...]
    judgements: tuple[Judgement, ...]
    changed: Mapping[str, Any]
    timed: Timed | None = None


def compare(figure: Figure, ran: Ran) -> Compared:
    """Return a figure beside the runs of its study; without runs where they did not get so far."""
    values = np.array(list(_values(figure, ran).values()), float)
    values = values[np.isfinite(values)]
    if not len(values):
        return Compared(figure, 0, *[math.nan] * 7)
    positive = figure.metric.endswith("loss")
    low, high = prediction_interval(values, positive=positive)
    if figure.metric.endswith("accuracy"):  # there is no more than all and no less than nothing
        low, high = max(low, 0.0), min(high, 1.0)
    sd = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return Compared(
        figure,
        len(values),
        float(values.mean()),
        sd,
        float(values.min()),
        float(values.max()),
        low,
        high,
        as_far_off(figure.value, values, positive=positive),
    )


def _values(figure: Figure, ran: Ran) -> Mapping[int, float]:
    """Return the value of each seed in place of a figure."""
    if figure.epoch is None:
        return ran.metrics.get((figure.arm, figure.metric), {})
    table = ran.analysis.curves if figure.step is None else ran.analysis.steps
    own = table[
        (table["arm"] == figure.arm)
        & (table["metric"] == figure.metric)
        & (table["epoch"] == figure.epoch)
    ]
    if figure.running:
        own = own[own["step"] <= figure.step]
        own = own.groupby("block").filter(lambda rows: rows["step"].max() == figure.step)
        return dict(own.groupby("block")["value"].mean())
    if figure.step is not None:
        own = own[own["step"] == figure.step]
    return dict(zip(own["block"], own["value"], strict=True))


def assess(claim: Claim, ran: Mapping[str, Ran]) -> Judgement | None:
    """Return what became of a claim, or None where the study that can tell was not run."""
    if claim.corrected.study not in ran:
        return None
    written = _effects(claim.written, ran) if claim.written else ()
    answer = ran[claim.corrected.study].analysis
    told = " ".join([answer.answer, *answer.remarks[:2]]) if not claim.corrected.pairs else ""
    return Judgement(claim, written, _effects(claim.corrected, ran), told)


def _effects(comparison: Comparison, ran: Mapping[str, Ran]) -> tuple[Effect, ...]:
    """Judge the pairs of a comparison together: they are the family of one claim."""
    if comparison.study not in ran:
        return ()
    analysis = ran[comparison.study].analysis
    arms = {arm.name: arm.values for arm in analysis.arms}
    differences = []
    for arm, baseline in comparison.pairs.values():
        ours, theirs = arms.get(arm, {}), arms.get(baseline, {})
        shared = sorted(ours.keys() & theirs.keys())
        differences.append(np.array([ours[block] - theirs[block] for block in shared]))
    outcome, margin = analysis.outcome, ran[comparison.study].margin
    bound = None if margin is None else outcome.bound(margin)
    found = judge(differences, bound, outcome.higher_is_better, overlap=analysis.overlap)
    return tuple(Effect(c, one) for c, one in zip(comparison.pairs, found, strict=True))

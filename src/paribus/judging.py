"""From the runs of a declared study to its arms, and to what each has over its baseline."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from paribus.findings import ArmSummary, Contrast, Floor
from paribus.models.outline import LayerSummary
from paribus.sensitivity import Arms, Contrasts
from paribus.stats.paired import mean_interval
from paribus.stats.verdicts import Judged, Looks, judge, judge_in_looks
from paribus.store.store import StoredRun
from paribus.study.outcomes import OUTCOMES, Outcome


def judge_study(
    content: Mapping[str, Any], runs: Sequence[StoredRun]
) -> tuple[list[Arms], list[Contrasts]]:
    """Return the arms and contrasts of a declared study, from those of its runs that there are.

    Where it tuned, its own come first, then those of each alternative.
    """
    tuned = content.get("tuning")
    arms, settled = summarise(content, runs)
    count = len(arms) // (1 + len(tuned["alternatives"]) if tuned else 1)
    starts = range(0, len(arms), count)
    sets = [arms[i : i + count] for i in starts]
    # An alternative gets no looks of its own: it is judged once, by all its runs.
    return sets, [
        _contrasts(content, own, settled[i : i + count], looks_of(content) if i == 0 else None)
        for i, own in zip(starts, sets, strict=True)
    ]


def undecided(content: Mapping[str, Any], runs: Sequence[StoredRun]) -> set[int]:
    """Return the arms, by index, of the contrasts that the runs of a study do not decide."""
    _, (contrasts, *_) = judge_study(content, runs)
    return {
        arm
        for asked, one in zip(content["contrasts"], contrasts, strict=True)
        if one.verdict in ("inconclusive", "pilot")
        for arm in (asked["arm"], asked["baseline"])
    }


def paired_differences(
    content: Mapping[str, Any], runs: Sequence[StoredRun]
) -> list[dict[int, float]]:
    """Return for every contrast what its arm has over its baseline, by seed.

    Differences of natural logarithms where the outcome is compared as a ratio.
    """
    arms, _ = summarise(content, runs)
    outcome = OUTCOMES[content["outcome"]]
    return [
        _differences(arms[one["arm"]], arms[one["baseline"]], outcome)
        for one in content["contrasts"]
    ]


def open_contrasts(content: Mapping[str, Any], runs: Sequence[StoredRun]) -> list[Contrast]:
    """Return the contrasts that more seeds might decide."""
    _, (contrasts, *_) = judge_study(content, runs)
    return [one for one in contrasts if one.verdict in ("inconclusive", "pilot")]


def testable_margin(content: Mapping[str, Any]) -> float | None:
    """Return the margin, or None where it is less than one row: too little to be shown."""
    margin, (_, resolution) = content["margin"], tested_on(content, OUTCOMES[content["outcome"]])
    return margin if margin is not None and margin >= resolution else None


def summarise(content: Mapping[str, Any], runs: Sequence[StoredRun]) -> tuple[Arms, list[set[int]]]:
    """Return all trained arms, and the blocks in which the run of each has ended."""
    outcome = OUTCOMES[content["outcome"]]
    of_arm: dict[int, list[StoredRun]] = defaultdict(list)
    for run in runs:
        of_arm[run.arm].append(run)
    arms = tuple(
        _summary(about, of_arm[index], outcome, overlap_of(content))
        for index, about in enumerate(content["arms"])
    )
    return arms, [{run.block for run in of_arm[i] if run.status} for i in range(len(arms))]


def looks_of(content: Mapping[str, Any]) -> Looks:
    """Return the looks of a declared study; one that an older version declared had one."""
    about = content.get("looks") or {"seeds": [content["seeds"]], "planned": False}
    return Looks(tuple(about["seeds"]), about["planned"])


def overlap_of(content: Mapping[str, Any]) -> float:
    """Return test rows over training rows where seeds have splits of their own, else zero.

    All seeds of a study that an older version declared share one.
    """
    return float(content.get("overlap", 0.0))


def tested_on(content: Mapping[str, Any], outcome: Outcome) -> tuple[int, float]:
    """Return on how many rows the outcome was measured, and its smallest step.

    Zero of each for what the clock measures.
    """
    if not outcome.part:
        return 0, 0.0
    part = outcome.part.replace("train", "training")
    rows = int(str(content["data"][f"{part} rows"]).partition(" ")[0].replace(",", ""))
    # Of balanced accuracy and macro F1 it is what one row is worth on average.
    counted = outcome.name.endswith(("_accuracy", "_macro_f1"))
    return rows, 1 / rows if counted else 0.0


def _contrasts(
    content: Mapping[str, Any],
    arms: Sequence[ArmSummary],
    settled: Sequence[set[int]],
    looks: Looks | None,
) -> tuple[Contrast, ...]:
    """Judge what the arms have over their baselines, look by look or once."""
    outcome, margin, asked = OUTCOMES[content["outcome"]], content["margin"], content["contrasts"]
    _, resolution = tested_on(content, outcome)
    bound = None if margin is None else outcome.bound(margin)
    differences = [_differences(arms[one["arm"]], arms[one["baseline"]], outcome) for one in asked]
    better = outcome.higher_is_better
    if looks is None or len(looks.seeds) == 1:
        values = [np.array(list(d.values())) for d in differences]
        judged = judge(values, bound, better, resolution, overlap_of(content))
    else:
        complete = [settled[one["arm"]] & settled[one["baseline"]] for one in asked]
        taken = [sum(blocks >= set(range(n)) for n in looks.seeds) for blocks in complete]
        judged = judge_in_looks(differences, taken, looks, bound, better, resolution)
    if outcome.name == "steps_to_minimum":
        judged = [
            _unless_cut_short(content, one, arms, found)
            for one, found in zip(asked, judged, strict=True)
        ]
    return tuple(
        _contrast(one, arms[one["arm"]], arms[one["baseline"]], d, found, better)
        for one, d, found in zip(asked, differences, judged, strict=True)
    )


def _unless_cut_short(
    content: Mapping[str, Any], asked: Mapping[str, Any], arms: Sequence[ArmSummary], found: Judged
) -> Judged:
    """Take equivalence back where both runs of a pair ended before they got to a minimum.

    They count as all of their steps: that this is the same says nothing of what they would take.
    """
    ends = [content["arms"][asked[side]]["settings"]["train.epochs"] for side in _SIDES]
    arm, baseline = (arms[asked[side]].values for side in _SIDES)
    cut_short = any([arm[b], baseline[b]] == ends for b in arm.keys() & baseline.keys())
    if found.verdict != "equivalent" or not cut_short:
        return found
    return replace(found, verdict="inconclusive", p_equivalence=math.nan, seeds_needed=None)


_SIDES = ("arm", "baseline")


def _contrast(
    asked: Mapping[str, Any],
    arm: ArmSummary,
    baseline: ArmSummary,
    differences: Mapping[int, float],
    found: Judged,
    higher_is_better: bool,
) -> Contrast:
    superiority = found.paired.superiority
    seeds = found.looks[-1].seeds if found.looks else max(arm.asked, baseline.asked)
    return Contrast(
        arm=arm.name,
        baseline=baseline.name,
        varies=asked["varies"],
        condition=asked["condition"],
        n=found.paired.n,
        differences=differences,
        difference=found.paired.difference,
        low=found.paired.low,
        high=found.paired.high,
        confidence=found.confidence,
        effect_size=found.paired.effect_size,
        superiority=superiority if higher_is_better else 1 - superiority,
        p=found.paired.p,
        p_sign_flip=found.paired.p_sign_flip,
        p_adjusted=found.p_adjusted,
        p_equivalence=found.p_equivalence,
        verdict=found.verdict,
        seeds_needed=found.seeds_needed and max(found.seeds_needed, seeds + 1),
        asked=seeds,
        looks=found.looks,
    )


def _differences(arm: ArmSummary, baseline: ArmSummary, outcome: Outcome) -> dict[int, float]:
    """Return the paired differences; a ratio with a value that is not above zero is no pair."""
    shared = sorted(arm.values.keys() & baseline.values.keys())
    found = {
        block: outcome.comparable(arm.values[block]) - outcome.comparable(baseline.values[block])
        for block in shared
    }
    return {block: d for block, d in found.items() if not math.isnan(d)}


def _summary(
    about: Mapping[str, Any], runs: list[StoredRun], outcome: Outcome, overlap: float
) -> ArmSummary:
    values = {
        run.block: run.metrics[outcome.name]
        for run in runs
        if run.status == "done" and math.isfinite(run.metrics.get(outcome.name, math.nan))
    }
    array = np.array(list(values.values()))
    low, high = mean_interval(array, overlap)
    count = Counter(run.status for run in runs)
    return ArmSummary(
        name=about["name"],
        levels=about["levels"],
        values=values,
        mean=float(array.mean()) if len(array) else math.nan,
        sd=float(array.std(ddof=1)) if len(array) > 1 else math.nan,
        low=low,
        high=high,
        diverged=count["diverged"],
        failed=count["failed"],
        missing=count[None],
        asked=len(runs),
        reasons=tuple(dict.fromkeys(run.reason for run in runs if run.reason)),
        parameters=about["parameters"],
        architecture=about["architecture"],
        layers=tuple(
            LayerSummary(one["kind"], tuple(one["shape"]), one["parameters"], tuple(one["then"]))
            for one in about.get("layers", ())  # which an older version did not declare
        ),
        floors={
            run.block: _floor(run.metrics)
            for run in runs
            if run.status == "done" and run.metrics.keys() >= _OF_THE_FLOOR
        },
    )


_OF_THE_FLOOR = {"seconds_per_epoch", "times_the_floor", "product_rate", "copy_rate"}


def _floor(metrics: Mapping[str, float]) -> Floor:
    seconds = metrics["seconds_per_epoch"]
    least = seconds / metrics["times_the_floor"]
    return Floor(seconds, least, metrics["product_rate"], metrics["copy_rate"])

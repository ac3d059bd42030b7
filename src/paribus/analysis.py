"""What a study's stored runs say: arms, contrasts, curves, and the answer in words."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from paribus.answer import answer, notes
from paribus.stats.paired import mean_interval
from paribus.stats.verdicts import Verdict, judge
from paribus.store.store import Store, StoredRun, StoredStudy
from paribus.study.outcomes import OUTCOMES, Outcome


@dataclass(frozen=True)
class ArmSummary:
    """One arm: its levels, its outcome over the seeds, and what went wrong."""

    name: str  # "sgd · batch norm yes"; unique within a study
    levels: Mapping[str, str]  # factor -> level, in the order of the factors
    values: Mapping[int, float]  # block (seed number) -> final outcome of its finished run
    mean: float  # nan when no run finished; sd, low, high nan when fewer than two did
    sd: float
    low: float  # 95 % t interval of the mean
    high: float
    diverged: int  # runs that diverged, failed, or are not trained yet
    failed: int
    missing: int
    reasons: tuple[str, ...]  # distinct reasons of diverged and failed runs
    parameters: int  # trainable parameters
    architecture: str  # "784-500-10, relu, batch norm after the activation"


@dataclass(frozen=True)
class Contrast:
    """A comparison of an arm with its baseline on the outcome, within blocks."""

    arm: str  # ArmSummary.name
    baseline: str
    varies: str  # what the comparison is about: "batch norm yes against no"
    condition: str  # what both arms share where other factors exist: "sgd"; may be empty
    n: int  # paired seeds
    differences: Mapping[int, float]  # block -> arm - baseline
    difference: float  # mean difference; nan when n = 0
    low: float  # 95 % t interval; nan when n < 2
    high: float
    effect_size: float  # d of the paired differences (mean / sd)
    superiority: float  # share of pairs in which the arm has the better outcome, ties half
    p: float  # t-test, two-sided
    p_sign_flip: float  # exact sign-flip test, two-sided
    p_adjusted: float  # Holm over the study's contrasts
    p_equivalence: float  # TOST against the margin, Holm-adjusted; nan without a margin
    verdict: Verdict
    seeds_needed: int | None  # for an inconclusive verdict: seeds that would decide it


@dataclass(frozen=True)
class Analysis:
    """Everything a reader of a study is told; computed from the store alone."""

    name: str
    question: str
    answer: str  # one or two sentences
    notes: tuple[str, ...]  # how sure, scope, what failed: sentences shown below the answer
    outcome: Outcome
    margin: float | None
    seeds: int
    factors: Mapping[str, tuple[str, ...]]  # factor -> its levels, in order
    arms: tuple[ArmSummary, ...]
    contrasts: tuple[Contrast, ...]
    curves: pd.DataFrame  # columns: arm, block, metric, epoch (1 = after the first), value
    controls: Mapping[str, str]  # dotted path -> value of everything held equal
    data: Mapping[str, str]  # "data set", "rows", "features", "split", "checksum", ...
    environment: Mapping[str, str]  # "Paribus", "PyTorch", "Python", "CPU", ...
    command: str  # the shell command that reproduces it; empty where the data was a DataFrame
    spec: str  # the study as YAML
    created: str  # ISO 8601, UTC


def analyse(store: Store, name: str) -> Analysis:
    """Analyse a study of a store; StoreError where there is none of that name."""
    study = store.study(name)
    content = study.content
    outcome = OUTCOMES[content["outcome"]]
    seeds, margin = content["seeds"], content["margin"]
    runs: dict[int, list[StoredRun]] = defaultdict(list)
    for run in study.runs:
        runs[run.arm].append(run)
    arms = tuple(
        _summary(about, runs[index], outcome) for index, about in enumerate(content["arms"])
    )
    contrasts = _contrasts(content["contrasts"], arms, outcome, margin)
    test_rows = str(content["data"]["test rows"]).partition(" ")[0]
    return Analysis(
        name=study.row.name,
        question=study.row.question,
        answer=answer(contrasts, arms, outcome, margin),
        notes=tuple(
            notes(contrasts, arms, outcome, margin, seeds, test_rows, len(study.environments))
        ),
        outcome=outcome,
        margin=margin,
        seeds=seeds,
        factors={label: tuple(levels) for label, levels in content["factors"].items()},
        arms=arms,
        contrasts=contrasts,
        curves=_curves(store, study, [arm.name for arm in arms]),
        controls=content["controls"],
        data=content["data"],
        environment={"engine": content["engine"], **_environment(study)},
        command=content["command"],
        spec=content["spec"],
        created=max((run.finished for run in study.runs if run.finished), default=study.row.asked),
    )


def _summary(about: Mapping[str, Any], runs: list[StoredRun], outcome: Outcome) -> ArmSummary:
    values = {
        run.block: run.metrics[outcome.name]
        for run in runs
        if run.status == "done" and outcome.name in run.metrics
    }
    array = np.array(list(values.values()))
    low, high = mean_interval(array)
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
        reasons=tuple(dict.fromkeys(run.reason for run in runs if run.reason)),
        parameters=about["parameters"],
        architecture=about["architecture"],
    )


def _contrasts(
    asked: list[Mapping[str, Any]],
    arms: tuple[ArmSummary, ...],
    outcome: Outcome,
    margin: float | None,
) -> tuple[Contrast, ...]:
    differences = []
    for one in asked:
        arm, baseline = arms[one["arm"]].values, arms[one["baseline"]].values
        shared = sorted(arm.keys() & baseline.keys())
        differences.append({block: arm[block] - baseline[block] for block in shared})
    judged = judge(
        [np.array(list(d.values())) for d in differences], margin, outcome.higher_is_better
    )
    return tuple(
        Contrast(
            arm=arms[one["arm"]].name,
            baseline=arms[one["baseline"]].name,
            varies=one["varies"],
            condition=one["condition"],
            n=found.paired.n,
            differences=d,
            difference=found.paired.difference,
            low=found.paired.low,
            high=found.paired.high,
            effect_size=found.paired.effect_size,
            superiority=(
                found.paired.superiority
                if outcome.higher_is_better
                else 1 - found.paired.superiority
            ),
            p=found.paired.p,
            p_sign_flip=found.paired.p_sign_flip,
            p_adjusted=found.p_adjusted,
            p_equivalence=found.p_equivalence,
            verdict=found.verdict,
            seeds_needed=found.seeds_needed,
        )
        for one, d, found in zip(asked, differences, judged, strict=True)
    )


def _curves(store: Store, study: StoredStudy, arms: list[str]) -> pd.DataFrame:
    """Return the per-epoch curves, long; what was logged per step is left to the export."""
    frames = [
        pd.DataFrame(
            {
                "arm": arms[arm],
                "block": block,
                "metric": metric,
                "epoch": np.arange(1, len(points) + 1),
                "value": points,
            }
        )
        for arm, block, metric, points in store.curves(study.row.key)
        if not metric.startswith("step_")
    ]
    if not frames:
        return pd.DataFrame(columns=["arm", "block", "metric", "epoch", "value"])
    return pd.concat(frames, ignore_index=True)


def _environment(study: StoredStudy) -> dict[str, str]:
    """Return where the runs were trained; what differed between runs is joined by 'or'."""
    found: dict[str, list[str]] = defaultdict(list)
    for environment in study.environments:
        for key, value in environment.items():
            if value not in found[key]:
                found[key].append(value)
    return {key: " or ".join(values) for key, values in found.items()}

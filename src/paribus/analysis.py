"""From the runs in a store to what a study found; no engine is needed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from paribus.answer import answer, choice, notes
from paribus.class_tables import best_and_worst
from paribus.clock.machine import DISTURBED, STEADY
from paribus.declared import checked
from paribus.ends import ends, never, where
from paribus.errors import StoreError
from paribus.evidence import evidence
from paribus.findings import Analysis, ArmSummary, Contrast, Evidence, Floor, Proof, Tuning
from paribus.models.outline import LayerSummary
from paribus.remarks import remarks, selected, steps
from paribus.report.wording import listed
from paribus.selection import selection
from paribus.sensitivity import Arms, Contrasts, lost, tuning
from paribus.stats.paired import mean_interval
from paribus.stats.verdicts import Judged, Looks, judge, judge_in_looks
from paribus.store.store import Store, StoredRun, StoredStudy
from paribus.study.confounds import Confound
from paribus.study.engine import DEFAULTS
from paribus.study.factors import factor_label, level_label
from paribus.study.outcomes import OUTCOMES, Outcome


def analyse(store: Store, name: str) -> Analysis:
    """Analyse a study of a store; StoreError where there is none of that name, or no sound one."""
    study = checked(store.study(name))
    found = _analysis(store, study)
    others = (
        replace(study, content={**study.content, "outcome": name, "margin": margin, "reach": None})
        for name, margin in study.content.get("also", {}).items()
    )
    at_end = ends(study.content, found.arms, found.curves)
    return replace(
        found,
        reason=study.content.get("reason"),
        ends=at_end,
        remarks=(*where(at_end), *found.remarks),
        secondary=tuple(_analysis(store, other) for other in others),
        steps=curve_table(store, study, per_step=True),
        confusions=best_and_worst(store, study, found.arms, found.outcome),
    )


def _analysis(store: Store, study: StoredStudy) -> Analysis:
    """Analyse a study by the outcome that its content names."""
    content = study.content
    outcome, margin = OUTCOMES[content["outcome"]], content["margin"]
    looks, overlap = _looks(content), _overlap(content)
    (arms, *others), (contrasts, *theirs) = _judged(content, study.runs)
    rows, resolution = _tested(content, outcome)
    seeds = max(arm.asked for arm in arms)
    several = looks if len(looks.seeds) > 1 else None
    trained = [arm for own in (arms, *others) for arm in own]
    curves = curve_table(store, study)
    factors = {label: tuple(levels) for label, levels in content["factors"].items()}
    tuned = None
    if content.get("tuning"):
        tuned = _tuning(store, study, arms, contrasts, others, theirs)
    # A study that an older version declared has none of these.
    reach = content.get("reach")
    reference = content.get("reference") or {f: levels[0] for f, levels in factors.items()}
    # Tests of seeds that share rows through their splits are corrected for contrasts alone.
    # A search for values to tune by asks no question.
    shown = testable_margin(content)
    found = (
        Evidence(0)
        if overlap or content.get("search")
        else evidence(arms, factors, reference, outcome, shown, reach, curves)
    )
    chosen = selection(content, arms, study.runs, outcome, overlap)
    confounds = tuple(Confound(**one) for one in content.get("confounds", ()))
    return Analysis(
        name=study.row.name,
        question=study.row.question,
        answer=" ".join(
            [
                *_busy(study, contrasts),
                *([choice(chosen, outcome)] if chosen else []),
                answer(contrasts, arms, outcome, margin),
            ]
        ),
        notes=(
            *notes(contrasts, arms, outcome, margin, seeds, several, rows, overlap, trained),
            *_cautions(study, confounds, outcome, margin, resolution, rows),
            *(lost(tuned) if tuned else ()),
        ),
        outcome=outcome,
        margin=margin,
        seeds=seeds,
        looks=several,
        factors=factors,
        arms=arms,
        contrasts=contrasts,
        evidence=found,
        remarks=(
            *(selected(chosen, outcome) if chosen else ()),
            *steps(content, contrasts, outcome),
            *remarks(found, outcome, shown, reach),
        ),
        confounds=confounds,
        curves=curves,
        controls=content["controls"],
        data=content["data"],
        environment={"engine": content["engine"], **_environment(study)},
        command=content["command"],
        spec=content["spec"],
        created=max((run.finished for run in study.runs if run.finished), default=study.row.asked),
        overlap=overlap,
        key=study.row.key,
        tuning=tuned,
        selection=chosen,
        proofs=tuple(Proof(**one) for one in store.proofs(study.row.key)),
    )


def _busy(study: StoredStudy, contrasts: Sequence[Contrast]) -> Iterator[str]:
    """Say in front of an answer on times that others used the machine, where they did."""
    runs = [run for run in study.runs if run.status]
    disturbed = sum(run.reason.startswith(DISTURBED) for run in runs)
    if disturbed and any(one.verdict in ("pilot", "not comparable") for one in contrasts):
        yield (
            f"The machine was busy in {disturbed} of {len(runs)} measurements, which do not "
            "count: close what else runs, and give the same command again."
        )


def _tuning(
    store: Store,
    study: StoredStudy,
    arms: Arms,
    contrasts: Contrasts,
    others: Sequence[Arms],
    theirs: Sequence[Contrasts],
) -> Tuning:
    search = checked(store.study(study.content["tuning"]["study"]))
    trials, _ = _summaries(search.content, search.runs)
    return tuning(study.content, search.content, trials, arms, contrasts, others, theirs)


def _cautions(
    study: StoredStudy,
    confounds: Sequence[Confound],
    outcome: Outcome,
    margin: float | None,
    resolution: float,
    rows: int,
) -> Iterator[str]:
    """Yield what a reader must know of how the runs were tested and trained."""
    unaccepted = [one.name for one in confounds if not one.accepted]
    if unaccepted:
        yield f"What may confound this: {', '.join(unaccepted)} (see the report)."
    if margin is not None and margin < resolution:
        yield (
            f"The margin, {outcome.show_margin(margin)}, is less than one of {rows} rows "
            f"({outcome.show(resolution)}): on so few, nothing can be shown to be equivalent."
        )
    seeds, folds = study.content["seeds"], study.content.get("folds", 1)
    in_folds = study.content.get("split") in ("kfold", "cross-validation")
    if outcome.part and in_folds and seeds % folds:
        yield (
            f"{seeds} seeds are no multiple of {folds} folds, so some rows count more often than "
            "others."
        )
    modes = [arm["settings"].get("evaluate.mode") for arm in study.content["arms"]]
    if count := modes.count("training"):
        which = "T" if count == len(modes) else f"{count} of {len(modes)} arms were t"
        yield (
            f"{which}ested in training mode, as evaluate.mode asks: dropout was active and batch "
            "normalisation used the test batch."
        )
    lacking = sum(r.status == "done" and outcome.name not in r.metrics for r in study.runs)
    if lacking and outcome.lane == "clock":
        yield f"The {outcome.label} of {lacking} runs was not measured."
    elif lacking:
        yield (
            f"{lacking} runs are from an earlier Paribus, which did not record the "
            f"{outcome.label}: name another --store to train them again."
        )
    if outcome.name == "steps_to_minimum":
        yield from never(study)
    if (many := _unlike(study.environments)) > 1:
        yield f"The runs were trained in {many} different environments."
    yield from study.content.get("unavailable", ())
    if study.content.get("defaults") == "framework":
        yield from _unlike_defaults(study.content)
    if outcome.lane == "clock":
        yield from _clock(study)


def _unlike(environments: Sequence[Mapping[str, str]]) -> int:
    """Return how many environments there are, engines and devices aside."""
    shared = set.intersection(*(set(one) for one in environments)) if environments else set()
    kept = sorted(shared - {"device"})
    return len({tuple(one[key] for key in kept) for one in environments})


def _unlike_defaults(content: Mapping[str, Any]) -> Iterator[str]:
    """Say in which defaults of theirs the frameworks of a study differ."""
    by_engine = {arm["settings"]["train.engine"]: arm["settings"] for arm in content["arms"]}
    told = []
    for path in dict.fromkeys(path for own in DEFAULTS.values() for path in own):
        values = {name: level_label(settings[path]) for name, settings in by_engine.items()}
        if len(set(values.values())) > 1:
            each = ", ".join(f"{value} ({name})" for name, value in values.items())
            told.append(f"{factor_label(path)} {each}")
    if told:
        yield f"The frameworks are compared as they come, and differ in: {'; '.join(told)}."


def _clock(study: StoredStudy) -> Iterator[str]:
    """Say what a reader must know of the times: whether they were steady, and near the floor."""
    measured = [run.metrics for run in study.runs if run.status == "done"]
    unsteady = sum(abs(one.get("drift", 0.0)) > STEADY for one in measured)
    if unsteady:
        yield (
            f"No steady state in {unsteady} of {len(measured)} runs: the later epochs took over "
            f"{100 * STEADY:g} % more or less time than the earlier ones."
        )
    by_arm: dict[int, list[float]] = defaultdict(list)
    for run in study.runs:
        if run.status == "done" and "times_the_floor" in run.metrics:
            by_arm[run.arm].append(run.metrics["times_the_floor"])
    if by_arm:
        names = [about["name"] for about in study.content["arms"]]
        each = [f"{names[arm]} ×{np.median(values):.2g}" for arm, values in sorted(by_arm.items())]
        yield (
            "Against the least time that an epoch's operations and bytes need at the machine's "
            f"measured rates, of a matrix product and of a copy: {listed(each)}."
        )


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


def undecided(content: Mapping[str, Any], runs: Sequence[StoredRun]) -> set[int]:
    """Return the arms, by index, of the contrasts that the runs of a study do not decide."""
    _, (contrasts, *_) = _judged(content, runs)
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
    arms, _ = _summaries(content, runs)
    outcome = OUTCOMES[content["outcome"]]
    return [
        _differences(arms[one["arm"]], arms[one["baseline"]], outcome)
        for one in content["contrasts"]
    ]


def open_contrasts(content: Mapping[str, Any], runs: Sequence[StoredRun]) -> list[Contrast]:
    """Return the contrasts that more seeds might decide."""
    _, (contrasts, *_) = _judged(content, runs)
    return [one for one in contrasts if one.verdict in ("inconclusive", "pilot")]


def testable_margin(content: Mapping[str, Any]) -> float | None:
    """Return the margin, or None where it is less than one row: too little to be shown."""
    margin, (_, resolution) = content["margin"], _tested(content, OUTCOMES[content["outcome"]])
    return margin if margin is not None and margin >= resolution else None


def _judged(
    content: Mapping[str, Any], runs: Sequence[StoredRun]
) -> tuple[list[Arms], list[Contrasts]]:
    """Return the arms and contrasts of a declared study, from those of its runs that there are.

    Where it tuned, its own come first, then those of each alternative.
    """
    tuned = content.get("tuning")
    arms, settled = _summaries(content, runs)
    count = len(arms) // (1 + len(tuned["alternatives"]) if tuned else 1)
    starts = range(0, len(arms), count)
    sets = [arms[i : i + count] for i in starts]
    # An alternative gets no looks of its own: it is judged once, by all its runs.
    return sets, [
        _contrasts(content, own, settled[i : i + count], _looks(content) if i == 0 else None)
        for i, own in zip(starts, sets, strict=True)
    ]


def _summaries(
    content: Mapping[str, Any], runs: Sequence[StoredRun]
) -> tuple[Arms, list[set[int]]]:
    """Return all trained arms, and the blocks in which the run of each has ended."""
    outcome = OUTCOMES[content["outcome"]]
    of_arm: dict[int, list[StoredRun]] = defaultdict(list)
    for run in runs:
        of_arm[run.arm].append(run)
    arms = tuple(
        _summary(about, of_arm[index], outcome, _overlap(content))
        for index, about in enumerate(content["arms"])
    )
    return arms, [{run.block for run in of_arm[i] if run.status} for i in range(len(arms))]


def _looks(content: Mapping[str, Any]) -> Looks:
    # A study that an older version declared was looked at once.
    about = content.get("looks") or {"seeds": [content["seeds"]], "planned": False}
    return Looks(tuple(about["seeds"]), about["planned"])


def _overlap(content: Mapping[str, Any]) -> float:
    # All seeds of a study that an older version declared share one split.
    return float(content.get("overlap", 0.0))


def _tested(content: Mapping[str, Any], outcome: Outcome) -> tuple[int, float]:
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
    _, resolution = _tested(content, outcome)
    bound = None if margin is None else outcome.bound(margin)
    differences = [_differences(arms[one["arm"]], arms[one["baseline"]], outcome) for one in asked]
    better = outcome.higher_is_better
    if looks is None or len(looks.seeds) == 1:
        values = [np.array(list(d.values())) for d in differences]
        judged = judge(values, bound, better, resolution, _overlap(content))
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


def curve_table(store: Store, study: StoredStudy, *, per_step: bool = False) -> pd.DataFrame:
    """Return curves, long: arm, block, metric, epoch (counted from 1), value.

    With `per_step`, those that `train.log_every` asked for instead: epoch, step of that epoch, and
    steps, the number that it has.
    """
    arms = [about["name"] for about in study.content["arms"]]
    every = [about["settings"]["train.log_every"] for about in study.content["arms"]]
    wanted = any(every) or not per_step
    stored = list(store.curves(study.row.key)) if wanted else []
    epochs = {(arm, block): len(points) for arm, block, m, points in stored if m == "train_loss"}
    found = [one for one in stored if one[2].startswith("step_") == per_step]
    lengths = [len(points) for *_, points in found]
    per_curve = pd.DataFrame(
        {
            "arm": [arms[arm] for arm, *_ in found],
            "block": [block for _, block, *_ in found],
            "metric": [metric for _, _, metric, _ in found],
        }
    )
    curves = per_curve.loc[np.repeat(np.arange(len(found)), lengths)].reset_index(drop=True)
    places = [np.arange(n) for n in lengths]
    if per_step:
        about = study.content["arms"]
        for n, (arm, block, metric, _) in zip(lengths, found, strict=True):
            if not every[arm] or n < epochs.get((arm, block), n + 1):
                raise StoreError(f"{study.row.name}: {metric} has no points of each epoch")
        # Of an epoch that was cut short fewer steps were logged than of the others.
        logged = [
            about[arm]["steps_per_epoch"] // every[arm]
            if about[arm]["settings"].get("train.steps")
            else n // epochs[arm, block]
            for n, (arm, block, *_) in zip(lengths, found, strict=True)
        ]
        curves["epoch"] = _joined([p // n + 1 for p, n in zip(places, logged, strict=True)])
        places = [
            (p % n + 1) * every[arm] - 1
            for p, n, (arm, *_) in zip(places, logged, found, strict=True)
        ]
    curves["step" if per_step else "epoch"] = _joined(places) + 1
    if per_step:
        # A study that an older version declared tells no number: that of the last logged step.
        totals = [
            about[arm].get("steps_per_epoch", n * every[arm])
            for n, (arm, *_) in zip(logged, found, strict=True)
        ]
        curves["steps"] = np.repeat(np.array(totals, np.int64), lengths)
    curves["value"] = np.concatenate([np.empty(0), *(points for *_, points in found)])
    return curves


def _joined(counts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *counts])


def _environment(study: StoredStudy) -> dict[str, str]:
    """Return where the runs were trained; what differed between runs is joined by 'or'."""
    found: dict[str, list[str]] = defaultdict(list)
    for environment in study.environments:
        for key, value in environment.items():
            if value not in found[key]:
                found[key].append(value)
    return {key: " or ".join(values) for key, values in found.items()}

"""From the runs in a store to what a study found; no engine is needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from paribus.answer import answer, choice, notes
from paribus.class_tables import best_and_worst
from paribus.clock.machine import DISTURBED, STEADY
from paribus.curve_tables import curve_table
from paribus.declared import checked
from paribus.ends import ends, never, where
from paribus.evidence import evidence
from paribus.findings import Analysis, Contrast, Evidence, Proof, Tuning
from paribus.judging import (
    judge_study,
    looks_of,
    overlap_of,
    summarise,
    testable_margin,
    tested_on,
)
from paribus.remarks import remarks, selected, steps
from paribus.report.wording import listed
from paribus.selection import selection
from paribus.sensitivity import Arms, Contrasts, lost, tuning
from paribus.store.store import Store, StoredStudy
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
    looks, overlap = looks_of(content), overlap_of(content)
    (arms, *others), (contrasts, *theirs) = judge_study(content, study.runs)
    rows, resolution = tested_on(content, outcome)
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
    trials, _ = summarise(search.content, search.runs)
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


def _environment(study: StoredStudy) -> dict[str, str]:
    """Return where the runs were trained; what differed between runs is joined by 'or'."""
    found: dict[str, list[str]] = defaultdict(list)
    for environment in study.environments:
        for key, value in environment.items():
            if value not in found[key]:
                found[key].append(value)
    return {key: " or ".join(values) for key, values in found.items()}

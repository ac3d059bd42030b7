"""What a plan is: in a line, in full, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from paribus.screen.console import err, out, table
from paribus.screen.words import counted, duration, percent, short

if TYPE_CHECKING:
    from paribus.clock.predict import Prediction
    from paribus.prospect import Prospect
    from paribus.study.confounds import Confound
    from paribus.study.design import Design
    from paribus.study.plan import Plan


def kept(plan: Plan) -> tuple[int, int]:
    """Return how many runs are in the store already and how many there are, the tuning's too."""
    finished = sum(part.finished for part in plan.parts)
    return finished, sum(len(part.runs) for part in plan.parts)


def headline(plan: Plan) -> None:
    """Say what is about to run, and what may confound it.

    On standard error: the result alone goes to standard output.
    """
    err.print(Text(summary(plan), style="dim"), soft_wrap=True)
    for one in plan.confounds:
        if not one.accepted:
            err.print(Text(f"{one.name}: {one.what}", style="yellow"), soft_wrap=True)


def summary(plan: Plan) -> str:
    """Return in a line what a plan trains, on how many workers and about how long."""
    design = plan.design
    parts = [design.dataset.name, design.arms[0].network.summary(), _size(plan)]
    if plan.tuning:
        parts.append(f"after {counted(len(plan.tuning.design.runs), 'run')} that tune")
    if finished := kept(plan)[0]:
        parts.append(f"{finished} already done")
    if any(part.to_train for part in plan.parts):
        workers = max(part.workers for part in plan.parts)
        seconds = sum(part.seconds for part in plan.parts)
        parts.append(f"{counted(workers, 'worker')}{_on(plan.site)} · about {duration(seconds)}")
    return " · ".join(parts)


def _size(plan: Plan) -> str:
    arms, spec = len(plan.design.arms), plan.design.spec
    sets = len(plan.design.alternatives) + 1
    times = f" × {sets} sets of values" if sets > 1 else ""
    if len(spec.looks) == 1:
        runs = counted(len(plan.design.runs), "run")
        return f"{counted(arms, 'arm')} × {counted(spec.blocks, 'seed')}{times} = {runs}"
    looks = f"{', '.join(map(str, spec.looks[:-1]))} and {spec.looks[-1]}"
    return (
        f"{counted(arms, 'arm')}{times}, judged after {looks} seeds until each contrast is decided"
    )


def show_plan(plan: Plan, expected: Prospect, predictions: Sequence[Prediction] = ()) -> None:
    """Print a plan: the arms, what will run together, time and memory, what may confound it."""
    from paribus.study.declaration import contrasts

    design, spec = plan.design, plan.design.spec
    out.print(Text(spec.question, style="bold"))
    rows = f" ({design.dataset.rows:,} rows, {design.dataset.task})"
    out.print(
        f"{design.dataset.name}{'' if design.outcome.lane == 'surface' else rows} · "
        f"{_size(plan)}, {counted(len(contrasts(design)), 'contrast')}"
    )
    arms = Table(title="Arms", title_justify="left", box=None, header_style="dim")
    for heading in ("arm", "network", "parameters"):
        arms.add_column(heading, justify="right" if heading == "parameters" else "left")
    for arm in design.arms:
        arms.add_row(Text(arm.name), arm.network.summary(), f"{arm.network.parameters:,}")
    out.print(arms)
    groups = [
        replace(group, label=f"{'tuning: ' * (part is plan.tuning)}{group.label}")
        for part in plan.parts
        for group in part.groups
    ]
    if groups:
        together = Table(title="Trained together", title_justify="left", box=None)
        for heading in ("runs", "in stacks of", "GFLOP per run", "what they share"):
            together.add_column(heading, justify="left" if "what" in heading else "right")
        for group in groups:
            together.add_row(
                str(group.runs), str(group.stack), f"{group.flops / 1e9:,.1f}", group.label
            )
        out.print(together)
        reasons = {group.one_by_one for group in groups}
        if design.timed:
            out.print(
                "Each run is timed in a process of its own, one at a time; within a seed the arms "
                "take turns in a random order."
            )
        elif len(reasons) == 1 and all(reasons) and len(groups) > 1:
            out.print(f"One by one, not stacked: all runs ({reasons.pop()}).")
        else:
            for group in groups:
                if group.one_by_one:
                    out.print(f"One by one, not stacked: {group.label} ({group.one_by_one}).")
    judged = spec.outcome or design.outcome.name
    margin = design.outcome.show_margin(spec.margin) if spec.margin else "none declared"
    out.print(f"Judged by {judged.replace('_', ' ')}; margin: {margin}.")
    for line in foreseen(expected, design):
        out.print(line)
    if plan.tuning:
        _show_tuning(plan.tuning, design)
    for line in cost(plan):
        out.print(line)
    if predictions:
        show_predictions(predictions)
    _show_confounds(plan.confounds)


def _show_tuning(tuning: Plan, design: Design) -> None:
    tune, search = design.spec.tune, tuning.design
    assert tune is not None
    out.print(
        f"Tuned for each arm: {', '.join(tune.parameters)}, by {search.outcome.label}; "
        f"{counted(tune.budget, 'candidate')} × {counted(len(design.arms), 'arm')} × "
        f"{counted(tune.seeds, 'seed')} = {counted(len(search.runs), 'run')}. The verdict is "
        f"trained with the values so chosen, with those of half the budget, and untuned."
    )
    if tuning.to_train:
        out.print("Nothing is chosen yet: the verdict's time is that of the first candidates.")


def cost(plan: Plan) -> Iterator[str]:
    """Say what is left to train, the tuning first, and about how long it takes."""
    for part in plan.parts:
        what = (" for the tuning" if part is plan.tuning else " for the verdict") * bool(
            plan.tuning
        )
        if part.finished:
            yield f"{counted(part.finished, 'run')}{what} in the store already."
        if part.to_train:
            yield (
                f"To train{what}{_until(part)}: {counted(part.to_train, 'run')} in "
                f"{counted(len(part.stacks), 'stack')} on {counted(part.workers, 'worker')}"
                f"{_on(part.site)} ({part.design.engine.device}): about {duration(part.seconds)} "
                f"({_source(part)}), {part.bytes / 1e9:.1f} GB of memory."
            )
        else:
            yield f"Nothing is left to train{what}."


def _on(site: str) -> str:
    return f" of {site}" if site else ""


def _source(plan: Plan) -> str:
    if plan.error is None:
        others = {engine.name for engine in plan.design.engines} - {"stacked", "torch"}
        if others:
            return f"a rough guess: no profile knows {' and '.join(sorted(others))}"
        if plan.site:
            return "a rough guess from the rates of its nodes"
        return "a rough guess: `paribus machine` measures this machine"
    return f"predicted by this machine's profile, typically within {percent(plan.error)}"


def _until(plan: Plan) -> str:
    """Say how far a plan goes, where it stops at a look."""
    looks, most = plan.design.spec.looks, len(plan.design.runs)
    return f" up to the next look (of at most {most:,} runs)" if len(looks) > 1 else ""


def foreseen(expected: Prospect, design: Design) -> Iterator[str]:
    """Say how small a difference the seeds can show, and how many the margin takes."""
    if not expected.contrasts or expected.seeds < 2:
        return
    if not expected.spreads:
        yield (
            f"How small a difference {counted(expected.seeds, 'seed')} can find depends on how "
            "much it varies between seeds: run a pilot (--seeds 3 or more), or state a guess with "
            "--sd."
        )
        return

    def span(low: str, high: str) -> str:
        return low if low == high else f"{low} to {high}"

    least, most = expected.spreads[0], expected.spreads[-1]
    outcome = design.outcome
    show, unit = outcome.show_size, f" {outcome.size_unit}".rstrip()
    sd = f"sd of the differences {span(show(least.sd), show(most.sd))}{unit}"
    if outcome.ratio:
        sd = f"sd of the log ratios {span(f'{least.sd:.3g}', f'{most.sd:.3g}')}"

    where = "a guess"
    if least.pilot:
        seen = {one.pilot for one in expected.spreads}
        where = f"seen in {span(str(min(seen)), str(max(seen)))} seeds"
        where += f"; from so few, {most.low / most.sd:.1f} to {most.high / most.sd:.1f} times that"
    yield (
        f"With {counted(expected.seeds, 'seed')}, a difference of "
        f"{span(show(least.detectable), show(most.detectable))}{unit} is found with 80 % chance "
        f"({sd}, {where}; Holm over "
        f"{counted(expected.contrasts, 'contrast')})."
    )
    if design.spec.margin:
        needed = [one.seeds for one in (least, most)]
        told = span(*(f"{n:,}" if n else "more than 100,000" for n in needed))
        yield (
            f"A difference as large as the margin, or that there is none, is shown with 80 % "
            f"chance by {told} seeds."
        )


def _show_confounds(confounds: Sequence[Confound]) -> None:
    warned = [one for one in confounds if not one.accepted]
    if warned:
        out.print("What may confound this")
    for one in warned:
        out.print(Text(f" {one.name}: {one.what}", style="yellow"))
        out.print(f"   Why: {one.why}")
        out.print(f"   Mend: {one.mend} Or accept it: `accept: [{one.name}]`.")
    accepted = [one.name for one in confounds if one.accepted]
    if accepted:
        out.print(f"Accepted: {', '.join(accepted)}.")


def show_predictions(predictions: Sequence[Prediction]) -> None:
    """Print what a machine's profile says of each arm."""
    out.print("Predicted time per epoch of a run (±error, a prediction)")
    rows = [
        {
            "arm": one.arm,
            "engine": one.engine,
            "device": one.device,
            "per epoch": "not known"
            if one.seconds_per_epoch is None or one.error is None
            else f"{short(one.seconds_per_epoch)} ± {percent(one.error)}",
        }
        for one in predictions
    ]
    table(rows, right=["per epoch"], wrap="arm")


def plan_record(
    plan: Plan, expected: Prospect | None = None, predictions: Sequence[Prediction] = ()
) -> dict[str, Any]:
    """Return a plan as JSON-ready values; `tuning` is the plan of the tuning, or None."""
    from paribus.report.record import plain

    design = plan.design
    return {
        "study": design.spec.name,
        "question": design.spec.question,
        "data": design.dataset.name,
        "arms": [
            {"name": a.name, "levels": dict(a.levels), "parameters": a.network.parameters}
            for a in design.arms
        ],
        "seeds": design.spec.seeds,
        "looks": design.spec.looks,
        "runs": len(plan.runs),
        "finished": plan.finished,
        "to_train": plan.to_train,
        "stacks": [len(stack) for stack in plan.stacks],
        "one_by_one": {g.label: g.one_by_one for g in plan.groups if g.one_by_one},
        "workers": plan.workers,
        "on": plan.site or "this machine",
        "device": design.engine.device,
        "estimated_seconds": plan.seconds,
        "estimated_within": plan.error,
        "predictions": plain(list(predictions)),
        "estimated_bytes": plan.bytes,
        "outcome": design.outcome.name,
        "margin": design.spec.margin,
        "prospect": plain(expected),
        "confounds": [asdict(one) for one in plan.confounds],
        "tuning": plan_record(plan.tuning) if plan.tuning else None,
    }

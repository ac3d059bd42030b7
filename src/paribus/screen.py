"""What a person sees while and after something runs: progress, tables, lists."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from paribus.untrusted import clean, clean_json

if TYPE_CHECKING:
    from paribus.clock.machine_profile import MachineProfile
    from paribus.clock.predict import Prediction
    from paribus.doctor import Row
    from paribus.findings import Analysis
    from paribus.profile import Profile
    from paribus.prospect import Prospect
    from paribus.questions import Outlook, Question
    from paribus.settings import Told, Watch
    from paribus.study.confounds import Confound
    from paribus.study.design import Design
    from paribus.study.plan import Plan

_READABLE = 30  # columns that a sentence needs beside others


class _Console(Console):
    """A console that shows no control character of any text."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for part in super().render(renderable, options):
            yield part if part.control else Segment(clean(part.text), part.style)


class _Out(_Console):
    """One that ends quietly when nobody reads any more: `paribus show STUDY | head`."""

    def on_broken_pipe(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0)


out = _Out(highlight=False, markup=False)
err = _Console(stderr=True, highlight=False, markup=False)


@contextmanager
def progress() -> Iterator[Watch]:
    """Show runs done, share of all epochs and time left; yield what to tell it.

    On a terminal, or in a notebook; anywhere else it is silent.
    """
    if err.is_jupyter:
        from paribus.display import Bar

        with Bar() as in_place:
            yield _Shown(in_place).watch
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[runs]} · {task.completed:.0f}/{task.total:.0f} epochs"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        yield _Shown(bar).watch


class _Shown:
    """A bar that starts anew with each round of a study that is looked at several times."""

    def __init__(self, bar: Progress):
        self.bar = bar
        self.task: TaskID | None = None

    def watch(self, event: Told) -> None:
        from paribus.engines.base import Record
        from paribus.study.plan import Plan
        from paribus.workers.messages import DoneElsewhere, EpochDone, Notice

        match event:
            case Plan():
                self._start(event)
            case EpochDone():
                self.done_epochs += event.runs
            case Record():
                self.done += 1
                if event.status == "failed":
                    self.done_epochs += self.epochs.get(event.key, 0)
            case DoneElsewhere():
                self.done += len(event.keys)
                self.done_epochs += sum(self.epochs.get(key, 0) for key in event.keys)
            case Notice():
                err.print(Text(clean(event.text), style="yellow"), soft_wrap=True)
        if self.task is not None:
            completed = min(self.done_epochs, sum(self.epochs.values()))
            self.bar.update(self.task, completed=completed, runs=self._runs())

    def _start(self, plan: Plan) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.task = None
        self.epochs = {task.key: task.config.train.epochs for s in plan.stacks for task in s}
        self.done, self.done_epochs, self.planned = plan.finished, 0, len(plan.runs)
        if self.epochs:
            looks, last = plan.design.spec.looks, max(run.block for run in plan.runs) + 1
            last -= plan.design.first_block
            look = f"look {looks.index(last) + 1} of {len(looks)}" if len(looks) > 1 else ""
            look = "tuning" if plan.design.first_block else look
            total = sum(self.epochs.values())
            self.task = self.bar.add_task(look, total=total, runs=self._runs())

    def _runs(self) -> str:
        return f"{min(self.done, self.planned)}/{self.planned} runs"


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
        parts.append(f"after {_count(len(plan.tuning.design.runs), 'run')} that tune")
    if finished := kept(plan)[0]:
        parts.append(f"{finished} already done")
    if any(part.to_train for part in plan.parts):
        workers = max(part.workers for part in plan.parts)
        seconds = sum(part.seconds for part in plan.parts)
        parts.append(f"{_count(workers, 'worker')}{_on(plan.site)} · about {duration(seconds)}")
    return " · ".join(parts)


def _size(plan: Plan) -> str:
    arms, spec = len(plan.design.arms), plan.design.spec
    sets = len(plan.design.alternatives) + 1
    times = f" × {sets} sets of values" if sets > 1 else ""
    if len(spec.looks) == 1:
        runs = _count(len(plan.design.runs), "run")
        return f"{_count(arms, 'arm')} × {_count(spec.blocks, 'seed')}{times} = {runs}"
    looks = f"{', '.join(map(str, spec.looks[:-1]))} and {spec.looks[-1]}"
    return (
        f"{_count(arms, 'arm')}{times}, judged after {looks} seeds until each contrast is decided"
    )


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def show_plan(plan: Plan, expected: Prospect, predictions: Sequence[Prediction] = ()) -> None:
    """Print a plan: the arms, what will run together, time and memory, what may confound it."""
    from paribus.study.declaration import contrasts

    design, spec = plan.design, plan.design.spec
    out.print(Text(spec.question, style="bold"))
    rows = f" ({design.dataset.rows:,} rows, {design.dataset.task})"
    out.print(
        f"{design.dataset.name}{'' if design.outcome.lane == 'surface' else rows} · "
        f"{_size(plan)}, {_count(len(contrasts(design)), 'contrast')}"
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
        f"{_count(tune.budget, 'candidate')} × {_count(len(design.arms), 'arm')} × "
        f"{_count(tune.seeds, 'seed')} = {_count(len(search.runs), 'run')}. The verdict is "
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
            yield f"{_count(part.finished, 'run')}{what} in the store already."
        if part.to_train:
            yield (
                f"To train{what}{_until(part)}: {_count(part.to_train, 'run')} in "
                f"{_count(len(part.stacks), 'stack')} on {_count(part.workers, 'worker')}"
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
    return f"predicted by this machine's profile, typically within {_percent(plan.error)}"


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
            f"How small a difference {_count(expected.seeds, 'seed')} can find depends on how much "
            "it varies between seeds: run a pilot (--seeds 3 or more), or state a guess with --sd."
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
        f"With {_count(expected.seeds, 'seed')}, a difference of "
        f"{span(show(least.detectable), show(most.detectable))}{unit} is found with 80 % chance "
        f"({sd}, {where}; Holm over "
        f"{_count(expected.contrasts, 'contrast')})."
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
            else f"{_short(one.seconds_per_epoch)} ± {_percent(one.error)}",
        }
        for one in predictions
    ]
    table(rows, right=["per epoch"], wrap="arm")


def show_machine(profile: MachineProfile, path: Path, gpu_pays: int | None) -> None:
    """Print how fast a machine is, what its cost models say, and how far off they were."""
    out.print(Text(profile.machine, style="bold"))
    out.print(f"Measured {profile.date}, {_count(profile.cores, 'core')}.")

    def per(unit: float, seconds: float) -> str:
        return f"{1 / seconds / unit:,.0f}" if seconds else "-"

    table(
        [
            {
                "measured": f"{one.engine}, {one.device}, {_count(one.threads, 'thread')}",
                "products, GFLOP/s": f"{one.rates.product / 1e9:,.0f}",
                "copies, GB/s": f"{one.rates.copy / 1e9:,.0f}",
            }
            for one in profile.models
        ],
        right=["products, GFLOP/s", "copies, GB/s"],
    )
    table(
        [
            {
                "fitted": f"{one.engine}, {one.device}",
                "µs per step": f"{one.model.step * 1e6:,.0f}",
                "per layer": f"{one.model.layer * 1e6:,.0f}",
                "GFLOP/s": per(1e9, one.model.flop),
                "GB/s": per(1e9, one.model.weight_byte + one.model.byte_beyond),
                "error": _percent(one.error),
                "worst": _percent(one.worst),
                "n": len(one.held_out),
            }
            for one in profile.models
        ],
        right=["µs per step", "per layer", "GFLOP/s", "GB/s", "error", "worst", "n"],
    )
    out.print(
        "The error is the median over n networks that the model was not fitted to (multilayer "
        "perceptrons): what it says of others are predictions, not measurements."
    )
    for one in profile.models:
        if one.busy:
            out.print(
                f"The machine was busy while {one.engine} on {one.device} was measured: {one.busy}."
            )
    if gpu_pays is not None:
        out.print(
            f"The GPU is predicted to pay from hidden width {gpu_pays} on "
            "(two hidden layers, batch 128)."
        )
    out.print(f"Profile: {path}", soft_wrap=True)


def machine_record(profile: MachineProfile, path: Path) -> dict[str, Any]:
    """Return a machine's profile as JSON-ready values, with the errors of its models."""
    from paribus.report.record import plain

    record: dict[str, Any] = plain(profile)
    for one, written in zip(profile.models, record["models"], strict=True):
        written |= {"median_error": one.error, "worst_error": one.worst}
    return {**record, "file": str(path)}


@contextmanager
def measuring() -> Iterator[Callable[[str, float], None]]:
    """Show on a terminal what of this machine is measured; yield what to tell of it."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        task = bar.add_task("Measuring this machine", total=1)

        def told(what: str, share: float) -> None:
            bar.update(task, description=f"Measuring {what}", completed=share)

        yield told


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


def found(name: str, near: Sequence[str]) -> None:
    """Say which study a question was taken for, and which it might have meant."""
    others = f" (near it: {', '.join(near)})" if near else ""
    out.print(Text(f"Study: {name}{others}", style="dim"))


def measured(analysis: Analysis, others: Sequence[str]) -> None:
    """Say what data an answer was measured on, and on which others there is one."""
    out.print()
    data = analysis.data
    rows = f" ({data['rows']} rows)" if "rows" in data else ""
    what = f"{data['data set']}{rows}, {analysis.created[:10]}"
    by = f": {analysis.command}" if analysis.command else ""
    out.print(f"Measured on {what}{by}", soft_wrap=True)
    for other in others:
        again = shlex.join(["paribus", "ask", analysis.name, "--data", other])
        out.print(f"Measured on {other} too: {again}")
    if analysis.command and any(arm.missing for arm in analysis.arms):
        out.print(f"To finish it: {analysis.command}", soft_wrap=True)


def unanswered(
    question: Question, data: str, others: Sequence[str], expected: Outlook, command: str
) -> None:
    """Print a question that a store does not answer yet, its reason, and what would run."""
    out.print(Text(question.question))
    if question.reason:
        out.print()
        out.print(Text(" ".join(question.reason.split())))
    out.print()
    out.print(Text(f"Not measured here on {data} yet.", style="bold"))
    for other in others:
        again = shlex.join(["paribus", "ask", question.name, "--data", other])
        out.print(f"Measured on {other}: {again}")
    if expected.plan:
        out.print(Text(f"Would run: {summary(expected.plan)}"))
    else:
        out.print(f"Would run: {_count(expected.runs, 'run')}, but it {expected.lacks}.")
    for problem in expected.problems:
        out.print(Text(problem))
    if not (expected.can_run and asks_back()):
        where = "To run it" if expected.can_run else "Where it can run"
        out.print(f"{where}: {command}", soft_wrap=True)


def about(expected: Outlook) -> str:
    """Return about how long a study takes, or what it lacks, in few words."""
    if expected.plan is None or expected.seconds is None:
        return expected.lacks
    if not any(part.to_train for part in expected.plan.parts):
        return "done"
    return duration(expected.seconds)


def asks_back() -> bool:
    """Return whether there is somebody on a terminal to answer."""
    return sys.stdin.isatty() and out.is_terminal


def show_profile(profile: Profile, path: Path) -> None:
    """Say on standard error where the time of a run went, and where that is written."""
    rows = profile.rows()
    if not rows:
        err.print("Nothing was trained: there is no time to tell of.")
        return
    workers = _count(profile.workers, "worker")
    grid = Table(
        title=f"Where the time went: {workers} for {profile.wall:.1f} s",
        title_justify="left",
        box=None,
        header_style="dim",
        pad_edge=False,
    )
    grid.add_column("phase")
    grid.add_column("seconds", justify="right")
    grid.add_column("of the workers' time", justify="right")
    for row in rows:
        share = "" if row["share"] is None else f"{row['share']:.1%}"
        grid.add_row(row["phase"], f"{row['seconds']:.2f}", share)
    err.print(grid)
    err.print(f"Profile: {path}", soft_wrap=True)


def table(
    rows: Sequence[Mapping[str, Any]],
    right: Sequence[str] = (),
    wrap: str = "",
    console: Console = out,
) -> None:
    """Print rows of equal keys as a table: `right` aligns columns, `wrap` names one that gives.

    Where that one has too little room beside the others, it stands below each row.
    """
    cells = [
        {key: v if isinstance(v, Text) else Text(str(v)) for key, v in row.items()} for row in rows
    ]
    headings = [key for key in (rows[0] if rows else ()) if key != wrap]
    widths = {key: max(len(key), *(row[key].cell_len for row in cells)) for key in headings}
    below = bool(wrap) and console.width - sum(w + 2 for w in widths.values()) < _READABLE
    if not below:
        grid = _grid(list(rows[0]) if rows else [], right, wrap)
        for row in cells:
            grid.add_row(*row.values())
        console.print(grid)
        return
    for number, row in enumerate(cells):
        grid = _grid(headings, right, wrap, widths)
        grid.show_header = not number
        grid.add_row(*(row[heading] for heading in headings))
        console.print(grid)
        console.print(Padding(row[wrap], (0, 0, 0, 2)), style="dim")


def _grid(
    headings: Sequence[str],
    right: Sequence[str],
    wrap: str,
    widths: Mapping[str, int] = MappingProxyType({}),
) -> Table:
    grid = Table(box=None, header_style="dim", pad_edge=False)
    for heading in headings:
        grid.add_column(
            heading,
            justify="right" if heading in right else "left",
            no_wrap=heading != wrap,
            overflow="fold",
            width=widths.get(heading),
        )
    return grid


def lines(rows: Sequence[Mapping[str, Any]], right: Sequence[str] = ()) -> None:
    """Print rows as `table` does, each in one line however long: its last cell is to be copied."""
    cells = [list(map(str, rows[0])), *(list(map(str, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        line = "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(rows[0], row, widths, strict=True)
        )
        out.print(Text(line.rstrip(), style="" if number else "dim"), soft_wrap=True)


def checked(row: Row) -> dict[str, Any]:
    """Return a row of the doctor's as `table` prints it."""
    mark = Text("ok", style="green") if row.ok else Text("!!", style="bold red")
    remedy = f" ({row.remedy})" if row.remedy else ""
    return {"": mark, "what": row.what, "found": row.found + remedy}


def print_json(value: Any) -> None:
    """Print JSON that a program reads: no colour, no wrapping."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(clean_json(text) + "\n")


def duration(seconds: float) -> str:
    """Return a time as people say it: 'about' goes before it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _short(seconds: float) -> str:
    """Return a short time with a sensible unit."""
    if seconds < 0.1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else duration(seconds)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"

"""Bars of progress, on a terminal or in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from paribus.screen.console import err
from paribus.untrusted import clean

if TYPE_CHECKING:
    from paribus.settings import Told, Watch
    from paribus.study.plan import Plan


@contextmanager
def training() -> Iterator[Watch]:
    """Show runs done, share of all epochs and time left; yield what to tell it.

    On a terminal, or in a notebook; anywhere else it is silent.
    """
    if err.is_jupyter:
        from paribus.display import Bar

        with Bar() as in_place:
            yield _Shown(in_place).watch
        return
    numbers = "{task.fields[runs]} · {task.completed:.0f}/{task.total:.0f} epochs"
    with _bar(TextColumn(numbers)) as bar:
        yield _Shown(bar).watch


def _bar(*between: ProgressColumn) -> Progress:
    """Return a bar for a terminal, with its time; `between` stands before that."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        *between,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


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


@contextmanager
def measuring() -> Iterator[Callable[[str, float], None]]:
    """Show on a terminal what of this machine is measured; yield what to tell of it."""
    with _bar() as bar:
        task = bar.add_task("Measuring this machine", total=1)

        def told(what: str, share: float) -> None:
            bar.update(task, description=f"Measuring {what}", completed=share)

        yield told

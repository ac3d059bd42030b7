"""What a notebook shows: studies, plans and results as small pieces of HTML, and a progress bar.

They take their colours from the notebook, so that they are readable in light and dark ones, and
hold no script and no id.
"""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import Any

from rich.progress import Progress, Task

from paribus.data import PLANE, Dataset
from paribus.findings import Analysis
from paribus.report.style import VERDICTS
from paribus.report.wording import counted
from paribus.screen import plans, words
from paribus.study.config import Config
from paribus.study.outcomes import OUTCOMES
from paribus.study.plan import Plan
from paribus.study.problems import known_paths, show
from paribus.study.resolved import default_outcome, inapplicable
from paribus.study.spec import Spec

MOST_ROWS = 24
"""Rows of a table, and contrasts of a chart, that a notebook is shown."""

_FITTING = '<svg style="max-width:100%;height:auto" '
"""How a chart, which escapes its own text, begins: no wider than its place."""

_BETWEEN = 0.2  # seconds from one picture of the bar to the next


def of_study(spec: Spec, dataset: Dataset) -> str:
    """Return what a study asks: its question, what differs, what is held equal, arms × seeds."""
    outcome = OUTCOMES[spec.outcome or default_outcome(spec, dataset)]
    equal = _held_equal(spec)
    return _html(
        "study",
        spec=spec,
        differs=[
            (factor.key, ", ".join(level.label for level in factor.levels))
            for factor in spec.arms_differ_in
        ],
        size=size(spec),
        rows="" if dataset.name == PLANE else f" ({dataset.rows:,} rows, {dataset.task})",
        data=dataset.name,
        outcome=outcome.label,
        margin=outcome.show_margin(spec.margin) if spec.margin else "",
        written={path: value for path, value in equal.items() if spec.says(path)},
        usual={path: value for path, value in equal.items() if not spec.says(path)},
    )


def size(spec: Spec) -> str:
    """Return '3 arms × 10 seeds'."""
    arms = math.prod(len(factor.levels) for factor in spec.arms_differ_in)
    most = "up to " * (spec.seeds == "auto")
    return f"{counted(arms, 'arm')} × {most}{counted(spec.blocks, 'seed')}"


def _held_equal(spec: Spec) -> dict[str, str]:
    """Return the settings that no factor sets, as text; what does not apply is left out."""
    levels = [level for factor in spec.arms_differ_in for level in factor.levels]
    varied = {path for level in levels for path in level.settings}
    varied |= set(spec.tune.parameters) if spec.tune else set()
    nowhere = {*inapplicable(spec), *varied, "data.source"}
    found = {}
    for path in known_paths(Config):
        section, _, name = path.partition(".")
        value = getattr(getattr(spec, section), name)
        if path == "model.arguments":
            value = {k: v for k, v in value.items() if f"{path}.{k}" not in varied}
        if path == "model.conv":
            value = [block.model_dump() for block in value]
        if path not in nowhere and value not in (None, {}):
            found[path] = show(value)
    return found


def of_plan(plan: Plan) -> str:
    """Return what a plan would run: arms, stacks, time, what it can show, and what confounds it."""
    expected = plan.expected
    sentences = [*(plans.foreseen(expected, plan.design) if expected and expected.spreads else ())]
    if expected and expected.contrasts and not expected.spreads:
        sentences = ["How small a difference these seeds can find is told once three have run."]
    return _html(
        "plan",
        plan=plan,
        summary=plans.summary(plan),
        most=MOST_ROWS,
        groups=[group for part in plan.parts for group in part.groups],
        sentences=[*sentences, *plans.cost(plan)],
    )


def of_result(analysis: Analysis) -> str:
    """Return what a study found: the answer, arms and contrasts, and the forest plot."""
    from markupsafe import Markup

    from paribus.report import charts

    forest = charts.CHARTS["forest"]
    chart = forest.draw(analysis) if len(analysis.contrasts) <= MOST_ROWS else None
    return _html(
        "result",
        analysis=analysis,
        most=MOST_ROWS,
        styles=VERDICTS,
        svg=chart and Markup(charts.to_svg(chart).replace("<svg ", _FITTING, 1)),
        alternative=forest.alternative(analysis) if chart else "",
    )


def _html(template: str, **values: Any) -> str:
    from paribus.report.html import fragment

    return fragment(f"notebook/{template}.html.j2", **values)


class Bar(Progress):
    """A progress bar that a notebook updates in place; it needs no widgets."""

    def __init__(self) -> None:
        """Show nothing until the first task is there."""
        super().__init__(auto_refresh=False)
        self._began = self._drawn = time.monotonic()
        self._handle: Any = None
        self._last = ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Leave a line that says how it ended."""
        if self._handle is not None:
            ended = "stopped after" if kind else "in"
            lasted = words.duration(time.monotonic() - self._began)
            self._draw(None, f"{self._last}, {ended} {lasted}")

    def update(self, task_id: Any, **changes: Any) -> None:
        """Update a task, and the picture of it unless that was done just now."""
        super().update(task_id, **changes)
        if time.monotonic() - self._drawn >= _BETWEEN:
            self.refresh()
        self._last = str(self.tasks[-1].fields["runs"]) if self.tasks else ""

    def refresh(self) -> None:
        """Draw the task that is there."""
        if not self.tasks:
            return
        task = self.tasks[-1]
        self._last = str(task.fields["runs"])
        told = [task.description, self._last, f"{task.completed:.0f}/{task.total:.0f} epochs"]
        if task.time_remaining:
            told.append(f"about {words.duration(task.time_remaining)} left")
        self._draw(task, " · ".join(part for part in told if part))

    def _draw(self, task: Task | None, told: str) -> None:
        from IPython.display import display

        page = _html("progress", task=task, told=told)
        shown = {"text/plain": told, "text/html": page}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
        self._drawn = time.monotonic()

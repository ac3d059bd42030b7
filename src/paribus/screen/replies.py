"""What `paribus ask` says of a question."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from paribus.screen.console import out
from paribus.screen.plans import summary
from paribus.screen.words import counted, duration

if TYPE_CHECKING:
    from paribus.findings import Analysis
    from paribus.questions import Outlook, Question


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
        out.print(f"Would run: {counted(expected.runs, 'run')}, but it {expected.lacks}.")
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

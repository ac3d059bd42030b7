"""The answer in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from paribus.findings import Analysis, ArmSummary, Contrast, Tuning
from paribus.report import wording
from paribus.report.style import VERDICTS
from paribus.report.tables import Column

_AMPLE = 10_000  # a width that no table reaches


def render_text(analysis: Analysis, console: Console, brief: bool = False) -> None:
    """Print the question, the answer, the figures behind it, how sure they are, and the reason.

    `brief` leaves out what the runs say besides, and the figures of other outcomes.
    """
    console.print(_text(analysis.question))
    console.print()
    console.print(_text(analysis.answer, "bold"))
    _print_tables(analysis, console)
    if not brief:
        _print_besides(analysis, console)
    if analysis.notes:
        console.print()
    for note in analysis.notes:
        console.print(_text(note, "dim"))
    if analysis.reason:
        console.print()
        console.print(_text(f"Why: {' '.join(analysis.reason.split())}"))
    for other in analysis.secondary:
        console.print()
        console.print(_text(f"The same runs by {other.outcome.label}: {other.answer}", "bold"))
        if brief:
            continue
        _print_tables(other, console)
        for note in other.notes[:1]:
            console.print()
            console.print(_text(note, "dim"))


def _print_besides(analysis: Analysis, console: Console) -> None:
    """Print what was tuned, what else the runs say, and the proof that engines are equal."""
    tuned = _tuning_lines(analysis.tuning) if analysis.tuning else ()
    proofs = [wording.proof(one) for one in analysis.proofs]
    for lines in (tuned, analysis.remarks, proofs):
        if lines:
            console.print()
        for line in lines:
            console.print(_text(line))


def _print_tables(analysis: Analysis, console: Console) -> None:
    tables = [_rich_table(columns) for columns in _tables(analysis)]
    unbounded = console.options.update(width=_AMPLE)
    if any(console.measure(table, options=unbounded).maximum > console.width for table in tables):
        tables = [_rich_table(columns) for columns in _separate_tables(analysis)]
    for table in tables:
        console.print()
        console.print(table)


def _tuning_lines(tuning: Tuning) -> list[str]:
    return [wording.budget(tuning), *wording.tuned(tuning), *tuning.survival]


def _tables(analysis: Analysis) -> list[list[Column]]:
    """One table where each arm has at most one contrast, otherwise arms, then contrasts."""
    compared = [contrast.arm for contrast in analysis.contrasts]
    if not compared or len(compared) > len(set(compared)):
        return _separate_tables(analysis)
    contrast_of = {contrast.arm: contrast for contrast in analysis.contrasts}
    rows = [contrast_of.get(arm.name) for arm in analysis.arms]
    heading = _baseline_heading(analysis)
    return [[*_arm_columns(analysis), *_contrast_columns(analysis, rows, heading)]]


def _separate_tables(analysis: Analysis) -> list[list[Column]]:
    """A table of arms and, where there are any, one of contrasts."""
    arms, contrasts = _arm_columns(analysis), analysis.contrasts
    if not contrasts:
        return [arms]
    columns = [
        Column("comparison", False, tuple(contrast.varies for contrast in contrasts)),
        Column("with", False, tuple(contrast.condition for contrast in contrasts)),
        *_contrast_columns(analysis, contrasts, wording.difference_heading(analysis)),
    ]
    return [arms, [column for column in columns if any(column.cells)]]


def _arm_columns(analysis: Analysis) -> list[Column]:
    outcome, arms = analysis.outcome, analysis.arms
    columns = [
        Column(factor, False, tuple(arm.levels.get(factor, "") for arm in arms))
        for factor in analysis.factors
    ] or [Column("arm", False, tuple(arm.name for arm in arms))]
    heading = wording.labelled(outcome.label, outcome.unit)
    columns.append(Column(heading, True, tuple(wording.mean_and_sd(outcome, a) for a in arms)))
    troubles = tuple(wording.troubles(arm) for arm in arms)
    if any(troubles):
        columns.append(Column("runs", False, troubles))
    return columns


def _contrast_columns(
    analysis: Analysis, rows: Sequence[Contrast | None], heading: str
) -> list[Column]:
    differences = tuple(wording.difference(analysis.outcome, row) if row else "" for row in rows)
    verdicts = tuple(row.verdict if row else "" for row in rows)
    return [Column(heading, True, differences), Column("verdict", False, verdicts, True)]


def _baseline_heading(analysis: Analysis) -> str:
    """'against no (points)' where all contrasts leave the same level, else 'difference (...)'.

    'ratio to no' and 'ratio' where the outcome is compared as a ratio.
    """
    levels = {arm.name: arm for arm in analysis.arms}
    left = {
        _varied(levels.get(contrast.arm), levels.get(contrast.baseline))
        for contrast in analysis.contrasts
    }
    (level,) = left if len(left) == 1 else ("",)
    if not level:
        return wording.difference_heading(analysis)
    if analysis.outcome.ratio:
        return f"ratio to {level}"
    return wording.labelled(f"against {level}", analysis.outcome.difference_unit)


def _varied(arm: ArmSummary | None, baseline: ArmSummary | None) -> str:
    """The baseline's level of the one factor that tells the two arms apart, or nothing."""
    if arm is None or baseline is None:
        return ""
    differing = [level for f, level in baseline.levels.items() if arm.levels.get(f) != level]
    return differing[0] if len(differing) == 1 else ""


def _text(words: str, style: str = "") -> Text:
    return Text(wording.clean(words), style=style)


def _rich_table(columns: list[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(
            _text(column.heading),
            justify="right" if column.numeric else "left",
            overflow="fold",
        )
    for row in _rows(columns):
        table.add_row(*(_text(cell, _style(column, cell)) for column, cell in row))
    return table


def _rows(columns: list[Column]) -> list[list[tuple[Column, str]]]:
    cells = zip(*(column.cells for column in columns), strict=True)
    return [list(zip(columns, row, strict=True)) for row in cells]


def _style(column: Column, cell: str) -> str:
    styles = {str(verdict): style.terminal for verdict, style in VERDICTS.items()}
    return styles.get(cell, "") if column.verdicts else ""

"""Two studies held against each other: in a terminal, as rows and as plain values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from paribus.agreement import SAME, answer, contrast_name, difference, notes
from paribus.comparison import TwoStudies
from paribus.differing import Side
from paribus.report import wording
from paribus.report.record import plain
from paribus.report.style import VERDICTS
from paribus.report.wording import capitalised, clean, counted, listed
from paribus.stats.paired import Paired


def render(found: TwoStudies, console: Console) -> None:
    """Print which two studies, what differs, the answer, the arms, the contrasts, the notes."""
    for where, side in {"here: ": found.here, "there:": found.there}.items():
        console.print(_text(f"{where} {_about(side)}"))
    console.print()
    console.print(_text(answer(found), "bold"))
    differences = found.differing.differences
    if differences:
        console.print()
        rows = [[one.what, one.here, one.there] for one in differences]
        _print_table(console, ["what differs", "here", "there"], rows)
    console.print()
    console.print(_text(same(found)))
    if found.arms:
        _print_arms(found, console)
    if found.contrasts:
        _print_contrasts(found, console)
    if told := notes(found):
        console.print()
        for note in told:
            console.print(_text(note, "dim"))


def _about(side: Side) -> str:
    row, found = side.study.row, side.analysis
    runs = f"{row.done} of {row.planned} runs" if row.done < row.planned else f"{row.done} runs"
    return f"{row.name} ({row.key[:8]}) on {found.data['data set']}, {runs}, {found.created[:10]}"


def same(found: TwoStudies) -> str:
    """Return in a line what both studies share."""
    alike = Counter(one.kind for one in found.differing.same)
    unlike = Counter(one.kind for one in found.differing.differences)
    parts = [counted(alike["control"], "control")] if alike["control"] else []
    for kind in ("data", "environment"):
        if alike[kind]:
            part = f"{alike[kind]} of {alike[kind] + unlike[kind]} entries of the {kind}"
            parts.append(part if unlike[kind] else f"the {kind}")
    parts += [one.what for one in found.differing.same if one.kind == "judgement"]
    return f"The same: {listed([*parts, counted(alike['arm'], 'arm')])}."


def _print_arms(found: TwoStudies, console: Console) -> None:
    outcome = found.outcome
    sign = "here / there" if outcome.ratio else "here - there"
    columns = {
        "arm": [one.name for one in found.arms],
        "here": [wording.mean_and_sd(outcome, one.here) for one in found.arms],
        "there": [wording.mean_and_sd(outcome, one.there) for one in found.arms],
        wording.labelled(sign, outcome.difference_unit): [
            difference(found, one) for one in found.arms
        ],
        "verdict": [one.verdict or SAME for one in found.arms],
    }
    arm, here, there, compared, verdict = columns
    together = [[arm, here, there, compared, verdict]]
    if sum(max(map(len, [h, *cells])) + 2 for h, cells in columns.items()) > console.width:
        together = [[arm, here, there], [arm, compared, verdict]]
    console.print()
    console.print(_text(f"{capitalised(wording.labelled(outcome.label, outcome.unit))}, mean ± sd"))
    for number, headings in enumerate(together):
        if number:
            console.print()
        rows = list(zip(*(columns[heading] for heading in headings), strict=True))
        _print_table(console, headings, rows, numbers=(here, there, compared))


def _print_contrasts(found: TwoStudies, console: Console) -> None:
    outcome = found.outcome
    what = wording.labelled(f"{wording.compared(outcome)}s", outcome.difference_unit)
    console.print()
    console.print(_text(f"The contrasts of each study: {what} and verdicts"))
    headings = ["contrast", "here", "there", "verdict here", "verdict there"]
    rows = [
        [
            contrast_name(one),
            wording.signed(outcome, one.here.difference),
            wording.signed(outcome, one.there.difference),
            one.here.verdict,
            one.there.verdict,
        ]
        for one in found.contrasts
    ]
    _print_table(console, headings, rows, numbers=("here", "there"))


def _print_table(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[str] = (),
) -> None:
    """Print a table; its first column gives way, and where there are no numbers all do."""
    styles = {str(verdict): style.terminal for verdict, style in VERDICTS.items()}
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(
            _text(heading),
            justify="right" if heading in numbers else "left",
            overflow="fold",
            no_wrap=bool(numbers) and heading != headings[0],
        )
    for row in rows:
        table.add_row(
            *(
                _text(cell, styles.get(cell, "") if heading.startswith("verdict") else "")
                for heading, cell in zip(headings, row, strict=True)
            )
        )
    console.print(table)


def _text(words: str, style: str = "") -> Text:
    return Text(clean(words), style=style)


def difference_rows(found: TwoStudies) -> list[dict[str, Any]]:
    """Return a row per thing that differs: kind, what, here, there."""
    return [vars(one) for one in found.differing.differences]


def arm_rows(found: TwoStudies) -> list[dict[str, Any]]:
    """Return a row per arm that both studies have; nan where there is no number."""
    rows = []
    for one in found.arms:
        effect, judged = one.effect, one.judged
        n = 0 if effect is None else effect.n if isinstance(effect, Paired) else effect.fewest
        rows.append(
            {
                "arm": one.name,
                **{
                    f"{what}_{where}": value
                    for where, arm in (("here", one.here), ("there", one.there))
                    for what, value in (("n", len(arm.values)), ("mean", arm.mean), ("sd", arm.sd))
                },
                "same_runs": one.same.runs,
                "same_runs_unlike": one.same.unlike,
                "n": n,
                **{k: getattr(effect, k, math.nan) for k in ("difference", "low", "high", "p")},
                **{k: getattr(judged, k, math.nan) for k in ("p_adjusted", "p_equivalence")},
                "verdict": one.verdict or SAME,
            }
        )
    return rows


def contrast_rows(found: TwoStudies) -> list[dict[str, Any]]:
    """Return a row per contrast that both studies have: differences, intervals, verdicts."""
    columns = ("n", "difference", "low", "high", "p_adjusted", "verdict")
    return [
        {
            **{k: getattr(one.here, k) for k in ("arm", "baseline", "varies", "condition")},
            **{f"{k}_here": getattr(one.here, k) for k in columns},
            **{f"{k}_there": getattr(one.there, k) for k in columns},
            "agreement": one.agreement,
        }
        for one in found.contrasts
    ]


def to_record(found: TwoStudies) -> dict[str, Any]:
    """Return two compared studies as JSON-ready values; nan becomes None.

    Values are as stored, and differences those of natural logarithms where `outcome.ratio` is true.
    """

    def about(side: Side) -> dict[str, Any]:
        row, analysis = side.study.row, side.analysis
        return {
            "study": row.name,
            "key": row.key,
            "store": str(side.store),
            "question": row.question,
            "data": analysis.data["data set"],
            "created": analysis.created,
            "runs": row.planned,
            "done": row.done,
            "answer": analysis.answer,
        }

    return plain(  # type: ignore[no-any-return]
        {
            "here": about(found.here),
            "there": about(found.there),
            "answer": answer(found),
            "comparable": not found.incomparable,
            "outcome": found.outcome,
            "margin": found.margin,
            "paired": bool(found.arms) and not found.unpaired,
            "differences": difference_rows(found),
            "same": [{"kind": one.kind, "what": one.what} for one in found.differing.same],
            "arms": arm_rows(found),
            "contrasts": contrast_rows(found),
            "notes": notes(found),
        }
    )

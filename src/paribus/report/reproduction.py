"""A reproduced notebook as text and as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table

from paribus.reference.compare import Compared, Effect, Judgement, Reproduction
from paribus.reference.notebooks import Figure
from paribus.report.record import plain
from paribus.report.wording import NOTHING, capitalised, clean, listed, signed
from paribus.stats.paired import holm
from paribus.stats.verdicts import ALPHA
from paribus.study.outcomes import Outcome


def render(found: Reproduction, console: Console) -> None:
    """Print a notebook's figures beside ours, and what becomes of its conclusions."""
    notebook = found.notebook
    console.print(f"{notebook.letter}. {notebook.topic}", style="bold")
    console.print(f"As it was written: {notebook.mistakes}.")
    if found.changed:
        changed = ", ".join(f"{path} = {value}" for path, value in found.changed.items())
        console.print(f"Not as it was written: {changed}.", style="yellow")
    if found.figures:
        for series, table in _tables(found.figures, console.width):
            console.print(f"\n{clean(capitalised(series))}", style="bold")
            console.print(table)
        console.print()
        console.print(summary(found.figures))
    for line in _outside(found.figures):
        console.print(f"  {line}")
    for line in _timing(found):
        console.print(line)
    for what, why in notebook.unmeasured.items():
        console.print(f"Not measured: {what} ({why}).")
    for judgement in found.judgements:
        outcome = found.ran[judgement.claim.corrected.study].analysis.outcome
        console.print()
        console.print(f"“{judgement.claim.text}”", style="bold")
        for line in _judgement_lines(judgement, outcome):
            console.print(f"  {clean(line)}")
    for study in notebook.clock:
        console.print(f"Times: paribus run {study} --skip-unavailable")
    console.print()


def summary(figures: Sequence[Compared]) -> str:
    """Return how many figures lie where one run of ours would."""
    tested = [one for one in figures if one.inside is not None]
    inside = sum(bool(one.inside) for one in tested)
    share = f" ({100 * inside / len(tested):.0f} %)" if tested else ""
    lacking = len(figures) - len(tested)
    rest = f"; {lacking} could not be compared" if lacking else ""
    return (
        f"{inside} of {len(tested)} figures{share} lie in the 95 % prediction interval of one "
        f"run{rest}."
    )


def to_record(found: Reproduction) -> dict[str, Any]:
    """Return a reproduced notebook as JSON-ready values."""
    return {
        "notebook": found.notebook.letter,
        "topic": found.notebook.topic,
        "changed": plain(dict(found.changed)),
        "figures": [
            {**plain(one), "value": one.figure.value, "inside": one.inside} for one in found.figures
        ],
        "claims": [
            {**plain(one), "upheld": dict(one.upheld), "in_short": " ".join(_verdict(one))}
            for one in found.judgements
        ],
        "answers": {name: ran.analysis.answer for name, ran in found.ran.items()},
        "timed": plain(found.timed),
        "unmeasured": dict(found.notebook.unmeasured),
    }


def _tables(figures: Sequence[Compared], width: int) -> Iterator[tuple[str, Table]]:
    """Yield each series of figures with its table; columns stand below each other."""
    widths = {"notebook": 8, "our mean": 8, "range": 15, "95 % of one run": 15, "": 7}
    place = max(16, min(40, width - sum(widths.values()) - 11))
    for series, own in groupby(figures, key=lambda one: one.figure.series):
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("", overflow="fold", width=place)
        for heading, own_width in widths.items():
            justify: JustifyMethod = "right" if heading else "left"
            table.add_column(heading, justify=justify, no_wrap=True, min_width=own_width)
        for one in own:
            figure = one.figure
            table.add_row(
                clean(figure.place),
                figure.printed,
                _shown(figure, one.mean),
                _between(figure, one.least, one.most),
                _between(figure, one.low, one.high),
                {True: "inside", False: "outside", None: ""}[one.inside],
                style="yellow" if one.inside is False else None,
            )
        yield series, table


def _shown(figure: Figure, value: float) -> str:
    decimals = len(figure.printed.partition(".")[2])
    scaled = value * (100 if figure.percent else 1)
    return NOTHING if value != value else f"{scaled:.{max(decimals, 2)}f}"


def _between(figure: Figure, low: float, high: float) -> str:
    return f"{_shown(figure, low)}–{_shown(figure, high)}" if low == low else NOTHING


def _outside(figures: Sequence[Compared]) -> Iterator[str]:
    """Explain each figure that lies outside by how often one run is as far off."""
    tested = [one for one in figures if one.inside is not None]
    adjusted = holm(np.array([one.as_far_off for one in tested]))
    for one, p in zip(tested, adjusted, strict=True):
        if one.inside:
            continue
        side = "above" if one.figure.value > one.mean else "below"
        far = f"{abs(one.deviation):.1f} standard deviations " if one.sd > 0 else ""
        rare = 1 / one.as_far_off if one.as_far_off > 1e-6 else 1e6
        often = f"about one run in {rare:,.0f}" if rare < 1e6 else "fewer than one run in a million"
        chance = (
            f"as chance may leave among {len(tested)} figures"
            if p > ALPHA
            else f"which is more than chance leaves among {len(tested)} figures"
        )
        yield (
            f"{one.figure.what}: {far}{side} the mean of {one.n} runs; {often} is as far off, "
            f"{chance}."
        )


def _timing(found: Reproduction) -> Iterator[str]:
    """Say what a timing that never trained had timed, by what both take here."""
    timing, timed = found.notebook.timing, found.timed
    if timing is None or timed is None:
        return
    printed = " and ".join(f"{seconds} s ({device})" for device, seconds in timing.printed.items())
    yield (
        f"Printed as the training of ResNet-18 for {timing.epochs} epochs: {printed}. The loop "
        f"never ran the network. Here loading alone takes {timed.loading:.0f} s, whatever the "
        "device; "
        + (
            f"training was not measured ({timed.why})."
            if timed.training != timed.training
            else f"training would take {timed.training:,.0f} s on this CPU "
            f"({timed.training / timed.loading:.0f} times as long)."
        )
    )


def _judgement_lines(judgement: Judgement, outcome: Outcome) -> Iterator[str]:
    if judgement.written:
        yield f"As written: {_effects(judgement.written, outcome)}."
    if judgement.corrected:
        yield f"Corrected:  {_effects(judgement.corrected, outcome)}."
    if judgement.answer:
        yield f"Corrected:  {judgement.answer}"
    yield from _verdict(judgement)


def _verdict(judgement: Judgement) -> Iterator[str]:
    """Say in one line how the conclusion changes."""
    by_fate: dict[str, list[str]] = {}
    for condition, fate in judgement.upheld.items():
        by_fate.setdefault(fate, []).append(condition)
    if not by_fate:
        return
    parts = [
        fate + (f" with {listed(conditions)}" if any(conditions) else "")
        for fate, conditions in by_fate.items()
    ]
    yield f"→ {capitalised('; '.join(parts))}."


def _effects(effects: Sequence[Effect], outcome: Outcome) -> str:
    return "; ".join(
        f"{f'{one.condition} ' if one.condition else ''}"
        f"{signed(outcome, one.judged.paired.difference)} "
        f"[{signed(outcome, one.judged.paired.low)}, {signed(outcome, one.judged.paired.high)}] "
        f"{one.judged.verdict}"
        for one in effects
    )

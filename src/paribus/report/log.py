"""The log of training in a terminal: as tables over the seeds, or as one run would print it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from paribus.report import wording
from paribus.report.frames import spread
from paribus.study.outcomes import OUTCOMES
from paribus.training_log import IMPROVEMENT, QUANTITIES

_MOST_ROWS = 100  # in all tables together, unless every row is asked for
_MOST_ARMS = 6
_MOST_STEPS = 3  # of an epoch
_AMPLE = 10_000  # a width that no table reaches


def render_log(log: pd.DataFrame, console: Console, every_row: bool = False) -> str:
    """Print a table per arm of a `training_log`, and return what of it was left out, in words.

    Unless `every_row`, a long log is thinned: first and last and some evenly between, of arms,
    epochs, and steps of an epoch.
    """
    shown = log if every_row or len(log) <= _MOST_ROWS else _thinned(log)
    unbounded = console.options.update(width=_AMPLE)
    for arm, rows in shown.groupby("arm", sort=False):
        seeds = rows["seeds"].max()
        many = f"mean of {seeds} seeds, lowest and highest" if seeds > 1 else "1 seed"
        console.print(Text.assemble((wording.clean(str(arm)), "bold"), (f" · {many}", "dim")))
        table = _table(rows, wide=True)
        if console.measure(table, options=unbounded).maximum > console.width:
            table = _table(rows, wide=False)
        console.print(table)
        console.print()
    return _left_out(log, shown)


def run_lines(
    curves: pd.DataFrame, steps: pd.DataFrame, arm: str, block: int, epochs: int
) -> Iterator[str]:
    """Yield what the training loop of one run would have printed; `epochs` were asked for.

    The loss of a logged step is that of its batch. Takes the curves by epoch and by step of
    `analysis.curve_table`.
    """
    own, logged = (t[(t["arm"] == arm) & (t["block"] == block)] for t in (curves, steps))
    logged = logged[logged["metric"] == "step_loss"]
    by_epoch: dict[int, dict[str, float]] = {}
    for row in own.to_dict("records"):
        by_epoch.setdefault(row["epoch"], {})[row["metric"]] = row["value"]
    before = math.nan
    for epoch, found in by_epoch.items():
        for row in logged[logged["epoch"] == epoch].to_dict("records"):
            step = f"Step [{row['step']}/{row['steps']}]"
            yield f"Epoch [{epoch}/{epochs}], {step}, Loss: {row['value']:.4f}"
        found[IMPROVEMENT] = before - found["train_loss"]
        before = found["train_loss"]
        told = [
            f"{wording.capitalised(_label(name))}: {_shown(name, found[name])}"
            for name in QUANTITIES
            if name in found and not (name == IMPROVEMENT and math.isnan(found[name]))
        ]
        yield f"Epoch [{epoch}/{epochs}], {', '.join(told)}"


def _thinned(log: pd.DataFrame) -> pd.DataFrame:
    """Keep so many arms, epochs and steps that the rows are few, each with its first and last."""
    arms = list(log["arm"].unique())
    arms = [arms[i] for i in spread(len(arms), _MOST_ARMS)]
    each = _MOST_ROWS // len(arms)
    parts = []
    for arm in arms:
        rows = log[log["arm"] == arm]
        epochs = sorted(rows["epoch"].unique())
        logged = sorted(rows["step"].dropna().unique())
        if len(rows) > each:
            some = min(_MOST_STEPS, len(logged))
            epochs = [epochs[i] for i in spread(len(epochs), max(2, each // (1 + some)))]
            logged = [logged[i] for i in spread(len(logged), max(some, each // len(epochs) - 1))]
        kept = rows["step"].isin(logged) | rows["step"].isna()
        parts.append(rows.loc[rows["epoch"].isin(epochs) & kept])
    few: pd.DataFrame = pd.concat(parts)
    return few


def _left_out(log: pd.DataFrame, shown: pd.DataFrame) -> str:
    """Return '6 of 8 arms, 5 of 100 epochs', or nothing where all is shown."""
    if len(shown) == len(log):
        return ""
    within = log[log["arm"].isin(shown["arm"].unique())]
    counts = [("arms", log["arm"].nunique(), shown["arm"].nunique())]
    for things, column in (("epochs", "epoch"), ("logged steps of an epoch", "step")):
        counts.append((things, within[column].nunique(), shown[column].nunique()))
    told = [f"{some} of {all_} {things}" for things, all_, some in counts if some < all_]
    return wording.listed(told)


def _table(rows: pd.DataFrame, wide: bool) -> Table:
    """Return the table of one arm.

    Each mean has its range beside it where there is room; else those of epochs stand below.
    """
    quantities = [name for name in QUANTITIES if name in rows and rows[name].notna().any()]
    logged = bool(rows["step"].notna().any())
    counted = rows["seeds"].nunique() > 1
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    headings = [wording.labelled(_label(name), _unit(name)) for name in quantities]
    for heading in ("epoch", "step" if logged else "", *headings, *["seeds"] * counted):
        table.add_column(heading, justify="right", overflow="fold")

    def add(cells: Sequence[str], style: str) -> None:
        table.add_row(*map(Text, cells), style=style)

    for row in rows.to_dict("records"):
        of_step, several = not pd.isna(row["step"]), row["seeds"] > 1
        step = f"{row['step']}/{row['steps']}" if of_step else ""
        ends = [
            [_number(name, row[f"{name}_{end}"], "") for end in ("low", "high")]
            for name in quantities
        ]
        means = [_number(name, row[name], "") for name in quantities]
        if wide and several:
            means = [
                f"{mean} [{', '.join(end)}]" if mean else ""
                for mean, end in zip(means, ends, strict=True)
            ]
        seeds = [str(row["seeds"])] * counted
        style = "bold" if logged and not of_step else ""
        add([str(row["epoch"]), step, *means, *seeds], style)
        if several and not wide and not of_step:
            for word, end in zip(("lowest", "highest"), zip(*ends, strict=True), strict=True):
                add(["", word, *end], "dim")
    return table


def _number(quantity: str, value: float, nothing: str = wording.NOTHING) -> str:
    if math.isnan(value):
        return nothing
    if quantity == IMPROVEMENT:
        return wording.signed(OUTCOMES["train_loss"], value)
    return wording.number(OUTCOMES[quantity], value)


def _shown(quantity: str, value: float) -> str:
    return f"{_number(quantity, value)} {_unit(quantity)}".rstrip()


def _label(quantity: str) -> str:
    if quantity == IMPROVEMENT:
        return quantity
    return OUTCOMES[quantity].label.replace("train ", "training ")


def _unit(quantity: str) -> str:
    return "" if quantity == IMPROVEMENT else OUTCOMES[quantity].unit

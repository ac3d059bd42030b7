"""The mean of each arm by two factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from paribus.findings import Analysis
from paribus.report import frames, wording
from paribus.report.charts.looks import WIDTH, Chart, finished, look, round_numbers, told_seeds
from paribus.report.wording import MOST_NAMED


def draw(analysis: Analysis) -> Chart | None:
    """The mean of each arm by the levels of one factor, with a line per level of another.

    None for fewer than two factors, or where an arm has no value. Further factors have panels.
    """
    crossed = crossing(analysis)
    if crossed is None:
        return None
    outcome, panels = analysis.outcome, crossed.panels
    colour, dash, shape = look(crossed.series, crossed.lines)
    scale = alt.Scale(type="log", nice=False, padding=12) if crossed.logarithmic else None
    scale = scale or alt.Scale(zero=False, padding=12)
    title = wording.labelled(outcome.label, outcome.unit)
    columns = min(len(panels), 3)
    y = alt.Y("mean:Q", title=title, scale=scale).axis(tickCount=5)
    if crossed.logarithmic:
        drawn = crossed.rows[["low", "high"]].to_numpy(float).ravel().tolist()
        y = y.axis(values=round_numbers(drawn))
    base = alt.Chart().encode(
        x=alt.X("level:N", sort=crossed.levels, title=crossed.x)
        .scale(type="point", padding=0.3)
        .axis(labelAngle=0, labelLimit=(WIDTH - 60) // columns // len(crossed.levels)),
        color=colour,
    )
    chart = alt.layer(
        base.mark_rule(strokeWidth=1.6, opacity=0.6).encode(
            y=alt.Y("low:Q", scale=scale), y2="high:Q"
        ),
        base.mark_line(strokeWidth=1.8).encode(y=y, strokeDash=dash),
        base.mark_point(filled=True, size=56, opacity=1).encode(y=y, shape=shape),
        data=crossed.rows,
    ).resolve_legend(shape="independent")
    width = (WIDTH - 60) // columns - 14
    chart = chart.properties(width=width, height=280 if columns == 1 else 200)
    heading = f"{wording.capitalised(outcome.label)} by {crossed.x} and {crossed.lines}"
    counts = pd.Series([len(arm.values) for arm in analysis.arms])
    says = f"Mean and 95 % t interval of each arm, {told_seeds(counts)}"
    if len(panels) == 1:
        return finished(chart, heading, says)
    facets = alt.Facet("panel:N", title=None, sort=panels).header(labelLimit=width)
    return finished(
        chart.facet(facet=facets, columns=columns, spacing={"row": 16, "column": 14}),
        heading,
        says,
    )


@dataclass(frozen=True)
class Crossing:
    """The mean outcome of every arm, laid out by two factors: one along the axis, one as lines.

    `rows` has the columns panel (the levels of all further factors), series, level, mean, low and
    high, in shown values.
    """

    x: str
    lines: str
    rows: pd.DataFrame
    levels: list[str]  # along the axis: increasing where they are numbers, else as declared
    series: list[str]
    panels: list[str]  # in order
    logarithmic: bool


def crossing(analysis: Analysis) -> Crossing | None:
    """Lay out the means by two factors; None for fewer, or where an arm has no value.

    The lines are devices or engines where the study compares those, else the factor with the fewest
    levels; along the axis stands the other one with the most.
    """
    factors, scale = analysis.factors, analysis.outcome.scale
    if len(factors) < 2 or not all(math.isfinite(arm.mean * scale) for arm in analysis.arms):
        return None
    machines = [factor for factor in factors if factor in frames.MACHINES]
    # On a tie the last factor wins, as among colours.
    fewest = min(reversed(list(factors)), key=lambda f: len(factors[f]))
    lines = machines[0] if machines else fewest
    x = max((factor for factor in factors if factor != lines), key=lambda f: len(factors[f]))
    means = [arm.mean * scale for arm in analysis.arms]
    lowest, highest = min(means, default=1.0), max(means, default=1.0)
    logarithmic = lowest > 0 and (analysis.outcome.ratio or highest / lowest > frames.WIDE_SPAN)
    rows, panels = [], []
    for arm, mean in zip(analysis.arms, means, strict=True):
        others = [f"{f} {level}" for f, level in arm.levels.items() if f not in (x, lines)]
        panels.append(wording.clean(" · ".join(others)))
        low, high = arm.low * scale, arm.high * scale
        if not (math.isfinite(low) and math.isfinite(high)):
            low = high = mean
        rows.append(
            {
                "panel": panels[-1],
                "series": wording.clean(arm.levels[lines]),
                "level": wording.clean(arm.levels[x]),
                "mean": mean,
                # An interval below zero has no place on a log axis: end it under the lowest mean.
                "low": max(low, lowest / 2) if logarithmic else low,
                "high": high,
            }
        )
    levels = [wording.clean(level) for level in in_order(factors[x])]
    frame = pd.DataFrame(rows)
    frame = frame.sort_values("level", key=lambda one: one.map(levels.index), kind="stable")
    return Crossing(
        wording.clean(x),
        wording.clean(lines),
        frame.reset_index(drop=True),
        levels,
        [wording.clean(level) for level in factors[lines]],
        list(dict.fromkeys(panels)),
        logarithmic,
    )


def in_order(levels: Sequence[str]) -> list[str]:
    """Return levels in increasing order where all are numbers, else as they are."""
    try:
        return sorted(levels, key=float)
    except ValueError:
        return list(levels)


def caption(analysis: Analysis) -> str:
    """Return how to read the chart of two factors."""
    crossed = crossing(analysis)
    if crossed is None:
        return ""
    scale = " On this scale equal ratios are equally far apart." if crossed.logarithmic else ""
    return (
        f"Mean of each arm over its seeds, with the 95 % t interval of the mean.{scale} Where the "
        f"lines do not run parallel, the effect of {crossed.lines} seems to depend on {crossed.x}: "
        "whether it does is for the tests to say."
    )


def alternative(analysis: Analysis) -> str:
    """Return where each line starts and ends, the first twelve one by one."""
    crossed = crossing(analysis)
    if crossed is None:
        return ""
    outcome, rows = analysis.outcome, crossed.rows
    told = []
    for (panel, series), line in rows.groupby(["panel", "series"], sort=False):
        first, last = line.iloc[0], line.iloc[-1]
        ends = [
            f"{wording.told(outcome, one['mean'] / outcome.scale)} at {one['level']}"
            for one in (first, last)
        ]
        name = ", ".join(part for part in (f"{crossed.lines} {series}", str(panel)) if part)
        told.append(f"{name}: {ends[0]}, {ends[1]}")
    more = len(told) - MOST_NAMED
    rest = [f"{wording.counted(more, 'more line')} in the chart"] if more > 0 else []
    return (
        f"Line chart of the {outcome.label} by {crossed.x}, {wording.counted(len(told), 'line')}. "
        + wording.sentences([*told[:MOST_NAMED], *rest])
    )

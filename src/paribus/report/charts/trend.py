"""The outcome over the ordered levels of a factor, and from where on gains no longer matter."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from paribus.findings import Analysis, LevelTrend
from paribus.report import frames, wording
from paribus.report.charts.looks import (
    FAINT,
    INK,
    WIDTH,
    Chart,
    finished,
    round_numbers,
    told_seeds,
)
from paribus.report.style import COLOURS
from paribus.stats.paired import mean_interval
from paribus.stats.verdicts import ALPHA

_ROUNDED = 1.1  # ratios of a geometric progression differ by so much where levels are rounded


def draw(analysis: Analysis) -> Chart | None:
    """The outcome against each factor with a trend, averaged over all others; a panel per factor.

    Mean and 95 % t interval over the seeds, and each seed; the level from which on no higher one
    gains the margin is marked. None where the evidence has no trend.
    """
    rows = tabulated(analysis)
    if rows.empty:
        return None
    trends, y = _drawn(analysis), _up(analysis, rows)
    columns = min(len(trends), 2)
    width = (WIDTH - 30) // columns - 70
    panels = [
        _panel(one, rows[rows["factor"] == one.factor], y, width, _margin(analysis))
        for one in trends
    ]
    factors = wording.listed([wording.clean(one.factor) for one in trends])
    seeds = told_seeds(pd.Series([analysis.evidence.seeds]))
    return finished(
        alt.concat(*panels, columns=columns, spacing=24),
        f"{wording.capitalised(analysis.outcome.label)} by {factors}",
        f"Mean and its 95 % t interval, {seeds}; a faint line per seed",
    )


def _up(analysis: Analysis, rows: pd.DataFrame) -> alt.Y:
    """Return the axis of the outcome, the same in all panels."""
    outcome, means = analysis.outcome, rows.loc[rows["kind"] == "mean", "value"]
    lowest, highest = means.min(), means.max()
    logarithmic = rows["value"].min() > 0 and (outcome.ratio or highest / lowest > frames.WIDE_SPAN)
    drawn = rows[["value", "low", "high"]].to_numpy(float)
    ends = [float(np.nanmin(drawn)), float(np.nanmax(drawn))]
    if logarithmic:  # an interval below zero has no place on the axis: end it under the lowest mean
        ends[0] = max(ends[0], lowest / 2)
    title = wording.labelled(outcome.label, outcome.unit)
    if logarithmic:
        log = alt.Scale(type="log", domain=ends, nice=False, padding=10, clamp=True)
        return alt.Y("value:Q", title=title, scale=log).axis(values=round_numbers(ends))
    linear = alt.Scale(domain=ends, zero=False, padding=10)
    return alt.Y("value:Q", title=title, scale=linear).axis(tickCount=5)


def _panel(trend: LevelTrend, rows: pd.DataFrame, y: alt.Y, width: int, margin: str) -> Chart:
    levels = [wording.clean(level) for level in trend.levels]
    numbers = [float(level) for level in trend.levels]
    x = alt.X("at:Q", title=wording.clean(trend.factor), scale=_along(numbers)).axis(
        values=numbers,
        labelExpr=f"{json.dumps(levels)}[indexof({json.dumps(numbers)}, datum.value)]",
        labelOverlap="greedy",
        labelSeparation=6,
        grid=False,
    )
    seeds, means = (alt.Chart(rows[rows["kind"] == kind]) for kind in ("seed", "mean"))
    layers = [
        seeds.mark_line(strokeWidth=0.7, color="#9aa1a9", opacity=0.7).encode(
            x=x, y=y, detail="block:N"
        ),
        means.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2.2, color=COLOURS[0], opacity=0.6)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q"),
        means.mark_line(strokeWidth=1.8, color=COLOURS[0]).encode(x=x, y=y),
        means.mark_point(filled=True, size=56, opacity=1, color=COLOURS[0]).encode(x=x, y=y),
    ]
    if trend.enough is not None:
        mark = alt.Chart(pd.DataFrame({"at": [float(trend.enough)]}))
        layers.insert(0, mark.mark_rule(strokeWidth=1.4, strokeDash=[5, 3], color=INK).encode(x=x))
    title = alt.Title(
        wording.clean(wording.capitalised(_said(trend))),
        subtitle=[line for line in (_tested(trend), _gains(trend, margin)) if line],
        fontSize=12,
        subtitleFontSize=11,
        anchor="start",
        offset=10,
        limit=width,
        color=INK,
        subtitleColor=FAINT,
    )
    panel = alt.layer(*layers)
    return panel.properties(width=width, height=240, title=title)


def _said(trend: LevelTrend) -> str:
    if trend.p >= ALPHA:
        return f"no trend over {trend.factor} is shown"
    return f"{'rises' if trend.direction == 'increasing' else 'falls'} with {trend.factor}"


def _tested(trend: LevelTrend) -> str:
    p = wording.probability(trend.p)
    return f"Page's test, p {p.replace('<', '< ') if p.startswith('<') else f'= {p}'}"


def _gains(trend: LevelTrend, margin: str) -> str:
    """Say from which level on gains no longer matter, where there is a margin to say it by."""
    if not margin:
        return ""
    if trend.enough is None:
        return f"from where on no level gains {margin} is not shown"
    return f"from {trend.enough} on, dashed, no higher level gains {margin}"


def _margin(analysis: Analysis) -> str:
    return "" if analysis.margin is None else analysis.outcome.show_margin(analysis.margin)


def _along(numbers: Sequence[float]) -> alt.Scale:
    """Return a log scale for wide and for geometric levels, else a linear one.

    Levels so wide that have zero or less among them keep to a line around it.
    """
    positive = [number for number in numbers if number > 0]
    wide = bool(positive) and max(positive) / min(positive) > frames.WIDE_SPAN
    if wide and len(positive) < len(numbers):  # from zero to the first one is a decade
        return alt.Scale(type="symlog", constant=min(positive) / 9, nice=False, padding=14)
    if wide or (len(positive) == len(numbers) and _geometric(numbers)):
        return alt.Scale(type="log", nice=False, padding=14)
    return alt.Scale(zero=False, nice=False, padding=14)


def _geometric(numbers: Sequence[float]) -> bool:
    """Return whether increasing positive numbers are a geometric progression, but for rounding."""
    linear, log = (np.diff(values) for values in (numbers, np.log(numbers)))
    return bool(log.max() / log.min() <= min(_ROUNDED, linear.max() / linear.min()))


def _drawn(analysis: Analysis) -> list[LevelTrend]:
    return [
        one
        for one in analysis.evidence.trends
        if all(math.isfinite(float(level)) for level in one.levels)
    ]


def tabulated(analysis: Analysis) -> pd.DataFrame:
    """Return what the chart draws: factor, level, at (its number), kind, block, value, low, high.

    The kind is seed (the mean of a seed's runs at a level) or mean (of the seeds, with its 95 % t
    interval); geometric means where the outcome is compared as a ratio; shown values. In the seeds
    that all arms finished. Where the rows would pass `MOST_ROWS`, the first seeds are kept.
    """
    outcome, trends = analysis.outcome, _drawn(analysis)
    values = [
        {b: v for b, one in arm.values.items() if not math.isnan(v := outcome.comparable(one))}
        for arm in analysis.arms
    ]
    blocks = sorted(set.intersection(*map(set, values))) if values else []
    levels = sum(len(one.levels) for one in trends)
    kept = blocks[: max(1, frames.MOST_ROWS // max(1, levels) - 1)]
    rows: list[dict[str, object]] = []
    for trend in trends:
        for level in trend.levels:
            own = [
                [of_arm[block] for block in blocks]
                for arm, of_arm in zip(analysis.arms, values, strict=True)
                if arm.levels[trend.factor] == level
            ]
            by_seed = np.mean(own, 0)
            low, high = mean_interval(by_seed)
            common = {
                "factor": trend.factor,
                "level": wording.clean(level),
                "at": float(level),
            }
            rows += [
                {**common, "kind": "seed", "block": block, "value": _shown(analysis, value)}
                for block, value in zip(blocks, by_seed.tolist(), strict=True)
                if block in kept
            ]
            bounds = {"low": _shown(analysis, low), "high": _shown(analysis, high)}
            mean = _shown(analysis, float(by_seed.mean()))
            rows.append({**common, "kind": "mean", "value": mean, **bounds})
    columns = ["factor", "level", "at", "kind", "block", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _shown(analysis: Analysis, value: float) -> float:
    """Return a comparable value as the number that is shown."""
    outcome = analysis.outcome
    return math.exp(value) * outcome.scale if outcome.ratio else value * outcome.scale


def caption(analysis: Analysis) -> str:
    """Return how to read the trends, and from which levels on gains no longer matter."""
    rows = tabulated(analysis)
    if rows.empty:
        return ""
    enough = [f"{one.factor} {one.enough}" for one in _drawn(analysis) if one.enough is not None]
    marked = (
        f" A dashed line marks the level from which on no higher one gains {_margin(analysis)} or "
        f"more: {wording.listed(enough)}."
        if enough
        else ""
    )
    drawn = rows["block"].nunique()
    part = (
        f" The first {drawn} of {analysis.evidence.seeds} seeds are drawn as lines."
        if drawn < analysis.evidence.seeds
        else ""
    )
    mean = "Geometric mean" if analysis.outcome.ratio else "Mean"
    others = " over the levels of all other factors" if len(analysis.factors) > 1 else ""
    return (
        f"{mean}{others} in the seeds that all arms finished, with its 95 % t interval over the "
        f"seeds.{marked}{part}"
    )


def alternative(analysis: Analysis) -> str:
    """Return what the test says of each factor, and where its means start and end."""
    rows, outcome = tabulated(analysis), analysis.outcome
    if rows.empty:
        return ""
    told = []
    for trend in _drawn(analysis):
        means = rows[(rows["factor"] == trend.factor) & (rows["kind"] == "mean")]
        ends = [
            f"{wording.told(outcome, one['value'] / outcome.scale)} at {one['level']}"
            for one in (means.iloc[0], means.iloc[-1])
        ]
        enough = f", no gain from {trend.enough} on" if trend.enough is not None else ""
        told.append(
            f"{trend.factor}: {ends[0]}, {ends[1]}; {_said(trend)}, {_tested(trend)}{enough}"
        )
    return (
        f"Line chart of the {outcome.label} over ordered levels, "
        f"{wording.counted(len(told), 'panel')}. {wording.sentences(told)}"
    )

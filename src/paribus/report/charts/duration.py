"""Times against a size, per device or engine, and how much faster each is than the first."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import altair as alt
import pandas as pd

from paribus.findings import Analysis
from paribus.report import wording
from paribus.report.charts.looks import (
    INK,
    WIDTH,
    Chart,
    finished,
    look,
    round_numbers,
    told_seeds,
)
from paribus.report.durations import Crossing, Durations, durations
from paribus.report.wording import MOST_NAMED


def draw(analysis: Analysis) -> Chart | None:
    """Times against size, and below them the speed-up over the first device or engine.

    All axes are log axes. A circle on the line at 1 marks where one overtakes the other.
    """
    laid_out = durations(analysis)
    if laid_out is None:
        return None
    outcome, rows = analysis.outcome, laid_out.rows
    columns = {1: 1, 2: 2, 4: 2}.get(len(laid_out.panels), 3)
    width = (WIDTH - 60) // columns - 14
    first = laid_out.series[0]
    says = f"Mean and 95 % t interval, {told_seeds(rows['n'])}"
    times = _panels(
        laid_out,
        rows.rename(columns={"seconds": "value"}),
        wording.labelled(outcome.label, outcome.unit),
        width,
        {1: 260, 2: 200}.get(columns, 150),
    )
    heading = f"{wording.capitalised(outcome.label)} by {laid_out.size} and {laid_out.lines}"
    compared = rows[rows["speed_up"].notna()]
    if compared.empty:
        return finished(times, heading, says)
    speed_ups = _panels(
        laid_out,
        compared.drop(columns=["low", "high"]).rename(
            columns={"speed_up": "value", "speed_up_low": "low", "speed_up_high": "high"}
        ),
        f"speed-up over {first}",
        width,
        {1: 200, 2: 160}.get(columns, 130),
        laid_out.crossings,
    )
    chart = alt.concat(times, speed_ups, columns=1, spacing=22).resolve_scale(
        color="independent", strokeDash="independent", shape="independent"
    )
    circles = ", a circle at a crossing" if laid_out.crossings else ""
    return finished(chart, heading, f"{says}; below, paired by seed: above 1 is faster{circles}")


def _panels(
    laid_out: Durations,
    rows: pd.DataFrame,
    title: str,
    width: int,
    height: int,
    crossings: Sequence[Crossing] | None = None,
) -> Chart:
    """Draw `value` against size in every panel; with `crossings` around the line at 1."""
    around_one = crossings is not None
    colour, dash, shape = look(laid_out.series, None if around_one else laid_out.lines)
    sizes = sorted(set(laid_out.rows["size"]))
    room = (sizes[-1] / sizes[0]) ** 0.05 if len(sizes) > 1 else 2.0
    x = alt.X(
        "size:Q",
        title=laid_out.size,
        scale=alt.Scale(type="log", nice=False, domain=[sizes[0] / room, sizes[-1] * room]),
    ).axis(values=sizes if len(sizes) <= 12 else round_numbers(sizes), format=",~r")
    drawn = rows[["low", "high", "value"]].to_numpy(float).ravel().tolist()
    scale = alt.Scale(type="log", nice=False, padding=12)
    y = alt.Y("value:Q", title=title, scale=scale)
    y = y.axis(
        values=round_numbers([*drawn, *([1.0] if around_one else [])]),
        format="~g",
        titleLimit=height,
    )
    # A panel has one table: where lines cross stands among what was measured.
    marks = [
        {"kind": "crossing", "panel": one.panel, "series": one.series, "value": 1.0}
        | {"size": one.size, "label": f"at {_about(one.size)}"}
        for one in crossings or ()
    ]
    data = pd.concat([rows.assign(kind="measured", label=""), pd.DataFrame(marks)])
    base = alt.Chart().encode(x=x, color=colour)
    measured = base.transform_filter(alt.datum.kind == "measured")
    crossing = base.transform_filter(alt.datum.kind == "crossing").encode(y=y)
    layers: list[alt.Chart] = []
    if around_one:
        one = alt.Chart().transform_aggregate(rows="count()")  # one line in each panel
        layers.append(one.mark_rule(color=INK).encode(y=alt.YDatum(1.0, scale=scale, title=title)))
    layers += [
        measured.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.6, opacity=0.6)
        .encode(y=alt.Y("low:Q", scale=scale, title=title), y2="high:Q"),
        measured.mark_line(strokeWidth=1.8).encode(y=y, strokeDash=dash),
        measured.mark_point(filled=True, size=56, opacity=1).encode(y=y, shape=shape),
    ]
    if crossings:
        layers += [
            crossing.mark_point(filled=False, size=120, strokeWidth=2, opacity=1).encode(
                shape=alt.value("circle")
            ),
            *(
                crossing.transform_filter(alt.FieldOneOfPredicate("series", laid_out.series[of::2]))
                .mark_text(dy=dy, fontWeight="bold", fontSize=12)
                .encode(text="label:N")
                for of, dy in ((1, -15), (2, 17))  # so that two near each other can be read
            ),
        ]
    chart: Chart = alt.layer(*layers, data=data.drop(columns="n"))
    chart = chart.resolve_legend(shape="independent").properties(width=width, height=height)
    if len(laid_out.panels) == 1:
        return chart
    facet = alt.Facet("panel:N", title=None, sort=laid_out.panels).header(labelLimit=width)
    columns = {2: 2, 4: 2}.get(len(laid_out.panels), 3)
    facets: Chart = chart.facet(facet=facet, columns=columns, spacing={"row": 16, "column": 14})
    return facets


def _size(value: float) -> str:
    """Return a size that was measured, as people read it."""
    return f"{value:,.10g}"


def _about(value: float) -> str:
    """Return the size of a crossing to two digits."""
    return _size(float(f"{value:.2g}"))


def tabulated(analysis: Analysis) -> pd.DataFrame:
    """Return the rows that are drawn, those of `Durations`; none where nothing is."""
    laid_out = durations(analysis)
    return laid_out.rows if laid_out else pd.DataFrame()


def told(laid_out: Durations) -> list[str]:
    """Return where each device or engine overtakes the first one, or that none does, in words."""
    first, found = laid_out.series[0], []
    for panel, line in itertools.product(laid_out.panels, laid_out.series[1:]):
        own = laid_out.rows
        own = own[(own["panel"] == panel) & (own["series"] == line) & own["speed_up"].notna()]
        where = f"{panel}: " if panel else ""
        crossings = [c for c in laid_out.crossings if (c.panel, c.series) == (panel, line)]
        if own.empty:
            found.append(f"{where}{line} has no run in common with {first}")
        elif not crossings:
            apart = (own["speed_up_low"] > 1) | (own["speed_up_high"] < 1)  # False without interval
            holding = own[~apart]
            found.append(
                f"{where}no crossing: the speed-up of {line} over {first} is "
                f"{_side(own['speed_up'])} 1 at every {laid_out.size} that was measured"
                + _undecided(holding["size"].tolist())
            )
        for one in crossings:
            low, high = map(_size, one.between)
            verb = "overtakes" if one.ahead else "falls behind"
            found.append(
                f"{where}{line} {verb} {first} at {laid_out.size} {_about(one.size)}, interpolated "
                f"between {low} and {high}{_undecided(one.open)}"
            )
    return found


def _side(speed_ups: pd.Series[float]) -> str:
    """Return on which side of one they all are."""
    if speed_ups.min() >= 1:
        return "above" if speed_ups.min() > 1 else "not below"
    return "below" if speed_ups.max() < 1 else "not above"


def _undecided(sizes: Sequence[float]) -> str:
    """Return at which sizes neither is shown to be faster; nothing where there are none."""
    named = wording.listed([_size(size) for size in sizes])
    return f"; at {named} that is not shown" if sizes else ""


def caption(analysis: Analysis) -> str:
    """Return how to read both parts, and where the lines cross."""
    laid_out = durations(analysis)
    if laid_out is None:
        return ""
    shown, panels = len(laid_out.panels), laid_out.all_panels
    part = f" {shown} of {panels} panels are drawn." if shown < panels else ""
    found = told(laid_out)
    more = len(found) - MOST_NAMED
    rest = [f"{more} more in the chart"] if more > 0 else []
    return (
        "Log axes: equal ratios are equally far apart. The speed-up is the time of "
        f"{laid_out.series[0]} over that of the other within each seed: geometric mean with its "
        f"95 % t interval. {wording.sentences([*found[:MOST_NAMED], *rest])}{part}"
    )


def alternative(analysis: Analysis) -> str:
    """Return where each line starts and ends, and where lines cross."""
    laid_out = durations(analysis)
    if laid_out is None:
        return ""
    outcome, lines = analysis.outcome, []
    for (panel, line), own in laid_out.rows.groupby(["panel", "series"], sort=False):
        ends = [
            f"{wording.told(outcome, one['seconds'] / outcome.scale)} at {_size(one['size'])}"
            for one in (own.iloc[0], own.iloc[-1])
        ]
        lines.append(f"{panel}{', ' if panel else ''}{line}: {ends[0]}, {ends[1]}")
    return (
        f"Line charts of the {outcome.label} and of the speed-up by {laid_out.size}. "
        + wording.sentences([*lines[:MOST_NAMED], *told(laid_out)[:MOST_NAMED]])
    )

"""What all charts share: their size, their looks, and how they become files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import altair as alt
import pandas as pd
import vl_convert

from paribus.report import wording
from paribus.report.style import COLOURS, DASHES, SHAPES

Chart: TypeAlias = alt.FacetChart | alt.LayerChart | alt.ConcatChart
WIDTH = 880  # of a whole chart with its axes, in pixels
LABEL = 260  # the widest label of a row, in pixels
_TITLE = 560  # the widest title of an axis, in pixels
LETTER = 6.4  # the mean width of a letter of a label, in pixels
_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
INK, FAINT, _GRID = "#1b1f24", "#5a5f66", "#e3e6ea"
TWO_LINES = "split(datum.label, '\\n')"
_MOST_DECADES = 5  # of a log axis that has ticks between its powers of ten
FEW_EPOCHS = 20  # up to here each epoch gets a point


def to_svg(chart: Chart) -> str:
    """Return a chart as an SVG element, ready to stand inside a page."""
    spec, version = vega_lite(chart)
    svg: str = vl_convert.vegalite_to_svg(spec, vl_version=version)
    return wording.clean(svg)


def vega_lite(chart: Chart) -> tuple[dict[str, Any], str]:
    """Return the Vega-Lite specification of a chart, and the version of the language."""
    major, minor = alt.SCHEMA_VERSION.lstrip("v").split(".")[:2]
    return chart.to_dict(), f"{major}.{minor}"


def look(
    series: Sequence[str], legend: str | None = None
) -> tuple[alt.Color, alt.StrokeDash, alt.Shape]:
    """Colour, dash and shape of the same series, with one legend under the title `legend`."""
    shown = (
        None
        if legend is None
        else alt.Legend(
            title=legend,
            columns=4,
            symbolType="stroke",
            symbolFillColor="transparent",
            symbolSize=700,
            symbolOpacity=1,
        )
    )

    def scale(values: Sequence[Any]) -> alt.Scale:
        chosen = [values[i % len(values)] for i in range(len(series))]
        return alt.Scale(domain=list(series), range=chosen)

    return (
        alt.Color("series:N", scale=scale(COLOURS), legend=shown),
        alt.StrokeDash("series:N", scale=scale(DASHES), legend=shown),
        alt.Shape("series:N", scale=scale(SHAPES), legend=None),
    )


def label_width(labels: Sequence[str], most: float = LABEL) -> float:
    """Return about how wide the longest of the labels is, in pixels; `most` at most."""
    return min(most, LETTER * max((len(label) for label in labels), default=0))


def round_numbers(values: Sequence[float]) -> Any:
    """Return 1, 2, 5, 10, ... along a log axis of `values`; undefined where those are too few."""
    positive = [value for value in values if 0 < value < math.inf]
    if not positive:
        return alt.Undefined
    low, high = min(positive), max(positive)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    if len(decades) > _MOST_DECADES:
        return [float(f"1e{decade}") for decade in decades]
    ticks = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)]
    within = [tick for tick in ticks if low <= tick <= high]
    return within if len(within) > 3 else alt.Undefined


def told_seeds(counts: pd.Series[int]) -> str:
    """'n = 10 seeds', or 'n = 7 to 10 seeds'."""
    low, high = int(counts.min()), int(counts.max())
    span = f"{high}" if low == high else f"{low} to {high}"
    return f"n = {span} {'seed' if high == 1 else 'seeds'}"


def finished(chart: Chart, title: str, subtitle: str) -> Chart:
    """Give a chart its title and the looks that all charts share."""
    heading = alt.Title(
        title,
        subtitle=subtitle,
        anchor="start",
        fontSize=15,
        subtitleFontSize=12,
        color=INK,
        subtitleColor=FAINT,
        offset=14,
        limit=WIDTH,
    )
    finished: Chart = (
        chart.properties(title=heading, background="white", padding=14)
        .configure(font=_FONT, aria=False)  # the page tells the chart in words
        .configure_axis(
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight="normal",
            titleLimit=_TITLE,
            labelColor=INK,
            titleColor=INK,
            gridColor=_GRID,
            domainColor=FAINT,
            tickColor=FAINT,
            labelFlush=False,
        )
        .configure_header(labelFontSize=12, labelFontWeight="bold", labelColor=INK)
        .configure_legend(
            orient="top",
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            labelLimit=200,
            symbolStrokeWidth=2.2,
        )
        .configure_text(fontSize=12)
        .configure_view(stroke=None)
    )
    return finished

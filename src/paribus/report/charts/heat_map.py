"""The mean of each arm by two factors of many levels, as a coloured table."""

from __future__ import annotations

import math
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from paribus.findings import Analysis, ArmSummary
from paribus.report import frames, wording
from paribus.report.charts.interaction import in_order
from paribus.report.charts.looks import (
    LABEL,
    LETTER,
    WIDTH,
    Chart,
    finished,
    label_width,
    told_seeds,
)
from paribus.study.outcomes import Outcome

_FEWEST_LEVELS = 3  # of each factor: with fewer, lines say it better
_BRIGHT = 0.43  # from this share of viridis on, black is easier to read than white
_ROW = 28  # the height of a cell, in pixels
_GAP = 14  # between panels


def draw(analysis: Analysis) -> Chart | None:
    """The mean of each arm as a coloured cell with its figure, by the levels of two factors.

    None where fewer than two factors have three levels or more. Further factors have panels.
    """
    grid = tabulated(analysis)
    if grid is None:
        return None
    outcome, panels = analysis.outcome, grid.panels
    labels = label_width(grid.rows) + 50
    narrowest = LETTER * grid.cells["figure"].str.len().max() + 10
    panel = max(narrowest * len(grid.columns), 1.1 * label_width(panels, WIDTH / 2))
    lines = math.ceil(len(panels) / max(1, (WIDTH - labels) // (panel + _GAP)))
    full = (count for count in range(lines, 2 * lines + 1) if len(panels) % count == 0)
    in_line = math.ceil(len(panels) / next(full, lines))
    cell = max(narrowest, ((WIDTH - labels) / in_line - _GAP) / len(grid.columns))
    steep = label_width(grid.columns) > cell
    x = alt.X("column:N", sort=grid.columns, title=grid.across).axis(
        orient="bottom",
        labelAngle=-40 if steep else 0,
        labelLimit=140 if steep else cell,
        domain=False,
        ticks=False,
    )
    y = alt.Y("row:N", sort=grid.rows, title=grid.down).axis(
        labelLimit=label_width(grid.rows) + 10, maxExtent=2 * LABEL, domain=False, ticks=False
    )
    colour = alt.Color(
        "mean:Q",
        scale=alt.Scale(
            type="log" if grid.logarithmic else "linear",
            scheme="viridis",
            domain=list(grid.ends),
            reverse=not outcome.higher_is_better,
        ),
        legend=alt.Legend(
            title=wording.labelled(outcome.label, outcome.unit), gradientLength=240, tickCount=4
        ),
    )
    base = alt.Chart().encode(x=x, y=y)
    ink = alt.condition(alt.datum.bright, alt.value("black"), alt.value("white"))
    chart = alt.layer(
        base.transform_filter("isValid(datum.mean)")
        .mark_rect(stroke="white", strokeWidth=1, aria=False)
        .encode(color=colour),
        base.mark_text(fontSize=11, aria=False).encode(text="figure:N", color=ink),
        data=grid.cells,
    ).properties(width=round(cell * len(grid.columns)), height=_ROW * len(grid.rows))
    heading = f"{wording.capitalised(outcome.label)} by {grid.down} and {grid.across}"
    lighter = "higher" if outcome.higher_is_better else "lower"
    counts = pd.Series([len(arm.values) for arm in analysis.arms])
    says = f"Mean of each arm, {told_seeds(counts)}; the lighter a cell, the {lighter}"
    if len(panels) == 1:
        return finished(chart, heading, says)
    facets = alt.Facet("panel:N", title=None, sort=panels).header(
        labelLimit=cell * len(grid.columns)
    )
    return finished(
        chart.facet(facet=facets, columns=in_line, spacing={"row": 16, "column": _GAP}),
        heading,
        says,
    )


@dataclass(frozen=True)
class Grid:
    """The mean outcome of every arm, laid out by two factors: one down, one across.

    `cells` has the columns panel (the levels of all further factors), row, column, mean (shown;
    nan where no run finished), figure (as it is written) and bright (whether its colour is).
    """

    down: str
    across: str
    cells: pd.DataFrame
    rows: list[str]  # increasing where they are numbers, else as declared; so are columns
    columns: list[str]
    panels: list[str]  # in order
    ends: tuple[float, float]  # of the scale of colours
    logarithmic: bool


def tabulated(analysis: Analysis) -> Grid | None:
    """Lay out the means by the two factors with the most levels, most of them down.

    None where fewer than two have three levels, and where no arm has a value.
    """
    factors, outcome = analysis.factors, analysis.outcome
    many = [factor for factor in factors if len(factors[factor]) >= _FEWEST_LEVELS]
    means = np.array([arm.mean * outcome.scale for arm in analysis.arms])
    known = means[np.isfinite(means)]
    if len(many) < 2 or not len(known):
        return None
    down, across = sorted(many, key=lambda factor: -len(factors[factor]))[:2]
    low, high = float(known.min()), float(known.max())
    logarithmic = low > 0 and (outcome.ratio or high / low > frames.WIDE_SPAN)
    if low == high:  # a scale needs two ends
        low, high = (low / 2, high * 2) if logarithmic else (low - 1, high + 1)
    cells = []
    for arm, mean in zip(analysis.arms, means.tolist(), strict=True):
        others = [f"{f} {level}" for f, level in arm.levels.items() if f not in (down, across)]
        cells.append(
            {
                "panel": wording.clean(" · ".join(others)),
                "row": wording.clean(arm.levels[down]),
                "column": wording.clean(arm.levels[across]),
                "mean": mean if math.isfinite(mean) else math.nan,
                "figure": wording.number(outcome, arm.mean),
                "bright": not _share(mean, low, high, logarithmic, outcome) <= _BRIGHT,
            }
        )
    return Grid(
        wording.clean(down),
        wording.clean(across),
        pd.DataFrame(cells),
        [wording.clean(level) for level in in_order(factors[down])],
        [wording.clean(level) for level in in_order(factors[across])],
        list(dict.fromkeys(str(cell["panel"]) for cell in cells)),
        (low, high),
        logarithmic,
    )


def _share(mean: float, low: float, high: float, logarithmic: bool, outcome: Outcome) -> float:
    """Return how far along the colours a mean is, from 0, the darkest, to 1; nan has no colour."""
    if not math.isfinite(mean):
        return math.nan
    if logarithmic:
        mean, low, high = math.log(mean), math.log(low), math.log(high)
    share = (mean - low) / (high - low)
    return share if outcome.higher_is_better else 1 - share


def caption(analysis: Analysis) -> str:
    """Return how to read the heat map."""
    grid = tabulated(analysis)
    if grid is None:
        return ""
    scale = " On this scale equal ratios are equally far apart." if grid.logarithmic else ""
    lost = " A dash: no run has finished." if grid.cells["mean"].isna().any() else ""
    return (
        f"Mean of each arm over its seeds; the lighter, the better.{scale}{lost} The table of "
        "contrasts says which differences are more than chance."
    )


def alternative(analysis: Analysis) -> str:
    """Return the arms with the lowest and the highest mean."""
    grid = tabulated(analysis)
    if grid is None:
        return ""
    outcome = analysis.outcome
    arms = [arm for arm in analysis.arms if math.isfinite(arm.mean)]
    lowest, highest = (
        _arm(outcome, choose(arms, key=lambda arm: arm.mean)) for choose in (min, max)
    )
    return (
        f"Heat map of the {outcome.label} of {wording.counted(len(analysis.arms), 'arm')} by "
        f"{grid.down} (down) and {grid.across} (across). Lowest mean {lowest}; highest {highest}."
    )


def _arm(outcome: Outcome, arm: ArmSummary) -> str:
    return f"{wording.told(outcome, arm.mean)} for {arm.name}"

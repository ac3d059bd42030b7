"""What was tried in tuning, and how it did."""

from __future__ import annotations

import math

import altair as alt
import pandas as pd

from paribus.findings import Analysis
from paribus.report import frames, wording
from paribus.report.charts.looks import INK, WIDTH, Chart, finished, look


def draw(analysis: Analysis, path: str) -> Chart | None:
    """The tuning outcome of every candidate against its value of one tuned setting, by arm.

    A bar spans a standard deviation over the tuning seeds each way; rings are the chosen ones.
    """
    tuning = analysis.tuning
    rows = tabulated(analysis, path)
    if tuning is None or rows.empty:
        return None
    plan, scale = frames.layout(analysis), tuning.parameters[path]
    label = wording.clean(wording.parameter(path))
    series = [wording.clean(s) for s in plan.series] if plan.factor else [tuning.outcome.label]
    panels = list(dict.fromkeys(rows["panel"]))
    colour, dash, shape = look(series, wording.clean(plan.factor) if plan.factor else None)
    if scale == "choices":
        x: alt.X = alt.X("value:N", title=label, sort=None)
    else:
        axis = alt.Scale(type="log" if scale == "log" else "linear", zero=False, padding=10)
        x = alt.X("value:Q", title=label, scale=axis).axis(tickCount=5)
    title = wording.labelled(tuning.outcome.label, tuning.outcome.unit)
    bounds = alt.Scale(zero=False, padding=8)
    y = alt.Y("mean:Q", title=title, scale=bounds)
    base = alt.Chart().encode(x=x, color=colour)
    chosen = base.transform_filter(alt.datum.chosen)
    layers = [
        base.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q", scale=bounds), y2="high:Q"),
        base.mark_point(filled=True, size=46, opacity=1).encode(y=y, shape=shape),
        chosen.mark_point(filled=False, size=190, strokeWidth=1.8, opacity=1).encode(
            y=y, color=alt.value(INK)
        ),
    ]
    if len(tuning.parameters) == 1:  # else the other values move the points up and down
        layers.insert(0, base.mark_line(strokeWidth=1.2).encode(y=y, strokeDash=dash))
    columns = min(len(panels), 3)
    width = (WIDTH - 60) // columns - 14
    chart = (
        alt.layer(*layers, data=rows)
        .resolve_legend(shape="independent")
        .properties(width=width, height=260 if columns == 1 else 200)
    )
    heading = f"{wording.capitalised(tuning.outcome.label)} by {label}"
    seeds = "seed" if tuning.seeds == 1 else "seeds"
    says = f"A point per candidate: mean ± standard deviation of {tuning.seeds} tuning {seeds}"
    if len(panels) == 1:
        return finished(chart, heading, says)
    facets = alt.Facet("panel:N", title=None, sort=panels).header(labelLimit=width)
    return finished(
        chart.facet(facet=facets, columns=columns, spacing={"row": 16, "column": 14}),
        heading,
        says,
    )


def tabulated(analysis: Analysis, path: str) -> pd.DataFrame:
    """Return a row per candidate that finished with every tuning seed, at its value of `path`.

    Columns arm, panel, series, value, mean, low, high (mean ± sd), chosen; shown values.
    """
    plan, tuning = frames.layout(analysis), analysis.tuning
    if tuning is None:
        return pd.DataFrame()
    choices = tuning.parameters[path] == "choices"
    rows = []
    for one in tuning.candidates:
        if one.finished < tuning.seeds:
            continue
        panel, series = plan.place[one.arm]
        mean, sd = one.mean * tuning.outcome.scale, one.sd * tuning.outcome.scale
        rows.append(
            {
                "arm": one.arm,
                "panel": wording.clean(panel if plan.factor else series),
                "series": wording.clean(series if plan.factor else tuning.outcome.label),
                "value": wording.clean(wording.setting(one.values[path]))
                if choices
                else float(one.values[path]),
                "mean": mean,
                "low": mean - sd if math.isfinite(sd) else mean,
                "high": mean + sd if math.isfinite(sd) else mean,
                "chosen": one.values == tuning.chosen[one.arm],
            }
        )
    return pd.DataFrame(rows)


def caption(analysis: Analysis) -> str:
    """Return how to read a chart of candidates, and how many of them are not drawn."""
    tuning = analysis.tuning
    lost = [c for c in tuning.candidates if c.finished < tuning.seeds] if tuning else []
    without = (
        f" {wording.counted(len(lost), 'candidate')} that lost a seed, by divergence, "
        f"{'is' if len(lost) == 1 else 'are'} not drawn."
        if lost
        else ""
    )
    return f"All arms tried the same values; a ring marks what was chosen for each arm.{without}"


def alternative(analysis: Analysis, path: str) -> str:
    """Return what was chosen for each arm, and how it did."""
    tuning = analysis.tuning
    if tuning is None:
        return ""
    chosen = [c for c in tuning.candidates if c.values == tuning.chosen[c.arm]]
    best = [
        f"{one.arm} at {wording.setting(one.values[path])} with "
        f"{wording.told(tuning.outcome, one.mean)}"
        for one in {one.arm: one for one in reversed(chosen)}.values()
    ]
    tried = wording.counted(len(tuning.candidates), "candidate")
    return (
        f"Scatter plot of the {tuning.outcome.label} of {tried} by {wording.parameter(path)}. "
        f"Chosen: {'; '.join(reversed(best))}."
    )

"""The charts of what `train.measure_gradients` records: layer by layer, at the end of training."""

from __future__ import annotations

import altair as alt
import pandas as pd

from paribus.findings import Analysis
from paribus.report import frames, wording
from paribus.report.charts.looks import WIDTH, Chart, finished, look, round_numbers, told_seeds

NORM, INACTIVE = "gradient_norm_", "inactive_"

_LABELS = {NORM: "gradient norm", INACTIVE: "share of inactive units"}


def gradient_norms(analysis: Analysis) -> Chart | None:
    """The norm of each layer's gradient, on a log scale: mean and 95 % t interval per arm."""
    return _by_layer(analysis, NORM, alt.Scale(type="log", nice=False, padding=10), "~g")


def inactive_units(analysis: Analysis) -> Chart | None:
    """The share of inactive units of each hidden layer: mean and 95 % t interval per arm."""
    return _by_layer(analysis, INACTIVE, alt.Scale(zero=True, padding=6), "%")


def layer_rows(analysis: Analysis, prefix: str) -> pd.DataFrame:
    """Return mean, low and high of each arm and layer at the last epoch, with panel and series.

    Norms that are not above zero are left out, for they have no place on a log axis.
    """
    recorded = [m for m in analysis.curves["metric"].unique() if _number(m, prefix)]
    means = frames.curve_means(analysis, recorded).sort_values("epoch", kind="stable")
    last = means.groupby(["arm", "metric"], sort=False).tail(1)
    if prefix == NORM:
        last = last[last["mean"] > 0]
        last = last.assign(low=last["low"].clip(lower=last["mean"] / 10))
    plan = frames.layout(analysis)
    places = [plan.place[arm] for arm in last["arm"]]
    return last.assign(
        panel=[wording.clean(panel) for panel, _ in places],
        series=[wording.clean(series) for _, series in places],
        layer=[_number(metric, prefix) for metric in last["metric"]],
    ).reset_index(drop=True)


def caption(analysis: Analysis) -> str:
    """Return how to read either chart."""
    return (
        "Layers are counted from the input; mean over the seeds after the last epoch, with its "
        "95 % t interval. Measured on up to 2,000 training rows in training mode. A unit is "
        "inactive where the slope of its activation is below 1 % of the steepest."
    )


def alternative(analysis: Analysis, prefix: str) -> str:
    """Return in words where the values are lowest and highest."""
    rows = layer_rows(analysis, prefix).sort_values("mean", kind="stable")
    ends = [
        f"{rows['mean'].iloc[place]:.2g} in layer {rows['layer'].iloc[place]} of "
        f"{rows['arm'].iloc[place]}"
        for place in (0, -1)
    ]
    return f"Line chart of the {_LABELS[prefix]} by layer. Lowest: {ends[0]}; highest: {ends[1]}."


def _number(metric: str, prefix: str) -> int:
    """Return the number of the layer that a metric is of; zero where it is another metric."""
    number = metric.removeprefix(prefix)
    return int(number) if metric != number and number.isdecimal() else 0


def _by_layer(analysis: Analysis, prefix: str, scale: alt.Scale, form: str) -> Chart | None:
    rows = layer_rows(analysis, prefix)
    if rows.empty:
        return None
    plan = frames.layout(analysis)
    series = [wording.clean(one) for one in plan.series]
    colour, dash, shape = look(series, wording.clean(plan.factor or "arm"))
    panels = [wording.clean(panel) for panel in plan.panels]
    columns = min(len(panels), 4)
    layers = list(range(1, int(rows["layer"].max()) + 1))
    x = alt.X("layer:O", title="layer", scale=alt.Scale(domain=layers, type="point", padding=0.4))
    y = alt.Y("mean:Q", title=_LABELS[prefix], scale=scale).axis(tickCount=5, format=form)
    if prefix == NORM:
        y = y.axis(values=round_numbers([rows["low"].min(), rows["high"].max()]), format=form)
    base = alt.Chart().encode(x=x.axis(labelAngle=0), color=colour)
    width = (WIDTH - 60) // columns - 14
    chart = (
        alt.layer(
            base.mark_rule(strokeWidth=1.4, opacity=0.6).encode(
                y=alt.Y("low:Q", scale=scale), y2="high:Q"
            ),
            base.mark_line(strokeWidth=1.6).encode(y=y, strokeDash=dash),
            base.mark_point(filled=True, size=44, opacity=1).encode(y=y, shape=shape),
            data=rows,
        )
        .resolve_legend(shape="independent")
        .properties(width=width, height=260 if columns == 1 else 180)
    )
    heading = f"{wording.capitalised(_LABELS[prefix])} by layer"
    says = f"Mean and 95 % t interval after the last epoch, {told_seeds(rows['n'])}"
    if len(panels) == 1:
        return finished(chart, heading, says)
    facet = alt.Facet("panel:N", title=None, sort=panels).header(labelLimit=width)
    spacing = {"row": 16, "column": 14}
    return finished(chart.facet(facet=facet, columns=columns, spacing=spacing), heading, says)

"""Lines of metrics against epochs: mean and band over the seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import altair as alt
import pandas as pd

from paribus.findings import Analysis
from paribus.report import frames, wording
from paribus.report.charts.looks import (
    FEW_EPOCHS,
    TWO_LINES,
    WIDTH,
    Chart,
    finished,
    look,
    told_seeds,
)

Metrics: TypeAlias = Callable[[Analysis], Sequence[str]]


def of_outcome(analysis: Analysis) -> tuple[str, ...]:
    """Return the recorded metrics of the kind that the study is judged by."""
    return frames.metrics_like(analysis, analysis.outcome.name)


def loss_curves(analysis: Analysis) -> Chart | None:
    """Training and test loss against epochs: mean and 95 % t band over the seeds, per arm.

    On a log scale where the means span more than two decades.
    """
    return _curves(analysis, frames.metrics_like(analysis, "test_loss"), "loss")


def metric_curves(analysis: Analysis) -> Chart | None:
    """The outcome against epochs, drawn as `loss_curves`; None where the outcome is a loss."""
    outcome = analysis.outcome
    metrics = of_outcome(analysis)
    if outcome.name.endswith("_loss") or outcome.name not in metrics:
        return None
    kind = outcome.label.removeprefix("test ").removeprefix("validation ")
    return _curves(analysis, metrics, wording.labelled(kind, outcome.unit))


def epoch_times(analysis: Analysis) -> Chart | None:
    """The time of every epoch, drawn as `loss_curves`: whether a steady state was reached."""
    return _curves(analysis, frames.timed_metrics(analysis, "s"), "time of each epoch (s)")


def memory(analysis: Analysis) -> Chart | None:
    """The memory after every epoch, of the process and on a GPU, drawn as `loss_curves`."""
    return _curves(analysis, frames.timed_metrics(analysis, "MB"), "memory (MB)")


def value_by_step(analysis: Analysis) -> Chart | None:
    """The value of a surface above its minimum at every step, drawn as `loss_curves`."""
    label = "value above the minimum"
    return _curves(analysis, ("excess",), label, "step") if analysis.ends else None


def _curves(
    analysis: Analysis, metrics: Sequence[str], title: str, by: str = "epoch"
) -> Chart | None:
    means = frames.curve_means(analysis, metrics)
    if means.empty:
        return None
    drawn = drawn_curves(analysis, means, metrics)
    lowest, highest = means["mean"].min(), means["mean"].max()
    logarithmic = lowest > 0 and highest / lowest > frames.WIDE_SPAN
    if logarithmic:  # a band below zero has no place on the axis: end it under the lowest mean
        drawn.rows["low"] = drawn.rows["low"].clip(lower=lowest / 2)
    scale = alt.Scale(type="log") if logarithmic else alt.Scale(zero=False)
    colour, dash, shape = look(drawn.series, drawn.legend)
    epochs = alt.X("epoch:Q", title=by, scale=alt.Scale(zero=False, nice=False, padding=7))
    base = alt.Chart().encode(
        x=epochs.axis(tickMinStep=1, format="d", tickCount=5),
        color=colour,
    )
    apart = by == "step"  # surfaces have nothing in common but their minimum at zero
    y = alt.Y("mean:Q", title=None if apart else title, scale=scale)
    y = y.axis(tickCount=4 if logarithmic else 5)
    layers: list[alt.Chart] = [
        base.mark_area(opacity=0.16).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        base.mark_line(strokeWidth=1.8).encode(y=y, strokeDash=dash),
    ]
    if means["epoch"].nunique() <= FEW_EPOCHS:
        layers.append(base.mark_point(filled=True, size=34, opacity=1).encode(y=y, shape=shape))
    width = (WIDTH - 60) // drawn.columns - 14
    height = {1: 280, 2: 240}.get(drawn.columns, 150 if len(drawn.panels) <= 12 else 110)
    chart = (
        alt.layer(*layers, data=drawn.rows)
        .resolve_legend(shape="independent")
        .properties(width=width, height=height)
        .facet(
            facet=alt.Facet("panel:N", title=None, sort=drawn.panels).header(
                labelExpr=TWO_LINES, labelLimit=width + 10
            ),
            columns=drawn.columns,
            spacing={"row": 16, "column": 14},
        )
    )
    if apart:
        chart = chart.resolve_scale(y="independent").resolve_axis(y="independent")
    heading = f"{wording.capitalised(title)} by {by}"
    return finished(chart, heading, f"Mean and 95 % band, {told_seeds(means['n'])}")


@dataclass(frozen=True)
class DrawnCurves:
    """Curves with their place: `rows` has the columns of `curve_means`, panel and series."""

    rows: pd.DataFrame
    panels: list[str]  # in order, filling lines of `columns`; a label has up to two lines
    columns: int
    series: list[str]  # in order
    legend: str


def drawn_curves(analysis: Analysis, means: pd.DataFrame, metrics: Sequence[str]) -> DrawnCurves:
    """Place the rows of `curve_means` in panels.

    With a coloured factor: a panel per metric and condition, a line per level. Without: a panel
    per arm, a line per metric.
    """
    plan = frames.layout(analysis)
    name = {
        metric: wording.capitalised(
            frames.outcome_of(analysis, metric).label.replace("train ", "training ")
        )
        for metric in metrics
    }

    def place(arm: str, metric: str) -> tuple[str, str]:
        condition, series = plan.place[arm]
        if plan.factor is None:
            return series, name[metric]
        return "\n".join(part for part in (name[metric], condition) if part), series

    places = [place(arm, metric) for arm, metric in zip(means["arm"], means["metric"], strict=True)]
    rows = means.assign(
        panel=[wording.clean(panel) for panel, _ in places],
        series=[wording.clean(series) for _, series in places],
    )
    panels = [place(arm.name, metric)[0] for metric in metrics for arm in analysis.arms]
    panels = list(dict.fromkeys(wording.clean(panel) for panel in panels))
    apart = len(plan.panels) if len(plan.panels) > 1 else len(panels)
    series = list(plan.series) if plan.factor else list(name.values())
    legend = plan.factor or "metric"
    return DrawnCurves(
        rows, panels, _columns(apart), [wording.clean(one) for one in series], wording.clean(legend)
    )


def _columns(panels: int) -> int:
    """Panels in a line: such that lines are full, where a number from 5 to 3 allows it."""
    if panels <= 4:
        return panels
    return next((n for n in (5, 4, 3) if panels % n == 0), 4)


def caption(analysis: Analysis, metrics: Sequence[str]) -> str:
    """Return how to read the curves, and which arms have none."""
    drawn = set(frames.curve_means(analysis, metrics)["arm"])
    missing = [arm.name for arm in analysis.arms if arm.name not in drawn]
    without = f" Without any finite value: {', '.join(missing)}." if missing else ""
    return (
        "Mean over the seeds that are still finite in an epoch, with the 95 % t interval of the "
        f"mean as a band.{without}"
    )


def alternative(analysis: Analysis, metrics: Sequence[str]) -> str:
    """Return where the curves of the last metric end: the highest and the lowest."""
    metric = metrics[-1]
    outcome = frames.outcome_of(analysis, metric)
    means = frames.curve_means(analysis, metrics)
    means = means[means["metric"] == metric].sort_values("epoch")
    last = means.groupby("arm", sort=False).tail(1).sort_values("mean")
    labels = " and ".join(frames.outcome_of(analysis, one).label for one in metrics)
    intro = f"Line chart of {labels} by epoch for {wording.counted(len(analysis.arms), 'arm')}."
    if last.empty:
        return intro
    ends = [
        f"at {wording.told(outcome, one['mean'].item() / outcome.scale)} for {one['arm'].item()}"
        for one in (last.head(1), last.tail(1))
    ]
    if len(last) == 1:
        return f"{intro} {wording.capitalised(outcome.label)} ends {ends[0]}."
    return f"{intro} {wording.capitalised(outcome.label)} ends lowest {ends[0]}, highest {ends[1]}."

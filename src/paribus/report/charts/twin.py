"""Two metrics on axes of their own, a panel per arm: by epoch, and by logged step."""

from __future__ import annotations

from dataclasses import dataclass, replace

import altair as alt
import numpy as np
import pandas as pd

from paribus.findings import Analysis
from paribus.report import frames, wording
from paribus.report.charts.looks import FEW_EPOCHS, WIDTH, Chart, finished, told_seeds
from paribus.report.style import COLOURS, DASHES, SHAPES
from paribus.report.wording import MOST_NAMED


@dataclass(frozen=True)
class TwinCurves:
    """A loss and, where it was recorded, another metric, in a panel per arm.

    `rows` has the columns of `curve_means` and panel; `along` names what `epoch` counts there.
    """

    rows: pd.DataFrame
    panels: list[str]  # in order
    left: str
    right: str | None
    along: str
    arms: int  # that could be drawn


def loss_and_metric(analysis: Analysis) -> Chart | None:
    """Training loss (left axis) and test accuracy or RMSE (right) by epoch, a panel per arm."""
    return _draw(analysis, by_epoch(analysis))


def loss_by_step(analysis: Analysis) -> Chart | None:
    """Means of training loss and accuracy between logged steps, drawn as `loss_and_metric`.

    Steps count over all epochs. None where nothing was logged.
    """
    return _draw(analysis, by_step(analysis))


def _draw(analysis: Analysis, drawn: TwinCurves | None) -> Chart | None:
    """Draw two metrics on axes of their own, each axis the same in all panels."""
    if drawn is None:
        return None
    along = alt.X(
        "epoch:Q", title=drawn.along, scale=alt.Scale(zero=False, nice=False, padding=7)
    ).axis(tickMinStep=1, format="d", tickCount=5)
    base, sides, labels = alt.Chart().encode(x=along), list[Chart](), list[str]()
    for number, metric in enumerate(filter(None, (drawn.left, drawn.right))):
        outcome = frames.outcome_of(analysis, metric)
        labels.append(outcome.label.replace("train ", "training "))
        own = drawn.rows[drawn.rows["metric"] == metric]
        lowest, highest = own["mean"].min(), own["mean"].max()
        logarithmic = lowest > 0 and highest / lowest > frames.WIDE_SPAN
        bounds = own[["low", "mean", "high"]].to_numpy(float)
        ends = [float(np.nanmin(bounds)), float(np.nanmax(bounds))]
        if logarithmic:  # a band below zero has no place on the axis: end it under the lowest mean
            ends[0] = max(ends[0], lowest / 2)
        scale = alt.Scale(domain=ends, zero=False, nice=True, clamp=True)
        if logarithmic:
            scale = alt.Scale(type="log", domain=ends, nice=True, clamp=True)
        title = wording.labelled(labels[-1], outcome.unit)
        y = alt.Y("mean:Q", title=title, scale=scale).axis(
            orient=("left", "right")[number],
            grid=number == 0,
            tickCount=4,
            titleColor=COLOURS[number],
            labelColor=COLOURS[number],
        )
        side = base.transform_filter(alt.datum.metric == metric)
        side = side.encode(color=alt.value(COLOURS[number]))
        low = alt.Y("low:Q", title=title, scale=scale)
        layers = [
            side.mark_area(opacity=0.16).encode(y=low, y2="high:Q"),
            side.mark_line(strokeWidth=1.8, strokeDash=DASHES[number]).encode(y=y),
        ]
        if own["epoch"].nunique() <= FEW_EPOCHS:
            point = side.mark_point(filled=True, size=30, opacity=1, shape=SHAPES[number])
            layers.append(point.encode(y=y))
        sides.append(alt.layer(*layers))
    columns = {1: 1, 2: 2, 4: 2}.get(len(drawn.panels), 3)
    width = WIDTH // columns - (120 if drawn.right else 70)
    chart = (
        alt.layer(*sides, data=drawn.rows)
        .resolve_scale(y="independent")
        .properties(width=width, height={1: 280, 2: 200}.get(columns, 160))
        .facet(
            facet=alt.Facet("panel:N", title=None, sort=drawn.panels).header(
                labelLimit=WIDTH // columns - 20
            ),
            columns=columns,
            spacing={"row": 16, "column": 14},
        )
        .resolve_scale(y="independent")  # each of the two has one domain in all panels
    )
    heading = f"{wording.capitalised(' and '.join(labels))} by {drawn.along}"
    axes = f"; {labels[0]} left, {labels[1]} right and dashed" if drawn.right else ""
    return finished(chart, heading, f"Mean and 95 % band, {told_seeds(drawn.rows['n'])}{axes}")


@frames.remembered
def by_epoch(analysis: Analysis) -> TwinCurves | None:
    """Return the training loss and the test accuracy, or RMSE, by epoch; None without them."""
    recorded = set(analysis.curves["metric"])
    right = next((name for name in ("test_accuracy", "test_rmse") if name in recorded), None)
    return _rows(analysis, "train_loss", right, "epoch") if right else None


@frames.remembered
def by_step(analysis: Analysis) -> TwinCurves | None:
    """Return the means of loss and accuracy between logged steps, counted over all epochs."""
    logged = analysis.steps
    if logged.empty:
        return None
    of_epochs = {"step_mean_loss": "train_loss", "step_mean_accuracy": "train_accuracy"}
    curves = logged[logged["metric"].isin(of_epochs)].assign(
        metric=lambda rows: rows["metric"].map(of_epochs),
        epoch=lambda rows: (rows["epoch"] - 1) * rows["steps"] + rows["step"],
    )
    right = "train_accuracy" if "train_accuracy" in set(curves["metric"]) else None
    return _rows(replace(analysis, curves=curves), "train_loss", right, "step")


def _rows(analysis: Analysis, left: str, right: str | None, along: str) -> TwinCurves | None:
    metrics = [left, *([right] if right else [])]
    means = frames.curve_means(analysis, metrics)
    with_any = set(means.loc[means["metric"] == left, "arm"])
    arms = [arm.name for arm in analysis.arms if arm.name in with_any]
    if not arms:
        return None
    kept = [arms[i] for i in frames.spread(len(arms), frames.MOST_PANELS)]
    rows = means[means["arm"].isin(kept)]
    right = right if (rows["metric"] == right).any() else None
    rows = rows.assign(panel=[wording.clean(arm) for arm in rows["arm"]])
    return TwinCurves(rows, [wording.clean(arm) for arm in kept], left, right, along, len(arms))


def loss_and_metric_caption(analysis: Analysis) -> str:
    """Return how to read the panels with two axes."""
    return _twin_caption(by_epoch(analysis))


def loss_and_metric_alternative(analysis: Analysis) -> str:
    """Return where both curves of each panel end."""
    return _twin_alternative(analysis, by_epoch(analysis))


def loss_by_step_caption(analysis: Analysis) -> str:
    """Return how to read the chart of logged steps."""
    return (
        "Means over the steps since the last one that was logged; steps count over all epochs. "
        + _twin_caption(by_step(analysis))
    )


def loss_by_step_alternative(analysis: Analysis) -> str:
    """Return where the curves of each panel end."""
    return _twin_alternative(analysis, by_step(analysis))


def _twin_caption(drawn: TwinCurves | None) -> str:
    if drawn is None:
        return ""
    shown = len(drawn.panels)
    part = f" {shown} of {drawn.arms} arms are drawn." if shown < drawn.arms else ""
    axes = "Each axis is the same in all panels." if shown > 1 else ""
    return f"Mean over the seeds, with its 95 % t interval as a band. {axes}{part}".rstrip()


def _twin_alternative(analysis: Analysis, drawn: TwinCurves | None) -> str:
    if drawn is None:
        return ""
    metrics = [metric for metric in (drawn.left, drawn.right) if metric]
    outcomes = {metric: frames.outcome_of(analysis, metric) for metric in metrics}
    labels = " and ".join(one.label.replace("train ", "training ") for one in outcomes.values())
    last = drawn.rows.sort_values("epoch").groupby(["panel", "metric"]).tail(1)
    ends = last.set_index(["panel", "metric"])["mean"].to_dict()
    told = []
    for panel in drawn.panels[:MOST_NAMED]:
        shown = [
            wording.told(one, ends[panel, metric] / one.scale)
            for metric, one in outcomes.items()
            if (panel, metric) in ends
        ]
        told.append(f"{panel} ends at {wording.listed(shown)}")
    return (
        f"Line chart of {labels} by {drawn.along}, {wording.counted(len(drawn.panels), 'panel')}. "
        + (wording.sentences(told))
    )

"""The charts of a study, each defined once with Altair, for the page, a notebook or a file.

Every function takes an `Analysis` and returns a chart, or None where there is nothing to draw.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

from paribus.findings import Analysis
from paribus.report import frames, paths, wording
from paribus.report.style import COLOURS, DASHES, SHAPES, VERDICTS

Chart: TypeAlias = alt.FacetChart | alt.LayerChart | alt.ConcatChart

_WIDTH = 880  # of a whole chart with its axes, in pixels
_LABEL = 260  # the widest label of a row, in pixels
_LETTER = 6.4  # the mean width of a letter of a label, in pixels
_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
_INK, _FAINT, _GRID = "#1b1f24", "#5a5f66", "#e3e6ea"
_TWO_LINES = "split(datum.label, '\\n')"
_MOST_DECADES = 5  # of a log axis that has ticks between its powers of ten
_FEW_EPOCHS = 20  # up to here each epoch gets a point


def loss_curves(analysis: Analysis) -> Chart | None:
    """Training and test loss against epochs: mean and 95 % t band over the seeds, per arm.

    On a log scale where the means span more than two decades.
    """
    return _curves(analysis, frames.metrics_like(analysis, "test_loss"), "loss")


def metric_curves(analysis: Analysis) -> Chart | None:
    """The outcome against epochs, drawn as `loss_curves`; None where the outcome is a loss."""
    outcome = analysis.outcome
    metrics = frames.metrics_like(analysis, outcome.name)
    if outcome.name.endswith("_loss") or outcome.name not in metrics:
        return None
    kind = outcome.label.removeprefix("test ").removeprefix("validation ")
    return _curves(analysis, metrics, wording.labelled(kind, outcome.unit))


def loss_and_metric(analysis: Analysis) -> Chart | None:
    """Training loss (left axis) and test accuracy or RMSE (right) by epoch, a panel per arm."""
    return _twin(analysis, frames.loss_and_metric(analysis))


def loss_by_step(analysis: Analysis) -> Chart | None:
    """Means of training loss and accuracy between logged steps, drawn as `loss_and_metric`.

    Steps count over all epochs. None where nothing was logged.
    """
    return _twin(analysis, frames.loss_by_step(analysis))


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


def walks(analysis: Analysis, surface: str) -> Chart | None:
    """The paths of the first runs of every arm on a surface, over its contour lines.

    A ring is a place after one step, a dot the end; crosses are the global minima.
    """
    walked = paths.walked(analysis, surface)
    if walked.paths.empty:
        return None
    of_surface = paths.surfaces(analysis)[surface]
    columns = min(4, len(of_surface))
    size = min(300, (_WIDTH - 60) // columns - 14)
    wide, high = (alt.Scale(domain=list(ends), nice=False) for ends in walked.surface.shown)
    minima = alt.Chart(pd.DataFrame(walked.surface.minima, columns=["x", "y"]))
    contours = alt.Chart(walked.contours)
    panels = []
    for number, one in enumerate(of_surface):
        y = alt.Y("y:Q", scale=high, title="y" if number % columns == 0 else None)
        place = {
            "x": alt.X("x:Q", scale=wide, title="x").axis(tickCount=5, grid=False),
            "y": y.axis(tickCount=5, grid=False),
        }
        rows = walked.paths[walked.paths["arm"] == one.arm]
        by_run = rows.groupby("block")
        dots = alt.Chart(by_run.head(1)), alt.Chart(by_run.tail(1))
        layers = alt.layer(
            contours.mark_line(strokeWidth=0.8, color="#b4bac1", clip=True).encode(
                **place, detail="line:N", order="order:Q"
            ),
            alt.Chart(rows)
            .mark_line(strokeWidth=1.1, opacity=0.75, color=COLOURS[0], clip=True)
            .encode(**place, detail="block:N", order="order:Q"),
            dots[0]
            .mark_point(size=26, strokeWidth=1.2, color=COLOURS[0], clip=True)
            .encode(**place),
            minima.mark_point(
                shape="cross", filled=True, size=70, opacity=1, color=_INK, clip=True
            ).encode(**place),
            dots[1]
            .mark_point(filled=True, size=30, opacity=1, color=COLOURS[1], clip=True)
            .encode(**place),
        )
        title = alt.Title(wording.clean(one.others), fontSize=12, anchor="middle")
        panels.append(layers.properties(width=size, height=size, title=title))
    drawn = walked.paths["block"].nunique()
    return _finished(
        alt.concat(*panels, columns=columns, spacing=14),
        f"Paths on {surface}",
        f"The first {drawn} starts, the same for all arms",
    )


def _curves(
    analysis: Analysis, metrics: Sequence[str], title: str, by: str = "epoch"
) -> Chart | None:
    means = frames.curve_means(analysis, metrics)
    if means.empty:
        return None
    drawn = frames.drawn_curves(analysis, means, metrics)
    lowest, highest = means["mean"].min(), means["mean"].max()
    logarithmic = lowest > 0 and highest / lowest > frames.WIDE_SPAN
    if logarithmic:  # a band below zero has no place on the axis: end it under the lowest mean
        drawn.rows["low"] = drawn.rows["low"].clip(lower=lowest / 2)
    scale = alt.Scale(type="log") if logarithmic else alt.Scale(zero=False)
    colour, dash, shape = _look(drawn.series, drawn.legend)
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
    if means["epoch"].nunique() <= _FEW_EPOCHS:
        layers.append(base.mark_point(filled=True, size=34, opacity=1).encode(y=y, shape=shape))
    width = (_WIDTH - 60) // drawn.columns - 14
    height = {1: 280, 2: 240}.get(drawn.columns, 150 if len(drawn.panels) <= 12 else 110)
    chart = (
        alt.layer(*layers, data=drawn.rows)
        .resolve_legend(shape="independent")
        .properties(width=width, height=height)
        .facet(
            facet=alt.Facet("panel:N", title=None, sort=drawn.panels).header(
                labelExpr=_TWO_LINES, labelLimit=width + 10
            ),
            columns=drawn.columns,
            spacing={"row": 16, "column": 14},
        )
    )
    if apart:
        chart = chart.resolve_scale(y="independent").resolve_axis(y="independent")
    heading = f"{wording.capitalised(title)} by {by}"
    return _finished(chart, heading, f"Mean and 95 % band, {_seeds(means['n'])}")


def _twin(analysis: Analysis, drawn: frames.TwinCurves | None) -> Chart | None:
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
        if own["epoch"].nunique() <= _FEW_EPOCHS:
            point = side.mark_point(filled=True, size=30, opacity=1, shape=SHAPES[number])
            layers.append(point.encode(y=y))
        sides.append(alt.layer(*layers))
    columns = {1: 1, 2: 2, 4: 2}.get(len(drawn.panels), 3)
    width = _WIDTH // columns - (120 if drawn.right else 70)
    chart = (
        alt.layer(*sides, data=drawn.rows)
        .resolve_scale(y="independent")
        .properties(width=width, height={1: 280, 2: 200}.get(columns, 160))
        .facet(
            facet=alt.Facet("panel:N", title=None, sort=drawn.panels).header(
                labelLimit=_WIDTH // columns - 20
            ),
            columns=columns,
            spacing={"row": 16, "column": 14},
        )
        .resolve_scale(y="independent")  # each of the two has one domain in all panels
    )
    heading = f"{wording.capitalised(' and '.join(labels))} by {drawn.along}"
    axes = f"; {labels[0]} left, {labels[1]} right and dashed" if drawn.right else ""
    return _finished(chart, heading, f"Mean and 95 % band, {_seeds(drawn.rows['n'])}{axes}")


def seeds(analysis: Analysis) -> Chart | None:
    """The final outcome of every run, a dot each, one line per seed, a bar at each arm's mean.

    Arms that share a condition share a panel, and each panel has a scale of its own.
    """
    rows = frames.seed_rows(analysis)
    if not (rows["kind"] == "seed").any():
        return None
    plan = frames.layout(analysis)
    outcome = analysis.outcome
    series = [wording.clean(one) for one in plan.series]
    columns = 1 if len(plan.panels) <= 4 else 2
    prefix = wording.clean(f"{plan.factor} ") if plan.factor else ""
    scale = alt.Scale(zero=False, padding=8)
    if outcome.ratio and rows["value"].min() > 0:
        scale = alt.Scale(type="log", nice=False, padding=8)
    colour, _, shape = _look(series)
    base = alt.Chart().encode(
        x=alt.X(
            "value:Q",
            title=wording.labelled(outcome.label, outcome.unit),
            scale=scale,
        ).axis(tickCount=8 // columns),
        y=alt.Y("series:N", sort=series, title=None).axis(
            labelLimit=_LABEL, labelExpr=f"{json.dumps(prefix)} + datum.label"
        ),
    )

    def only(kind: str) -> alt.Chart:
        kept: alt.Chart = base.transform_filter(alt.datum.kind == kind)
        return kept

    dots = only("seed").mark_point(filled=True, size=46, opacity=0.8)
    nothing = only("nothing").mark_text(
        text="no finished run", color=_FAINT, align="left", fontStyle="italic"
    )
    margin = 30 + min(_LABEL, int(_LETTER * (len(prefix) + max(map(len, series)))))
    width = _WIDTH // columns - margin
    layers = alt.layer(
        only("seed")
        .mark_line(strokeWidth=0.7, color="#9aa1a9")
        .encode(detail="block:N", order="row:Q"),
        dots.encode(color=colour, shape=shape)
        if plan.factor
        else dots.encode(color=alt.value(COLOURS[0])),
        only("mean").mark_tick(thickness=2.6, size=22, color=_INK),
        nothing.encode(x=alt.value(8)),
        data=rows,
    ).properties(width=width, height=alt.Step(26))
    heading = f"{wording.capitalised(outcome.label)} of every run"
    says = "A dot per seed, a line joins the runs of a seed, a bar marks the mean"
    if len(plan.panels) == 1:
        return _finished(layers, heading, says)
    chart = (
        layers.facet(
            facet=alt.Facet(
                "panel:N", title=None, sort=[wording.clean(panel) for panel in plan.panels]
            ).header(labelLimit=width, labelAnchor="start"),
            columns=columns,
            spacing={"row": 14, "column": 20},
        )
        .resolve_scale(x="independent")
        .resolve_axis(y="independent")
    )
    return _finished(chart, heading, f"{says}; each panel has its own scale")


def sensitivity(analysis: Analysis, path: str) -> Chart | None:
    """The tuning outcome of every candidate against its value of one tuned setting, by arm.

    A bar spans a standard deviation over the tuning seeds each way; rings are the chosen ones.
    """
    tuning = analysis.tuning
    rows = frames.candidate_rows(analysis, path)
    if tuning is None or rows.empty:
        return None
    plan, scale = frames.layout(analysis), tuning.parameters[path]
    label = wording.clean(wording.parameter(path))
    series = [wording.clean(s) for s in plan.series] if plan.factor else [tuning.outcome.label]
    panels = list(dict.fromkeys(rows["panel"]))
    colour, dash, shape = _look(series, wording.clean(plan.factor) if plan.factor else None)
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
            y=y, color=alt.value(_INK)
        ),
    ]
    if len(tuning.parameters) == 1:  # else the other values move the points up and down
        layers.insert(0, base.mark_line(strokeWidth=1.2).encode(y=y, strokeDash=dash))
    columns = min(len(panels), 3)
    width = (_WIDTH - 60) // columns - 14
    chart = (
        alt.layer(*layers, data=rows)
        .resolve_legend(shape="independent")
        .properties(width=width, height=260 if columns == 1 else 200)
    )
    heading = f"{wording.capitalised(tuning.outcome.label)} by {label}"
    seeds = "seed" if tuning.seeds == 1 else "seeds"
    says = f"A point per candidate: mean ± standard deviation of {tuning.seeds} tuning {seeds}"
    if len(panels) == 1:
        return _finished(chart, heading, says)
    facets = alt.Facet("panel:N", title=None, sort=panels).header(labelLimit=width)
    return _finished(
        chart.facet(facet=facets, columns=columns, spacing={"row": 16, "column": 14}),
        heading,
        says,
    )


def forest(analysis: Analysis) -> Chart | None:
    """Each contrast's difference with its 95 % interval, zero, the margin, and the verdict.

    Ratios stand on a log scale, around one.
    """
    if not analysis.contrasts:
        return None
    outcome = analysis.outcome
    frame = frames.contrast_rows(analysis)
    verdicts = [verdict for verdict in VERDICTS if verdict in set(frame["verdict"])]
    colour = alt.Color("verdict:N", legend=None).scale(
        domain=verdicts, range=[VERDICTS[verdict].colour for verdict in verdicts]
    )
    shape = alt.Shape("verdict:N", legend=None).scale(
        domain=verdicts, range=[VERDICTS[verdict].shape for verdict in verdicts]
    )
    low, high = ("worse", "better") if outcome.higher_is_better else ("better", "worse")
    unit = wording.labelled(f"difference in {outcome.label}", outcome.difference_unit)
    scale = alt.Scale(padding=14)
    if outcome.ratio:
        unit, scale = f"ratio of {outcome.label}", alt.Scale(type="log", nice=False, padding=14)
    # Em spaces, since SVG folds ordinary ones.
    title = f"← {low}\u2003\u2003{unit}\u2003\u2003{high} →"
    x = alt.X("difference:Q", title=title, scale=scale).axis(tickCount=7)
    if outcome.ratio:
        drawn = frame[["difference", "low", "high"]].to_numpy(float).ravel().tolist()
        x = x.axis(values=_round_numbers([*drawn, 1.0]))
    y = alt.Y("label:N", sort=list(frame["label"]), title=None).axis(
        labelExpr=_TWO_LINES, labelLimit=_LABEL, domain=False, ticks=False, labelPadding=10
    )
    lines = [label.split("\n") for label in frame["label"]]
    label_width = min(_LABEL, _LETTER * max(len(line) for label in lines for line in label))
    figures_width = _LETTER * frame["figures"].str.len().max() + 4
    width = max(240, round(_WIDTH - label_width - figures_width - 140))
    rows = alt.Chart(frame)
    layers: list[alt.Chart] = []
    shaded = ""
    if analysis.margin is not None:
        edge = outcome.bound(analysis.margin)
        low_edge, high_edge = outcome.shown_difference(-edge), outcome.shown_difference(edge)
        band = alt.Chart(pd.DataFrame({"low": [low_edge], "high": [high_edge]}))
        between = {"x": alt.X("low:Q", scale=scale), "x2": "high:Q"}
        layers.append(band.mark_rect(color=COLOURS[0], opacity=0.13).encode(**between))
        shaded = f"; shaded: within {wording.within(outcome, analysis.margin)}, too small to matter"
    zero = alt.Chart(pd.DataFrame({"difference": [outcome.shown_difference(0.0)]}))
    layers += [
        zero.mark_rule(color=_INK, strokeWidth=1).encode(x=x),
        rows.transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(strokeWidth=2.2)
        .encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=colour),
        rows.transform_filter("isValid(datum.difference)")
        .mark_point(filled=True, size=80, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape),
        rows.mark_text(align="left", color=_INK).encode(
            x=alt.value(width + 14), y=y, text="figures:N"
        ),
        rows.mark_text(align="left", fontWeight="bold").encode(
            x=alt.value(width + 28 + figures_width), y=y, text="verdict:N", color=colour
        ),
    ]
    step = alt.Step(36 if any(len(label) > 1 for label in lines) else 26)
    chart = alt.layer(*layers).properties(width=width, height=step)
    mean = "Geometric mean" if outcome.ratio else "Mean"
    paired = _seeds(pd.Series([contrast.n for contrast in analysis.contrasts]))
    return _finished(
        chart,
        f"{wording.capitalised(wording.compared(outcome))}s, paired by seed",
        f"{mean} and {wording.interval_name(analysis)}, {paired}{shaded}",
    )


def interaction(analysis: Analysis) -> Chart | None:
    """The mean of each arm by the levels of one factor, with a line per level of another.

    None for fewer than two factors, or where an arm has no value. Further factors have panels.
    """
    crossed = frames.crossing(analysis)
    if crossed is None:
        return None
    outcome, panels = analysis.outcome, crossed.panels
    colour, dash, shape = _look(crossed.series, crossed.lines)
    scale = alt.Scale(type="log", nice=False, padding=12) if crossed.logarithmic else None
    scale = scale or alt.Scale(zero=False, padding=12)
    title = wording.labelled(outcome.label, outcome.unit)
    columns = min(len(panels), 3)
    y = alt.Y("mean:Q", title=title, scale=scale).axis(tickCount=5)
    if crossed.logarithmic:
        drawn = crossed.rows[["low", "high"]].to_numpy(float).ravel().tolist()
        y = y.axis(values=_round_numbers(drawn))
    base = alt.Chart().encode(
        x=alt.X("level:N", sort=crossed.levels, title=crossed.x)
        .scale(type="point", padding=0.3)
        .axis(labelAngle=0, labelLimit=(_WIDTH - 60) // columns // len(crossed.levels)),
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
    width = (_WIDTH - 60) // columns - 14
    chart = chart.properties(width=width, height=280 if columns == 1 else 200)
    heading = f"{wording.capitalised(outcome.label)} by {crossed.x} and {crossed.lines}"
    counts = pd.Series([len(arm.values) for arm in analysis.arms])
    says = f"Mean and 95 % t interval of each arm, {_seeds(counts)}"
    if len(panels) == 1:
        return _finished(chart, heading, says)
    facets = alt.Facet("panel:N", title=None, sort=panels).header(labelLimit=width)
    return _finished(
        chart.facet(facet=facets, columns=columns, spacing={"row": 16, "column": 14}),
        heading,
        says,
    )


def to_svg(chart: Chart) -> str:
    """Return a chart as an SVG element, ready to stand inside a page."""
    major, minor = alt.SCHEMA_VERSION.lstrip("v").split(".")[:2]
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=f"{major}.{minor}")
    return wording.clean(svg)


def _look(
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


def _round_numbers(values: Sequence[float]) -> Any:
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


def _seeds(counts: pd.Series[int]) -> str:
    """'n = 10 seeds', or 'n = 7 to 10 seeds'."""
    low, high = int(counts.min()), int(counts.max())
    span = f"{high}" if low == high else f"{low} to {high}"
    return f"n = {span} {'seed' if high == 1 else 'seeds'}"


def _finished(chart: Chart, title: str, subtitle: str) -> Chart:
    """Give a chart its title and the looks that all charts share."""
    heading = alt.Title(
        title,
        subtitle=subtitle,
        anchor="start",
        fontSize=15,
        subtitleFontSize=12,
        color=_INK,
        subtitleColor=_FAINT,
        offset=14,
    )
    finished: Chart = (
        chart.properties(title=heading, background="white", padding=14)
        .configure(font=_FONT)
        .configure_axis(
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight="normal",
            labelColor=_INK,
            titleColor=_INK,
            gridColor=_GRID,
            domainColor=_FAINT,
            tickColor=_FAINT,
            labelFlush=False,
        )
        .configure_header(labelFontSize=12, labelFontWeight="bold", labelColor=_INK)
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

"""Lines of metrics against epochs or seconds: mean and band over the seeds, each seed faint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import altair as alt
import numpy as np
import pandas as pd

from paribus.errors import InputError
from paribus.findings import Analysis
from paribus.report import frames, wording
from paribus.report.charts.looks import (
    FEW_EPOCHS,
    TWO_LINES,
    WIDTH,
    Chart,
    finished,
    look,
    round_numbers,
    told_seeds,
)

Metrics: TypeAlias = Callable[[Analysis], Sequence[str]]
By: TypeAlias = Literal["epoch", "seconds"]

_MOST_SEEDS = 10  # of a line that are drawn
_MOST_FAINT = 30  # lines of seeds in a panel
_MOST_FAINT_IN_ALL = 250  # each takes a third of a kilobyte of the page


def of_outcome(analysis: Analysis) -> tuple[str, ...]:
    """Return the recorded metrics of the kind that the study is judged by."""
    return frames.metrics_like(analysis, analysis.outcome.name)


def loss_curves(analysis: Analysis, *, log: bool | None = None, by: By = "epoch") -> Chart | None:
    """Training and test loss: mean and 95 % t band over the seeds, per arm, with the seeds faint.

    `log` asks for a log scale, or none; by default where the means span more than two decades.
    `by` is what they are drawn against: epochs, or the seconds of training until their end, which
    only studies that are judged by a time measure. Raises InputError for seconds that were not
    measured, and for a log scale of values that are not above zero.
    """
    metrics = frames.metrics_like(analysis, "test_loss")
    return _curves(analysis, metrics, "loss", _checked(analysis, by), log)


def loss_by_seconds(analysis: Analysis) -> Chart | None:
    """The loss against the seconds of training; None where they were not measured."""
    measured = not frames.elapsed(frames.timed(analysis)).empty
    return loss_curves(analysis, by="seconds") if measured else None


def metric_curves(analysis: Analysis, *, log: bool | None = None, by: By = "epoch") -> Chart | None:
    """The outcome, drawn as `loss_curves`; None where the outcome is a loss, or has no curve."""
    along = _checked(analysis, by)
    outcome = analysis.outcome
    metrics = of_outcome(analysis)
    if outcome.name.endswith("_loss") or outcome.name not in metrics:
        return None
    kind = outcome.label.removeprefix("test ").removeprefix("validation ")
    return _curves(analysis, metrics, wording.labelled(kind, outcome.unit), along, log)


def epoch_times(analysis: Analysis) -> Chart | None:
    """The time of every epoch, drawn as `loss_curves`: whether a steady state was reached."""
    return _curves(analysis, frames.timed_metrics(analysis, "s"), "time of each epoch (s)")


def memory(analysis: Analysis) -> Chart | None:
    """The memory after every epoch, of the process and on a GPU, drawn as `loss_curves`."""
    return _curves(analysis, frames.timed_metrics(analysis, "MB"), "memory (MB)")


def value_by_step(analysis: Analysis) -> Chart | None:
    """The value of a surface above its minimum at every step, as `loss_curves`, without seeds."""
    label = "value above the minimum"
    return _curves(analysis, ("excess",), label, "step") if analysis.ends else None


def _checked(analysis: Analysis, by: str) -> By:
    """Return what curves are drawn against; InputError where that cannot be."""
    if by not in ("epoch", "seconds"):
        raise InputError(f"by must be epoch or seconds (got {by})")
    if by == "seconds" and frames.elapsed(frames.timed(analysis)).empty:
        raise InputError(
            f"no run of {analysis.name} that finished was timed, so nothing can be drawn by "
            "seconds: take by='epoch', or judge the study by a time, as outcome: seconds_per_epoch"
        )
    return "seconds" if by == "seconds" else "epoch"


def _curves(
    analysis: Analysis,
    metrics: Sequence[str],
    title: str,
    by: Literal["epoch", "seconds", "step"] = "epoch",
    log: bool | None = None,
) -> Chart | None:
    analysis = _drawn(analysis, by)
    means = frames.curve_means(analysis, metrics)
    if means.empty:
        return None
    drawn = drawn_curves(analysis, means, metrics)
    faint = drawn_curves(analysis, seed_lines(analysis, metrics), metrics).rows
    rows = drawn.rows.assign(kind="mean")
    lowest, highest = means["mean"].min(), means["mean"].max()
    logarithmic = lowest > 0 and highest / lowest > frames.WIDE_SPAN if log is None else log
    if logarithmic:
        if lowest <= 0:
            raise InputError(
                f"a log scale has no place for a mean {title} of {lowest:.3g}: leave log out"
            )
        # Nor for a band or a seed below zero: they end under the lowest mean.
        rows["low"] = rows["low"].clip(lower=lowest / 2)
        faint["value"] = faint["value"].clip(lower=lowest / 2)
    if by == "seconds":  # a mean stands at the mean seconds of its seeds
        times = frames.elapsed(analysis)
        of_epochs = times.groupby(["arm", "epoch"], as_index=False)["seconds"].mean()
        rows = rows.merge(of_epochs, on=["arm", "epoch"])
        faint = faint.merge(times, on=["arm", "block", "epoch"])
    if not faint.empty:
        rows = pd.concat([rows, faint.assign(kind="seed")], ignore_index=True)
    apart = by == "step"  # surfaces have nothing in common but their minimum at zero
    scale = alt.Scale(zero=False)
    if logarithmic:
        scale = alt.Scale(type="log", nice=apart, padding=4)
    colour, dash, shape = look(drawn.series, drawn.legend)
    along = "seconds" if by == "seconds" else "epoch"
    label = "seconds of training" if by == "seconds" else by
    x = alt.X(f"{along}:Q", title=label, scale=alt.Scale(zero=False, nice=False, padding=7))
    x = x.axis(tickCount=5) if by == "seconds" else x.axis(tickMinStep=1, format="d", tickCount=5)
    base = alt.Chart().encode(x=x, color=colour)
    of_means = base.transform_filter(alt.datum.kind == "mean")
    y = alt.Y("mean:Q", title=None if apart else title, scale=scale)
    ends = rows[["low", "mean", "high"]].to_numpy(float).ravel().tolist()
    ticks = round_numbers(ends) if logarithmic and not apart else alt.Undefined
    y = y.axis(values=ticks, tickCount=4 if logarithmic else 5)
    layers: list[alt.Chart] = [
        of_means.mark_area(opacity=0.16).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        base.transform_filter(alt.datum.kind == "seed")
        .mark_line(strokeWidth=0.8, opacity=0.35, aria=False)
        .encode(y=alt.Y("value:Q", scale=scale), detail="block:N"),
        of_means.mark_line(strokeWidth=1.8).encode(y=y, strokeDash=dash),
    ]
    if faint.empty:
        del layers[1]
    if means["epoch"].nunique() <= FEW_EPOCHS:
        layers.append(of_means.mark_point(filled=True, size=34, opacity=1).encode(y=y, shape=shape))
    width = (WIDTH - 60) // drawn.columns - 14
    height = {1: 280, 2: 240}.get(drawn.columns, 150 if len(drawn.panels) <= 12 else 110)
    chart = (
        alt.layer(*layers, data=rows)
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
    heading = f"{wording.capitalised(title)} by {label}"
    seeds = "" if faint.empty else "; thin lines: single seeds"
    return finished(chart, heading, f"Mean and 95 % band, {told_seeds(means['n'])}{seeds}")


def _drawn(analysis: Analysis, by: str) -> Analysis:
    """Return what is drawn of an analysis: not too many arms, and by seconds what was timed."""
    return frames.few(frames.timed(analysis) if by == "seconds" else analysis)


def seed_lines(analysis: Analysis, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the curves of single seeds that are drawn, as `frames.seed_curves` does.

    Up to ten of a line, the same seeds everywhere, and so many that the lines of a panel, and of
    all panels, can be told apart; none where that is fewer than two, and none on surfaces.
    """
    lines = frames.curve_means(analysis, metrics)[["arm", "metric"]].drop_duplicates()
    plan = frames.layout(analysis)
    together = len(plan.series) if plan.factor else len(metrics)
    most = min(_MOST_SEEDS, _MOST_FAINT // max(1, together))
    most = min(most, _MOST_FAINT_IN_ALL // max(1, len(lines)))
    found = frames.seed_curves(analysis, metrics, most)
    shown = most > 1 and not analysis.ends and found["block"].nunique() > 1
    return found if shown else found.iloc[:0]


@dataclass(frozen=True)
class DrawnCurves:
    """Curves with their place: `rows` has the columns of the curves, panel and series."""

    rows: pd.DataFrame
    panels: list[str]  # in order, filling lines of `columns`; a label has up to two lines
    columns: int
    series: list[str]  # in order
    legend: str


def drawn_curves(analysis: Analysis, curves: pd.DataFrame, metrics: Sequence[str]) -> DrawnCurves:
    """Place the rows of curves, each with an arm and a metric, in panels.

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

    named = zip(curves["arm"], curves["metric"], strict=True)
    places = [place(arm, metric) for arm, metric in named]
    rows = curves.assign(
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


def caption(analysis: Analysis, metrics: Sequence[str], by: By = "epoch") -> str:
    """Return how to read the curves, what is left out of them, and which arms have none."""
    asked, analysis = analysis, _drawn(analysis, by)
    means = frames.curve_means(analysis, metrics)
    own = analysis.curves[analysis.curves["metric"].isin(metrics)]
    own = own[np.isfinite(own["value"].astype(float))]
    parts = [
        "Mean over the seeds that are still finite in an epoch, with the 95 % t interval of the "
        "mean as a band" + _thinned(analysis, means, own),
    ]
    if not analysis.ends and (seeds := own["block"].nunique()) > 1:
        faint = seed_lines(analysis, metrics)
        drawn = faint["block"].nunique()
        which = f"the first {drawn} of {seeds}" if drawn < seeds else f"all {seeds}"
        thin = f"Thin lines: {which} seeds{_thinned(analysis, faint, own)}"
        parts.append(thin if drawn else "Single seeds are too many to draw")
    if by == "seconds":
        parts.append(
            "Seconds are those of training alone, set-up and tests left out, in runs that "
            "finished; a mean stands at the mean seconds of its seeds"
        )
    if len(analysis.arms) < len(asked.arms):
        parts.append(f"{len(analysis.arms)} of {len(asked.arms)} arms are drawn")
    missing = [arm.name for arm in analysis.arms if arm.name not in set(means["arm"])]
    if missing:
        parts.append(f"Without any finite value: {', '.join(missing)}")
    return wording.sentences(parts)


def _thinned(analysis: Analysis, drawn: pd.DataFrame, recorded: pd.DataFrame) -> str:
    """Return ', thinned to 50 of 100 epochs', or nothing where all are drawn."""
    shown, count = drawn["epoch"].nunique(), recorded["epoch"].nunique()
    what = "steps" if analysis.ends else "epochs"
    return f", thinned to {shown} of {count} {what}" if shown < count else ""


def alternative(analysis: Analysis, metrics: Sequence[str], by: By = "epoch") -> str:
    """Return where the curves of the last metric end: the highest and the lowest."""
    analysis = _drawn(analysis, by)
    metric = metrics[-1]
    outcome = frames.outcome_of(analysis, metric)
    means = frames.curve_means(analysis, metrics)
    means = means[means["metric"] == metric].sort_values("epoch")
    last = means.groupby("arm", sort=False).tail(1).sort_values("mean")
    labels = " and ".join(frames.outcome_of(analysis, one).label for one in metrics)
    intro = f"Line chart of {labels} by {by} for {wording.counted(len(analysis.arms), 'arm')}."
    if last.empty:
        return intro
    ends = [
        f"at {wording.told(outcome, one['mean'].item() / outcome.scale)} for {one['arm'].item()}"
        for one in (last.head(1), last.tail(1))
    ]
    if len(last) == 1:
        return f"{intro} {wording.capitalised(outcome.label)} ends {ends[0]}."
    return f"{intro} {wording.capitalised(outcome.label)} ends lowest {ends[0]}, highest {ends[1]}."

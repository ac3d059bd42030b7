"""The small tidy tables that the charts draw, made from an analysis with pandas.

Values here are shown values (accuracy in per cent), rows few: curves are averaged over seeds and
thinned to `MOST_ROWS`, which keeps every chart light.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from paribus.findings import Analysis
from paribus.report import wording
from paribus.report.style import COLOURS
from paribus.study.outcomes import BY_EPOCH, OUTCOMES, Outcome

MOST_ROWS = 5000
"""Rows that one chart draws at most."""

MOST_PANELS = 12
"""Arms that a chart with a panel for each draws at most."""

WIDE_SPAN = 100.0
"""Means that differ by a larger factor are drawn on a log scale."""

_PARTS = ("train", "validation", "test")
_MACHINES = ("device", "engine")  # factors that are compared first of all


@dataclass(frozen=True)
class DrawnCurves:
    """Curves with their place: `rows` has the columns of `curve_means`, panel and series."""

    rows: pd.DataFrame
    panels: list[str]  # in order, filling lines of `columns`; a label has up to two lines
    columns: int
    series: list[str]  # in order
    legend: str


@dataclass(frozen=True)
class Layout:
    """Which arms share a panel, and what tells the arms of a panel apart.

    `factor` is the coloured factor, None where every arm has a panel (or row) of its own; `series`
    are its levels in order; `panels` are the conditions in order, each a line of text.
    """

    factor: str | None
    series: tuple[str, ...]
    panels: tuple[str, ...]
    place: dict[str, tuple[str, str]]  # name of arm -> (panel, series)


def layout(analysis: Analysis) -> Layout:
    """Colour the factor that most contrasts vary and give each other combination a panel.

    A factor with more levels than there are colours is not coloured.
    """
    factor = _coloured_factor(analysis)
    place: dict[str, tuple[str, str]] = {}
    for arm in analysis.arms:
        others = [(f, level) for f, level in arm.levels.items() if f != factor]
        panel = " · ".join(f"{f} {level}" for f, level in others)
        place[arm.name] = (
            (panel, arm.levels.get(factor, wording.NOTHING)) if factor else ("", arm.name)
        )
    seen = {series for _, series in place.values()}
    levels = analysis.factors[factor] if factor else ()
    series = dict.fromkeys([*(level for level in levels if level in seen), *sorted(seen)])
    return Layout(
        factor,
        tuple(series) if factor else tuple(arm.name for arm in analysis.arms),
        tuple(dict.fromkeys(panel for panel, _ in place.values())),
        place,
    )


def _coloured_factor(analysis: Analysis) -> str | None:
    levels = {arm.name: arm.levels for arm in analysis.arms}
    varied: Counter[str] = Counter()
    for contrast in analysis.contrasts:
        arm, baseline = levels.get(contrast.arm, {}), levels.get(contrast.baseline, {})
        varied.update(f for f in analysis.factors if arm.get(f) != baseline.get(f))
    candidates = [f for f, of in analysis.factors.items() if 2 <= len(of) <= len(COLOURS)]
    # On a tie the last factor wins: it varies fastest in the order of the arms.
    return max(reversed(candidates), key=lambda f: varied[f], default=None)


@dataclass(frozen=True)
class Crossing:
    """The mean outcome of every arm, laid out by two factors: one along the axis, one as lines.

    `rows` has the columns panel (the levels of all further factors), series, level, mean, low and
    high, in shown values.
    """

    x: str
    lines: str
    rows: pd.DataFrame
    levels: list[str]  # along the axis: increasing where they are numbers, else as declared
    series: list[str]
    panels: list[str]  # in order
    logarithmic: bool


def crossing(analysis: Analysis) -> Crossing | None:
    """Lay out the means by two factors; None for fewer, or where an arm has no value.

    The lines are devices or engines where the study compares those, else the factor with the fewest
    levels; along the axis stands the other one with the most.
    """
    factors, scale = analysis.factors, analysis.outcome.scale
    if len(factors) < 2 or not all(math.isfinite(arm.mean * scale) for arm in analysis.arms):
        return None
    machines = [factor for factor in factors if factor in _MACHINES]
    # On a tie the last factor wins, as among colours.
    fewest = min(reversed(list(factors)), key=lambda f: len(factors[f]))
    lines = machines[0] if machines else fewest
    x = max((factor for factor in factors if factor != lines), key=lambda f: len(factors[f]))
    means = [arm.mean * scale for arm in analysis.arms]
    lowest, highest = min(means, default=1.0), max(means, default=1.0)
    logarithmic = lowest > 0 and (analysis.outcome.ratio or highest / lowest > WIDE_SPAN)
    rows, panels = [], []
    for arm, mean in zip(analysis.arms, means, strict=True):
        others = [f"{f} {level}" for f, level in arm.levels.items() if f not in (x, lines)]
        panels.append(wording.clean(" · ".join(others)))
        low, high = arm.low * scale, arm.high * scale
        if not (math.isfinite(low) and math.isfinite(high)):
            low = high = mean
        rows.append(
            {
                "panel": panels[-1],
                "series": wording.clean(arm.levels[lines]),
                "level": wording.clean(arm.levels[x]),
                "mean": mean,
                # An interval below zero has no place on a log axis: end it under the lowest mean.
                "low": max(low, lowest / 2) if logarithmic else low,
                "high": high,
            }
        )
    levels = [wording.clean(level) for level in _in_order(factors[x])]
    frame = pd.DataFrame(rows)
    frame = frame.sort_values("level", key=lambda one: one.map(levels.index), kind="stable")
    return Crossing(
        wording.clean(x),
        wording.clean(lines),
        frame.reset_index(drop=True),
        levels,
        [wording.clean(level) for level in factors[lines]],
        list(dict.fromkeys(panels)),
        logarithmic,
    )


def _in_order(levels: Sequence[str]) -> list[str]:
    """Return levels in increasing order where all are numbers, else as they are."""
    try:
        return sorted(levels, key=float)
    except ValueError:
        return list(levels)


def metrics_like(analysis: Analysis, name: str) -> tuple[str, ...]:
    """Return the recorded metrics of the same kind as `name`: train_loss, test_loss."""
    kind = name.partition("_")[2]
    recorded = set(analysis.curves["metric"].unique())
    family = [f"{part}_{kind}" for part in _PARTS] if outcome_of(analysis, name).part else [name]
    return tuple(metric for metric in family if metric in recorded)


def timed_metrics(analysis: Analysis, unit: str) -> tuple[str, ...]:
    """Return what was recorded of every timed epoch in a unit: s, or MB."""
    recorded = set(analysis.curves["metric"].unique())
    return tuple(name for name, one in BY_EPOCH.items() if one.unit == unit and name in recorded)


def outcome_of(analysis: Analysis, metric: str) -> Outcome:
    """Return how a metric is labelled and scaled."""
    if metric == analysis.outcome.name:
        return analysis.outcome
    known = OUTCOMES | BY_EPOCH
    return known.get(metric, Outcome(metric, metric.replace("_", " "), higher_is_better=True))


def curve_means(analysis: Analysis, metrics: Sequence[str]) -> pd.DataFrame:
    """Return mean and 95 % t band over the seeds of each arm, metric and epoch.

    Columns arm, metric, epoch, mean, low, high, n, in shown values. Values that are not finite
    are left out; low and high are nan where n < 2.
    """
    curves = analysis.curves
    curves = curves[curves["metric"].isin(metrics) & curves["arm"].isin(layout(analysis).place)]
    value = curves["value"].astype(float)
    scale = {metric: outcome_of(analysis, metric).scale for metric in metrics}
    curves = curves.assign(value=value * curves["metric"].map(scale).astype(float))
    curves = _thinned(curves[np.isfinite(curves["value"])])
    grouped = curves.groupby(["arm", "metric", "epoch"], sort=True)["value"]
    means = grouped.agg(mean="mean", sd="std", n="count").reset_index()
    several = means["n"] > 1
    quantile = stdtrit((means["n"] - 1).clip(lower=1), 0.975)
    root_n = np.sqrt(means["n"] / (1 + means["n"] * analysis.overlap))
    half = (quantile * means["sd"] / root_n).where(several)
    means = means.assign(low=means["mean"] - half, high=means["mean"] + half)
    kept: pd.DataFrame = means[np.isfinite(means["mean"])]
    return kept.drop(columns="sd").reset_index(drop=True)


def _thinned(curves: pd.DataFrame) -> pd.DataFrame:
    """Keep so many epochs, evenly spread with the first and the last, that the rows suffice."""
    epochs = np.sort(curves["epoch"].unique())
    lines = max(1, len(curves[["arm", "metric"]].drop_duplicates()))
    most = max(2, MOST_ROWS // lines)
    return curves[curves["epoch"].isin(epochs[spread(len(epochs), most)])]


def spread(count: int, most: int) -> list[int]:
    """Return at most so many places among 0, …, count - 1: evenly spread, with both ends."""
    if count <= most:
        return list(range(count))
    places: list[int] = np.linspace(0, count - 1, most).round().astype(int).tolist()
    return places


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


def loss_and_metric(analysis: Analysis) -> TwinCurves | None:
    """Return the training loss and the test accuracy, or RMSE, by epoch; None without them."""
    recorded = set(analysis.curves["metric"])
    right = next((name for name in ("test_accuracy", "test_rmse") if name in recorded), None)
    return _twin(analysis, "train_loss", right, "epoch") if right else None


def loss_by_step(analysis: Analysis) -> TwinCurves | None:
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
    return _twin(replace(analysis, curves=curves), "train_loss", right, "step")


def _twin(analysis: Analysis, left: str, right: str | None, along: str) -> TwinCurves | None:
    metrics = [left, *([right] if right else [])]
    means = curve_means(analysis, metrics)
    with_any = set(means.loc[means["metric"] == left, "arm"])
    arms = [arm.name for arm in analysis.arms if arm.name in with_any]
    if not arms:
        return None
    kept = [arms[i] for i in spread(len(arms), MOST_PANELS)]
    rows = means[means["arm"].isin(kept)]
    right = right if (rows["metric"] == right).any() else None
    rows = rows.assign(panel=[wording.clean(arm) for arm in rows["arm"]])
    return TwinCurves(rows, [wording.clean(arm) for arm in kept], left, right, along, len(arms))


def drawn_curves(analysis: Analysis, means: pd.DataFrame, metrics: Sequence[str]) -> DrawnCurves:
    """Place the rows of `curve_means` in panels.

    With a coloured factor: a panel per metric and condition, a line per level. Without: a panel
    per arm, a line per metric.
    """
    plan = layout(analysis)
    name = {
        metric: wording.capitalised(
            outcome_of(analysis, metric).label.replace("train ", "training ")
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


def seed_rows(analysis: Analysis) -> pd.DataFrame:
    """Return what the chart of seeds draws: arm, block, value (shown), kind, panel, series, row.

    The kind is seed (a finished run), mean (of an arm) or nothing (an arm without finished runs);
    `row` counts the series. Where arms × seeds would pass `MOST_ROWS`, the first seeds are kept,
    the same for all arms.
    """
    plan = layout(analysis)
    blocks = sorted({block for arm in analysis.arms for block in arm.values})
    kept = set(blocks[: max(1, MOST_ROWS // max(1, len(analysis.arms)) - 1)])
    rows: list[dict[str, object]] = []
    for arm in analysis.arms:
        panel, series = plan.place[arm.name]
        common: dict[str, object] = {
            "arm": arm.name,
            "panel": wording.clean(panel),
            "series": wording.clean(series),
            "row": plan.series.index(series),
        }
        scale = analysis.outcome.scale
        rows += [
            {**common, "kind": "seed", "block": block, "value": value * scale}
            for block, value in arm.values.items()
            if block in kept and math.isfinite(value * scale)
        ]
        if math.isfinite(arm.mean * scale):
            rows.append({**common, "kind": "mean", "value": arm.mean * scale})
        if not arm.values:
            rows.append({**common, "kind": "nothing"})
    columns = ["arm", "block", "value", "kind", "panel", "series", "row"]
    return pd.DataFrame(rows, columns=columns)


def candidate_rows(analysis: Analysis, path: str) -> pd.DataFrame:
    """Return a row per candidate that finished with every tuning seed, at its value of `path`.

    Columns arm, panel, series, value, mean, low, high (mean ± sd), chosen; shown values.
    """
    plan, tuning = layout(analysis), analysis.tuning
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


def contrast_rows(analysis: Analysis) -> pd.DataFrame:
    """Return a row per contrast: label, difference, low, high, figures, verdict; ratios as such.

    The figures are the difference and its interval as people read them; `label` has up to two
    lines and is unique.
    """
    outcome = analysis.outcome
    labels = [
        "\n".join(part for part in (c.varies, c.condition) if part) for c in analysis.contrasts
    ]
    if len(set(labels)) < len(labels):
        labels = [f"{c.arm}\nagainst {c.baseline}" for c in analysis.contrasts]
    frame = pd.DataFrame(
        {
            "label": [wording.clean(label) for label in labels],
            "difference": [c.difference for c in analysis.contrasts],
            "low": [c.low for c in analysis.contrasts],
            "high": [c.high for c in analysis.contrasts],
            "figures": [wording.difference(outcome, c) for c in analysis.contrasts],
            "verdict": [c.verdict for c in analysis.contrasts],
        }
    )
    numbers = ["difference", "low", "high"]
    shown = frame[numbers].astype(float).map(outcome.shown_difference)
    frame[numbers] = shown.where(np.isfinite(shown))
    return frame

"""The small tidy tables that the charts draw, made from an analysis with pandas.

Values here are shown values (accuracy in per cent), rows few: curves are averaged over seeds and
thinned to `MOST_ROWS`, which keeps every chart light.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from paribus.findings import Analysis
from paribus.report import wording
from paribus.report.style import COLOURS
from paribus.study.outcomes import BY_EPOCH, OUTCOMES, Outcome

P = ParamSpec("P")
T = TypeVar("T")

MOST_ROWS = 5000
"""Rows that one chart draws at most."""

MEAN_ROWS = SEED_ROWS = MOST_ROWS // 2
"""Of which means over the seeds, and the lines of single seeds, have as many at most."""

MOST_PANELS = 12
"""Arms that a chart with a panel for each draws at most."""

MOST_CONDITIONS = 30
"""Conditions (or arms, where each has a panel of its own) that curves are drawn for at most."""

WIDE_SPAN = 100.0
"""Means that differ by a larger factor are drawn on a log scale."""

MACHINES = ("device", "engine")
"""Factors that are compared first of all."""

_PARTS = ("train", "validation", "test")


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


def few(analysis: Analysis) -> Analysis:
    """Return the analysis with the arms of at most `MOST_CONDITIONS` panels, evenly spread."""
    plan = layout(analysis)
    panels = plan.panels if plan.factor else plan.series
    if len(panels) <= MOST_CONDITIONS:
        return analysis
    kept = {panels[i] for i in spread(len(panels), MOST_CONDITIONS)}
    own = 0 if plan.factor else 1
    arms = tuple(arm for arm in analysis.arms if plan.place[arm.name][own] in kept)
    return replace(analysis, arms=arms)


def _coloured_factor(analysis: Analysis) -> str | None:
    levels = {arm.name: arm.levels for arm in analysis.arms}
    varied: Counter[str] = Counter()
    for contrast in analysis.contrasts:
        arm, baseline = levels.get(contrast.arm, {}), levels.get(contrast.baseline, {})
        varied.update(f for f in analysis.factors if arm.get(f) != baseline.get(f))
    candidates = [f for f, of in analysis.factors.items() if 2 <= len(of) <= len(COLOURS)]
    # On a tie the last factor wins: it varies fastest in the order of the arms.
    return max(reversed(candidates), key=lambda f: varied[f], default=None)


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


def remembered(
    table: Callable[Concatenate[Analysis, P], T],
) -> Callable[Concatenate[Analysis, P], T]:
    """Keep the last result of a function: a chart and its words ask for the same table in turn."""
    last: list[tuple[Analysis, object, T]] = []

    @wraps(table)
    def found(analysis: Analysis, /, *args: P.args, **more: P.kwargs) -> T:
        asked = (args, more)
        if not (last and last[0][0] is analysis and last[0][1] == asked):
            last[:] = [(analysis, asked, table(analysis, *args, **more))]
        return last[0][2]

    return found


@remembered
def curve_means(analysis: Analysis, metrics: Sequence[str]) -> pd.DataFrame:
    """Return mean and 95 % t band over the seeds of each arm, metric and epoch.

    Columns arm, metric, epoch, mean, low, high, n, in shown values. Values that are not finite
    are left out; low and high are nan where n < 2.
    """
    curves = _thinned(_shown(analysis, metrics), ["arm", "metric"], MEAN_ROWS)
    grouped = curves.groupby(["arm", "metric", "epoch"], sort=True)["value"]
    means = grouped.agg(mean="mean", sd="std", n="count").reset_index()
    several = means["n"] > 1
    quantile = stdtrit((means["n"] - 1).clip(lower=1), 0.975)
    root_n = np.sqrt(means["n"] / (1 + means["n"] * analysis.overlap))
    half = (quantile * means["sd"] / root_n).where(several)
    means = means.assign(low=means["mean"] - half, high=means["mean"] + half)
    kept: pd.DataFrame = means[np.isfinite(means["mean"])]
    return kept.drop(columns="sd").reset_index(drop=True)


def seed_curves(analysis: Analysis, metrics: Sequence[str], seeds: int) -> pd.DataFrame:
    """Return the curves of the first so many seeds: arm, block, metric, epoch, value (shown).

    Values that are not finite are left out, and epochs, so that there are up to `SEED_ROWS` rows.
    """
    curves = _shown(analysis, metrics)
    blocks = np.sort(curves["block"].unique())[:seeds]
    curves = curves[curves["block"].isin(blocks)]
    return _thinned(curves, ["arm", "metric", "block"], SEED_ROWS).reset_index(drop=True)


def timed(analysis: Analysis) -> Analysis:
    """Return the analysis with no curves but those of finished runs: only their times count."""
    finished = [(arm.name, block) for arm in analysis.arms for block in arm.values]
    runs = pd.MultiIndex.from_frame(analysis.curves[["arm", "block"]])
    return replace(analysis, curves=analysis.curves[runs.isin(finished)])


def elapsed(analysis: Analysis) -> pd.DataFrame:
    """Return the seconds of training up to the end of each epoch that was timed.

    Columns arm, block, epoch, seconds; no row where nothing was timed: what was trained in a stack
    has no time of its own.
    """
    curves = analysis.curves
    timed = curves[curves["metric"] == "epoch_seconds"].sort_values("epoch", kind="stable")
    seconds = timed.groupby(["arm", "block"], sort=False)["value"].cumsum()
    return timed.assign(seconds=seconds)[["arm", "block", "epoch", "seconds"]]


def _shown(analysis: Analysis, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the finite values of the curves of some metrics, as they are shown."""
    curves = analysis.curves
    curves = curves[curves["metric"].isin(metrics) & curves["arm"].isin(layout(analysis).place)]
    value = curves["value"].astype(float)
    scale = {metric: outcome_of(analysis, metric).scale for metric in metrics}
    curves = curves.assign(value=value * curves["metric"].map(scale).astype(float))
    finite: pd.DataFrame = curves[np.isfinite(curves["value"])]
    return finite


def _thinned(curves: pd.DataFrame, line: list[str], rows: int) -> pd.DataFrame:
    """Keep so many epochs, evenly spread with the first and the last, that the rows suffice.

    `line` are the columns that tell lines apart.
    """
    epochs = np.sort(curves["epoch"].unique())
    lines = max(1, len(curves[line].drop_duplicates()))
    most = max(2, rows // lines)
    return curves[curves["epoch"].isin(epochs[spread(len(epochs), most)])]


def spread(count: int, most: int) -> list[int]:
    """Return at most so many places among 0, …, count - 1: evenly spread, with both ends."""
    if count <= most:
        return list(range(count))
    places: list[int] = np.linspace(0, count - 1, most).round().astype(int).tolist()
    return places

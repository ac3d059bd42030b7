"""What the runs of a study say besides its contrasts: effects, trends, ranking, learning curves.

They are families of tests of their own: the verdicts on the contrasts neither need nor share their
error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from paribus.findings import (
    ArmSummary,
    Evidence,
    FactorEffect,
    Learning,
    LevelTrend,
    Part,
    SimpleEffect,
    Standing,
    comparable_arms,
)
from paribus.stats import curves as curve_statistics
from paribus.stats.factorial import Component, Effect, Factorial, factorial
from paribus.stats.paired import holm
from paribus.stats.ranking import ranking
from paribus.stats.trend import gains, page
from paribus.stats.verdicts import FEWEST_SEEDS
from paribus.study.outcomes import Outcome

_ENOUGH_TO_RANK = 10  # seeds: with fewer, the bootstrap is much too sure
_MOST_CURVES = 24  # arms whose learning is described one by one
_FEWEST_EPOCHS = 3

Factors = Mapping[str, Sequence[str]]


def evidence(
    arms: Sequence[ArmSummary],
    factors: Factors,
    reference: Mapping[str, str],
    outcome: Outcome,
    margin: float | None,
    reach: float | None,
    curves: pd.DataFrame,
) -> Evidence:
    """Return all that the runs show; what too few seeds or arms cannot show is left out.

    Arms are compared in the seeds that all of them finished, by their logarithms where the outcome
    is compared as a ratio: an interaction is then a ratio of ratios. `reference` is the level of
    each factor that its others are compared with; `curves` as those of an analysis. Seeds must be
    independent: not so where they have splits of their own, which share rows.
    """
    comparable = [
        {b: v for b, value in arm.values.items() if not math.isnan(v := outcome.comparable(value))}
        for arm in arms
    ]
    blocks = sorted(set.intersection(*map(set, comparable)))
    # [block, arm], the last factor varying fastest: as arms are ordered
    table = np.array([[values[block] for values in comparable] for block in blocks])
    effects: tuple[FactorEffect, ...] = ()
    trends: tuple[LevelTrend, ...] = ()
    standings: tuple[Standing, ...] = ()
    shape = [len(levels) for levels in factors.values()]
    if len(blocks) >= FEWEST_SEEDS and len(arms) > 1 and math.prod(shape) == len(arms):
        crossed = table.reshape(len(blocks), *shape)
        if len(factors) > 1:
            effects = _effects(crossed, factors, reference, outcome)
        trends = tuple(_trends(crossed, factors, outcome, margin))
    if len(blocks) >= _ENOUGH_TO_RANK and len(arms) > 2 and comparable_arms(arms, outcome):
        ranked = ranking(table, outcome.higher_is_better)
        standings = tuple(
            Standing(arm.name, one.mean_rank, one.best, one.low, one.high)
            for arm, one in zip(arms, ranked, strict=True)
        )
    learning: tuple[Learning, ...] = ()
    if len(arms) <= _MOST_CURVES:
        learning = _learning(arms, outcome, reach, curves)
    standings = tuple(sorted(standings, key=lambda one: one.mean_rank))
    return Evidence(len(blocks), len(arms), effects, trends, standings, learning)


def _effects(
    table: np.ndarray, factors: Factors, reference: Mapping[str, str], outcome: Outcome
) -> tuple[FactorEffect, ...]:
    names = list(factors)
    at = [list(factors[name]).index(reference[name]) for name in names]
    found = factorial(table, at)

    def part(component: Component, about: Sequence[int]) -> Part:
        levels = {
            names[f]: factors[names[f]][level]
            for f, level in zip(about, component.levels, strict=True)
        }
        return Part(
            levels,
            component.difference,
            component.low,
            component.high,
            component.effect_size,
            component.p,
            component.p_adjusted,
        )

    return tuple(
        FactorEffect(
            factors=tuple(names[f] for f in effect.factors),
            reference=tuple(reference[names[f]] for f in effect.factors),
            f=effect.f,
            df=effect.df,
            df_error=effect.df_error,
            epsilon=effect.epsilon,
            p=effect.p_corrected,
            p_adjusted=effect.p_adjusted,
            partial_eta_squared=effect.partial_eta_squared,
            parts=tuple(part(one, effect.factors) for one in effect.components),
            simple=_simple(found, effect, names, factors),
        )
        for effect in found.effects
    )


def _simple(
    found: Factorial, effect: Effect, names: Sequence[str], factors: Factors
) -> tuple[SimpleEffect, ...]:
    """Return what the factor of fewer levels does at each level of the other one of an interaction.

    Averaged over all other factors; nothing for main effects and interactions of three.
    """
    if len(effect.factors) != 2:
        return ()
    focus, other = sorted(effect.factors, key=lambda f: len(factors[names[f]]))
    sizes: dict[tuple[int, int], list[float]] = {}
    for one in found.simple_effects[focus]:
        sizes.setdefault((one.levels[focus], one.levels[other]), []).append(one.difference)
    return tuple(
        SimpleEffect(
            names[focus],
            factors[names[focus]][level],
            names[other],
            factors[names[other]][at],
            float(np.mean(values)),
        )
        for (level, at), values in sorted(sizes.items())
    )


def _trends(
    table: np.ndarray, factors: Factors, outcome: Outcome, margin: float | None
) -> Iterator[LevelTrend]:
    """Yield the trend over each factor whose three or more levels are numbers."""
    for axis, (name, levels) in enumerate(factors.items(), 1):
        values = [_number(level) for level in levels]
        if len(levels) < 3 or len(set(values)) < len(levels) or any(map(math.isnan, values)):
            continue
        order = sorted(range(len(levels)), key=values.__getitem__)
        rest = tuple(other for other in range(1, table.ndim) if other != axis)
        ordered = table.mean(rest)[:, order]
        found = page(ordered)
        enough = None
        if margin:
            enough = gains(ordered, outcome.bound(margin), outcome.higher_is_better).level
        yield LevelTrend(
            name,
            tuple(levels[i] for i in order),
            found.statistic,
            found.p,
            found.direction,
            None if enough is None else levels[order[enough]],
        )


def _number(level: str) -> float:
    try:
        return float(level)
    except ValueError:
        return math.nan


def _learning(
    arms: Sequence[ArmSummary], outcome: Outcome, reach: float | None, curves: pd.DataFrame
) -> tuple[Learning, ...]:
    recorded = set(curves["metric"].unique())
    tested = next((m for m in ("validation_loss", "test_loss") if m in recorded), None)
    if tested is None:
        return ()
    metrics = {"train_loss", tested, outcome.name}
    parts = dict(tuple(curves[curves["metric"].isin(metrics)].groupby(["arm", "metric"])))
    found = []
    for arm in arms:
        if any((arm.name, metric) not in parts for metric in metrics):
            continue
        by_metric = {
            metric: parts[arm.name, metric].pivot(index="block", columns="epoch", values="value")
            for metric in metrics
        }
        # Whole curves of finished runs alone: a run that diverged has no last epoch.
        tables = {m: t.loc[t.index.isin(list(arm.values))].to_numpy() for m, t in by_metric.items()}
        if min(t.shape[0] for t in tables.values()) < FEWEST_SEEDS:
            continue
        if tables[tested].shape[1] < _FEWEST_EPOCHS or not all(
            np.isfinite(t).all() for t in tables.values()
        ):
            continue
        train, held = (curve_statistics.falls(tables[m]) for m in ("train_loss", tested))
        turn = curve_statistics.turning_point(tables[tested])
        epochs, reached = math.nan, 0
        if reach is not None:
            each, reached = curve_statistics.epochs_to(
                tables[outcome.name], reach, outcome.higher_is_better
            )
            epochs = float(np.median(np.where(np.isnan(each), math.inf, each)))
        found.append(
            Learning(
                arm=arm.name,
                held_out=tested,
                train_slope=(train.difference, train.low, train.high),
                slope=(held.difference, held.low, held.high),
                turn=turn.epoch,
                turn_low=turn.low,
                turn_high=turn.high,
                epochs=tables[tested].shape[1],
                rise=turn.rise,
                p_rise=turn.p,
                area=float(curve_statistics.area(tables[outcome.name]).mean()),
                epochs_to_reach=epochs,
                reached=reached,
                seeds=len(tables[outcome.name]),
            )
        )
    adjusted = holm(np.array([one.p_rise for one in found]))
    return tuple(
        Learning(**{**vars(one), "p_rise": float(p)})
        for one, p in zip(found, adjusted, strict=True)
    )

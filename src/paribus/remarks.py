"""What the evidence besides the contrasts says, in sentences that are computed from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from paribus.findings import (
    Contrast,
    Evidence,
    FactorEffect,
    Learning,
    LevelTrend,
    Selection,
    Standing,
)
from paribus.report.wording import capitalised, listed, number, probability, signed
from paribus.stats.verdicts import ALPHA
from paribus.study.factors import phrase
from paribus.study.outcomes import OUTCOMES, Outcome

_MOST_NAMED = 4


def remarks(
    evidence: Evidence, outcome: Outcome, margin: float | None, reach: float | None
) -> tuple[str, ...]:
    """Return one sentence or a few on each kind of evidence that there is."""
    return (
        *(_effect(one, outcome) for one in evidence.effects if not math.isnan(one.p_adjusted)),
        *(_trend(one, outcome, margin) for one in evidence.trends),
        *_ranked(evidence.standings, outcome),
        *_learned(evidence.learning, evidence.arms),
        *_reached(evidence.learning, outcome, reach),
    )


def steps(
    content: Mapping[str, Any], contrasts: Sequence[Contrast], outcome: Outcome
) -> Iterator[str]:
    """Say what each step makes up of the difference between the first level and the last."""
    if not content.get("steps") or len(contrasts) < 3 or any(one.n == 0 for one in contrasts):
        return
    *parts, whole = contrasts
    unit = f" {outcome.difference_unit}" if outcome.difference_unit else ""
    told = [f"{one.arm} {signed(outcome, one.difference)}" for one in parts]
    yield (
        f"Of the {signed(outcome, whole.difference)}{unit} between {whole.baseline} and "
        f"{whole.arm}, the steps make up, one after another: {listed(told)}."
    )


def selected(found: Selection, outcome: Outcome) -> Iterator[str]:
    """Say how far a choice by cross-validation is to be believed, and what else it might be."""
    best, simplest, tests = found.best, found.simplest, found.outcome
    unit = f" {outcome.unit}".rstrip()
    yield (
        f"The best of {found.candidates} arms tends to look a little too good on the rows that "
        f"chose it: for {best.arm} quote the {tests.label}, {number(tests, best.tested)}{unit}, "
        f"and not the {outcome.label}, {number(outcome, best.validated)}{unit}. Both are means of "
        f"the same runs, and the test rows took no part in the choice."
    )
    within = f"one standard error of it ({number(outcome, found.standard_error)}"
    within += f" {outcome.difference_unit}".rstrip() + ")"
    if simplest.arm == best.arm:
        yield (
            f"No arm before it in the order of levels is within {within}: where that order goes "
            "from simple to complex, it is the simplest choice too (Breiman et al., 1984)."
        )
    else:
        yield (
            f"The simplest within {within}, the first in the order of levels, is "
            f"{simplest.arm}: {outcome.label} {number(outcome, simplest.validated)}{unit}, "
            f"{tests.label} {number(tests, simplest.tested)}{unit} (Breiman et al., 1984)."
        )


def _effect(effect: FactorEffect, outcome: Outcome) -> str:
    """Say what an effect amounts to, and whether it is shown."""
    unit = f" {outcome.difference_unit}" if outcome.difference_unit else ""
    shown = effect.p_adjusted < ALPHA
    p = f"p {_with_sign(effect.p_adjusted)}"
    first, *others = effect.factors
    if not others:
        sizes = [f"{one.levels[first]} {signed(outcome, one.difference)}" for one in effect.parts]
        text = (
            f"{capitalised(first)}, averaged over all else, against {effect.reference[0]}: "
            f"{listed(sizes)}{unit}"
        )
        return f"{text} ({p})." if shown else f"{text}; no main effect is shown ({p})."
    if not shown:
        return (
            f"That the effect of {first} depends on {listed(others)} is not shown ({p}), which is "
            "not to say that it does not."
        )
    if not effect.simple:
        return (
            f"How {first} and {others[0]} act together depends on {listed(others[1:])} as well "
            f"({p}): read the contrasts one by one."
        )
    focus, other = effect.simple[0].factor, effect.simple[0].at_factor
    told = []
    for level, group in groupby(effect.simple, key=lambda one: one.level):
        sizes = [
            f"{signed(outcome, one.difference)} with {phrase(one.at_factor, one.at)}"
            for one in group
        ]
        sizes[0] = sizes[0].replace(" with", f"{unit} with", 1)
        told.append(f"{focus} {level} makes {listed(sizes)}")
    return f"{capitalised('; '.join(told))}: the effect of {focus} depends on {other} ({p})."


def _trend(trend: LevelTrend, outcome: Outcome, margin: float | None) -> str:
    p = f"Page's L = {trend.statistic:g}, p {_with_sign(trend.p)}"
    span = f"from {trend.levels[0]} to {trend.levels[-1]}"
    if trend.p < ALPHA:
        verb = "rises" if trend.direction == "increasing" else "falls"
        text = f"{capitalised(outcome.label)} {verb} with {trend.factor} {span} ({p})"
    else:
        text = f"No trend of the {outcome.label} over {trend.factor} {span} is shown ({p})"
    if margin and trend.enough:
        gain = outcome.show_margin(margin)
        text += f"; from {trend.enough} on, no higher level gains {gain} or more"
    elif margin:
        text += "; at which level gains stop to matter is not shown"
    return f"{text}."


def _ranked(standings: Sequence[Standing], outcome: Outcome) -> Iterator[str]:
    likely = sorted(standings, key=lambda one: -one.best)[:_MOST_NAMED]
    told = [f"{one.arm} {100 * one.best:.0f} %" for one in likely if one.best >= 0.05]
    if told:
        mean = "geometric mean" if outcome.ratio else "mean"
        yield f"Chance to have the best {mean} (Bayesian bootstrap, no test): {listed(told)}."


def _learned(learning: Sequence[Learning], arms: int) -> Iterator[str]:
    if not learning:
        return
    if arms == 1:
        yield from _learned_alone(learning[0])
        return
    if len(learning) < arms:
        yield (
            f"Only {len(learning)} of {arms} arms have six or more whole curves; of those alone "
            "this can be said:"
        )
    held = OUTCOMES[learning[0].held_out].label
    trained = _of(sum(one.train_slope[2] < 0 for one in learning), len(learning))
    tested = _of(sum(one.slope[2] < 0 for one in learning), len(learning))
    if trained == tested:
        yield f"Training and {held} fall with the epochs in {trained}."
    else:
        yield f"The training loss falls with the epochs in {trained}, the {held} in {tested}."
    over = [one for one in learning if one.p_rise < ALPHA and one.turn < one.epochs]
    for one in over[:_MOST_NAMED]:
        yield (
            f"Overfitting in {one.arm}: the {held} is lowest after epoch {one.turn} (95 % interval "
            f"{one.turn_low} to {one.turn_high}) and rises from there (p {_with_sign(one.p_rise)})."
        )
    if len(over) > _MOST_NAMED:
        yield f"So do {len(over) - _MOST_NAMED} more arms."
    if not over:
        yield f"No overfitting is seen: that the {held} rises from its lowest point is not shown."


def _learned_alone(one: Learning) -> Iterator[str]:
    """Say how much the losses of the only arm change with the epochs, and where they turn."""
    train, held = OUTCOMES["train_loss"], OUTCOMES[one.held_out]
    told = [
        f"{signed(outcome, change)} (95 % CI {number(outcome, low)} to {number(outcome, high)})"
        for outcome, (change, low, high) in ((train, one.train_slope), (held, one.slope))
    ]
    yield (
        f"With every doubling of the epochs the training loss changes by {told[0]}, the "
        f"{held.label} by {told[1]}."
    )
    when = (
        f"The {held.label} is lowest after epoch {one.turn} of {one.epochs} (95 % interval "
        f"{one.turn_low} to {one.turn_high})"
    )
    if one.p_rise < ALPHA and one.turn < one.epochs:
        rise = number(held, one.rise)
        yield f"{when} and rises by {rise} from there, overfitting (p {_with_sign(one.p_rise)})."
    else:
        yield f"{when}; no overfitting is seen: that it rises from there is not shown."


def _reached(learning: Sequence[Learning], outcome: Outcome, reach: float | None) -> Iterator[str]:
    if reach is None or not learning:
        return
    told = []
    for one in learning:
        when = "never" if math.isinf(one.epochs_to_reach) else f"{one.epochs_to_reach:g}"
        some = f" (in {one.reached} of {one.seeds} seeds)" if 0 < one.reached < one.seeds else ""
        told.append(f"{one.arm} {when}{some}")
    goal = f"{number(outcome, reach)} {outcome.unit}".rstrip()
    yield f"Epochs until the {outcome.label} reaches {goal}, median: {listed(told)}."


def _of(count: int, total: int) -> str:
    if count == total:
        return "every arm" if total > 1 else "the one arm"
    return f"{count or 'none'} of {total} arms"


def _with_sign(p: float) -> str:
    shown = probability(p)
    return shown.replace("<", "< ") if shown.startswith("<") else f"= {shown}"

"""The discussion of a report: what was found, how sure, how large, its limits, what to ask next.

Every sentence is computed from the analysis.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from paribus.findings import Analysis, ArmSummary, Contrast, comparable_arms
from paribus.report.wording import (
    bound,
    capitalised,
    counted,
    decimal,
    difference,
    interval_name,
    listed,
    mean_and_sd,
    probability,
    told,
    within,
)
from paribus.stats.verdicts import ALPHA, FEWEST_SEEDS

_MOST_NAMED = 4
_SHOWN = ("better", "worse")


@dataclass(frozen=True)
class Passage:
    """A part of the discussion: its title and its text, a few sentences."""

    title: str
    text: str


def discussion(analysis: Analysis) -> tuple[Passage, ...]:
    """Return the passages that the study has something to say in; none without finished runs."""
    if not any(arm.values for arm in analysis.arms):
        return ()
    passages = (
        ("What was found", _found),
        ("How sure it is", _sure),
        ("How large it is", _large),
        ("What it may not be taken to mean", _limits),
        ("What to ask next", _next),
    )
    return tuple(
        Passage(title, text) for title, tell in passages if (text := " ".join(tell(analysis)))
    )


def _found(analysis: Analysis) -> Iterator[str]:
    outcome, contrasts = analysis.outcome, analysis.contrasts
    if contrasts:
        count = Counter(contrast.verdict for contrast in contrasts)
        verdicts = [f"{number} {verdict}" for verdict, number in count.most_common()]
        yield f"Of {counted(len(contrasts), 'contrast')}: {listed(verdicts)}."
    finished = sorted((a for a in analysis.arms if a.values), key=lambda a: a.mean)
    if outcome.higher_is_better:
        finished.reverse()
    first, last = finished[0], finished[-1]
    if first is last:
        yield f"{capitalised(first.name)} has a mean {outcome.label} of {_mean(analysis, first)}."
    elif comparable_arms(analysis.arms, outcome):
        yield (
            f"The mean {outcome.label} runs from {_mean(analysis, last)} with {last.name} to "
            f"{_mean(analysis, first)} with {first.name}."
        )
    surest = [one for one in _sized(analysis) if one.verdict in _SHOWN]
    if surest:
        yield f"The largest difference that is shown: {_named(surest[0])}, {surest[0].verdict}."


def _sure(analysis: Analysis) -> Iterator[str]:
    outcome = analysis.outcome
    for one in [c for c in _sized(analysis) if c.verdict in _SHOWN][:1]:
        wins = f"{one.superiority * one.n:g} of {counted(one.n, 'seed')}"
        yield (
            f"For {_named(one)}, the {interval_name(analysis)} of the mean "
            f"{'ratio' if outcome.ratio else 'difference'} goes from {bound(outcome, one.low)} to "
            f"{bound(outcome, one.high)}{_unit(analysis)}, and the arm had the better outcome in "
            f"{wins}."
        )
    doubted = [
        one
        for one in analysis.contrasts
        if one.verdict in _SHOWN and one.p_sign_flip > ALPHA and one.n >= FEWEST_SEEDS
    ]
    for one in doubted[:_MOST_NAMED]:
        yield (
            f"For {_named(one)} the sign-flip test, which assumes no normal distribution, does not "
            f"agree with the t-test (p = {probability(one.p_sign_flip)}): take it with caution."
        )
    lost = sum(arm.diverged + arm.failed for arm in analysis.arms)
    if lost:
        asked = sum(arm.asked for arm in analysis.arms)
        yield f"{lost} of {asked} runs diverged or failed, and count in no mean."
    count = Counter(contrast.verdict for contrast in analysis.contrasts)
    if count["pilot"]:
        yield (
            f"With fewer than {FEWEST_SEEDS} paired seeds there is no verdict: chance alone may "
            "have made what is seen here."
        )
    accepted = [one.name for one in analysis.confounds if one.accepted]
    if accepted:
        yield f"Accepted by the study, and not ruled out: {listed(accepted)}."
    open_ones = [one.name for one in analysis.confounds if not one.accepted]
    if open_ones:
        yield f"It may be confounded by {listed(open_ones)}."


def _large(analysis: Analysis) -> Iterator[str]:
    outcome, margin = analysis.outcome, analysis.margin
    arms = {arm.name: arm for arm in analysis.arms}
    for one in [c for c in _sized(analysis) if c.verdict in _SHOWN][:1]:
        size = f"{capitalised(_named(one))} makes {difference(outcome, one)}{_unit(analysis)}"
        if margin:
            times = abs(one.difference) / outcome.bound(margin)
            size += f", {times:.3g} times the margin of {outcome.show_margin(margin)}"
        if math.isfinite(one.effect_size):
            size += f"; d is {decimal(one.effect_size)}, in standard deviations over the seeds"
        yield f"{size}."
        arm, baseline = arms.get(one.arm), arms.get(one.baseline)
        if outcome.name.endswith("accuracy") and arm and baseline and baseline.mean < 1:
            before, after = 1 - baseline.mean, 1 - arm.mean
            yield (
                f"In wrong answers, that is {told(outcome, after)} against "
                f"{told(outcome, before)}, {after / before:.2g} times as many."
            )
    small = [
        one
        for one in analysis.contrasts
        if margin and one.verdict in _SHOWN and abs(one.difference) < outcome.bound(margin)
    ]
    if small and margin:
        yield (
            f"{counted(len(small), 'difference')} that {'is' if len(small) == 1 else 'are'} shown "
            f"{'is' if len(small) == 1 else 'are'} smaller than {within(outcome, margin)}, which "
            f"was declared too small to matter: {_names(small)}."
        )


def _limits(analysis: Analysis) -> Iterator[str]:
    outcome = analysis.outcome
    data = analysis.data.get("data set")
    if outcome.lane == "quality" and data:
        yield (
            f"All runs learned {data} with the controls below: other data, another size of the "
            "network or another length of training may turn the answer round."
        )
    elif outcome.lane == "clock":
        yield "Times are of this machine, with these versions; on another they may rank otherwise."
    if outcome.lane == "quality" and not analysis.overlap:
        yield (
            "The seeds vary the initial weights, the order of the batches and dropout, not the "
            "rows: what other rows would give is not in the intervals."
        )
    count = Counter(contrast.verdict for contrast in analysis.contrasts)
    if count["equivalent"] and analysis.margin is not None:
        margin = outcome.show_margin(analysis.margin)
        yield f"Equivalent means within {margin} of each other, not identical."
    if count["inconclusive"]:
        yield (
            f"That {counted(count['inconclusive'], 'contrast')} "
            f"{'is' if count['inconclusive'] == 1 else 'are'} not decided yet is no sign that "
            "there is no difference."
        )
    if len(analysis.contrasts) > 1:
        yield (
            "Two contrasts of different size are not shown to differ from each other: that would "
            "be a contrast of its own."
        )


def _next(analysis: Analysis) -> Iterator[str]:
    undecided = [one for one in analysis.contrasts if one.seeds_needed]
    if undecided:
        most = max(one.seeds_needed or 0 for one in undecided)
        yield f"With {most} seeds, what is not decided yet probably would be: {_names(undecided)}."
    for trend in analysis.evidence.trends[:_MOST_NAMED]:
        rising = (trend.direction == "increasing") == analysis.outcome.higher_is_better
        if trend.p < ALPHA and rising and analysis.margin and not trend.enough:
            yield (
                f"Where {trend.factor} stops to gain is not reached at {trend.levels[-1]}: try "
                "beyond it."
            )
    learning = analysis.evidence.learning
    falling = [one for one in learning if one.turn == one.epochs and one.slope[2] < 0]
    if falling:
        who = "every arm" if len(falling) == len(analysis.arms) else _arms([o.arm for o in falling])
        yield (
            f"The {falling[0].held_out.replace('_', ' ')} still falls at the end, epoch "
            f"{falling[0].epochs}, in {who}: train longer, and see whether the answer stays."
        )
    mends = [f"{one.name}: {one.mend}" for one in analysis.confounds if not one.accepted]
    if mends:
        yield f"To rule out what may confound it, {' '.join(mends)}"
    diverged = [arm.name for arm in analysis.arms if arm.diverged]
    if diverged:
        yield f"{capitalised(_arms(diverged))} diverged: a lower learning rate may save it."
    parameters = {arm.parameters for arm in analysis.arms}
    if (
        not analysis.tuning
        and not mends
        and "learning rate" in analysis.controls
        and (len(parameters) > 1 or any("optimizer" in factor for factor in analysis.factors))
    ):
        yield "Does the answer stay where each arm has its own tuned learning rate (`tune:`)?"
    if analysis.data.get("data set") == "digits":
        yield "Does it hold on larger data? `--data mnist` runs the same study there."


def _sized(analysis: Analysis) -> list[Contrast]:
    """The contrasts that have a difference, the largest first."""
    known = [one for one in analysis.contrasts if math.isfinite(one.difference)]
    return sorted(known, key=lambda one: -abs(one.difference))


def _mean(analysis: Analysis, arm: ArmSummary) -> str:
    outcome = analysis.outcome
    if math.isnan(arm.sd):
        return told(outcome, arm.mean)
    return f"{mean_and_sd(outcome, arm)} {outcome.unit}".rstrip()


def _named(contrast: Contrast) -> str:
    return f"{contrast.varies} with {contrast.condition}" if contrast.condition else contrast.varies


def _names(contrasts: list[Contrast]) -> str:
    return _arms([_named(one) for one in contrasts])


def _arms(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return listed([*names[:_MOST_NAMED], *([f"{more} more"] if more > 0 else [])])


def _unit(analysis: Analysis) -> str:
    unit = analysis.outcome.difference_unit
    return f" {unit}" if unit else ""

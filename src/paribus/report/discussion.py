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
_RIGHT_ANSWERS = ("test_accuracy", "validation_accuracy", "train_accuracy")


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
    for one in _largest(analysis):
        yield f"The largest difference that is shown: {_named(one)}, {one.verdict}."


def _sure(analysis: Analysis) -> Iterator[str]:
    outcome = analysis.outcome
    for one in _largest(analysis):
        sign = 1 if outcome.higher_is_better else -1
        wins = sum(sign * difference > 0 for difference in one.differences.values())
        equal = sum(difference == 0 for difference in one.differences.values())
        ties = f", and an equal one in {equal}" if equal else ""
        yield (
            f"For {_named(one)}, the {interval_name(analysis)} of the mean "
            f"{'ratio' if outcome.ratio else 'difference'} goes from {bound(outcome, one.low)} to "
            f"{bound(outcome, one.high)}{_unit(analysis)}, and the arm had the better outcome in "
            f"{wins} of {counted(one.n, 'seed')}{ties}."
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
    for one in _largest(analysis):
        size = f"{capitalised(_named(one))} makes {difference(outcome, one)}{_unit(analysis)}"
        if margin and not outcome.ratio:
            size += f", {abs(one.difference) / margin:.3g} times the margin of "
            size += outcome.show_margin(margin)
        if math.isfinite(one.effect_size):
            size += f"; d is {decimal(one.effect_size)}, in standard deviations over the seeds"
        yield f"{size}."
        if outcome.name in _RIGHT_ANSWERS and one.arm in arms and one.baseline in arms:
            pairs = [
                (arms[one.arm].values[b], arms[one.baseline].values[b]) for b in one.differences
            ]
            after, before = (1 - math.fsum(each) / one.n for each in zip(*pairs, strict=True))
            if before:
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
            f"was declared too small to matter: {_few([_named(one) for one in small])}."
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
    undecided = [one for one in analysis.contrasts if one.verdict == "inconclusive"]
    needed = [one.seeds_needed for one in undecided if one.seeds_needed]
    if needed:
        which = "" if len(needed) == len(undecided) else f" {len(needed)} of"
        yield (
            f"Not decided yet: {_few([_named(one) for one in undecided])}. With {max(needed)} seeds"
            f"{which} {'it' if len(undecided) == 1 else 'them'} would be decided with 80 % chance, "
            "if the true difference is as large as the margin, or nought."
        )
    for trend in analysis.evidence.trends[:_MOST_NAMED]:
        rising = (trend.direction == "increasing") == analysis.outcome.higher_is_better
        if trend.p < ALPHA and rising and analysis.margin and not trend.enough:
            yield (
                f"At which {trend.factor} gains stop to matter is not shown by "
                f"{trend.levels[-1]}: try beyond it, or more seeds."
            )
    learning = analysis.evidence.learning
    falling = [one for one in learning if one.turn == one.epochs]
    if falling:
        every = len(falling) == len(analysis.arms)
        who = "every arm" if every else _few([one.arm for one in falling])
        loss = falling[0].held_out.replace("_", " ")
        yield (
            f"The {loss} was lowest after the last epoch in {who}: train longer, and see whether "
            "the answer stays."
        )
    mends = [f"{one.name}: {one.mend}" for one in analysis.confounds if not one.accepted]
    if mends:
        yield f"To rule out what may confound it, {' '.join(mends)}"
    diverged = [arm.name for arm in analysis.arms if arm.diverged]
    if diverged:
        yield f"Runs of {_few(diverged)} diverged: a lower learning rate may save them."
    sizes = {arm.parameters for arm in analysis.arms}
    one_rate = "train.learning_rate" in analysis.controls and not analysis.tuning
    if one_rate and not mends and (len(sizes) > 1 or "optimizer" in analysis.factors):
        yield "Does the answer stay where each arm has its own tuned learning rate (`tune:`)?"
    if analysis.data.get("data set") == "digits" and analysis.command:
        yield "Does it hold on larger data? `--data mnist` runs the same study there."


def _largest(analysis: Analysis) -> list[Contrast]:
    """The contrast with the largest difference that is shown, if there is one."""
    shown = [one for one in analysis.contrasts if one.verdict in _SHOWN]
    return sorted(shown, key=lambda one: -abs(one.difference))[:1]


def _mean(analysis: Analysis, arm: ArmSummary) -> str:
    outcome = analysis.outcome
    if math.isnan(arm.sd):
        return told(outcome, arm.mean)
    return f"{mean_and_sd(outcome, arm)} {outcome.unit}".rstrip()


def _named(contrast: Contrast) -> str:
    return f"{contrast.varies} with {contrast.condition}" if contrast.condition else contrast.varies


def _few(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return listed([*names[:_MOST_NAMED], *([f"{more} more"] if more > 0 else [])])


def _unit(analysis: Analysis) -> str:
    unit = analysis.outcome.difference_unit
    return f" {unit}" if unit else ""

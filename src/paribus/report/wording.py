"""Numbers and states of an analysis as people read them, the same in every kind of report."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from paribus.findings import Analysis, ArmSummary, Contrast, Part, Proof, Tuning
from paribus.models.given import HERE
from paribus.stats.paired import Paired
from paribus.stats.unpaired import Unpaired
from paribus.study.engine import GRADIENT_TOLERANCE, LOSS_TOLERANCE, UPDATE_TOLERANCE
from paribus.study.factors import factor_label, level_label
from paribus.study.outcomes import Outcome
from paribus.untrusted import clean as clean

NOTHING = "–"
"""Shown where there is no number."""

_LARGEST_IN_FULL = 1e6

MOST_NAMED = 12
"""Things that a text names one by one at most."""


def minus(text: str) -> str:
    """Return `text` with a true minus before digits, as wide as the plus above it."""
    return re.sub(r"(?<!\w)-(?=[\d∞])", "−", text)


def labelled(label: str, unit: str) -> str:
    """Return a label with its unit in parentheses, if it has one."""
    return f"{label} ({unit})" if unit else label


def capitalised(text: str) -> str:
    """Return `text` with its first letter, and no other, made a capital."""
    return text[:1].upper() + text[1:]


def listed(parts: Sequence[str]) -> str:
    """Return 'a, b and c'; empty parts are left out."""
    parts = [part for part in parts if part]
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def counted(count: int, thing: str) -> str:
    """Return '1 arm' or '3 arms'."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def spans(numbers: Iterable[int]) -> str:
    """Return '0 to 3, 5, 7 and 8': each number, with consecutive ones as a span."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(
        f"{run[0]} to {run[-1]}" if len(run) > 2 else listed([str(one) for one in run])
        for run in runs
    )


def sentences(parts: Sequence[str]) -> str:
    """Return each part with a full stop, in a line."""
    return " ".join(f"{part}." for part in parts)


def number(outcome: Outcome, value: float) -> str:
    """Return a stored value without its unit; a dash for nan, three digits for the enormous."""
    return _finite(value, value * outcome.scale, outcome.show, "")


def told(outcome: Outcome, value: float) -> str:
    """Return a stored value with its unit, if it has one."""
    return f"{number(outcome, value)} {outcome.unit}".rstrip()


def signed(outcome: Outcome, value: float) -> str:
    """Return a stored difference with its sign, without its unit."""
    return _finite(value, value * outcome.scale, outcome.show_difference, "+")


def bound(outcome: Outcome, value: float) -> str:
    """Return a bound of a stored difference, without a sign and without its unit."""
    return _finite(value, value * outcome.scale, outcome.show_bound, "")


def _finite(value: float, shown: float, show: Callable[[float], str], sign: str) -> str:
    if math.isnan(value):
        return NOTHING
    words = f"{shown:{sign}.3g}" if abs(shown) >= _LARGEST_IN_FULL else show(value)
    return words if words.strip("+-0.") else words.lstrip("+-")  # never -0.00


def mean_and_sd(outcome: Outcome, arm: ArmSummary) -> str:
    """Return '78.24 ± 0.41'; the mean alone where there is no standard deviation.

    The latter has as many decimals as the mean.
    """
    mean = number(outcome, arm.mean)
    if math.isnan(arm.sd):
        return mean
    sd = number(outcome, arm.sd)
    if "e" not in mean + sd and sd != NOTHING:
        sd = f"{arm.sd * outcome.scale:.{len(mean.partition('.')[2])}f}"
    return f"{mean} ± {sd}"


def mean_interval(outcome: Outcome, arm: ArmSummary) -> str:
    """Return '[77.95, 78.53]', or a dash."""
    return _interval(number(outcome, arm.low), number(outcome, arm.high))


def slope(values: tuple[float, float, float]) -> str:
    """Return '-0.12 [-0.14, -0.10]' to two digits."""
    mean, low, high = (f"{value:.2g}" for value in values)
    return f"{mean} [{low}, {high}]"


def difference_interval(outcome: Outcome, contrast: Contrast | Paired | Unpaired | Part) -> str:
    """Return '[14.10, 14.78]', without plus signs, or a dash."""
    return _interval(bound(outcome, contrast.low), bound(outcome, contrast.high))


def _interval(low: str, high: str) -> str:
    return NOTHING if {NOTHING, "inf", "-inf"} & {low, high} else f"[{low}, {high}]"


def difference(outcome: Outcome, contrast: Contrast | Paired | Unpaired | Part) -> str:
    """Return '+14.44 [14.10, 14.78]' or '×1.24 [1.20, 1.28]'; without an interval that is none."""
    interval = difference_interval(outcome, contrast)
    shown = signed(outcome, contrast.difference)
    return shown if interval == NOTHING else f"{shown} {interval}"


def probability(p: float) -> str:
    """Return a p-value to three decimals, '<0.001' below that, a dash for nan."""
    if math.isnan(p):
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def interval_name(analysis: Analysis) -> str:
    """Return what the intervals of the contrasts are."""
    if analysis.looks is None:
        return "95 % t interval"
    return "95 % repeated interval" if analysis.looks.planned else "interval (95 % or more)"


def level(value: float) -> str:
    """Return a nominal level to two digits, '<1e-6' below that."""
    return "<1e-6" if value < 1e-6 else f"{value:.2g}"


def decimal(value: float, decimals: int = 2) -> str:
    """Return a plain number to some decimals, ∞ where it has no bound, a dash for nan."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{decimals}f}" if abs(value) < _LARGEST_IN_FULL else f"{value:.3g}"


def troubles(arm: ArmSummary) -> str:
    """Return 'diverged 3/10, missing 1/10', or nothing where all runs finished."""
    counts = (("diverged", arm.diverged), ("failed", arm.failed), ("missing", arm.missing))
    return ", ".join(f"{word} {count}/{arm.asked}" for word, count in counts if count)


def status(arm: ArmSummary) -> str:
    """Return a sentence on how the arm's runs ended, with the reasons of those that did not."""
    counts = (
        ("diverged in", arm.diverged),
        ("failed in", arm.failed),
        ("not trained yet in", arm.missing),
    )
    parts = [f"{words} {count} of {arm.asked} seeds" for words, count in counts if count]
    if not parts:
        return "complete"
    because = f": {'; '.join(arm.reasons)}" if arm.reasons else ""
    return f"{', '.join(parts)}{because}"


def difference_heading(analysis: Analysis) -> str:
    """Return the heading of a column of differences, with their unit, or of ratios."""
    return labelled(compared(analysis.outcome), analysis.outcome.difference_unit)


def compared(outcome: Outcome) -> str:
    """Return what a contrast is: a difference or a ratio."""
    return "ratio" if outcome.ratio else "difference"


def within(outcome: Outcome, margin: float) -> str:
    """Return what is too small to matter: '±0.2 points', or '5 % (1/1.05 to 1.05)'."""
    shown = outcome.show_margin(margin)
    return f"{shown} (1/{1 + margin:g} to {1 + margin:g})" if outcome.ratio else f"±{shown}"


def proof(one: Proof) -> str:
    """Return how far two engines are apart in what they compute, and how far they may be."""
    told = [f"{what} {value:.1e} (at most {most:.0e})" for what, value, most in apart(one)]
    without = ", dropout left out" if one.without_dropout else ""
    return (
        f"Proved to do the same maths before they were timed{without}: {one.arm} and "
        f"{one.reference}, relative difference of {listed(told)}."
    )


def apart(one: Proof) -> tuple[tuple[str, float, float], ...]:
    """Return what was compared, how far apart it is, and how far it may be."""
    return (
        ("first gradients", one.gradient, GRADIENT_TOLERANCE),
        ("first loss", one.loss, GRADIENT_TOLERANCE),
        ("first updates", one.update, UPDATE_TOLERANCE),
        ("loss of the first epoch", one.epoch_loss, LOSS_TOLERANCE),
    )


def budget(tuning: Tuning) -> str:
    """Return what every arm was given to be tuned with."""
    seeds = f"{tuning.seeds} {'seed' if tuning.seeds == 1 else 'seeds'}"
    return (
        f"Tuned on {tuning.outcome.label}: the same {tuning.budget} candidates for every arm, "
        f"{seeds} each, none of them the verdict's."
    )


def parameter(path: str) -> str:
    """Return how a tuned setting is called: 'learning rate'."""
    return factor_label(path)


def by_hand(analysis: Analysis) -> str:
    """Return how to repeat a study that has no command, because it was asked in Python."""
    given = ["table"] * (analysis.data.get("data set") == "DataFrame")
    given += ["network"] * (HERE in analysis.spec)
    if not given:
        return (
            "The study was asked in Python: save the specification below as study.yaml, and "
            "`paribus run study.yaml` repeats it."
        )
    return (
        f"The {listed(given)} {'was' if len(given) == 1 else 'were'} given in Python, so no "
        f"command alone repeats the study: give paribus.Study the same {listed(given)} with the "
        f"specification below."
    )


def setting(value: Any) -> str:
    """Return the value of a tuned setting."""
    return NOTHING if value is None else level_label(value)


def tuned(tuning: Tuning) -> list[str]:
    """Return a line per arm: 'sgd: learning rate 0.1 (with half the budget 0.2; untuned 0.001)'."""

    def plain(values: Mapping[str, Any]) -> str:
        return ", ".join(map(setting, values.values()))

    return [
        f"{arm}: {', '.join(f'{parameter(path)} {setting(v)}' for path, v in values.items())} "
        f"({'; '.join(f'{one.phrase} {plain(one.values[arm])}' for one in tuning.alternatives)})"
        for arm, values in tuning.chosen.items()
    ]

"""The answer in words: every sentence is computed from contrasts and arms."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from paribus.findings import ArmSummary, Contrast, Selection, comparable_arms
from paribus.report.wording import listed
from paribus.stats.verdicts import FEWEST_SEEDS, Looks, Verdict
from paribus.study.outcomes import Outcome

_MOST_GROUPS = 8  # comparisons told one by one; more are counted
_DECIDED = ("better", "worse", "equivalent")


def answer(
    contrasts: Sequence[Contrast],
    arms: Sequence[ArmSummary],
    outcome: Outcome,
    margin: float | None,
) -> str:
    """Return the answer to a study's question in a few sentences."""
    missing = sum(arm.missing for arm in arms)
    if missing:
        planned = sum(arm.asked for arm in arms)
        begun = [one for one in contrasts if one.n]
        rest = [replace(arm, missing=0) for arm in arms]
        return (
            f"Not finished: {planned - missing} of {planned} runs are trained. So far: "
            f"{answer(begun, rest, outcome, margin)}"
        )
    lost = [arm.name for arm in arms if arm.diverged == arm.asked]
    if lost and len(lost) < len(arms):
        start = f"{listed(lost)} diverged with every seed."
        rest = [arm for arm in arms if arm.diverged < arm.asked]
        left = [one for one in contrasts if one.n]
        return f"{start[:1].upper()}{start[1:]} {answer(left, rest, outcome, margin)}"
    if not contrasts or all(one.verdict == "not comparable" for one in contrasts):
        return _best(arms, outcome)
    if all(one.verdict in ("pilot", "not comparable") for one in contrasts):
        n = max(one.n for one in contrasts)
        return (
            f"No verdict: {n} seed{'s make' if n != 1 else ' makes'} a pilot, and a verdict needs "
            f"{FEWEST_SEEDS} or more. {_best(arms, outcome)}"
        )
    groups: dict[str, list[Contrast]] = defaultdict(list)
    for one in contrasts:
        groups[one.varies].append(one)
    words = _Words(outcome, margin)
    if len(groups) > _MOST_GROUPS:
        told = [words.counts(contrasts)]
    else:
        told = [words.group(varies, group) for varies, group in groups.items()]
    ranked = len(arms) > 2 and comparable_arms(arms, outcome)
    return " ".join([*told, *([_best(arms, outcome)] if ranked else [])])


def choice(found: Selection, outcome: Outcome) -> str:
    """Return which arm cross-validation chooses, and how it does on the test rows."""
    best, tests = found.best, found.outcome
    return (
        f"Cross-validation chooses {best.arm} by its mean {outcome.label}; its mean {tests.label} "
        f"is {tests.show(best.tested)} {tests.unit}".rstrip()
        + "."
    )


class _Words:
    """Sentences on contrasts, in the units of one outcome."""

    def __init__(self, outcome: Outcome, margin: float | None):
        self.outcome = outcome
        self.unit = f" {outcome.difference_unit}" if outcome.difference_unit else ""
        within = f" within {outcome.show_margin(margin)}" if margin else ""
        self.verdicts: dict[Verdict, str] = {
            "better": "better",
            "worse": "worse",
            "equivalent": f"equivalent{within}",
            "inconclusive": "not decided yet",
            "pilot": "a pilot only",
            "not comparable": "not comparable",
        }

    def group(self, varies: str, group: Sequence[Contrast]) -> str:
        """Return one sentence on one comparison, under all its conditions."""
        parts = []
        for verdict, text in self.verdicts.items():
            found = [one for one in group if one.verdict == verdict]
            if not found:
                continue
            sized = verdict in ("better", "worse")
            if len(group) > 1 and len(found) == len(group):
                which = "both cases" if len(group) == 2 else f"all {len(group)} cases"
                parts.append(f"{text} in {which}{self._range(found) if sized else ''}")
            else:
                alone = len(found) == 1
                cases = [self._case(one, sized, alone) for one in found]
                parts.append(f"{text} {listed(cases)}".strip())
        return f"{varies[:1].upper()}{varies[1:]}: {'; '.join(parts)}{self._fewer(group)}."

    def counts(self, contrasts: Sequence[Contrast]) -> str:
        """Return one sentence on very many comparisons."""
        count = Counter(one.verdict for one in contrasts)
        parts = [
            f"{count[verdict]} {'is' if count[verdict] == 1 else 'are'} {text}"
            for verdict, text in self.verdicts.items()
            if count[verdict]
        ]
        return f"Of {len(contrasts)} comparisons {listed(parts)}{self._fewer(contrasts)}."

    def _fewer(self, contrasts: Sequence[Contrast]) -> str:
        """Say where a comparison rests on fewer seeds than were asked for."""
        fewest = max(contrasts, key=lambda one: one.asked - one.n)
        if fewest.n == fewest.asked:
            return ""
        which = "the" if len(contrasts) == 1 else "as few as"
        done = "have a value above zero" if self.outcome.ratio else "finished"
        return f", in {which} {fewest.n} of {fewest.asked} seeds in which both arms {done}"

    def _case(self, one: Contrast, sized: bool, alone: bool) -> str:
        parts = [f"with {one.condition}"] if one.condition else []
        if sized:
            bounds = f"{self.outcome.show_bound(one.low)} to {self.outcome.show_bound(one.high)}"
            interval = f"{100 * one.confidence:g} % CI {bounds}"
            size = f"{self.outcome.show_difference(one.difference)}{self.unit}"
            parts.append(f"({size}, {interval})" if alone else f"({size})")
        return " ".join(parts)

    def _range(self, found: Sequence[Contrast]) -> str:
        sizes = sorted((one.difference for one in found), key=abs)
        first, last = (self.outcome.show_difference(size) for size in (sizes[0], sizes[-1]))
        return f" ({first} to {last}{self.unit})"


def _best(arms: Sequence[ArmSummary], outcome: Outcome) -> str:
    """Return which arm has the best mean, or that no run has finished."""
    finished = [arm for arm in arms if arm.values]
    if not finished:
        return "No answer: no run has finished."
    # A mean over the seeds that happened to survive is no match for one over all of them.
    fewest_lost = min(arm.diverged + arm.failed for arm in finished)
    finished = [arm for arm in finished if arm.diverged + arm.failed == fewest_lost]
    # Arms that were decided early have fewer seeds: compare them where all have values.
    shared = set.intersection(*(set(arm.values) for arm in finished))

    def merit(arm: ArmSummary) -> float:
        return math.fsum(arm.values[b] for b in shared) / len(shared) if shared else arm.mean

    best = (max if outcome.higher_is_better else min)(finished, key=merit)
    level = f"{outcome.show(best.mean)}{f' {outcome.unit}' if outcome.unit else ''}"
    if len(arms) == 1:
        n = len(best.values)
        return f"The {outcome.label} is {level}, the mean of {n} seed{'s' if n != 1 else ''}."
    return f"The best mean {outcome.label}: {best.name}, {level}."


def notes(
    contrasts: Sequence[Contrast],
    arms: Sequence[ArmSummary],
    outcome: Outcome,
    margin: float | None,
    seeds: int,
    looks: Looks | None,
    rows: int,
    overlap: float = 0.0,
    trained: Sequence[ArmSummary] = (),
) -> list[str]:
    """Return how sure the answer is, what it holds for, and what went wrong.

    `overlap` is above zero where every seed has a split of its own; `trained` holds all arms that
    have runs, where there are more than those that are judged.
    """
    judged = sum(one.n >= FEWEST_SEEDS for one in contrasts)
    part = outcome.part.replace("train", "training")
    fewest = min(arm.asked for arm in arms)
    span = f"{fewest} to {seeds}" if fewest < seeds else f"{seeds}"
    how = f"{span} seed{'s, ± their standard deviation' if seeds != 1 else ''}"
    compared = "ratios" if outcome.ratio else "differences"
    if looks:
        how += f"; {compared} paired within seeds{_looked(looks, contrasts)}"
    elif judged:
        how += (
            f"; {compared} paired within seeds, 95 % t intervals each by itself, verdicts by Holm "
            f"over {len(contrasts)} contrast{'s' if len(contrasts) != 1 else ''}"
        )
    scope = f"It holds for this one {part} set of {rows:,} rows."
    if outcome.of_gradients:
        scope = "It holds for this one training set."
    elif not part:
        scope = "It holds for this machine."
        if outcome.lane == "surface":
            scope = "It holds for starts like these, on these surfaces at these learning rates."
    elif overlap:
        scope = (
            "It holds for data like these: every seed has a split of its own, and intervals and "
            "tests are corrected for the rows that splits share (Nadeau and Bengio, 2003)."
        )
    told = [f"{how}. {scope}"]
    if contrasts and margin is None:
        told.append(
            "No margin is declared, so nothing can be shown to be equivalent: set `margin`, or "
            "`--margin`, to the smallest difference that matters"
            f"{' (0.05 is 5 %)' if outcome.ratio else ''}."
        )
    if part == "training":
        told.append(f"The {outcome.label} says nothing about rows that were not trained on.")
    needed = [one.seeds_needed for one in contrasts if one.seeds_needed]
    if needed:
        how = "`paribus run … --more` adds them"
        if overlap:
            how = "run them as a study with another `seed`"
        told.append(
            f"The contrasts that are not decided yet would need {_span(needed)} seeds in all, to "
            "show with 80 % chance a difference as large as the margin, or that there is none: "
            f"{how}."
        )
    open_ones = sum(one.verdict == "inconclusive" for one in contrasts)
    if looks and looks.planned and open_ones and not any(arm.missing for arm in arms):
        told.append(
            f"{open_ones} of {len(contrasts)} contrasts were not decided by max_seeds "
            f"({looks.seeds[-1]}), and more seeds now would be more than was planned: ask again "
            "with a larger max_seeds and another `seed`."
        )
    hopeless = sum(
        one.verdict == "inconclusive" and one.seeds_needed is None and one.low < one.high
        for one in contrasts
    )
    if overlap and margin is not None and hopeless:
        told.append(
            f"No number of seeds gives {hopeless} of the contrasts an 80 % chance to show a "
            "difference as large as the margin, or that there is none: the splits share too many "
            "rows."
        )
    for arm in trained or arms:
        for count, what in ((arm.diverged, "diverged"), (arm.failed, "failed")):
            if count:
                reasons = "; ".join(arm.reasons[:2])
                told.append(f"{arm.name} {what} in {count} of {arm.asked} seeds: {reasons}.")
    missing = sum(arm.missing for arm in arms)
    if missing:
        told.append(
            f"{missing} of {sum(arm.asked for arm in arms)} runs are not trained yet: the same "
            "command goes on. "
            "Until then the verdicts are not final."
        )
    uneven = [a for a in arms if a.values and a.diverged + a.failed]
    if uneven:
        told.append("Contrasts use only the seeds in which both arms finished.")
    return told


def _looked(looks: Looks, contrasts: Sequence[Contrast]) -> str:
    """Say at which looks the verdicts came, and what error they share."""
    decided = Counter(one.asked for one in contrasts if one.verdict in _DECIDED)
    when = [f"{count} after {seeds}" for seeds, count in sorted(decided.items())]
    left = sum(one.verdict not in _DECIDED for one in contrasts)
    told = f"{listed(when)} seeds" if when else "none"
    if left:
        told += f", {left} not"
    after = listed([str(seeds) for seeds in looks.seeds])
    if looks.planned:
        return (
            f"; looks planned after {after}, with 95 % repeated intervals; Lan and DeMets' "
            "spending and Holm keep each kind of false claim at 5 % over all looks and contrasts. "
            f"Decided: {told}"
        )
    errors = [f"{100 * looks.own_error(look):.3g}" for look in range(len(looks.seeds))]
    spent = 100 * sum(looks.own_error(look) for look in range(len(looks.seeds)))
    return (
        f"; the study was extended: looks after {after} seeds, at {listed(errors)} % in turn "
        f"(Holm), which keeps each kind of false claim at {spent:.3g} % over all looks and "
        f"contrasts. Decided: {told}"
    )


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"

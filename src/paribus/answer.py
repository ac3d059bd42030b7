"""The answer in words: every sentence is computed from contrasts and arms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from paribus.stats.verdicts import FEWEST_SEEDS
from paribus.study.outcomes import Outcome

if TYPE_CHECKING:
    from paribus.analysis import ArmSummary, Contrast

_MOST_GROUPS = 8  # comparisons told one by one; more are counted


def answer(
    contrasts: Sequence[Contrast],
    arms: Sequence[ArmSummary],
    outcome: Outcome,
    margin: float | None,
) -> str:
    """Return the answer to a study's question in a few sentences."""
    groups: dict[str, list[Contrast]] = defaultdict(list)
    for one in contrasts:
        groups[one.varies].append(one)
    if not contrasts or all(one.verdict == "not comparable" for one in contrasts):
        return _levels(arms, outcome)
    if all(one.verdict in ("pilot", "not comparable") for one in contrasts):
        n = max(one.n for one in contrasts)
        seeds = f"{n} seed{'s' if n != 1 else ''}"
        return f"No verdict: {seeds} make a pilot, a verdict needs {FEWEST_SEEDS} or more."
    if len(groups) > _MOST_GROUPS:
        return f"{_counts(contrasts, outcome, margin)} {_levels(arms, outcome)}"
    told = [_group(varies, group, outcome, margin) for varies, group in groups.items()]
    return " ".join(told)


def _group(varies: str, group: Sequence[Contrast], outcome: Outcome, margin: float | None) -> str:
    """Return one sentence on one comparison, under all its conditions."""
    by_verdict: dict[str, list[Contrast]] = defaultdict(list)
    for one in group:
        by_verdict[one.verdict].append(one)
    words = {
        "better": "better",
        "worse": "worse",
        "equivalent": f"equivalent within {outcome.show_margin(margin)}" if margin else "",
        "inconclusive": "not decided yet",
        "pilot": "a pilot only",
        "not comparable": "not comparable",
    }
    parts = []
    for verdict, text in words.items():
        found = by_verdict.get(verdict)
        if not found:
            continue
        cases = [_case(one, outcome, verdict) for one in found]
        parts.append(" ".join([text, *([_listed(cases)] if any(cases) else [])]))
    return f"{varies[:1].upper()}{varies[1:]}: {'; '.join(parts)}."


def _case(one: Contrast, outcome: Outcome, verdict: str) -> str:
    condition = f"with {one.condition}" if one.condition else ""
    if verdict not in ("better", "worse"):
        return condition
    unit = f" {outcome.difference_unit}" if outcome.difference_unit else ""
    size = (
        f"({outcome.show_difference(one.difference)}{unit}, 95 % CI "
        f"{outcome.show(one.low)} to {outcome.show(one.high)})"
    )
    return f"{condition} {size}".strip()


def _counts(contrasts: Sequence[Contrast], outcome: Outcome, margin: float | None) -> str:
    count = {v: sum(one.verdict == v for one in contrasts) for v in {c.verdict for c in contrasts}}
    differ = count.get("better", 0) + count.get("worse", 0)
    parts = [f"{differ} show a difference"]
    if margin:
        parts.append(f"{count.get('equivalent', 0)} are equivalent {_within(outcome, margin)}")
    parts.append(f"{count.get('inconclusive', 0)} are not decided yet")
    return f"Of {len(contrasts)} comparisons {_listed(parts)}."


def _within(outcome: Outcome, margin: float) -> str:
    return f"within {outcome.show_margin(margin)}"


def _levels(arms: Sequence[ArmSummary], outcome: Outcome) -> str:
    """Return which arm has the best mean, or that no run has finished."""
    finished = [arm for arm in arms if arm.values]
    if not finished:
        return "No answer: no run has finished."
    best = (max if outcome.higher_is_better else min)(finished, key=lambda arm: arm.mean)
    unit = f" {outcome.unit}" if outcome.unit else ""
    level = f"{outcome.show(best.mean)}{unit}"
    if len(arms) == 1:
        return f"The {outcome.label} is {level} on average over {len(best.values)} seeds."
    return f"The best mean {outcome.label} has {best.name}: {level}."


def notes(
    contrasts: Sequence[Contrast],
    arms: Sequence[ArmSummary],
    outcome: Outcome,
    margin: float | None,
    seeds: int,
    test_rows: str,
    environments: int,
) -> list[str]:
    """Return how sure the answer is, what it holds for, and what went wrong."""
    told = [
        f"{seeds} seed{'s' if seeds != 1 else ''}, paired within seeds; 95 % t intervals, each by "
        f"itself; Holm over {len(contrasts)} contrast{'s' if len(contrasts) != 1 else ''}. It "
        f"holds for this one test set of {test_rows} rows."
        if contrasts
        else f"{seeds} seeds. It holds for this one test set of {test_rows} rows."
    ]
    if contrasts and margin is None:
        told.append(
            "No margin is declared, so nothing can be shown to be equivalent: set `margin` to the "
            "smallest difference that matters."
        )
    if outcome.name.startswith("train"):
        told.append(f"The {outcome.label} says nothing about rows that were not trained on.")
    needed = [one.seeds_needed for one in contrasts if one.seeds_needed]
    if needed:
        told.append(f"About {max(needed)} seeds would decide what is not decided yet.")
    for arm in arms:
        for count, what in ((arm.diverged, "diverged"), (arm.failed, "failed")):
            if count:
                reasons = "; ".join(arm.reasons[:2])
                told.append(f"{arm.name} {what} in {count} of {seeds} seeds: {reasons}.")
    missing = sum(arm.missing for arm in arms)
    if missing:
        told.append(
            f"{missing} of {len(arms) * seeds} runs are not trained yet: the same command goes on."
        )
    uneven = [a for a in arms if a.values and a.diverged + a.failed]
    if uneven:
        told.append("Contrasts use only the seeds in which both arms finished.")
    if environments > 1:
        told.append(f"The runs were trained in {environments} different environments.")
    return told


def _listed(parts: Sequence[str]) -> str:
    parts = [part for part in parts if part]
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)

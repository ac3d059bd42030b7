"""How the verdicts of a study that tuned depend on the values chosen, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from paribus.findings import Alternative, ArmSummary, Candidate, Contrast, Tuning
from paribus.stats.verdicts import FEWEST_SEEDS, Verdict
from paribus.study.outcomes import OUTCOMES, Outcome

Arms: TypeAlias = tuple[ArmSummary, ...]
Contrasts: TypeAlias = tuple[Contrast, ...]
Content: TypeAlias = Mapping[str, Any]

_MOST_NAMED = 3  # verdicts that differ and are told one by one; more are counted
_WITHOUT: tuple[Verdict, ...] = ("inconclusive", "pilot", "not comparable")


def tuning(
    content: Content,
    search: Content,
    trials: Arms,
    arms: Arms,
    contrasts: Contrasts,
    others: Sequence[Arms],
    theirs: Sequence[Contrasts],
) -> Tuning:
    """Return what was tuned, chosen and would have come of other choices.

    `content` and `search` are what the store keeps of the study and of its tuning, `trials` the
    arms of the latter; `others` and `theirs` are the arms and contrasts of each alternative.
    """
    about, count = content["tuning"], len(arms)
    parameters = about["parameters"]
    sets = [
        {
            arm.name: _values(content["arms"][start + index]["settings"], parameters)
            for index, arm in enumerate(arms)
        }
        for start in range(0, len(content["arms"]), count)
    ]
    budget = len(trials) // count
    outcome = OUTCOMES[content["outcome"]]
    alternatives = tuple(
        Alternative(
            name, values, these, judged, _holds(contrasts, judged, these), values == sets[0]
        )
        for name, values, these, judged in zip(
            about["alternatives"], sets[1:], others, theirs, strict=True
        )
    )
    return Tuning(
        parameters={
            path: written["scale"] if isinstance(written, dict) else "choices"
            for path, written in parameters.items()
        },
        budget=budget,
        seeds=search["seeds"],
        outcome=OUTCOMES[search["outcome"]],
        chosen=sets[0],
        candidates=tuple(
            Candidate(
                arm=arms[index // budget].name,
                number=index % budget + 1,
                values=_values(search["arms"][index]["settings"], parameters),
                mean=trial.mean,
                sd=trial.sd,
                finished=len(trial.values),
            )
            for index, trial in enumerate(trials)
        ),
        alternatives=alternatives,
        survival=tuple(survival(contrasts, alternatives, outcome)),
    )


def lost(found: Tuning) -> Iterator[str]:
    """Yield which arms have no candidate that finished with every tuning seed."""
    for arm in found.chosen:
        if all(one.finished < found.seeds for one in found.candidates if one.arm == arm):
            yield (
                f"Tuning: every candidate of {arm} lost a seed, by divergence; the one that lost "
                f"the fewest was taken. Other ranges may suit it."
            )


def _values(settings: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Return the values of settings; an argument of a user's own network lies one level deeper."""
    found = {}
    for path in paths:
        section, name, *inner = path.split(".")
        value = settings[f"{section}.{name}"]
        for key in inner:
            value = value.get(key) if isinstance(value, Mapping) else None
        found[path] = value
    return found


def _holds(contrasts: Contrasts, theirs: Contrasts, arms: Arms) -> tuple[bool | None, ...]:
    missing = {arm.name for arm in arms if arm.missing}
    return tuple(
        None
        if ours.verdict in _WITHOUT or other.arm in missing or other.baseline in missing
        else ours.verdict == other.verdict
        for ours, other in zip(contrasts, theirs, strict=True)
    )


def survival(
    contrasts: Contrasts, alternatives: Sequence[Alternative], outcome: Outcome
) -> list[str]:
    """Return in sentences whether the verdicts hold with other values of what was tuned."""
    judged = [one for one in contrasts if one.verdict not in _WITHOUT]
    if not judged:
        return ["There is no verdict yet that could hold or not with other values."] * bool(
            contrasts
        )
    if len(contrasts) == 1:
        clauses = [_alone(contrasts[0], one, outcome) for one in alternatives]
        if all(one.holds[0] for one in alternatives):
            clauses = [f"holds {' and '.join(_where(one) for one in alternatives)}"]
        return [f"The verdict {', and '.join(clauses)}."]
    return [_together(contrasts, one, outcome) for one in alternatives]


def _alone(contrast: Contrast, alternative: Alternative, outcome: Outcome) -> str:
    (holds,), (other,) = alternative.holds, alternative.contrasts
    if holds is None:
        return f"is not known yet {_where(alternative)}"
    if holds:
        return f"holds {_where(alternative)}"
    if other.verdict in ("pilot", "not comparable"):
        return (
            f"cannot be compared {_where(alternative)}: {_told(contrast.arm, other, outcome)} there"
        )
    return f"differs {_where(alternative)}: {_told(contrast.arm, other, outcome)} there"


def _where(alternative: Alternative) -> str:
    return f"{alternative.phrase}{' (the same values)' if alternative.same else ''}"


def _together(contrasts: Contrasts, alternative: Alternative, outcome: Outcome) -> str:
    start = _where(alternative)[:1].upper() + _where(alternative)[1:]
    known = [one for one in alternative.holds if one is not None]
    if len(known) < sum(one.verdict not in _WITHOUT for one in contrasts):
        return f"{start} not all runs are trained yet."
    total, held = len(known), sum(known)
    if held == total:
        return f"{start} {f'all {total} verdicts hold' if total > 1 else 'the one verdict holds'}."
    differing = [
        _told(f"{ours.arm} against {ours.baseline}", other, outcome)
        for ours, other, holds in zip(
            contrasts, alternative.contrasts, alternative.holds, strict=True
        )
        if holds is False
    ]
    named = "; ".join(differing[:_MOST_NAMED])
    more = len(differing) - _MOST_NAMED
    rest = f"; and {more} more" if more > 0 else ""
    many = f"{held or 'none'} of {total} verdicts {'hold' if held > 1 else 'holds'}"
    return f"{start} {many}; there {named}{rest}."


def _told(who: str, other: Contrast, outcome: Outcome) -> str:
    if other.verdict in ("better", "worse"):
        if outcome.ratio:
            return f"{who} {other.verdict} ({outcome.show_difference(other.difference)})"
        size = f"{outcome.show(abs(other.difference))} {outcome.difference_unit}".rstrip()
        return f"{who} {other.verdict} by {size}"
    words = {
        "inconclusive": "not decided",
        "pilot": f"in fewer than {FEWEST_SEEDS} pairs that finished",
    }
    return f"{who} {words.get(other.verdict, other.verdict)}"

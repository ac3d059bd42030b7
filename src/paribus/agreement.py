"""What two studies say when they are held against each other, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from paribus.comparison import ArmPair, ContrastPair, TwoStudies
from paribus.differing import Entry, Kind, Side
from paribus.report import wording
from paribus.report.wording import capitalised, counted, listed
from paribus.stats.verdicts import FEWEST_SEEDS, Verdict

SAME = "the same runs"
"""In the place of a verdict, where both studies have nothing but the same runs."""

_MOST_TOLD = 3  # things that the answer names one by one; more are counted
_KINDS: dict[Kind, tuple[str, str]] = {
    "control": ("control", "controls"),
    "data": ("entry of the data", "entries of the data"),
    "environment": ("entry of the environment", "entries of the environment"),
    "judgement": ("thing in how they are judged", "things in how they are judged"),
    "arm": ("arm", "arms"),
}
_PHRASES: dict[Verdict | None, str] = {
    "better": "better here",
    "worse": "worse here",
    "equivalent": "equivalent",
    "inconclusive": "not decided",
    "pilot": "a pilot only",
    "not comparable": "not comparable",
    None: "the same runs in both",
}


def answer(found: TwoStudies) -> str:
    """Return what differs, whether the verdicts agree, and how the arms compare, in sentences."""
    parts = [_what_differs(found.differing.differences)]
    if found.incomparable:
        return f"{parts[0]} They cannot be compared: {found.incomparable}."
    rows = f", each study on {found.outcome.part} rows of its own" if found.other_rows else ""
    told = [_arms_told(found) + rows]
    if found.contrasts:
        evidence = any(one.judged for one in found.arms)
        told.insert(0 if evidence else 1, _agreement(found.contrasts))
    return " ".join([*parts, capitalised("; ".join(told)) + "."])


def _what_differs(found: Sequence[Entry]) -> str:
    if not found:
        return "They differ in nothing that is recorded."
    if len(found) <= _MOST_TOLD:
        each = [f"{one.what} ({_told(one)})" for one in found]
        return f"They differ in {listed(each)}."
    count = Counter(one.kind for one in found)
    return f"They differ in {listed([f'{n} {_KINDS[k][n > 1]}' for k, n in count.items()])}."


def _told(one: Entry) -> str:
    if one.kind == "arm":
        return "here alone" if one.here == "yes" else "there alone"
    return f"{one.here} here, {one.there} there"


def _agreement(contrasts: Sequence[ContrastPair]) -> str:
    """Return '4 of 5 verdicts agree, 1 is decided here alone'."""
    if len(contrasts) == 1:
        (one,) = contrasts
        if one.agreement == "not decided":
            return "the one contrast is decided in neither"
        if one.here.verdict == one.there.verdict:
            return f"the one verdict is the same: {one.here.verdict}"
        return f"the one verdict is {one.here.verdict} here and {one.there.verdict} there"
    count: Counter[str] = Counter(one.agreement for one in contrasts)
    parts = []
    if n := count["differ"]:
        named = "" if n > _MOST_TOLD else f" ({_named(contrasts)})"
        parts.append(f"{n} differ{'s' * (n == 1)}{named}")
    alone = {"decided here": "here alone", "decided there": "there alone"}
    for agreement, where in alone.items():
        if n := count[agreement]:
            parts.append(f"{n} {_is(n)} decided {where}")
    if n := count["not decided"]:
        parts.append(f"{n} {_is(n)} decided in neither")
    agree = f"{count['agree']} of {len(contrasts)} verdicts agree"
    if not count["agree"] + count["differ"]:
        agree = f"none of {len(contrasts)} contrasts is decided in both"
    return ", ".join([agree, *parts])


def _named(contrasts: Sequence[ContrastPair]) -> str:
    return "; ".join(
        f"{contrast_name(one)}: {one.here.verdict} here, {one.there.verdict} there"
        for one in contrasts
        if one.agreement == "differ"
    )


def contrast_name(one: ContrastPair) -> str:
    """Return what a contrast is about: 'batch norm yes against no with sgd'."""
    return f"{one.here.varies}{f' with {one.here.condition}' if one.here.condition else ''}"


def _arms_told(found: TwoStudies) -> str:
    """Return how many arms are better here, worse here and so on."""
    if len(found.arms) == 1:
        (one,) = found.arms
        if one.verdict is None:
            return f"the runs of {one.name} are the same"
        size = f" ({difference(found, one)})" if one.verdict in ("better", "worse") else ""
        return f"{one.name} is {_PHRASES[one.verdict]}{size}"
    within = f" within {found.outcome.show_margin(found.margin)}" if found.margin else ""
    count = Counter(one.verdict for one in found.arms)
    phrases = {
        verdict: phrase + (within if verdict == "equivalent" else "")
        for verdict, phrase in _PHRASES.items()
        if count[verdict]
    }
    if len(phrases) == 1:
        ((verdict, phrase),) = phrases.items()
        which = "both arms" if len(found.arms) == 2 else f"all {len(found.arms)} arms"
        return f"{which} are {phrase}" if verdict else f"the runs of {which} are the same"
    told = [
        f"{count[verdict]} {_is(count[verdict]) if verdict else 'with'} {phrase}"
        for verdict, phrase in phrases.items()
    ]
    return f"of {len(found.arms)} arms {listed(told)}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def difference(found: TwoStudies, one: ArmPair) -> str:
    """Return what an arm has here over what it has there, with the interval; or a dash."""
    return wording.difference(found.outcome, one.effect) if one.effect else wording.NOTHING


def notes(found: TwoStudies) -> list[str]:
    """Return how the two were compared, how sure that is, and what it does not say."""
    return [] if found.incomparable else list(_notes(found))


def _notes(found: TwoStudies) -> Iterator[str]:
    yield from _same_runs(found)
    outcome, sides = found.outcome, {"here": found.here, "there": found.there}
    tested = [one for one in found.arms if one.judged]
    if tested:
        yield _how(found, len(tested))
    if found.other_rows:
        yield (
            f"Each study has {outcome.part} rows of its own, the same for all its seeds: a "
            "difference between the studies may be that of the rows, and more seeds would not tell."
        )
    if outcome.lane == "clock":
        yield (
            "Each study was measured in a session of its own: what the machine did otherwise in "
            "one of them counts as a difference between the studies."
        )
    if any(one.verdict == "pilot" for one in found.arms):
        yield f"Fewer than {FEWEST_SEEDS} seeds are a pilot and get no verdict."
    if tested and found.margin is None:
        yield (
            "Without a margin that can be tested on both, nothing can be shown to be equivalent "
            "between the studies."
        )
    alone = {"decided here", "decided there"}
    if any(one.agreement in alone for one in found.contrasts):
        yield (
            "That a verdict is decided in one study alone does not say that the two differ: "
            "look at the differences."
        )
    held = ("control", "data", "environment")
    causes = [one for one in found.differing.differences if one.kind in held]
    if len(causes) > 1 and tested:
        yield (
            f"{len(causes)} things differ besides how the studies are judged: which of them makes "
            "a difference, this comparison does not tell."
        )
    if tested and not (causes or found.unpaired or outcome.lane == "clock"):
        yield (
            "Nothing that is recorded differs in how their runs were trained, and yet they are "
            "other runs: the source of a network of one's own may have been edited."
        )
    for where, side in sides.items():
        yield from _side_notes(side, where, [one.name for one in found.arms])


def _how(found: TwoStudies, tests: int) -> str:
    compared = "Ratios" if found.outcome.ratio else "Differences"
    sign = "here / there" if found.outcome.ratio else "here - there"
    how = (
        f"not paired ({found.unpaired}): Welch's t"
        if found.unpaired
        else "paired within seeds (the same data, split and study's seed): Student's t"
    )
    overlap = max(found.here.analysis.overlap, found.there.analysis.overlap)
    shared = ", corrected for the rows that splits share" if overlap else ""
    uneven = any(len(one.here.values) != len(one.there.values) for one in found.arms)
    both = ", over the seeds that both have" if uneven and not found.unpaired else ""
    return (
        f"{compared} are {sign}, {how}{shared}{both}, 95 % intervals each by itself, verdicts by "
        f"Holm over {counted(tests, 'arm')}; better is what is better here."
    )


def _same_runs(found: TwoStudies) -> Iterator[str]:
    """Say which runs are one run in both studies, and whether they gave the same."""
    runs = sum(one.same.runs for one in found.arms)
    if not runs:
        return
    of = sum(len(one.here.values) for one in found.arms)
    yield (
        f"{runs} of the {of} runs here are the same stored runs there, by their keys: they are no "
        "replication, and left out. That they agree is no evidence of anything."
    )
    if unlike := sum(one.same.unlike for one in found.arms):
        apart = max(one.same.apart for one in found.arms)
        most = f"{found.outcome.show_size(apart)} {found.outcome.size_unit}".rstrip()
        yield (
            f"{unlike} of these have another {found.outcome.label} there, by up to {most}: trained "
            "again, they did not come out the same."
        )


def _side_notes(side: Side, where: str, arms: Sequence[str]) -> Iterator[str]:
    """Say what went wrong with the runs of one study, and whether it looked at its results."""
    shared = [arm for arm in side.analysis.arms if arm.name in arms]
    troubled = [f"{arm.name} {told}" for arm in shared if (told := wording.troubles(arm))]
    if troubled:
        yield f"Not all runs finished {where}: {'; '.join(troubled)}."
    if side.analysis.looks:
        yield (
            f"The study {where} got more seeds until its own contrasts were decided; the "
            "comparison takes no account of that."
        )

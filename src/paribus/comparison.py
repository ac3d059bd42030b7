"""Two studies held against each other: arm by arm, and verdict by verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paribus.analysis import analyse
from paribus.differing import Differing, Side, differing
from paribus.errors import InputError
from paribus.findings import ArmSummary, Contrast
from paribus.judging import testable_margin
from paribus.report.wording import listed
from paribus.stats.paired import Paired
from paribus.stats.unpaired import Unpaired
from paribus.stats.verdicts import Judged, JudgedUnpaired, Verdict, judge, judge_unpaired
from paribus.store.store import Store
from paribus.study.outcomes import Outcome

Agreement = Literal["agree", "differ", "decided here", "decided there", "not decided"]

_DECIDED = ("better", "worse", "equivalent")
_Values = Mapping[int, float]  # block -> comparable value
_SPLIT = ("split", "folds", "test", "validation", "subsample", "subsample_test")


@dataclass(frozen=True)
class SameRuns:
    """Runs of an arm that are one and the same in both studies, by their keys.

    Trained again elsewhere they may have other values, by rounding or a fault; `apart` is the
    largest difference (of natural logarithms where the outcome is compared as a ratio).
    """

    runs: int = 0
    unlike: int = 0  # of them, that have other values
    apart: float = 0.0


@dataclass(frozen=True)
class ArmPair:
    """An arm of the same name in both studies: what it has here over what it has there.

    Runs that are the same in both are left out. The difference is that of natural logarithms where
    the outcome is compared as a ratio.
    """

    here: ArmSummary
    there: ArmSummary
    same: SameRuns
    judged: Judged | JudgedUnpaired | None  # None where there is nothing but the same runs

    @property
    def effect(self) -> Paired | Unpaired | None:
        """The difference, here - there, with its interval and p-value."""
        if self.judged is None:
            return None
        return self.judged.paired if isinstance(self.judged, Judged) else self.judged.unpaired

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the arm here."""
        return self.judged.verdict if self.judged else None

    @property
    def name(self) -> str:
        """The name of the arm."""
        return self.here.name


@dataclass(frozen=True)
class ContrastPair:
    """A contrast that both studies have, and whether it came out the same."""

    here: Contrast
    there: Contrast

    @property
    def agreement(self) -> Agreement:
        """Whether the verdicts agree, or which of them is one."""
        mine, theirs = self.here.verdict in _DECIDED, self.there.verdict in _DECIDED
        if mine and theirs:
            return "agree" if self.here.verdict == self.there.verdict else "differ"
        return "decided here" if mine else "decided there" if theirs else "not decided"


@dataclass(frozen=True)
class TwoStudies:
    """All that two studies say when they are held against each other.

    Where they cannot be compared `incomparable` says why, and there are no arms and no contrasts.
    """

    here: Side
    there: Side
    differing: Differing
    incomparable: str = ""
    unpaired: str = ""  # why runs are not paired; empty where they are
    other_rows: bool = False  # whether each was judged by other rows, the same for all its seeds
    margin: float | None = None  # that equivalence is judged by
    arms: tuple[ArmPair, ...] = ()
    contrasts: tuple[ContrastPair, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The outcome by which they are compared."""
        return self.here.analysis.outcome


def read_side(store: Store, name: str) -> Side:
    """Read one of two studies; StoreError where there is none of that name or key."""
    study = store.study(name)
    return Side(study, analyse(store, study.row.key), store.path)


def compare(here: Side, there: Side) -> TwoStudies:
    """Compare two studies: what differs, each arm that both have, and whether verdicts agree.

    Where both share the data, its split and the study's seed, the runs of a block drew the same
    random numbers, and arms are compared within blocks; otherwise by Welch's t. Equivalence is
    judged by the smaller of the two margins. Raises InputError where both are one study
    of one store.
    """
    _refuse_itself(here, there)
    unlike = differing(here, there)
    ours, theirs = here.analysis, there.analysis
    others = {arm.name: arm for arm in theirs.arms}
    shared = [(arm, others[arm.name]) for arm in ours.arms if arm.name in others]
    if ours.outcome != theirs.outcome:
        labels = f"{ours.outcome.label}, that there by {theirs.outcome.label}"
        return TwoStudies(here, there, unlike, f"the study here is judged by {labels}")
    if not shared:
        return TwoStudies(here, there, unlike, "no arm of one has the name of an arm of the other")
    if bool(ours.overlap) != bool(theirs.overlap):  # their spreads are of different things
        one, other = ("here", "there") if ours.overlap else ("there", "here")
        return TwoStudies(
            here,
            there,
            unlike,
            f"every seed has a split of its own {one}, and all share one {other}, so that the "
            "spread over the seeds counts the rows in one of them alone",
        )
    why = _why_unpaired(here, there, [one.name for one, _ in shared])
    margin = _margin(here, there)
    baselines = {(one.arm, one.baseline): one for one in theirs.contrasts}
    return TwoStudies(
        here,
        there,
        unlike,
        unpaired=why,
        other_rows=bool(why) and _other_rows(here, there),
        margin=margin,
        arms=tuple(_arms(here, there, shared, margin, paired=not why)),
        contrasts=tuple(
            ContrastPair(one, baselines[one.arm, one.baseline])
            for one in ours.contrasts
            if (one.arm, one.baseline) in baselines
        ),
    )


def _refuse_itself(here: Side, there: Side) -> None:
    row = here.study.row
    if row.key == there.study.row.key and here.store.resolve() == there.store.resolve():
        raise InputError(
            f"{row.name} cannot be compared with itself: both are the study {row.key[:8]} in "
            f"{here.store}. `paribus list` shows the keys of others of that name, and "
            "--with-store FILE names the store of the second"
        )


def _why_unpaired(here: Side, there: Side, arms: Sequence[str]) -> str:
    """Return what lacks for runs of a block to have drawn the same random numbers; or nothing."""
    lacks = []
    if _checksum(here) != _checksum(there):
        lacks.append("the data differ")
    if not _same_split(here, there, arms):
        lacks.append("the splits differ")
    if here.seed != there.seed:
        lacks.append("the seeds of the studies differ")
    return listed(lacks)


def _checksum(side: Side) -> str | None:
    return side.analysis.data.get("checksum")


def _same_split(here: Side, there: Side, arms: Sequence[str]) -> bool:
    paths = [f"data.{name}" for name in _SPLIT]
    return all(here.setting(arm, p) == there.setting(arm, p) for arm in arms for p in paths)


def _other_rows(here: Side, there: Side) -> bool:
    """Return whether the two were judged by other rows, apart from each seed having its own."""
    part = here.analysis.outcome.part
    if not part or here.analysis.overlap or there.analysis.overlap:
        return False
    official = all(
        "the official test set)" in side.analysis.data["test rows"]
        and True not in side.values("data.subsample_test", side.arms)
        for side in (here, there)
    )
    return not (part == "test" and official and _checksum(here) == _checksum(there))


def _margin(here: Side, there: Side) -> float | None:
    """Return the smaller of the two margins; None where it is less than one row of either."""
    declared = [m for m in (here.analysis.margin, there.analysis.margin) if m is not None]
    # Runs that never got to a minimum all count as their steps: that says of no two the same.
    if not declared or here.analysis.outcome.name == "steps_to_minimum":
        return None
    smaller = {"margin": min(declared)}
    testable = [testable_margin({**side.study.content, **smaller}) for side in (here, there)]
    return None if None in testable else smaller["margin"]


def _arms(
    here: Side,
    there: Side,
    shared: Sequence[tuple[ArmSummary, ArmSummary]],
    margin: float | None,
    paired: bool,
) -> Iterator[ArmPair]:
    """Judge all arms together; one that has nothing but the same runs is no test among them."""
    outcome = here.analysis.outcome
    bound = None if margin is None else outcome.bound(margin)
    keys = [_keys(side, outcome) for side in (here, there)]
    same, left = [], []
    for pair in shared:
        of_arm = [found[arm.name] for found, arm in zip(keys, pair, strict=True)]
        blocks = {b for b in of_arm[0].keys() & of_arm[1].keys() if of_arm[0][b] == of_arm[1][b]}
        values = [_comparable(arm, outcome) for arm in pair]
        same.append(_same(blocks, *values))
        left.append([{b: v for b, v in one.items() if b not in blocks} for one in values])
    tested = [not s.runs or all(values) for s, values in zip(same, left, strict=True)]
    samples = [values for values, ok in zip(left, tested, strict=True) if ok]
    overlaps = (here.analysis.overlap, there.analysis.overlap)
    judged: Iterator[Judged | JudgedUnpaired] = iter(
        _paired(samples, bound, outcome.higher_is_better, max(overlaps))
        if paired
        else _unpaired(samples, bound, outcome.higher_is_better, overlaps)
    )
    for (mine, theirs), s, ok in zip(shared, same, tested, strict=True):
        yield ArmPair(mine, theirs, s, next(judged) if ok else None)


def _keys(side: Side, outcome: Outcome) -> Mapping[str, Mapping[int, tuple[str, ...]]]:
    """Return by arm and block what tells a finished run from another.

    Its key; of a measured time also when it was taken: taken again it is another one.
    """
    found: dict[str, dict[int, tuple[str, ...]]] = {name: {} for name in side.arms}
    names = list(side.arms)
    for run in side.study.runs:
        if run.arm < len(names) and run.status == "done":
            measured = (str(run.finished), str(run.metrics.get(outcome.name)))
            when = measured if outcome.lane == "clock" else ()
            found[names[run.arm]][run.block] = (run.key, *when)
    return found


def _comparable(arm: ArmSummary, outcome: Outcome) -> dict[int, float]:
    found = {block: outcome.comparable(value) for block, value in arm.values.items()}
    return {block: value for block, value in found.items() if not math.isnan(value)}


def _same(blocks: set[int], mine: _Values, theirs: _Values) -> SameRuns:
    apart = [abs(mine[b] - theirs[b]) for b in blocks if b in mine and b in theirs]
    return SameRuns(len(blocks), sum(d > 0 for d in apart), max(apart, default=0.0))


def _paired(
    samples: Sequence[Sequence[_Values]], bound: float | None, better: bool, overlap: float
) -> list[Judged]:
    differences = [
        np.array([mine[b] - theirs[b] for b in sorted(mine.keys() & theirs.keys())])
        for mine, theirs in samples
    ]
    return judge(differences, bound, better, overlap=overlap)


def _unpaired(
    samples: Sequence[Sequence[_Values]],
    bound: float | None,
    better: bool,
    overlaps: tuple[float, float],
) -> list[JudgedUnpaired]:
    arrays = [
        (np.array(list(mine.values())), np.array(list(theirs.values()))) for mine, theirs in samples
    ]
    return judge_unpaired(arrays, bound, better, overlaps)

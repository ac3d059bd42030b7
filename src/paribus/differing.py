"""What two studies differ in: what each holds equal, where it was trained, how it is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from paribus.findings import Analysis
from paribus.report.wording import NOTHING, counted, listed
from paribus.store.store import StoredStudy
from paribus.study.config import Config
from paribus.study.problems import known_paths, show
from paribus.study.source import parse_value

Kind = Literal["control", "data", "environment", "judgement", "arm"]

SEED = "study's seed"
_MOST_NAMED = 3  # arms that a setting is told of by name
_ELSEWHERE = ("data.source",)  # told by what the data are


@dataclass(frozen=True)
class Side:
    """One of two studies: as the store has it, and what it found."""

    study: StoredStudy
    analysis: Analysis
    store: Path

    @cached_property
    def arms(self) -> Mapping[str, Mapping[str, Any]]:
        """The arms that are judged, as they were declared, by name."""
        declared = self.study.content["arms"][: len(self.analysis.arms)]
        return {about["name"]: about for about in declared}

    @property
    def seed(self) -> int:
        """The root of all random numbers."""
        return int((parse_value(self.study.content["spec"]) or {}).get("seed", 0))

    def setting(self, arm: str, path: str) -> Any:
        """Return a setting of an arm; one that an older version did not have is at its default."""
        return self.arms[arm]["settings"].get(path, _DEFAULTS.get(path))

    def values(self, path: str, arms: Iterable[str]) -> list[Any]:
        """Return the different values that some arms have of a setting."""
        found: list[Any] = []
        for arm in arms:
            if (value := self.setting(arm, path)) not in found:
                found.append(value)
        return found


def _defaults() -> dict[str, Any]:
    """Return every setting at its default, as the store keeps settings."""
    nested = Config().model_dump(mode="json")
    found = {}
    for path in known_paths(Config):
        section, _, name = path.partition(".")
        found[path] = nested[section][name]
    return found


_DEFAULTS = _defaults()


@dataclass(frozen=True)
class Entry:
    """One thing as each of two studies has it, as text; a dash where one has none."""

    kind: Kind
    what: str
    here: str
    there: str


@dataclass(frozen=True)
class Differing:
    """All that two studies hold equal, were trained with and are judged by, entry by entry."""

    entries: tuple[Entry, ...]

    @property
    def differences(self) -> tuple[Entry, ...]:
        """The entries that are not the same in both."""
        return tuple(one for one in self.entries if one.here != one.there)

    @property
    def same(self) -> tuple[Entry, ...]:
        """The entries that are."""
        return tuple(one for one in self.entries if one.here == one.there)


def differing(here: Side, there: Side) -> Differing:
    """Return what two studies differ in; where times are compared, the machines come first."""
    ours, theirs = here.analysis, there.analysis
    trained = _entries("environment", ours.environment, theirs.environment)
    held = (*_controls(here, there), *_entries("data", ours.data, theirs.data))
    clock = ours.outcome.lane == "clock"
    return Differing(
        (
            *((*trained, *held) if clock else (*held, *trained)),
            *_entries("judgement", _judgement(here), _judgement(there)),
            *_arms(here, there),
        )
    )


def _entries(kind: Kind, here: Mapping[str, str], there: Mapping[str, str]) -> list[Entry]:
    return [
        Entry(kind, what, here.get(what, NOTHING), there.get(what, NOTHING))
        for what in dict.fromkeys([*here, *there])
    ]


def _arms(here: Side, there: Side) -> Iterator[Entry]:
    """Yield all arms: one that both have is no difference, whatever its seeds."""
    for name in dict.fromkeys([*here.arms, *there.arms]):
        has = ["yes" if name in side.arms else "no" for side in (here, there)]
        yield Entry("arm", f"arm {name}", *has)


def _controls(here: Side, there: Side) -> Iterator[Entry]:
    """Yield the settings of the arms that both have, and of all arms where they share none."""
    controls = dict.fromkeys([*here.analysis.controls, *there.analysis.controls])
    shared = [name for name in here.arms if name in there.arms]
    if not shared:
        for path in controls:
            yield Entry("control", path, *_texts(here, there, path, here.arms, there.arms))
        return
    for path in dict.fromkeys([*controls, *_DEFAULTS]):
        unlike: dict[tuple[str, str], list[str]] = {}
        for name in shared:
            if here.setting(name, path) != there.setting(name, path):
                texts = _texts(here, there, path, [name], [name])
                unlike.setdefault(texts, []).append(name)
        for (mine, theirs), names in unlike.items() if path not in _ELSEWHERE else ():
            which = "" if len(names) == len(shared) else f" of {_few(names)}"
            yield Entry("control", f"{path}{which}", mine, theirs)
        if path in controls and not unlike:
            yield Entry("control", path, *[_told(here, path, shared)] * 2)


def _texts(
    here: Side, there: Side, path: str, ours: Iterable[str], theirs: Iterable[str]
) -> tuple[str, str]:
    """Return a setting of some arms of each study, as texts that tell other values apart."""
    texts = _told(here, path, ours), _told(there, path, theirs)
    values = here.values(path, ours), there.values(path, theirs)
    if texts[0] == texts[1] and values[0] != values[1]:  # shortened to the same
        return str(values[0]), str(values[1])
    return texts


def _told(side: Side, path: str, arms: Iterable[str]) -> str:
    tuning = side.analysis.tuning
    idle = path not in side.analysis.controls and len(side.values(path, side.arms)) == 1
    if idle and not (tuning and path in tuning.parameters):
        return NOTHING  # it does nothing in this study
    return " or ".join(map(show, side.values(path, arms)))


def _few(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return listed([*names[:_MOST_NAMED], *([counted(rest, "other arm")] if rest > 0 else [])])


def _judgement(side: Side) -> dict[str, str]:
    found = side.analysis
    margin = "none" if found.margin is None else found.outcome.show_margin(found.margin)
    fewest = min(arm.asked for arm in found.arms)
    seeds = f"{found.seeds}" if fewest == found.seeds else f"{fewest} to {found.seeds}"
    if found.looks:
        seeds += f", looked at after {listed([str(n) for n in found.looks.seeds])}"
    return {
        "outcome": found.outcome.label,
        "margin": margin,
        "seeds": seeds,
        SEED: str(side.seed),
    }

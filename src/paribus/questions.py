"""The questions that can be asked, what a store answers of them, and what the others would take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from paribus.analysis import analyse
from paribus.data import REGISTRY, Dataset
from paribus.data import load as load_data
from paribus.data.registry import location
from paribus.environment import FRAMEWORKS, choose_device, framework_version
from paribus.errors import InputError, RunError
from paribus.findings import Analysis
from paribus.run import lay_out, make_plan
from paribus.settings import Settings
from paribus.store.connection import is_made
from paribus.store.store import Store, StudyRow
from paribus.study.plan import Plan
from paribus.study.spec import Spec, builtin_names, load


@dataclass(frozen=True)
class Question:
    """A study that can be asked for: its question, in its own words and in others."""

    name: str
    question: str
    asks: tuple[str, ...]
    reason: str | None
    builtin: bool


@dataclass(frozen=True)
class Outlook:
    """What a study would take here: its plan, or else what is lacking, in a few words."""

    runs: int
    plan: Plan | None
    lacks: str = ""
    problems: tuple[str, ...] = ()  # the same in full
    downloads: bool = False  # whether its data, which is all that is lacking, is to be had

    @property
    def can_run(self) -> bool:
        """Whether nothing is lacking that a run would not fetch."""
        return self.plan is not None or self.downloads

    @property
    def seconds(self) -> float | None:
        """About how long the runs take that are not in the store."""
        return sum(part.seconds for part in self.plan.parts) if self.plan else None


def questions(store: Path) -> dict[str, Question]:
    """Return the built-in studies and those of a store with names of their own, by their names."""
    found: dict[str, Question] = {}
    for row in _rows(store):
        own = Question(row.name, row.question, row.asks, None, False)
        if not row.name.endswith(" (tuning)"):
            found.setdefault(row.name, own)
    for name in builtin_names():
        spec = load(name)
        found[name] = Question(name, spec.question, tuple(spec.asks), spec.reason, True)
    return dict(sorted(found.items()))


def stored_answer(question: Question, store: Path, data: Dataset | str | None) -> Analysis | None:
    """Return the newest finished study of a question in a store, on certain data where given.

    A data set that is only named may be one that is not here. Of a study that is not built in, one
    that is not finished counts too.
    """
    wanted = data.name if isinstance(data, Dataset) else data
    for row in _rows_of(question, store):
        if wanted is not None and row.data != wanted:
            continue
        if not row.finished and question.builtin:
            continue
        with Store(store) as opened:
            found = analyse(opened, row.key)
        if isinstance(data, Dataset) and found.data["checksum"] != data.checksum:
            continue
        if found.reason is None and found.question == question.question:
            found = replace(found, reason=question.reason)  # stored before studies had reasons
        return found
    return None


def answered_on(question: Question, store: Path) -> list[str]:
    """Return the data sets that a store has finished studies of a question on."""
    rows = (row for row in _rows_of(question, store) if row.finished)
    return list(dict.fromkeys(row.data for row in rows))


def outlook(spec: Spec, settings: Settings, root: Path | None = None) -> Outlook:
    """Return what a study would take on this machine; nothing is trained or downloaded."""
    runs = spec.blocks * prod(len(factor.levels) for factor in spec.arms_differ_in)
    source = spec.data.source
    if _needs_gpu(spec) and choose_device(settings.device) == "cpu":
        return Outlook(runs, None, "needs a GPU")
    missing = [
        name
        for name in dict.fromkeys(_values(spec, "train.engine"))
        if name and not all(map(framework_version, FRAMEWORKS[name].values()))
    ]
    if missing:
        install = f"pip install 'paribus[{','.join(missing)}]' installs what it needs."
        return Outlook(runs, None, f"needs {' and '.join(missing)}", (install,))
    if source in REGISTRY and location(source, root) is None:
        what = f"The data set {source} is not here: {REGISTRY[source].origin}."
        return Outlook(runs, None, "needs its data", (what,), downloads=True)
    try:
        made = make_plan(lay_out(spec, dataset_of(spec, root), settings), settings)
    except InputError as error:
        return Outlook(runs, None, "cannot run here", tuple(error.problems))
    except RunError as error:
        return Outlook(runs, None, "cannot run here", (str(error),))
    return Outlook(sum(len(part.design.runs) for part in made.parts), made)


def dataset_of(spec: Spec, root: Path | None) -> Dataset:
    """Return the data set of a study; each is loaded once."""
    data = spec.data
    return _loaded(data.source, data.target, data.missing, data.task, root)


@cache
def _loaded(source: str, target: str | None, missing: Any, task: Any, root: Path | None) -> Dataset:
    return load_data(source, target=target, missing=missing, task=task, root=root)


def _rows(store: Path) -> list[StudyRow]:
    if not is_made(store):
        return []
    with Store(store) as opened:
        return opened.studies()


def _rows_of(question: Question, store: Path) -> Iterator[StudyRow]:
    """Yield the studies of a question: a file may have the name of a built-in one, and ask else."""
    for row in _rows(store):
        if row.name == question.name and row.question == question.question:
            yield row


def _needs_gpu(spec: Spec) -> bool:
    return (
        "cuda" in _values(spec, "train.device")
        or "tf32" in _values(spec, "train.precision")
        or "peak_gpu_memory" in (spec.outcome, *spec.also)
    )


def _values(spec: Spec, path: str) -> Iterator[Any]:
    """Yield the values of a setting in the controls and in all levels."""
    section, _, name = path.partition(".")
    yield getattr(getattr(spec, section), name)
    for factor in spec.arms_differ_in:
        yield from (level.settings[path] for level in factor.levels if path in level.settings)

"""A small study that faults befall, and what must hold of its store after each of them."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.torture.command import Command
from benchmarks.torture.row import Row
from paribus.data import load
from paribus.errors import StoreError
from paribus.run import lay_out, make_plan
from paribus.settings import Settings
from paribus.store.store import Store
from paribus.study.spec import from_values

STUDY: dict[str, Any] = {
    "question": "How wide?",
    "name": "tiny",
    "data": "digits",
    "model": {"kind": "mlp"},
    "train": {"epochs": 3, "batch_size": 64},
    "factors": {"model.hidden": [[width] for width in range(4, 14)]},
    "seeds": 6,
    "margin": 0.02,
}
"""Ten shapes, so that it is trained in twenty stacks: a fault falls within and between them."""

WORKERS = 2


@dataclass(frozen=True)
class Kept:
    """All that a store has of a finished run; `finished` is when it says to have got it."""

    status: str
    results: tuple[object, ...]
    finished: str


@dataclass(frozen=True)
class Reference:
    """What a study gives that nothing disturbs, and the seconds that it takes."""

    values: Mapping[str, Any]
    results: Mapping[str, tuple[object, ...]]  # by run key
    seconds: float


def undisturbed(folder: Path, values: Mapping[str, Any] = STUDY, times: int = 1) -> Reference:
    """Run a study without faults; RuntimeError where even that does not work.

    The least of several times is that of files that have all been read before.
    """
    seconds, row = [], Row("none")
    for number in range(times):
        trial = Trial(folder / f"reference-{number}", Reference(values, {}, 0.0), row)
        start = time.monotonic()
        with trial.run() as command:
            code = command.ended(row)
        seconds.append(time.monotonic() - start)
        kept = trial.kept()
        if code or not row.sound or len(kept) != len(trial.design.runs):
            raise RuntimeError(f"the undisturbed study failed: {code} {row.said}")
    return Reference(values, {key: one.results for key, one in kept.items()}, min(seconds))


class Trial:
    """A study on a store of its own; what becomes of its runs goes into a row.

    A trigger in the store counts the records that it is handed, so that no part of the product has
    to be asked what it computed.
    """

    def __init__(self, folder: Path, reference: Reference, row: Row, store: Path | None = None):
        self.folder, self.reference, self.row = folder, reference, row
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "study.yaml").write_text(json.dumps(dict(reference.values)))  # JSON is YAML
        self.store = store or folder / "store.sqlite"
        self.known: dict[str, Kept] = {}
        self.design = lay_out(from_values(reference.values), load("digits"), self._settings())

    def run(self, *arguments: str, **how: Any) -> Command:
        """Start the command that runs the study, or goes on with it."""
        words = ("run", "study.yaml", "--store", str(self.store), "--no-report")
        own = ("--allow-code",) if self.design.spec.model.kind == "module" else ()
        return Command(self.folder, (*words, "--workers", str(WORKERS), *own, *arguments), **how)

    @property
    def complete(self) -> bool:
        """Whether every run was there when it was last looked at."""
        return len(self.known) == len({run.key for run in self.design.runs})

    def kept(self, path: Path | None = None) -> dict[str, Kept]:
        """Return the finished runs in the store, by their keys; a failed run is none."""
        path = path or self.store
        if not path.exists():
            return {}
        with Store(path) as store:
            if not store.studies():
                return {}
            study = store.study(str(self.reference.values["name"]))
            curves: dict[tuple[int, int], list[object]] = {}
            for arm, block, metric, points in store.curves(study.row.key):
                curves.setdefault((arm, block), []).append((metric, points.tobytes()))
            for arm, block, cells in store.class_tables(study.row.key, "test_recall"):
                curves.setdefault((arm, block), []).append(("recall", cells.tobytes()))
        return {
            run.key: Kept(
                run.status,
                (json.dumps(run.metrics, sort_keys=True), *curves.get((run.arm, run.block), [])),
                str(run.finished),
            )
            for run in study.runs
            if run.status not in (None, "failed")
        }

    def stacks(self) -> list[set[str]]:
        """Return the runs that the next command will train together."""
        found = make_plan(self.design, self._settings())
        return [{task.key for task in stack} for stack in found.stacks]

    def check(self, after: str, path: Path | None = None) -> None:
        """Hold the store against what was known of it, and against the reference."""
        try:
            found = self.kept(path)
        except StoreError as error:
            if "is empty" not in str(error) or self.known:  # else it was being made
                self.row.error(f"{after}: {error}")
                return
            found = {}
        for key, before in self.known.items():
            if key not in found:
                self.row.lose(f"{after}: run {key} is no longer in the store")
            elif found[key] != before:
                self.row.change(f"{after}: run {key} is not what it was")
        for key, one in found.items():
            if one.results != self.reference.results.get(key):
                self.row.change(f"{after}: run {key} is not that of the undisturbed study")
        if count := self._handed_again(path or self.store):
            self.row.repeat(f"{after}: {count} records of runs that were there", count)
        self.known = found

    def resumed(self, command: Command, after: str, known: int) -> None:
        """Hold what a command says to have found against what was there when it began."""
        if said := re.search(r"([\d,]+) already done", command.said):
            count = int(said[1].replace(",", ""))
        elif " runs · " in command.said:
            count = 0
        else:
            return  # it did not get so far
        if count != known:
            self.row.repeat(f"{after}: {known} runs were kept, and {count} were found", known)

    def anew(self) -> None:
        """Begin again without a store."""
        self.known = {}
        for path in self.store.parent.glob(f"{self.store.name}*"):
            path.unlink() if path.is_file() else shutil.rmtree(path)

    def _settings(self) -> Settings:
        return Settings(self.store, workers=WORKERS)

    def _handed_again(self, path: Path) -> int:
        """Return how many records of finished runs were handed over since it was last asked."""
        if not path.exists():
            return 0
        db = sqlite3.connect(path, timeout=60)
        try:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
                return 0
            with db:
                db.executescript(_COUNTING)
                (count,) = db.execute("SELECT count(*) FROM torture_handed").fetchone()
                db.execute("DELETE FROM torture_handed")
            return int(count)
        finally:
            db.close()


_COUNTING = """
CREATE TABLE IF NOT EXISTS torture_handed (run TEXT);
CREATE TRIGGER IF NOT EXISTS torture_counts BEFORE INSERT ON runs
WHEN EXISTS (SELECT 1 FROM runs WHERE key = NEW.key AND status != 'failed')
BEGIN INSERT INTO torture_handed VALUES (NEW.key); END;
"""


def finished(trial: Trial, after: str, codes: Sequence[int] = (0,)) -> None:
    """Run the same command to its end, and check that all is there."""
    known = len(trial.known)
    with trial.run() as command:
        code = command.ended(trial.row)
        trial.resumed(command, after, known)
        if code not in codes:
            trial.row.error(f"{after}: exit code {code}: {command.said[-500:]}")
    trial.check(after)
    if not trial.complete:
        trial.row.error(f"{after}: {len(trial.known)} of {len(trial.design.runs)} runs in the end")

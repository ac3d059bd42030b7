"""What is sound in a store and in its backup, and what is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from paribus.errors import StoreError
from paribus.store.backup import backup_of
from paribus.store.connection import one_name
from paribus.store.rows import COLUMNS, is_sound, select
from paribus.store.salvage import salvage
from paribus.store.store import Store

_NAMED = 20  # damaged rows of a table that are named


@dataclass(frozen=True)
class StudyHealth:
    """How many of a study's planned runs are sound, and where."""

    name: str
    key: str
    planned: int
    sound: int  # finished, and whole in the store
    backup: int  # not so in the store, and whole in its backup
    missing: int  # in neither: lost, or not trained yet


@dataclass(frozen=True)
class Health:
    """What a check has found."""

    store: Path
    problems: tuple[str, ...]  # of the store; none where it is sound
    backup_problems: tuple[str, ...] | None  # None: there is no backup
    partial: tuple[str, ...]  # what is damaged in part: curves, planned runs
    studies: tuple[StudyHealth, ...]
    unplanned: int  # sound runs that no study plans
    journal: int  # bytes that wait beside the store to be written into it

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged, and the backup has nothing that the store has not."""
        lacks = any(study.backup for study in self.studies)
        return not (self.problems or self.backup_problems or lacks)

    def record(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {**asdict(self), "store": str(self.store), "ok": self.ok}


def examine(path: Path) -> Health:
    """Check a store and its backup: their files, trees, checksums and references."""
    path = one_name(path)
    journal = path.with_name(f"{path.name}-wal")
    waiting = journal.stat().st_size if journal.exists() else 0
    backup = backup_of(path)
    found = problems(path)
    theirs = problems(backup) if backup.exists() else None
    with TemporaryDirectory() as folder, ExitStack() as stack:
        ours, partial = _readable(path, found, Path(folder) / "ours", stack)
        copy = _readable(backup, theirs, Path(folder) / "theirs", stack)[0] if theirs else None
        if theirs == []:
            copy = stack.enter_context(Store(backup))
        studies, unplanned = _studies(ours, copy)
    told = None if theirs is None else tuple(theirs)
    return Health(path, tuple(found), told, tuple(partial), studies, unplanned, waiting)


def problems(path: Path) -> list[str]:
    """Return what is wrong with the file of a store; nothing where it is sound.

    Raises StoreError where it cannot be looked at: another process keeps it, or it may not be read.
    """
    if not path.exists():
        return ["there is no such file"]
    if not path.stat().st_size:
        return ["the file is empty"]
    try:
        with Store(path) as store, store.connection.explained():
            return list(_problems(store))
    except StoreError as error:
        reason = str(error.__cause__ or error)
        if any(word in reason for word in ("locked", "unable to open", "disk I/O")):
            raise
        return [reason]


def _problems(store: Store) -> Iterator[str]:
    db = store.connection.db
    for (line,) in db.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield "SQLite finds: " + line.replace("\n", "; ")
    for table in COLUMNS:
        yield from _damaged_rows(store, table)
    for table, count in _strays(db):
        yield f"{count} rows of {table} refer to what is not there"
    for key, whole in db.execute(
        "SELECT key, curves = (SELECT count(*) FROM curves WHERE run = id) "
        "AND tables = (SELECT count(*) FROM class_tables WHERE run = id) FROM runs"
    ):
        if not whole:
            yield f"a curve or a table of classes is missing of {store.whose(key)}"
    for name, whole in db.execute(
        "SELECT name, planned = (SELECT count(*) FROM design WHERE study = id) FROM studies"
    ):
        if not whole:
            yield f"planned runs are missing of study {name}"


def _damaged_rows(store: Store, table: str) -> Iterator[str]:
    count = 0
    try:
        rows = store.connection.db.execute(f"SELECT {select(table)} FROM {table} NOT INDEXED")
        for row in rows:
            if not is_sound(table, row):
                count += 1
                if count <= _NAMED:
                    what = _named(store, table, row)
                    yield f"a row of {table} does not match its checksum: {what}"
    except (sqlite3.Error, UnicodeDecodeError) as error:
        yield f"the table {table} cannot be read to its end ({error})"
    if count > _NAMED:
        yield f"{count - _NAMED} further rows of {table} do not match their checksums"


def _named(store: Store, table: str, row: tuple[Any, ...]) -> str:
    """Return what a damaged row seems to be."""
    if table == "runs":
        return store.whose(str(row[1]))
    if table in ("curves", "class_tables"):
        key = store.connection.db.execute("SELECT key FROM runs WHERE id = ?", row[:1]).fetchone()
        return f"{row[1]} of {store.whose(key[0]) if key else f'run {row[0]}'}"
    if table == "studies":
        return f"study {row[2]}"
    return " ".join(map(str, row[:1]))


def _strays(db: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    counts: dict[str, int] = {}
    for table, *_ in db.execute("PRAGMA foreign_key_check"):
        counts[table] = counts.get(table, 0) + 1
    yield from counts.items()


def _readable(
    path: Path, found: list[str] | None, place: Path, stack: ExitStack
) -> tuple[Store, list[str]]:
    """Return a store that can be read: itself, or made of what is sound in it."""
    if not found:
        return stack.enter_context(Store(path)), []
    partial = salvage(path, place)
    return stack.enter_context(Store(place)), partial


def _studies(ours: Store, theirs: Store | None) -> tuple[tuple[StudyHealth, ...], int]:
    """Return the studies of both, with the runs that either plans, and how many belong to none."""
    names: dict[str, str] = {}
    planned: dict[str, set[str]] = {}
    for store in [ours, theirs] if theirs else [ours]:
        for row in store.studies():
            names.setdefault(row.key, row.name)
            planned.setdefault(row.key, set()).update(_planned(store, row.key))
    sound, backed_up = (_finished(store) for store in (ours, theirs))
    found = []
    for key, runs in planned.items():
        left = runs - sound
        counts = (len(runs), len(runs & sound), len(left & backed_up), len(left - backed_up))
        found.append(StudyHealth(names[key], key, *counts))
    return tuple(found), len(sound.difference(*planned.values()))


def _planned(store: Store, key: str) -> set[str]:
    with store.connection.explained():
        rows = store.connection.db.execute(
            "SELECT run FROM design WHERE study = (SELECT id FROM studies WHERE key = ?)", (key,)
        )
        return {run for (run,) in rows}


def _finished(store: Store | None) -> set[str]:
    if store is None:
        return set()
    with store.connection.explained():
        rows = store.connection.db.execute("SELECT key FROM runs WHERE status != 'failed'")
        return {key for (key,) in rows}

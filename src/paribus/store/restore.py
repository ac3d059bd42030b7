"""A damaged store restored: from what is sound in it and in its backup."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from paribus.errors import StoreError
from paribus.store.backup import backup_of, update
from paribus.store.check import Health, examine, problems
from paribus.store.claims import refuse_while_used
from paribus.store.connection import one_name
from paribus.store.merge import merge
from paribus.store.rows import insert, is_sound, sealed, select
from paribus.store.salvage import salvage
from paribus.store.store import Store

_UNKNOWN = json.dumps({"environment": "lost when the store was damaged"})
_BESIDE = ("", "-wal", "-shm")


@dataclass(frozen=True)
class Restored:
    """What a restoration has done."""

    after: Health
    kept: Path | None  # where the damaged file is now; None where the store was not there


def restore(path: Path, before: Health) -> Restored:
    """Put a sound store in the place of a damaged one, which is kept beside; mend the backup.

    Raises StoreError while a process trains into it, where nothing of a store is found, or where it
    cannot be written; then all stays as it was.
    """
    path = one_name(path)
    refuse_while_used(path, "restored")
    backup = backup_of(path)
    if before.problems:
        kept = _replace(path, _made_of(path, backup, before))
    else:
        kept = None
        if before.backup_problems is None:
            return Restored(before, kept)
        with _sound(backup, bool(before.backup_problems)) as source, Store(path, create=True) as s:
            merge(source, s)
    if before.backup_problems:
        _keep(backup)
        backup.unlink(missing_ok=True)
    with Store(path, create=True) as store:
        update(store)
    return Restored(examine(path), kept)


def _made_of(path: Path, backup: Path, before: Health) -> Path:
    """Return a new store, checked, of what is sound in a damaged one and in its backup."""
    made = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        salvage(path, made)
        with Store(made, create=True) as store:
            if before.backup_problems is not None:
                with _sound(backup, bool(before.backup_problems)) as source:
                    merge(source, store)
                    _name_environments(store, source)
            _name_environments(store, None)
            if not store.studies() and _runs(store) == 0:
                raise StoreError(
                    f"nothing of a store of Paribus is found in {path}, or in a backup beside it: "
                    f"it stays as it is"
                )
        with closing(sqlite3.connect(made)) as db:
            db.execute("PRAGMA journal_mode = DELETE")  # all of it in one file
        if left := problems(made):
            raise StoreError(f"what is restored of {path} is not sound: {left[0]}")
    except BaseException:
        _remove(made)
        raise
    return made


def _name_environments(store: Store, source: Store | None) -> None:
    """Give runs whose environment is lost that of a source, or one that says so."""
    with store.connection.writing() as db:
        lost = db.execute(
            "SELECT DISTINCT environment FROM runs WHERE environment NOT IN "
            "(SELECT key FROM environments)"
        ).fetchall()
        for (key,) in lost:
            row = (
                source
                and source.connection.db.execute(
                    f"SELECT {select('environments')} FROM environments WHERE key = ?", (key,)
                ).fetchone()
            )
            if row and is_sound("environments", row):
                db.execute(insert("environments"), row)
            elif not source:
                db.execute(insert("environments"), sealed("environments", key, _UNKNOWN))


@contextmanager
def _sound(path: Path, damaged: bool) -> Iterator[Store]:
    """Give a store to read: itself, or a temporary one of what is sound in it."""
    if not damaged:
        with Store(path) as store:
            yield store
        return
    made = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        salvage(path, made)
        with Store(made) as store:
            yield store
    finally:
        _remove(made)


def _replace(path: Path, made: Path) -> Path | None:
    """Put a store in the place of a damaged one; return where that is now."""
    try:
        kept = _keep(path)
        os.replace(made, path)  # noqa: PTH105 (atomic on every system)
    finally:
        _remove(made)
    return kept


def _keep(path: Path) -> Path | None:
    """Give a damaged file another name too, and what SQLite keeps beside it that one alone."""
    kept = path.with_name(f"{path.name}.damaged-{datetime.now():%Y%m%dT%H%M%S}")
    there = path.exists()
    if there:
        try:
            os.link(path, kept)
        except OSError:  # where a file has one name only
            shutil.copy2(path, kept)
    for suffix in _BESIDE[1:]:  # a new file must never meet the journal of an old one
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.replace(kept.with_name(kept.name + suffix))
    return kept if there else None


def _remove(made: Path) -> None:
    for suffix in _BESIDE:
        with suppress(OSError):
            made.with_name(made.name + suffix).unlink(missing_ok=True)


def _runs(store: Store) -> int:
    return int(store.connection.db.execute("SELECT count(*) FROM runs").fetchone()[0])

"""The second file beside a store: what the store has, copied as it comes.

A store only grows, so that a backup is a merge of what is new since the last one. Rows are checked
as they are read: what is damaged in the store is never copied over what is sound in the backup.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from paribus.errors import StoreError
from paribus.store.merge import Merged, merge
from paribus.store.store import Store

EVERY = 600.0
"""Seconds between two backups of a study that is being trained."""


def backup_of(store: Path) -> Path:
    """Return where the backup of a store is."""
    return store.with_name(f"{store.name}.backup")


def update(store: Store) -> Merged:
    """Bring the backup of a store up to date, made where there is none.

    It takes as long as what is new since the last time. Raises StoreError where it cannot be done.
    """
    with Store(backup_of(store.path), create=True) as backup:
        with store.connection.explained():
            last = store.connection.db.execute(
                "SELECT store, id, key FROM identity, runs ORDER BY id DESC LIMIT 1"
            ).fetchone()
        merged = merge(store, backup, _copied(store, backup))
        if last and not merged.damaged:  # else what was left out is looked at again
            with backup.connection.writing() as db:
                db.execute("DELETE FROM copied")
                db.execute("INSERT INTO copied VALUES (?, ?, ?)", last)
    return merged


def is_of_an_earlier_one(store: Store) -> bool:
    """Return whether a store is new, and the backup beside it has studies, or cannot be read."""
    backup = backup_of(store.path)
    with store.connection.explained():
        if store.connection.db.execute("SELECT 1 FROM studies LIMIT 1").fetchone():
            return False
    if not backup.is_file():
        return False
    with suppress(StoreError), Store(backup) as there:
        return bool(there.studies())
    return True


def _copied(store: Store, backup: Store) -> int:
    """Return the number up to which the runs of a store are in its backup.

    Zero where the backup is of another store: of one that was here before.
    """
    with backup.connection.explained():
        row = backup.connection.db.execute("SELECT store, id, key FROM copied").fetchone()
    with store.connection.explained():
        found = (
            row
            and store.connection.db.execute(
                "SELECT id FROM identity, runs WHERE store = ? AND id = ? AND key = ?", row
            ).fetchone()
        )
    return int(found[0]) if found else 0


class Backups:
    """The backups of a store while a study is trained into it: they never make a run fail."""

    def __init__(self, store: Store, say: Callable[[str], None], every: float = EVERY):
        """Back up about every so many seconds; `say` is told once where it cannot be done."""
        self._store, self._say, self._every = store, say, every
        self._next = time.monotonic() + every
        self._failed = False

    def when_due(self) -> None:
        """Back up where the last time is long ago."""
        if time.monotonic() >= self._next:
            self.now()

    def now(self) -> None:
        """Back up; where it cannot be done, say so once."""
        try:
            if damaged := update(self._store).damaged:
                raise self._store.connection.damaged(", ".join(damaged[:3]))
        except (StoreError, sqlite3.Error, OSError) as error:
            if not self._failed:
                self._say(f"The backup of {self._store.path} is not complete: {error}")
            self._failed = True
        self._next = time.monotonic() + self._every

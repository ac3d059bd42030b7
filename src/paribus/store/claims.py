"""Who trains which run now, so that two processes on one store share the work.

A driver claims a run in the store just before it is trained. Each driver holds the lock of a file
of its own beside the store, which the system lets go of when the driver ends, however it ends: the
claims of a driver without a lock are free at once, and no clock is asked.
"""

from __future__ import annotations

import glob
import uuid
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from paribus.errors import StoreError
from paribus.store.store import Store


class Claims:
    """The claims of one driver on the runs of a store; a context manager."""

    def __init__(self, store: Store):
        self._store = store
        self._driver = uuid.uuid4().hex
        self._lock = FileLock(self._file(self._driver))

    def __enter__(self) -> Claims:
        drivers(self._store.path)  # so that the files of dead ones go
        file = self._file(self._driver)
        try:
            self._lock.acquire()
            while not file.exists():  # taken for a dead driver's in the moment before it was locked
                self._lock.release()
                self._lock.acquire()
        except (OSError, NotImplementedError) as error:
            raise StoreError(
                f"no file can be locked beside the store {self._store.path} ({error}): make room, "
                f"or name another --store"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(StoreError), self._store.connection.writing() as db:  # else they are dead
            db.execute("DELETE FROM claims WHERE driver = ?", (self._driver,))
        self._lock.release()
        with suppress(OSError):
            self._file(self._driver).unlink(missing_ok=True)

    def take(self, keys: Collection[str]) -> set[str]:
        """Claim runs, and return those that are ours: nobody else trains them now."""
        with self._store.connection.writing() as db:
            held = dict(
                db.execute(
                    f"SELECT run, driver FROM claims WHERE run IN ({', '.join('?' * len(keys))})",
                    tuple(keys),
                )
            )
            for driver in set(held.values()) - {self._driver}:
                if not self._alive(driver):
                    db.execute("DELETE FROM claims WHERE driver = ?", (driver,))
                    held = {run: by for run, by in held.items() if by != driver}
            free = {key for key in keys if held.get(key, self._driver) == self._driver}
            db.executemany(
                "INSERT OR REPLACE INTO claims VALUES (?, ?)", ((key, self._driver) for key in free)
            )
        return free

    def _alive(self, driver: str) -> bool:
        return _is_held(self._file(driver))

    def _file(self, driver: str) -> Path:
        return self._store.path.with_name(f"{self._store.path.name}.driver-{driver}")


def drivers(store: Path) -> int:
    """Return how many processes train into a store now; what dead ones left beside it goes."""
    return sum(map(_is_held, list(store.parent.glob(f"{glob.escape(store.name)}.driver-*"))))


def refuse_while_used(store: Path, what: str) -> None:
    """Raise StoreError where a process trains into a store, which forbids to do `what` to it."""
    if drivers(store):
        raise StoreError(
            f"another process trains into {store}: stop it (the same command goes on), or wait for "
            f"it, before the store is {what}"
        )


def _is_held(file: Path) -> bool:
    """Return whether a driver holds the lock of its file; if not, the file goes."""
    if not file.exists():
        return False
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError, NotImplementedError):  # held, or another user's
        return True
    lock.release()
    with suppress(OSError):
        file.unlink(missing_ok=True)
    return False

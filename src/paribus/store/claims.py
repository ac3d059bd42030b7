"""Who trains which run now, so that two processes on one store share the work.

A driver claims a run in the store just before it is trained. Each driver holds the lock of a file
of its own beside the store, which the system lets go of when the driver ends, however it ends: the
claims of a driver without a lock are free at once, and no clock is asked.
"""

from __future__ import annotations

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
        try:
            self._lock.acquire()
        except OSError as error:
            raise StoreError(
                f"no file can be made beside the store {self._store.path} ({error.strerror}): "
                f"make room, or name another --store"
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
        """Return whether a driver still holds its lock; if not, its file goes."""
        file = self._file(driver)
        if not file.exists():
            return False
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        with suppress(OSError):
            file.unlink(missing_ok=True)
        return False

    def _file(self, driver: str) -> Path:
        return self._store.path.with_name(f"{self._store.path.name}.driver-{driver}")

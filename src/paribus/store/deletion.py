"""A study deleted, and a store made small again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from paribus.errors import StoreError
from paribus.store.backup import backup_of
from paribus.store.claims import refuse_while_used
from paribus.store.connection import one_name
from paribus.store.store import Store
from paribus.untrusted import file_name

_OWN = (
    "SELECT run FROM design WHERE study = :study AND run NOT IN "
    "(SELECT run FROM design WHERE study != :study)"
)


@dataclass(frozen=True)
class Deletion:
    """A study, and those of its runs that no other study plans."""

    name: str
    key: str
    planned: int
    runs: tuple[str, ...]  # keys of those that are in the store


def deletion(store: Store, name: str) -> Deletion:
    """Return what the deletion of a study would remove.

    Raises StoreError where there is no such study, where several have that name, or where another
    one was tuned by it.
    """
    row = store.study(name).row
    keys = [one.key[:8] for one in store.studies() if one.name == name]
    if len(keys) > 1:
        raise StoreError(
            f"{len(keys)} studies are called {name}: say which by its key, {' or '.join(keys)} "
            f"(`paribus list` shows them)"
        )
    with store.connection.explained():
        (study,) = store.connection.db.execute("SELECT id FROM studies WHERE key = ?", (row.key,))
        tuned = store.connection.db.execute(
            "SELECT name FROM studies WHERE json_extract(content, '$.tuning.study') = ?", (row.key,)
        ).fetchone()
        runs = store.connection.db.execute(
            f"SELECT key FROM runs WHERE key IN ({_OWN})", {"study": study[0]}
        ).fetchall()
    if tuned:
        raise StoreError(
            f"the study {tuned[0]} was tuned by {row.name} ({row.key[:8]}): delete that one first"
        )
    return Deletion(row.name, row.key, row.planned, tuple(key for (key,) in runs))


def delete(path: Path, planned: Deletion, checkpoints: Path) -> int:
    """Remove a study and its own runs from a store, its backup and the folder of trained networks.

    The store comes last: what a kill leaves half done, the same deletion finishes. Returns how many
    trained networks it removed. Raises StoreError while a process trains into the store.
    """
    path = one_name(path)
    refuse_while_used(path, "changed")
    removed = 0
    for key in planned.runs:  # first: without the study nobody knows which they are
        with suppress(FileNotFoundError):
            (checkpoints / f"{file_name(key)}.safetensors").unlink()
            removed += 1
    if backup_of(path).exists():
        with Store(backup_of(path), create=True) as backup:
            _delete(backup, planned.key)
    with Store(path, create=True) as store:
        _delete(store, planned.key)
    return removed


def _delete(store: Store, key: str) -> None:
    with store.connection.writing() as db:
        found = db.execute("SELECT id FROM studies WHERE key = ?", (key,)).fetchone()
        if not found:
            return
        study = {"study": found[0]}
        for table in ("curves", "class_tables"):
            db.execute(
                f"DELETE FROM {table} WHERE run IN (SELECT id FROM runs WHERE key IN ({_OWN}))",
                study,
            )
        db.execute(f"DELETE FROM claims WHERE run IN ({_OWN})", study)
        db.execute(f"DELETE FROM runs WHERE key IN ({_OWN})", study)
        for table in ("design", "proofs"):
            db.execute(f"DELETE FROM {table} WHERE study = :study", study)
        db.execute("DELETE FROM studies WHERE id = :study", study)
        db.execute("DELETE FROM environments WHERE key NOT IN (SELECT environment FROM runs)")
        db.execute("DELETE FROM copied")  # numbers are given again


def compact(path: Path) -> tuple[int, int]:
    """Build the file of a store anew, without the room that deletions left; return bytes then, now.

    Nothing in it changes. It takes as much room again on the disk meanwhile.
    """
    path = one_name(path)
    refuse_while_used(path, "made anew")
    before = _size(path)
    with Store(path, create=True) as store, store.connection.explained():
        store.connection.db.execute("VACUUM")
        store.connection.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return before, _size(path)


def _size(path: Path) -> int:
    beside = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in beside if file.exists())

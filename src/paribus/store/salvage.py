"""A new store of what is sound in a damaged one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from paribus.store.pages import sound_rows
from paribus.store.rows import insert, sealed, select
from paribus.store.store import Store

_NEWER = {
    "studies": "key = excluded.key AND asked < excluded.asked",
    "runs": "key = excluded.key AND status = 'failed' AND excluded.status != 'failed'",
}
"""Which of two sound rows in one place holds: a lost journal can leave an older one behind."""

_CURVES, _TABLES = "SELECT metric FROM curves", "SELECT name FROM class_tables"
_PARTS = f"{_CURVES} WHERE run = :run UNION {_TABLES} WHERE run = :run"


def salvage(damaged: Path, into: Path) -> list[str]:
    """Make a store of the sound rows of another file; return what was found there in part only.

    Runs that have lost a curve or a table of classes are left out, for they can be had again
    whole: from a backup, or by training. Studies plan what is left of their design. Runs can refer
    to environments that are lost.
    """
    with Store(into, create=True) as store:
        store.connection.db.execute("PRAGMA foreign_keys = OFF")
        with store.connection.writing() as db:
            for table, row in sound_rows(damaged):
                db.execute(_put(table), row)
            _without_strays(db)
            partial = _without_incomplete(db, store)
            partial += _plan_what_is_left(db)
    return partial


def _put(table: str) -> str:
    if table not in _NEWER:
        return insert(table, "INSERT OR IGNORE")
    columns = select(table).split(", ")[1:]
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
    return f"{insert(table)} ON CONFLICT DO UPDATE SET {changes} WHERE {_NEWER[table]}"


def _without_strays(db: sqlite3.Connection) -> None:
    """Leave out what belongs to no study."""
    for table in ("design", "proofs"):
        db.execute(f"DELETE FROM {table} WHERE study NOT IN (SELECT id FROM studies)")


def _without_incomplete(db: sqlite3.Connection, store: Store) -> list[str]:
    """Leave out runs of which a part is lost, and parts of which the run is; return the runs."""
    found = db.execute(
        "SELECT id, key, curves + tables - (SELECT count(*) FROM curves WHERE run = id) "
        "- (SELECT count(*) FROM class_tables WHERE run = id), "
        "curves + tables FROM runs WHERE curves != (SELECT count(*) FROM curves WHERE run = id) "
        "OR tables != (SELECT count(*) FROM class_tables WHERE run = id)"
    ).fetchall()
    told = []
    names = {name for (name,) in db.execute(f"{_CURVES} UNION {_TABLES}")} if found else set()
    for number, key, lost, parts in found:
        gone = names - {name for (name,) in db.execute(_PARTS, {"run": number})}
        what = ", ".join(sorted(gone)) if len(gone) == lost else f"{lost} of {parts} parts"
        told.append(f"{what} of {store.whose(key)}")
        db.execute("DELETE FROM runs WHERE id = ?", (number,))
    for table in ("curves", "class_tables"):
        db.execute(f"DELETE FROM {table} WHERE run NOT IN (SELECT id FROM runs)")
    return told


def _plan_what_is_left(db: sqlite3.Connection) -> list[str]:
    told = []
    for *cells, planned, _ in db.execute(f"SELECT {select('studies')} FROM studies").fetchall():
        (left,) = db.execute("SELECT count(*) FROM design WHERE study = ?", cells[:1]).fetchone()
        if left != planned:
            told.append(f"{planned - left} of {planned} planned runs of study {cells[2]}")
            row = sealed("studies", *cells, left)
            db.execute(insert("studies", "INSERT OR REPLACE"), row)
    return told

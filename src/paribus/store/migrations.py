"""From the tables of an older store to those of this version, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from paribus.store.rows import insert, sealed
from paribus.store.schema import TABLES, VERSION


def migrate(db: sqlite3.Connection) -> None:
    """Bring a store of any older version to this one, within the transaction that is open.

    Raises sqlite3.DatabaseError where the file cannot be of the version that it says.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    numbered = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'identity'").fetchone()
    if version not in MIGRATIONS or numbered:
        raise sqlite3.DatabaseError(f"malformed: it says to be of version {version}")
    for step in range(version, VERSION):
        MIGRATIONS[step](db)
    db.execute(f"PRAGMA user_version = {VERSION}")


def make_tables(db: sqlite3.Connection) -> None:
    """Make the tables of this version."""
    for statement in TABLES.split(";\n"):
        db.execute(statement)


def _from_1(db: sqlite3.Connection) -> None:
    """Runs get numbers, rows get checksums. The first stores have no class tables or proofs."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    old = [name for name in _TABLES_1 if name in there]
    for name in old:
        db.execute(f"ALTER TABLE {name} RENAME TO {name}_1")
    make_tables(db)

    def fill(table: str, query: str) -> None:
        rows: Iterable[tuple[Any, ...]] = db.execute(query)
        db.executemany(insert(table), (sealed(table, *row) for row in rows))

    fill(
        "studies",
        "SELECT rowid, key, name, question, content, asked, "
        "(SELECT count(*) FROM design_1 WHERE study = key) FROM studies_1 ORDER BY rowid",
    )
    fill("environments", "SELECT key, content FROM environments_1")
    tables = "(SELECT count(*) FROM class_tables_1 WHERE run = r.key)"
    fill(
        "runs",
        "SELECT rowid, key, status, reason, metrics, environment, finished, "
        "(SELECT count(*) FROM curves_1 WHERE run = r.key), "
        f"{tables if 'class_tables' in old else 0} FROM runs_1 r ORDER BY rowid",
    )
    fill(
        "curves",
        "SELECT r.id, c.metric, c.points FROM runs r JOIN curves_1 c ON c.run = r.key "
        "ORDER BY r.id, c.metric",
    )
    if "class_tables" in old:
        fill(
            "class_tables",
            "SELECT r.id, t.name, t.shape, t.cells FROM runs r "
            "JOIN class_tables_1 t ON t.run = r.key ORDER BY r.id, t.name",
        )
    fill(
        "design",
        "SELECT s.id, d.block, d.arm, d.run FROM studies s JOIN design_1 d ON d.study = s.key "
        "ORDER BY s.id, d.block, d.arm",
    )
    if "proofs" in old:
        fill(
            "proofs",
            "SELECT s.id, p.content FROM studies s JOIN proofs_1 p ON p.study = s.key",
        )
    for name in reversed(old):
        db.execute(f"DROP TABLE {name}_1")


_TABLES_1 = ("studies", "environments", "runs", "curves", "design", "class_tables", "proofs")

MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _from_1}
"""What brings a store from a version to the next one."""

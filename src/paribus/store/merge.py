"""What one store has and another has not, copied: of two machines, or from a store to its backup.

A run is copied whole or not at all, and only where its checksums hold. A run that has finished in
both stays as it is in the target. Many small transactions: whatever ends a merge leaves a sound
store, and merging again finishes it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paribus.files import whole
from paribus.store.rows import insert, is_sound, sealed, select
from paribus.store.store import Store, next_id, put_run

_AT_ONCE = 200  # runs in a transaction

Row = tuple[Any, ...]


@dataclass
class Merged:
    """What a merge has done; runs go by their keys."""

    runs: list[str] = field(default_factory=list)  # that came
    studies: list[str] = field(default_factory=list)  # the names of those that are new
    there: int = 0  # runs that the target had already
    unlike: list[str] = field(default_factory=list)  # of these, those with other results
    damaged: list[str] = field(default_factory=list)  # left out: their checksums do not match


def merge(source: Store, target: Store, after: int = 0) -> Merged:
    """Copy what is sound in a store and not in the target yet, of the runs numbered above `after`.

    Runs that have failed in the target are looked for among all. Of a study that both have, the
    one asked for last explains it, and the target gets the planned runs of both.
    """
    merged = Merged()
    with source.connection.reading() as db:
        _merge_studies(db, target, merged)
        for batch in _batches(db, target, after):
            _merge_runs(db, target, batch, merged)
    return merged


def _batches(source: sqlite3.Connection, target: Store, after: int) -> Iterator[list[Row]]:
    """Yield rows of runs, first those that have failed in the target, then all by their numbers."""
    columns = f"SELECT {select('runs')} FROM runs"
    if after:
        with target.connection.explained():
            found = target.connection.db.execute("SELECT key FROM runs WHERE status = 'failed'")
            failed = [key for (key,) in found]
        for first in range(0, len(failed), _AT_ONCE):
            keys = failed[first : first + _AT_ONCE]
            where = f"WHERE id <= {after} AND key IN ({_marks(keys)}) ORDER BY id"
            if batch := source.execute(f"{columns} {where}", keys).fetchall():
                yield batch
    query = f"{columns} WHERE id > ? ORDER BY id LIMIT {_AT_ONCE}"
    while batch := source.execute(query, (after,)).fetchall():
        yield batch
        after = batch[-1][0]


def _merge_runs(
    source: sqlite3.Connection, target: Store, batch: Sequence[Row], merged: Merged
) -> None:
    sound = [row for row in batch if is_sound("runs", row)]
    merged.damaged += [str(row[1]) for row in batch if not is_sound("runs", row)]
    there = _there(target, [row[1] for row in sound])
    come = [row for row in sound if row[1] not in there or _mends(row, there[row[1]])]
    known = [row for row in sound if row[1] in there and not _mends(row, there[row[1]])]
    merged.there += len(known)
    # When and where it was trained may differ, and be no other result.
    merged.unlike += [row[1] for row in known if row[2:5] != there[row[1]][2:5]]
    if not come:
        return
    parts = {table: _parts(source, table, come) for table in ("curves", "class_tables")}
    environments = _environments(source, come)
    with target.connection.writing() as db:
        for row in come:
            number, key, *cells, curve_count, table_count, _ = row
            curves, tables = parts["curves"][number], parts["class_tables"][number]
            about = environments.get(row[5])
            whole = len(curves) == curve_count and len(tables) == table_count
            if not whole or about is None:
                merged.damaged.append(key)
                continue
            db.execute(insert("environments", "INSERT OR IGNORE"), about)
            found = db.execute("SELECT id FROM runs WHERE key = ?", (key,)).fetchone()
            (number,) = found or (next_id(db, "runs"),)
            stored = put_run(
                db,
                (number, key, *cells, curve_count, table_count),
                [(number, *part[1:-1]) for part in curves],
                [(number, *part[1:-1]) for part in tables],
            )
            if stored:
                merged.runs.append(key)


def _mends(ours: Row, theirs: Row) -> bool:
    """Return whether a run has finished here, and has failed there."""
    return bool(ours[2] != "failed" and theirs[2] == "failed")


def _there(target: Store, keys: Sequence[str]) -> dict[str, Row]:
    with target.connection.explained():
        rows = target.connection.db.execute(
            f"SELECT {select('runs')} FROM runs WHERE key IN ({_marks(keys)})", keys
        )
        return {row[1]: row for row in rows}


def _parts(source: sqlite3.Connection, table: str, runs: Sequence[Row]) -> Mapping[int, list[Row]]:
    """Return the sound rows of curves or class tables by the number of their run."""
    found = defaultdict[int, list[Row]](list)
    numbers = [run[0] for run in runs]
    for row in source.execute(
        f"SELECT {select(table)} FROM {table} WHERE run IN ({_marks(numbers)})", numbers
    ):
        if is_sound(table, row):
            found[row[0]].append(row)
    return found


def _environments(source: sqlite3.Connection, runs: Sequence[Row]) -> dict[str, Row]:
    keys = list({run[5] for run in runs})
    rows = source.execute(
        f"SELECT {select('environments')} FROM environments WHERE key IN ({_marks(keys)})", keys
    )
    return {row[0]: row for row in rows if is_sound("environments", row)}


def _merge_studies(source: sqlite3.Connection, target: Store, merged: Merged) -> None:
    for row in source.execute(f"SELECT {select('studies')} FROM studies ORDER BY asked, id"):
        if is_sound("studies", row):
            _merge_study(source, target, row, merged)
        else:
            merged.damaged.append(f"study {row[2]}")


def _merge_study(source: sqlite3.Connection, target: Store, row: Row, merged: Merged) -> None:
    """Copy a study with its design and its proof, unless it is there just so."""
    parts = {
        table: [
            part
            for part in source.execute(
                f"SELECT {select(table)} FROM {table} WHERE study = ?", (row[0],)
            )
            if is_sound(table, part)
        ]
        for table in ("design", "proofs")
    }
    with target.connection.writing() as db:
        there = db.execute(
            f"SELECT {select('studies')} FROM studies WHERE key = ?", (row[1],)
        ).fetchone()
        if there and is_sound("studies", there) and there[2:-1] == row[2:-1]:
            return
        if len(parts["design"]) != row[6]:
            merged.damaged.append(f"the design of study {row[2]}")
        newer = not there or not is_sound("studies", there) or row[5] >= there[5]
        number = there[0] if there else next_id(db, "studies")
        if not there:
            db.execute(insert("studies"), sealed("studies", number, *row[1:-1]))
            merged.studies.append(row[2])
        how = "INSERT OR REPLACE" if newer else "INSERT OR IGNORE"
        for table, rows in parts.items():
            db.executemany(
                insert(table, how), (sealed(table, number, *part[1:-1]) for part in rows)
            )
        _tell(db, number, row if newer else there)


def _tell(db: sqlite3.Connection, number: int, row: Row) -> None:
    """Store the row of a study with the number of the runs that it now plans."""
    (planned,) = db.execute("SELECT count(*) FROM design WHERE study = ?", (number,)).fetchone()
    db.execute(
        insert("studies") + " ON CONFLICT DO UPDATE SET name = excluded.name, "
        "question = excluded.question, content = excluded.content, asked = excluded.asked, "
        "planned = excluded.planned, crc = excluded.crc",
        sealed("studies", number, *row[1:6], planned),
    )


def copy_checkpoints(source: Path, target: Path, into: Store, but: Collection[str] = ()) -> int:
    """Copy trained networks of finished runs of a store from folder to folder; return how many.

    Those that are there stay; of the runs `but` none is copied.
    """
    keys = [path.stem for path in sorted(source.glob("*.safetensors"))]
    count = 0
    for key, status in into.statuses(keys).items():
        path = target / f"{key}.safetensors"
        if status == "done" and key not in but and not path.exists():
            with whole(path, "the checkpoint") as unfinished:
                shutil.copyfile(source / path.name, unfinished)
            count += 1
    return count


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))

"""The store: one SQLite file that keeps every study and every finished run.

Append-only: a run is written in one transaction when it is finished, and never changed after that
(a failed run, and only that, is replaced when it is tried again). Several processes may use one
store at once. Every row that is read is held against its checksum.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paribus.errors import StoreError, nearest
from paribus.store.connection import Connection
from paribus.store.rows import COLUMNS, insert, is_sound, sealed, select

if TYPE_CHECKING:
    from paribus.engines.base import Record


@dataclass(frozen=True)
class StudyRow:
    """A study in a store, and how far its runs are."""

    key: str
    name: str
    question: str
    data: str
    asked: str
    planned: int
    done: int
    diverged: int
    failed: int
    asks: tuple[str, ...] = ()  # other wordings of the question

    @property
    def finished(self) -> bool:
        """Whether each of its runs has been trained, or has diverged."""
        return self.done + self.diverged == self.planned


@dataclass(frozen=True)
class StoredRun:
    """A planned run of a study; `status` is None until it has been trained."""

    arm: int
    block: int
    key: str
    status: str | None
    reason: str
    metrics: Mapping[str, float]
    finished: str | None


@dataclass(frozen=True)
class StoredStudy:
    """A study as it was declared, with its runs and where they were trained."""

    row: StudyRow
    content: Mapping[str, Any]
    runs: tuple[StoredRun, ...]
    environments: tuple[Mapping[str, str], ...]

    def arm(self, name: str) -> int:
        """Return the index of an arm; StoreError where there is none of that name."""
        names = [about["name"] for about in self.content["arms"]]
        if name not in names:
            raise StoreError(
                f"there is no arm {name}{nearest(name, names)}; the arms are {', '.join(names)}"
            )
        return names.index(name)


class Store:
    """An open store; a context manager."""

    def __init__(self, path: Path, *, create: bool = False):
        """Open a store to read, or with `create` to write, making it where there is none.

        Raises StoreError where it is missing, not ours, damaged or too new.
        """
        self.connection = Connection(path, create=create)
        self.path = self.connection.path
        self._db = self.connection.db
        self._explained, self._writing = self.connection.explained, self.connection.writing

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def add_study(
        self,
        key: str,
        name: str,
        question: str,
        content: Mapping[str, Any],
        runs: Iterable[tuple[int, int, str]],
        *,
        so_far: bool = False,
    ) -> None:
        """Declare a study and its runs: block, arm, run key.

        A study that is there already stays, and its runs become these, or with `so_far` these and
        those that it has; what only explains it is no part of its key, and becomes this.
        """
        planned = {(block, arm): run for block, arm, run in runs}
        with self._writing() as db:
            row = db.execute(
                f"SELECT {select('studies')} FROM studies WHERE key = ?", (key,)
            ).fetchone()
            told = dict(content)
            if row:
                row = self._sound("studies", row, lambda: f"the study {name}")
                explained = {word: told.get(word) for word in ("reason", "asks")}
                told, number = json.loads(row[4]) | explained, row[0]
                name, question = row[2:4]
            else:
                number = next_id(db, "studies")
            there = {
                (block, arm): (run, crc)
                for _, block, arm, run, crc in db.execute(
                    f"SELECT {select('design')} FROM design WHERE study = ?", (number,)
                )
            }
            wanted = {
                place: sealed("design", number, *place, run) for place, run in planned.items()
            }
            gone = set[tuple[int, int]]() if so_far else there.keys() - wanted.keys()
            count = len((there.keys() | wanted.keys()) - gone)
            cells = (number, key, name, question, json.dumps(told), _asked(db, key), count)
            db.execute(
                insert("studies") + " ON CONFLICT DO UPDATE SET content = excluded.content, "
                "asked = excluded.asked, planned = excluded.planned, crc = excluded.crc",
                sealed("studies", *cells),
            )
            db.executemany(
                "DELETE FROM design WHERE study = ? AND block = ? AND arm = ?",
                ((number, *place) for place in gone),
            )
            db.executemany(
                insert("design", "INSERT OR REPLACE"),
                (row for place, row in wanted.items() if there.get(place) != row[3:]),
            )

    def add_record(self, record: Record, environment: Mapping[str, str]) -> None:
        """Keep a finished run with its curves: all of it, or nothing."""
        self.add_records([(record, environment)])

    def add_records(self, records: Iterable[tuple[Record, Mapping[str, str]]]) -> None:
        """Keep finished runs with their curves and environments: all of them, or nothing."""
        with self._writing() as db:
            for record, environment in records:
                self._add(db, record, environment)

    def _add(self, db: sqlite3.Connection, record: Record, environment: Mapping[str, str]) -> None:
        about = json.dumps(dict(sorted(environment.items())))
        about_key = hashlib.sha256(about.encode()).hexdigest()[:16]
        db.execute(
            insert("environments") + " ON CONFLICT DO NOTHING",
            sealed("environments", about_key, about),
        )
        there = db.execute("SELECT id FROM runs WHERE key = ?", (record.key,)).fetchone()
        (number,) = there or (next_id(db, "runs"),)
        run = (
            *(number, record.key, record.status, record.reason, json.dumps(record.metrics)),
            *(about_key, _now(), len(record.curves), len(record.tables)),
        )
        curves = ((number, metric, _bytes(points)) for metric, points in record.curves.items())
        tables = (
            (number, name, json.dumps(cells.shape), _bytes(cells))
            for name, cells in record.tables.items()
        )
        put_run(db, run, curves, tables)
        db.execute("DELETE FROM claims WHERE run = ?", (record.key,))

    def statuses(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the status of those of the runs that have a row."""
        return {key: row[2] for key, row in self._rows_of(keys).items()}

    def runs(self, planned: Iterable[tuple[int, int, str]]) -> list[StoredRun]:
        """Return planned runs (block, arm, run key), with what became of those that have a row."""
        wanted = list(planned)
        found = self._rows_of(key for *_, key in wanted)
        return [_stored(arm, block, key, found.get(key)) for block, arm, key in wanted]

    def _rows_of(self, keys: Iterable[str]) -> dict[str, tuple[Any, ...]]:
        """Return the rows of those of the runs that have one."""
        with self._explained():
            self._db.execute("CREATE TEMP TABLE IF NOT EXISTS asked (key TEXT PRIMARY KEY)")
            self._db.execute("BEGIN")
            try:
                self._db.execute("DELETE FROM asked")
                self._db.executemany("INSERT OR IGNORE INTO asked VALUES (?)", ((k,) for k in keys))
                rows = self._db.execute(
                    f"SELECT a.key, {select('runs', 'r')} FROM asked a JOIN runs r ON r.key = a.key"
                )
                return {key: self._run(key, tuple(row)) for key, *row in rows}
            finally:
                self._db.execute("COMMIT")

    def studies(self) -> list[StudyRow]:
        """Return all studies, the newest first."""
        with self._explained():
            rows = self._db.execute(
                f"SELECT {select('studies')} FROM studies ORDER BY asked DESC, id DESC"
            ).fetchall()
            counts = {
                study: numbers
                for study, *numbers in self._db.execute(f"{_COUNTS} GROUP BY d.study")
            }
        return [self._study_row(row, counts.get(row[0], [0] * 4)) for row in rows]

    def study(self, name: str) -> StoredStudy:
        """Return the newest study of a name, or the one of a key or its first characters."""
        with self._explained():
            keys = self._db.execute(
                "SELECT id, key, name FROM studies ORDER BY asked DESC, id DESC"
            ).fetchall()
            named = [number for number, _, its_name in keys if its_name == name]
            keyed = [n for n, key, _ in keys if len(name) >= 4 and key.startswith(name)]
            if not named and len(keyed) != 1:
                names = list(dict.fromkeys(row.name for row in self.studies()))
                raise StoreError(
                    f"there is no study {name} in {self.path}{nearest(name, names)}; "
                    + (f"there are {', '.join(names)}" if names else "it is empty")
                )
            number = (named or keyed)[0]
            study = self._db.execute(
                f"SELECT {select('studies')} FROM studies WHERE id = ?", (number,)
            ).fetchone()
            counts = self._db.execute(f"{_COUNTS} WHERE d.study = ?", (number,)).fetchone()
            row = self._study_row(study, counts[1:])
            runs = [_stored(*planned) for planned in self._design(number)]
            environments = self._db.execute(
                f"SELECT {select('environments')} FROM environments WHERE key IN "
                "(SELECT r.environment FROM design d JOIN runs r ON r.key = d.run "
                "WHERE d.study = ?) ORDER BY key",
                (number,),
            ).fetchall()
        return StoredStudy(
            row,
            json.loads(study[4]),
            tuple(runs),
            tuple(
                json.loads(self._sound("environments", one, lambda: f"an environment of {name}")[1])
                for one in environments
            ),
        )

    def curves(self, study_key: str) -> Iterator[tuple[int, int, str, np.ndarray]]:
        """Yield (arm, block, metric, points) for every curve of a study."""
        with self._explained():
            for arm, block, (_, metric, points, _) in self._parts("curves", study_key):
                yield arm, block, metric, np.frombuffer(points, "<f8")

    def class_tables(
        self, study_key: str, name: str, arm: int | None = None
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield (arm, block, cells) for every run of a study, or of one arm, with such a table."""
        with self._explained():
            for its_arm, block, row in self._parts("class_tables", study_key, arm):
                _, its_name, shape, cells, _ = row
                if its_name == name:
                    yield its_arm, block, np.frombuffer(cells, "<f8").reshape(json.loads(shape))

    def _parts(
        self, table: str, study_key: str, only: int | None = None
    ) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
        """Yield (arm, block, row) for the curves or class tables of a study's runs, or an arm's.

        Raises StoreError where a run has not as many as its row says.
        """
        query = f"SELECT {select(table)} FROM {table} WHERE run = ? ORDER BY {COLUMNS[table][1]}"
        place = COLUMNS["runs"].index(_COUNTED[table])
        with self._explained():
            found = self._db.execute("SELECT id FROM studies WHERE key = ?", (study_key,))
            for arm, block, key, run in self._design((found.fetchone() or (None,))[0], only):
                if run is None:
                    continue
                rows = self._db.execute(query, run[:1]).fetchall()
                if len(rows) != run[place] and self._rows_of([key]).get(key) == run:
                    # Else another process has tried a failed run again in this moment.
                    raise self.connection.damaged(f"a row of {table} of {self.whose(key)}")
                for row in rows:
                    yield arm, block, self._sound(table, row, partial(self._part, key, row))

    def _part(self, run: str, row: Sequence[Any]) -> str:
        """Return which curve or class table it is."""
        return f"{row[1]} of {self.whose(run)}"

    def _design(
        self, study: int | None, only: int | None = None
    ) -> list[tuple[int, int, str, tuple[Any, ...] | None]]:
        """Return arm, block, key and row (or None) of the planned runs of a study, or of an arm."""
        rows = self._db.execute(
            f"SELECT {select('design', 'd')}, {select('runs', 'r')} "
            "FROM design d LEFT JOIN runs r ON r.key = d.run WHERE d.study = ? "
            "AND d.arm = coalesce(?, d.arm) ORDER BY d.arm, d.block",
            (study, only),
        ).fetchall()
        found = []
        for cells in rows:
            own, run = cells[:5], cells[5:]
            _, block, arm, key, _ = self._sound("design", own, lambda: "the design of a study")
            found.append((arm, block, key, None if run[0] is None else self._run(key, run)))
        return found

    def add_proofs(self, study_key: str, proofs: Sequence[Mapping[str, Any]]) -> None:
        """Keep the proof that the engines of a study do the same maths."""
        with self._writing() as db:
            (number,) = db.execute("SELECT id FROM studies WHERE key = ?", (study_key,)).fetchone()
            cells = (number, json.dumps(proofs))
            db.execute(insert("proofs", "INSERT OR REPLACE"), sealed("proofs", *cells))

    def proofs(self, study_key: str) -> list[dict[str, Any]]:
        """Return the proof of a study's engines, none where none was needed or made."""
        with self._explained():
            row = self._db.execute(
                f"SELECT {select('proofs', 'p')} FROM proofs p JOIN studies s ON s.id = p.study "
                "WHERE s.key = ?",
                (study_key,),
            ).fetchone()
        if not row:
            return []
        return list(json.loads(self._sound("proofs", row, lambda: "a proof of the engines")[1]))

    def _study_row(self, row: tuple[Any, ...], counts: Sequence[float]) -> StudyRow:
        _, key, name, question, content, asked, planned, _ = self._sound(
            "studies", row, lambda: f"the study {row[2]}"
        )
        if planned != counts[0]:
            raise self.connection.damaged(f"the design of the study {name}")
        told = json.loads(content)
        data = str(told.get("data", {}).get("data set", ""))
        asks = tuple(told.get("asks") or ())
        planned, done, diverged, failed = map(int, counts)
        return StudyRow(key, name, question, data, asked, planned, done, diverged, failed, asks)

    def _run(self, key: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return self._sound("runs", row, lambda: self.whose(key))

    def _sound(self, table: str, row: tuple[Any, ...], what: Callable[[], str]) -> tuple[Any, ...]:
        """Return a row whose checksum matches; else StoreError with what it is."""
        if not is_sound(table, row):
            raise self.connection.damaged(what())
        return row

    def whose(self, run: str) -> str:
        """Return which run it is, of the first study that plans it."""
        with suppress(sqlite3.Error, ValueError, LookupError, TypeError):
            name, content, arm, block = self._db.execute(
                "SELECT s.name, s.content, d.arm, d.block FROM design d "
                "JOIN studies s ON s.id = d.study WHERE d.run = ?",
                (run,),
            ).fetchone()
            return f"arm {json.loads(content)['arms'][arm]['name']}, seed {block} of study {name}"
        return f"the run {run}"


_COUNTED = {"curves": "curves", "class_tables": "tables"}
"""The column of runs that counts the rows of a table."""

_COUNTS = (
    "SELECT d.study, count(*), total(r.status = 'done'), total(r.status = 'diverged'), "
    "total(r.status = 'failed') FROM design d LEFT JOIN runs r ON r.key = d.run"
)


def put_run(
    db: sqlite3.Connection,
    run: tuple[Any, ...],
    curves: Iterable[tuple[Any, ...]],
    tables: Iterable[tuple[Any, ...]],
) -> bool:
    """Store the cells of a run and its parts in an open transaction, unless it has finished before.

    Returns whether it was stored.
    """
    stored = db.execute(
        insert("runs") + " ON CONFLICT DO UPDATE SET status = excluded.status, "
        "reason = excluded.reason, metrics = excluded.metrics, "
        "environment = excluded.environment, finished = excluded.finished, "
        "curves = excluded.curves, tables = excluded.tables, crc = excluded.crc "
        "WHERE status = 'failed'",
        sealed("runs", *run),
    ).rowcount
    if not stored:
        return False
    for table, parts in (("curves", curves), ("class_tables", tables)):
        db.execute(f"DELETE FROM {table} WHERE run = ?", (run[0],))  # those of the failed one
        db.executemany(insert(table), (sealed(table, *part) for part in parts))
    return True


def next_id(db: sqlite3.Connection, table: str) -> int:
    """Return the number of the next row, in an open transaction that writes."""
    (number,) = db.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()
    return int(number)


def _stored(arm: int, block: int, key: str, row: tuple[Any, ...] | None) -> StoredRun:
    if row is None:
        return StoredRun(arm, block, key, None, "", {}, None)
    _, _, status, reason, metrics, _, finished, *_ = row
    return StoredRun(arm, block, key, status, reason, json.loads(metrics), finished)


def _bytes(numbers: np.ndarray) -> bytes:
    return np.asarray(numbers, "<f8").tobytes()


def _asked(db: sqlite3.Connection, study: str) -> str:
    """Return the time, or where the clock went back, one after that of all studies but this."""
    (after,) = db.execute(
        "SELECT strftime('%Y-%m-%dT%H:%M:%S+00:00', max(asked), '+1 second') FROM studies "
        "WHERE key != ?",
        (study,),
    ).fetchone()
    return max(_now(), after or "")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

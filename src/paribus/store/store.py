"""The store: one SQLite file that keeps every study and every finished run.

Append-only: a run is written in one transaction when it is finished, and never changed after that
(a failed run, and only that, is replaced when it is tried again). Several processes may use one
store at once.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from paribus.engines.base import Record
from paribus.errors import StoreError, nearest
from paribus.store.schema import ADDED, APPLICATION_ID, TABLES, VERSION

_PATIENCE = 60.0  # seconds to wait for another process that is writing


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

        Raises StoreError where it is missing, not ours, or too new.
        """
        self.path = path
        if not create and not path.exists():
            raise StoreError(
                f"there is no store {path}: `paribus run STUDY` makes it, "
                f"--store FILE names another"
            )
        with self._explained():
            self._db = self._open_to_write() if create else self._open_to_read()
            try:
                self._prepare(create)
            except BaseException:
                self._db.close()
                raise

    def _open_to_write(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the folder {self.path.parent} for the store cannot be made "
                f"({error.strerror}): name another with --store FILE"
            ) from error
        return sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)

    def _open_to_read(self) -> sqlite3.Connection:
        """Open without changing anything, in a folder that cannot be written too."""
        address = f"{self.path.resolve().as_uri()}?mode=ro"
        db = sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            db.close()
            # A journal beside the file cannot be made: nobody else can be writing either.
            address = f"{self.path.resolve().as_uri()}?immutable=1"
            return sqlite3.connect(address, uri=True, isolation_level=None)
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add_study(
        self,
        key: str,
        name: str,
        question: str,
        content: Mapping[str, Any],
        runs: Iterable[tuple[int, int, str]],
    ) -> None:
        """Declare a study and its runs so far: block, arm, run key.

        A study that is there already stays, and its runs become these; what only explains it is
        no part of its key, and becomes this.
        """
        with self._writing() as db:
            db.execute(
                "INSERT INTO studies VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET asked = excluded.asked, content = json_set("
                "  content, '$.reason', json_extract(excluded.content, '$.reason'), "
                "  '$.asks', json_extract(excluded.content, '$.asks'))",
                (key, name, question, json.dumps(content), _now()),
            )
            db.execute("DELETE FROM design WHERE study = ?", (key,))
            db.executemany(
                "INSERT INTO design VALUES (?, ?, ?, ?)",
                ((key, block, arm, run) for block, arm, run in runs),
            )

    def add_record(self, record: Record, environment: Mapping[str, str]) -> None:
        """Keep a finished run with its curves: all of it, or nothing."""
        about = json.dumps(dict(sorted(environment.items())))
        about_key = hashlib.sha256(about.encode()).hexdigest()[:16]
        with self._writing() as db:
            db.execute(
                "INSERT INTO environments VALUES (?, ?) ON CONFLICT DO NOTHING", (about_key, about)
            )
            changed = db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                "status = excluded.status, reason = excluded.reason, metrics = excluded.metrics, "
                "environment = excluded.environment, finished = excluded.finished "
                "WHERE status = 'failed'",
                (
                    record.key,
                    record.status,
                    record.reason,
                    json.dumps(record.metrics),
                    about_key,
                    _now(),
                ),
            ).rowcount
            if changed:
                db.executemany(
                    "INSERT OR REPLACE INTO curves VALUES (?, ?, ?)",
                    (
                        (record.key, metric, _bytes(points))
                        for metric, points in record.curves.items()
                    ),
                )
                db.executemany(
                    "INSERT OR REPLACE INTO class_tables VALUES (?, ?, ?, ?)",
                    (
                        (record.key, name, json.dumps(cells.shape), _bytes(cells))
                        for name, cells in record.tables.items()
                    ),
                )

    def statuses(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the status of those of the runs that have a row."""
        with self._explained():
            self._db.execute("CREATE TEMP TABLE IF NOT EXISTS asked (key TEXT PRIMARY KEY)")
            self._db.execute("BEGIN")
            try:
                self._db.execute("DELETE FROM asked")
                self._db.executemany("INSERT OR IGNORE INTO asked VALUES (?)", ((k,) for k in keys))
                rows = self._db.execute("SELECT key, status FROM asked JOIN runs USING (key)")
                return dict(rows.fetchall())
            finally:
                self._db.execute("COMMIT")

    def runs(self, planned: Iterable[tuple[int, int, str]]) -> list[StoredRun]:
        """Return planned runs (block, arm, run key), with what became of those that have a row."""
        wanted = list(planned)
        self.statuses(key for *_, key in wanted)
        with self._explained():
            rows = self._db.execute(
                "SELECT key, status, reason, metrics, finished FROM asked JOIN runs USING (key)"
            ).fetchall()
        found = {
            key: (status, reason, json.loads(m), when) for key, status, reason, m, when in rows
        }
        nothing: tuple[None, str, dict[str, float], None] = (None, "", {}, None)
        return [StoredRun(arm, block, key, *found.get(key, nothing)) for block, arm, key in wanted]

    def studies(self) -> list[StudyRow]:
        """Return all studies, the newest first."""
        with self._explained():
            rows = self._db.execute(
                "SELECT s.key, s.name, s.question, "
                "  coalesce(json_extract(s.content, '$.data.\"data set\"'), ''), "
                "  s.asked, count(*), "
                "  total(r.status = 'done'), total(r.status = 'diverged'), "
                "  total(r.status = 'failed'), coalesce(json_extract(s.content, '$.asks'), '[]') "
                "FROM studies s JOIN design d ON d.study = s.key LEFT JOIN runs r ON r.key = d.run "
                "GROUP BY s.key ORDER BY s.asked DESC, s.rowid DESC"
            ).fetchall()
        return [StudyRow(*row[:5], *map(int, row[5:9]), *map(_texts, row[9:])) for row in rows]

    def study(self, name: str) -> StoredStudy:
        """Return the newest study of a name, or the one of a key or its first characters."""
        studies = self.studies()
        named = [s for s in studies if s.name == name]
        keyed = [s for s in studies if len(name) >= 4 and s.key.startswith(name)]
        if not named and len(keyed) != 1:
            names = list(dict.fromkeys(s.name for s in studies))
            raise StoreError(
                f"there is no study {name} in {self.path}{nearest(name, names)}; "
                + (f"there are {', '.join(names)}" if names else "it is empty")
            )
        row = (named or keyed)[0]
        with self._explained():
            (content,) = self._db.execute(
                "SELECT content FROM studies WHERE key = ?", (row.key,)
            ).fetchone()
            runs = self._db.execute(
                "SELECT d.arm, d.block, d.run, r.status, r.reason, r.metrics, r.finished "
                "FROM design d LEFT JOIN runs r ON r.key = d.run WHERE d.study = ? "
                "ORDER BY d.arm, d.block",
                (row.key,),
            ).fetchall()
            environments = self._db.execute(
                "SELECT DISTINCT e.content FROM design d JOIN runs r ON r.key = d.run "
                "JOIN environments e ON e.key = r.environment WHERE d.study = ? ORDER BY e.key",
                (row.key,),
            ).fetchall()
        return StoredStudy(
            row,
            json.loads(content),
            tuple(
                StoredRun(arm, block, key, status, reason or "", json.loads(metrics or "{}"), when)
                for arm, block, key, status, reason, metrics, when in runs
            ),
            tuple(json.loads(text) for (text,) in environments),
        )

    def curves(self, study_key: str) -> Iterator[tuple[int, int, str, np.ndarray]]:
        """Yield (arm, block, metric, points) for every curve of a study."""
        with self._explained():
            rows = self._db.execute(
                "SELECT d.arm, d.block, c.metric, c.points FROM design d "
                "JOIN curves c ON c.run = d.run WHERE d.study = ? "
                "ORDER BY d.arm, d.block, c.metric",
                (study_key,),
            )
            for arm, block, metric, points in rows:
                yield arm, block, metric, np.frombuffer(points, "<f8")

    def class_tables(
        self, study_key: str, name: str, arm: int | None = None
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield (arm, block, cells) for every run of a study, or of one arm, with such a table."""
        with self._explained():
            if not self._has("class_tables"):
                return
            rows = self._db.execute(
                "SELECT d.arm, d.block, t.shape, t.cells FROM design d "
                "JOIN class_tables t ON t.run = d.run WHERE d.study = ? AND t.name = ? "
                "AND d.arm = COALESCE(?, d.arm) ORDER BY d.arm, d.block",
                (study_key, name, arm),
            )
            for arm, block, shape, cells in rows:
                yield arm, block, np.frombuffer(cells, "<f8").reshape(json.loads(shape))

    def add_proofs(self, study_key: str, proofs: Sequence[Mapping[str, Any]]) -> None:
        """Keep the proof that the engines of a study do the same maths."""
        with self._writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO proofs VALUES (?, ?)", (study_key, json.dumps(proofs))
            )

    def proofs(self, study_key: str) -> list[dict[str, Any]]:
        """Return the proof of a study's engines, none where none was needed or made."""
        with self._explained():
            if not self._has("proofs"):
                return []
            row = self._db.execute(
                "SELECT content FROM proofs WHERE study = ?", (study_key,)
            ).fetchone()
        return list(json.loads(row[0])) if row else []

    def _prepare(self, create: bool) -> None:
        if not create and not self._is_ours():
            if not self._application_id() and self._is_empty():  # or it is being made just now
                raise StoreError(f"{self.path} is empty: `paribus run STUDY` makes a store of it")
            self._refuse()
        if not self._is_ours():
            # Another process may be making it at this moment: look again under the lock.
            with self._writing() as db:
                if not self._is_ours():
                    if not self._is_empty() or self._application_id():
                        self._refuse()
                    for statement in TABLES.split(";\n"):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {VERSION}")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StoreError(
                f"{self.path} was written by a newer Paribus (schema {version}; this one knows up "
                f"to {VERSION}): upgrade with `pip install -U paribus`, or name another --store"
            )
        if not create:
            return
        self._use_journal()
        for table, statement in ADDED.items():
            if not self._has(table):
                with self._writing() as db:
                    db.execute(statement)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")

    def _has(self, table: str) -> bool:
        found = "SELECT 1 FROM sqlite_master WHERE name = ?"
        return self._db.execute(found, (table,)).fetchone() is not None

    def _is_empty(self) -> bool:
        return self._db.execute("SELECT 1 FROM sqlite_master").fetchone() is None

    def _application_id(self) -> int:
        return int(self._db.execute("PRAGMA application_id").fetchone()[0])

    def _is_ours(self) -> bool:
        return self._application_id() == APPLICATION_ID

    def _refuse(self) -> None:
        raise StoreError(
            f"{self.path} is an SQLite file, but not a store of Paribus: name another --store"
        )

    def _use_journal(self) -> None:
        """Switch to write-ahead logging; SQLite does not wait for this lock by itself."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, which say what to do."""
        try:
            yield
        except sqlite3.Error as error:
            reason = str(error)
            if "not a database" in reason or "malformed" in reason:
                text = f"{self.path} is not a store, or it is damaged ({reason})"
            elif "full" in reason:
                text = (
                    f"the disk of the store {self.path} is full: every run finished so far is "
                    f"kept; make room and give the same command again"
                )
            elif "readonly" in reason or "unable to open" in reason:
                text = f"the store {self.path} cannot be written ({reason}): name another --store"
            elif "disk I/O" in reason:
                text = f"the disk of the store {self.path} fails, or is full ({reason})"
            elif "locked" in reason:
                text = f"the store {self.path} has been locked by another process for a minute"
            else:
                text = f"the store {self.path} cannot be used: {reason}"
            raise StoreError(text) from error


def _bytes(numbers: np.ndarray) -> bytes:
    return np.asarray(numbers, "<f8").tobytes()


def _texts(written: str) -> tuple[str, ...]:
    """Return a JSON list as a tuple."""
    return tuple(json.loads(written))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

"""A store of an older version keeps every number, whoever opens it, and whatever ends that."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from paribus.analysis import analyse
from paribus.errors import StoreError
from paribus.report.record import to_record
from paribus.store import connection
from paribus.store.schema import VERSION
from paribus.store.store import Store

STORES = Path(__file__).parent / "stores"
"""Written by the releases of their versions; `v1-first` by one before class tables and proofs."""

Found = tuple[object, ...]


@pytest.fixture(params=["v1", "v1-first"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "store.sqlite"
    shutil.copy(STORES / f"{request.param}.sqlite", path)
    return path


def content(path: Path) -> Found:
    """Return all that a store has on its one study, as its readers get it."""
    with Store(path) as store:
        study = store.study("first")
        key = study.row.key
        curves = [(a, b, name, points.tobytes()) for a, b, name, points in store.curves(key)]
        tables = [
            (a, b, cells.shape, cells.tobytes())
            for name in ("test_confusion", "test_recall")
            for a, b, cells in store.class_tables(key, name)
        ]
        record = json.dumps(to_record(analyse(store, "first")), default=str)
        return study, curves, tables, store.proofs(key), record


def files(folder: Path) -> list[str]:
    """Return what is in a folder, but for what SQLite keeps beside a store that is read."""
    names = [path.name for path in folder.iterdir()]
    return sorted(name for name in names if not name.endswith(("-wal", "-shm")))


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def first_version(path: Path) -> Found:
    """Return the same numbers as `content` from the tables of version 1 themselves."""
    with closing(sqlite3.connect(path)) as db:
        runs = db.execute(
            "SELECT d.arm, d.block, r.key, r.status, r.reason, r.metrics, r.finished "
            "FROM design d JOIN runs r ON r.key = d.run ORDER BY d.arm, d.block"
        ).fetchall()
        curves = db.execute(
            "SELECT d.arm, d.block, c.metric, c.points FROM design d JOIN curves c USING (run) "
            "ORDER BY d.arm, d.block, c.metric"
        ).fetchall()
        return runs, curves


def test_it_is_read_to_the_last_bit_and_stays_as_it_is(old: Path) -> None:
    before, runs_and_curves = old.read_bytes(), first_version(old)
    study, curves, tables, proofs, _ = content(old)
    runs = [
        (r.arm, r.block, r.key, r.status, r.reason, json.dumps(dict(r.metrics)), r.finished)
        for r in study.runs
    ]
    assert (runs, curves) == runs_and_curves
    assert (len(runs), len(curves)) == (4, 32)
    has_them = len(before) > 40_000  # v1, and not v1-first
    assert (len(tables), len(proofs)) == ((8, 1) if has_them else (0, 0))
    assert old.read_bytes() == before
    assert files(old.parent) == ["store.sqlite"]


def test_it_is_migrated_when_it_is_opened_to_write_and_kept_beside(old: Path) -> None:
    before = content(old)
    Store(old, create=True).__exit__()
    assert version(old) == VERSION
    assert content(old) == before
    kept = old.with_name("store.sqlite.v1")
    assert version(kept) == 1
    assert content(kept) == before
    assert files(old.parent) == [old.name, kept.name]
    with Store(old, create=True) as store:  # and goes on
        (row,) = store.studies()
        assert store._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store._db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert (row.planned, row.done) == (4, 4)


def test_many_may_migrate_it_at_once(old: Path) -> None:
    def look(_: int) -> int:
        with Store(old, create=True) as store:
            return sum(row.done for row in store.studies())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(look, range(8))) == [4] * 8


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
def test_a_kill_half_way_leaves_the_old_store(old: Path) -> None:
    before = content(old)
    script = (
        "import os, sys, pathlib; from paribus.store import migrations; "
        "from paribus.store.store import Store; step = migrations.MIGRATIONS[1]; "
        "migrations.MIGRATIONS[1] = lambda db: (step(db), os.kill(os.getpid(), 9)); "
        "Store(pathlib.Path(sys.argv[1]), create=True)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(old)])
    assert done.returncode == -signal.SIGKILL
    assert version(old) == 1
    assert content(old) == before
    Store(old, create=True).__exit__()
    assert version(old) == VERSION
    assert content(old) == before


def test_an_error_half_way_leaves_the_old_store(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(old)

    def fails(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE curves")
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "migrate", fails)
        with pytest.raises(StoreError, match=r"disk .* is full"):
            Store(old, create=True)
    assert version(old) == 1
    assert content(old) == before


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere"
)
def test_it_is_read_in_a_folder_that_cannot_be_written(old: Path) -> None:
    before = content(old)
    old.parent.chmod(0o500)
    try:
        assert content(old) == before
    finally:
        old.parent.chmod(0o700)


def test_other_readers_of_it_go_on(old: Path) -> None:
    use: Callable[[], Found] = lambda: content(old)  # noqa: E731
    with ThreadPoolExecutor(4) as pool:
        first, *others = [job.result() for job in [pool.submit(use) for _ in range(4)]]
    assert all(other == first for other in others)

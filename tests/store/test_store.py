"""The store keeps what it was given, refuses what is not its own, and says why."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from paribus.engines.base import Record
from paribus.errors import StoreError
from paribus.store.schema import APPLICATION_ID, VERSION
from paribus.store.store import Store

WHERE = {"Python": "3.11"}


def record(key: str, status: str = "done", value: float = 0.5) -> Record:
    metrics = {"test_accuracy": value} if status == "done" else {}
    curves = {"test_accuracy": np.array([0.1, value]), "train_loss": np.array([2.0, np.nan])}
    return Record(key, status, "" if status == "done" else "why", metrics, curves)


def add_study(store: Store, key: str = "k" * 32, name: str = "study", runs: int = 2) -> None:
    store.add_study(key, name, "?", {"arms": []}, ((0, arm, f"run{arm}") for arm in range(runs)))


def test_what_goes_in_comes_out_to_the_last_bit(tmp_path: Path) -> None:
    value = 0.1 + 0.2
    with Store(tmp_path / "s.sqlite", create=True) as store:
        add_study(store)
        store.add_record(record("run0", value=value), WHERE)
    with Store(tmp_path / "s.sqlite") as store:
        study = store.study("study")
        assert [run.status for run in study.runs] == ["done", None]
        assert study.runs[0].metrics == {"test_accuracy": value}
        assert study.environments == (WHERE,)
        curves = {metric: points for _, _, metric, points in store.curves(study.row.key)}
        np.testing.assert_array_equal(curves["test_accuracy"], [0.1, value])
        assert np.isnan(curves["train_loss"][1])


def test_tables_of_classes_come_out_as_they_went_in(tmp_path: Path) -> None:
    tables = {"test_recall": np.array([0.5, np.nan]), "test_confusion": np.arange(4).reshape(2, 2)}
    with Store(tmp_path / "s.sqlite", create=True) as store:
        add_study(store, runs=3)
        store.add_record(Record("run1", "done", tables=tables), WHERE)
        store.add_record(record("run2"), WHERE)
    with Store(tmp_path / "s.sqlite") as store:
        for name, cells in tables.items():
            ((arm, block, found),) = store.class_tables("k" * 32, name)
            assert (arm, block) == (1, 0)
            np.testing.assert_array_equal(found, cells)


def test_a_finished_run_is_never_replaced_and_a_failed_one_is(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", create=True) as store:
        add_study(store)
        store.add_record(record("run0", value=0.25), WHERE)
        store.add_record(record("run0", value=0.75), WHERE)
        store.add_record(record("run1", "failed"), WHERE)
        assert store.statuses(["run0", "run1", "run2"]) == {"run0": "done", "run1": "failed"}
        store.add_record(record("run1", value=0.5), WHERE)
        runs = store.study("study").runs
    assert [run.metrics.get("test_accuracy") for run in runs] == [0.25, 0.5]
    assert runs[1].reason == ""


def test_a_study_is_found_by_name_by_key_and_by_the_start_of_its_key(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", create=True) as store:
        add_study(store, "abcdef" + "0" * 26, "first")
        add_study(store, "bcdefg" + "0" * 26, "second")
        assert store.study("first").row.name == "first"
        assert store.study("bcde").row.name == "second"
        with pytest.raises(StoreError, match=r"no study frist in .* \(did you mean first\?\)"):
            store.study("frist")


def test_a_study_told_anew_keeps_all_but_its_explanation(tmp_path: Path) -> None:
    told = {"arms": [], "command": "first", "spec": "é", "reason": "Old.", "asks": ["old?"]}
    anew = {"arms": [1], "command": "second", "reason": "New: é.", "asks": ["a?", "b?"]}
    with Store(tmp_path / "s.sqlite", create=True) as store:
        for content in (told, anew):
            store.add_study("k" * 32, "study", "?", content, [(0, 0, "run0")])
        study = store.study("study")
        assert study.content == told | {"reason": "New: é.", "asks": ["a?", "b?"]}
        assert study.row.asks == ("a?", "b?")
        add_study(store)  # by an older version, which says neither
        assert store.study("study").row.asks == ()


def test_runs_so_far_cut_no_runs_that_an_earlier_command_has_planned(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", create=True) as store:
        add_study(store, runs=5)
        few = [(0, 0, "run0"), (0, 1, "anew")]
        store.add_study("k" * 32, "study", "?", {"arms": []}, few, so_far=True)
        assert [run.key for run in store.study("study").runs] == [
            "run0", "anew", "run2", "run3", "run4"
        ]  # fmt: skip
        assert store.study("study").row.planned == 5
        store.add_study("k" * 32, "study", "?", {"arms": []}, few)
        assert [run.key for run in store.study("study").runs] == ["run0", "anew"]
        assert store.study("study").row.planned == 2


def test_a_store_that_another_process_keeps_locked_is_waited_for_and_not_read_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paribus.store.connection._PATIENCE", 0.1)
    path = tmp_path / "s.sqlite"
    with Store(path, create=True) as store:
        add_study(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked by another process"):
            Store(path)


def test_a_study_is_finished_when_each_run_is_done_or_has_diverged(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", create=True) as store:
        add_study(store)
        store.add_record(record("run0"), WHERE)
        assert not store.study("study").row.finished
        store.add_record(record("run1", "failed"), WHERE)
        assert not store.study("study").row.finished
        store.add_record(record("run1", "diverged"), WHERE)
        assert store.study("study").row.finished


def test_eight_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"

    def write(writer: int) -> None:
        with Store(path, create=True) as store:
            add_study(store, runs=80)
            for number in range(10):
                store.add_record(record(f"run{writer * 10 + number}", value=writer), WHERE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    with Store(path) as store:
        (row,) = store.studies()
        assert (row.planned, row.done) == (80, 80)


def test_many_processes_can_make_one_store_at_once(tmp_path: Path) -> None:
    for attempt in range(10):
        path = tmp_path / f"{attempt}.sqlite"

        def look(_: int, path: Path = path) -> int:
            with Store(path, create=True) as store:
                return len(store.studies())

        with ThreadPoolExecutor(12) as pool:
            assert list(pool.map(look, range(12))) == [0] * 12


def test_a_file_that_is_not_a_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to have a header " * 10)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE t (x)")
    for path, expected in ((text, "is not a store"), (other, "not a store of Paribus")):
        before = path.read_bytes()
        with pytest.raises(StoreError, match=expected):
            Store(path, create=True)
        assert path.read_bytes() == before


def test_a_file_that_is_empty_is_said_to_be_so_and_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.touch()
    with pytest.raises(StoreError, match="is empty"):
        Store(path)
    with Store(path, create=True) as store:
        assert store.studies() == []


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path, create=True).__exit__()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StoreError, match="written by a newer Paribus"):
        Store(path)


def test_a_missing_store_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        Store(tmp_path / "none.sqlite")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        Store(tmp_path / "file" / "s.sqlite", create=True)


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_store_in_a_folder_that_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    with Store(folder / "s.sqlite", create=True) as store:
        add_study(store)
        store.add_record(record("run0"), WHERE)
    before = sorted(folder.iterdir())
    folder.chmod(0o500)
    try:
        with Store(folder / "s.sqlite") as store:
            assert store.statuses(["run0"]) == {"run0": "done"}
        assert sorted(folder.iterdir()) == before
    finally:
        folder.chmod(0o700)


def test_a_full_disk_is_said_and_keeps_what_was_finished(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, create=True) as store:
        add_study(store)
        store.add_record(record("run0"), WHERE)
        # The same error as a full disk: the database may not grow any more.
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        big = Record("run1", "done", "", {}, {"train_loss": np.zeros(100_000)})
        with pytest.raises(StoreError, match="full: every run finished so far is kept"):
            store.add_record(big, WHERE)
        assert store.statuses(["run0", "run1"]) == {"run0": "done"}


def test_a_copy_taken_while_it_is_open_is_a_sound_store(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", create=True) as store:
        add_study(store)
        store.add_record(record("run0"), WHERE)
        for file in tmp_path.iterdir():  # what a kill leaves: the file and its journal
            shutil.copy(file, tmp_path / file.name.replace("s.sqlite", "copy.sqlite"))
    with Store(tmp_path / "copy.sqlite") as copy:
        assert copy.statuses(["run0"]) == {"run0": "done"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE runs SET metrics = '{\"x\": 2}' WHERE key = 'run1'", "arm b, seed 0 of study two"),
        ("UPDATE curves SET points = x'00' WHERE run = 2", "test_accuracy of arm b, seed 0 of st"),
        ("DELETE FROM curves WHERE run = 2 AND metric = 'train_loss'", "curves of arm b, seed 0 "),
        ("UPDATE studies SET content = '{}' WHERE name = 'two'", "the study two"),
        ("UPDATE design SET arm = 7 WHERE run = 'run1'", "the design of a study"),
        ("DELETE FROM design WHERE run = 'run1'", "the design of the study two"),
        ("UPDATE environments SET content = '{}' WHERE rowid = 1", "an environment of two"),
    ],
)
def test_what_is_damaged_is_named_and_a_study_whose_rows_are_sound_is_read(
    tmp_path: Path, change: str, expected: str
) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, create=True) as store:
        about = {"arms": [{"name": "a"}, {"name": "b"}]}
        store.add_study("s" * 32, "sound", "?", about, [(0, 0, "run9")])
        store.add_study("k" * 32, "two", "?", about, [(0, 0, "run0"), (0, 1, "run1")])
        for key in ("run0", "run1"):
            store.add_record(record(key), WHERE)
        store.add_record(record("run9"), {"Python": "3.12"})
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(change)

    def read(name: str) -> None:
        with Store(path) as store:
            study = store.study(name)
            list(store.curves(study.row.key))

    with pytest.raises(StoreError, match=r"`paribus doctor --store .*s\.sqlite`") as error:
        read("two")
    assert expected in str(error.value)
    read("sound")


def test_records_that_are_kept_together_are_all_kept_or_none(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", create=True) as store:
        add_study(store)
        bad = Record("run1", "wrong")  # type: ignore[arg-type]
        with pytest.raises(StoreError):
            store.add_records([(record("run0"), WHERE), (bad, WHERE)])
        assert store.statuses(["run0", "run1"]) == {}
        store.add_records([(record("run0"), WHERE), (record("run1"), WHERE)])
        assert store.statuses(["run0", "run1"]) == {"run0": "done", "run1": "done"}

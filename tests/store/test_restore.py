"""Damage is detected, said, and mended: no number is ever wrong, and no sound row is lost."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.test_merge import WHERE, content, made, record

from paribus.engines.base import Record
from paribus.errors import StoreError
from paribus.store.backup import backup_of, update
from paribus.store.check import examine, problems
from paribus.store.pages import sound_rows
from paribus.store.restore import restore
from paribus.store.rows import COLUMNS, select
from paribus.store.store import Store

RUNS = [f"run{n}" for n in range(12)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two studies with its backup, its journal written back."""
    path = tmp_path_factory.mktemp("sound") / "store.sqlite"
    long = {"train_loss": np.linspace(2, 1, 3000)}  # more than a page
    made(path, *(record(key, value=n / 7) for n, key in enumerate(RUNS)), planned=14)
    made(path, Record("long", "done", "", {"x": 1.5}, long), key="x" * 32, name="other")
    with Store(path, create=True) as store:
        store.add_proofs("k" * 32, [{"arm": "a"}])
        update(store)
    for file in (path, backup_of(path)):
        with closing(sqlite3.connect(file)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
    return path


def copied(sound: Path, folder: Path, backup: bool) -> Path:
    path = folder / "store.sqlite"
    shutil.copy(sound, path)
    if backup:
        shutil.copy(backup_of(sound), backup_of(path))
    return path


def rows(path: Path) -> set[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return {
            (table, *row)
            for table in COLUMNS
            for row in db.execute(f"SELECT {select(table)} FROM {table}")
        }


def test_all_rows_are_found_by_the_pages_alone(sound: Path) -> None:
    assert {(table, *row) for table, row in sound_rows(sound)} == rows(sound)


def test_rows_in_the_journal_are_found_too(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, create=True) as store:
        made(path, record("a"), record("b"))
        store.add_record(record("c"), WHERE)
        found = {(table, *row) for table, row in sound_rows(path)}
        assert path.with_name("s.sqlite-wal").stat().st_size > 0
        assert found == rows(path)


def test_a_sound_store_is_said_to_be_so(sound: Path) -> None:
    health = examine(sound)
    assert health.ok
    assert (health.problems, health.backup_problems, health.partial) == ((), (), ())
    found = {study.name: (study.planned, study.sound, study.missing) for study in health.studies}
    assert found == {"study": (14, 12, 2), "other": (1, 1, 0)}


def flip(places: list[tuple[float, int]]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        for place, mask in places:
            data[int(place * len(data))] ^= mask
        path.write_bytes(data)

    return damage


def cut(share: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])

    return damage


_NOTHING = (None, {}, None, [])  # what is found of a run that is not there

_PLACES = st.floats(0, 1, exclude_max=True)
_HEADER = st.floats(0, 0.001)
_FLIPS = st.lists(st.tuples(_PLACES | _HEADER, st.integers(1, 255)), min_size=1, max_size=40)
_DAMAGE = st.one_of(_FLIPS.map(flip), st.floats(0, 0.999).map(cut))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(_DAMAGE, st.booleans())
def test_whatever_is_damaged_no_number_is_wrong_and_all_that_is_sound_comes_back(
    sound: Path,
    tmp_path_factory: pytest.TempPathFactory,
    damage: Callable[[Path], None],
    backup: bool,
) -> None:
    path = copied(sound, tmp_path_factory.mktemp("damaged"), backup)
    original = content(sound)
    damage(path)
    try:
        found = content(path)
    except StoreError as error:
        said = ("paribus doctor --store", "is empty", "by a newer Paribus")
        assert any(words in str(error) for words in said)  # noqa: PT017
    else:
        for key, value in found.items():
            assert value in (original[key], _NOTHING)
    kept = {(table, *row) for table, row in sound_rows(path)}
    before = examine(path)
    if before.ok:
        assert content(path) == original
        return
    damaged = path.read_bytes()
    if not (backup or kept):
        with pytest.raises(StoreError, match="nothing of a store"):
            restore(path, before)
        assert path.read_bytes() == damaged
        return
    done = restore(path, before)
    assert done.after.ok
    assert problems(path) == []
    after = content(path)
    if backup:
        assert after == original
    for key in ("k" * 32, "x" * 32):
        assert set(after.get(key, [])) <= set(original[key])  # type: ignore[call-overload]
    known = {row[2] for row in kept if row[0] == "runs"}
    with Store(path) as store:
        there = set(store.statuses([*RUNS, "long"]))
    assert len(there) >= len(known) - len(before.partial)
    if before.problems and done.kept:
        assert done.kept.read_bytes() == damaged


@pytest.mark.parametrize("lost", ["journal", "end of the journal", "all but the journal"])
def test_what_a_lost_journal_had_comes_back_from_the_backup(tmp_path: Path, lost: str) -> None:
    path, copy = made(tmp_path / "s.sqlite", record("a"), planned=2), tmp_path / "copy.sqlite"
    with Store(path, create=True) as store:
        store.add_record(record("planned0"), WHERE)
        update(store)
        journal = path.with_name("s.sqlite-wal").read_bytes()
        shutil.copy(path, copy)
        shutil.copy(backup_of(path), backup_of(copy))
    original = content(path)
    if lost == "all but the journal":
        copy.unlink()
    if lost != "journal":
        copy.with_name("copy.sqlite-wal").write_bytes(journal[: len(journal) * 2 // 3])
    before = examine(copy)
    assert not before.ok
    assert restore(copy, before).after.ok
    assert content(copy) == original


def test_a_restored_store_is_backed_up_from_then_on(sound: Path, tmp_path: Path) -> None:
    path = copied(sound, tmp_path, backup=True)
    cut(0.5)(path)
    restore(path, examine(path))
    with Store(path, create=True) as store:
        assert update(store).runs == []
        store.add_record(record("planned1"), WHERE)
        assert update(store).runs == ["planned1"]


def test_runs_whose_environment_is_lost_are_kept(sound: Path, tmp_path: Path) -> None:
    path = copied(sound, tmp_path, backup=False)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE environments SET content = 'x'")
    assert restore(path, examine(path)).after.ok
    assert {key: value for key, value in content(path).items() if key in RUNS} == {
        key: value for key, value in content(sound).items() if key in RUNS
    }
    with Store(path) as store:
        ((_, text),) = store.study("study").environments[0].items()
    assert text == "lost when the store was damaged"

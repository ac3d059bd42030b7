"""Two stores become one: nothing is lost, nothing done twice, nothing damaged comes along."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paribus.engines.base import Record, Status
from paribus.errors import StoreError
from paribus.store import backup
from paribus.store.backup import Backups, backup_of, update
from paribus.store.check import problems
from paribus.store.merge import copy_checkpoints, merge
from paribus.store.store import Store

WHERE = {"Python": "3.11"}
STORES = Path(__file__).parent / "stores"


def record(key: str, status: Status = "done", value: float = 0.5) -> Record:
    curves = {"train_loss": np.array([2.0, value]), "test_loss": np.array([value])}
    tables = {"test_recall": np.array([value, 1.0])}
    return Record(key, status, "", {"test_accuracy": value}, curves, tables=tables)


def made(
    path: Path,
    *records: Record,
    key: str = "k" * 32,
    name: str = "study",
    planned: int | None = None,
) -> Path:
    """Return a store with a study of records, each an arm, and of planned runs without one."""
    keys = [one.key for one in records]
    keys += [f"planned{n}" for n in range((planned or 0) - len(keys))]
    arms = [{"name": f"arm {n}"} for n in range(len(keys))]
    with Store(path, create=True) as store:
        store.add_study(key, name, "?", {"arms": arms}, ((0, n, k) for n, k in enumerate(keys)))
        for one in records:
            store.add_record(one, WHERE)
    return path


def merged(source: Path, target: Path) -> backup.Merged:
    with Store(source) as here, Store(target, create=True) as there:
        return merge(here, there)


def content(path: Path) -> dict[str, object]:
    """Return what a store has of each run, by its key, and the runs that each study plans."""
    found: dict[str, object] = {}
    with Store(path) as store:
        for row in store.studies():
            study = store.study(row.key)
            found[row.key] = [(r.arm, r.block, r.key) for r in study.runs]
            parts = [(a, b, m, p.tobytes()) for a, b, m, p in store.curves(row.key)]
            parts += [(a, b, "", c.tobytes()) for a, b, c in store.class_tables(row.key, _RECALL)]
            for run in study.runs:
                own = [part[2:] for part in parts if part[:2] == (run.arm, run.block)]
                found[run.key] = (run.status, dict(run.metrics), run.finished, own)
    return found


_RECALL = "test_recall"


def test_what_is_not_there_comes_with_its_curves_and_tables(tmp_path: Path) -> None:
    here = made(tmp_path / "here.sqlite", record("a"), record("b", value=0.1 + 0.2))
    there = made(tmp_path / "there.sqlite", record("c"), key="x" * 32, name="other")
    both = {**content(here), **content(there)}
    done = merged(here, there)
    assert (done.runs, done.studies, done.there) == (["a", "b"], ["study"], 0)
    assert content(there) == both
    assert problems(there) == []


def test_merging_again_changes_nothing(tmp_path: Path) -> None:
    here = made(tmp_path / "here.sqlite", record("a"), record("b"))
    target = tmp_path / "there.sqlite"
    merged(here, target)
    before = content(target)
    again = merged(here, target)
    assert (again.runs, again.studies, again.there, again.unlike) == ([], [], 2, [])
    assert content(target) == before == content(here)


def test_a_failed_run_is_replaced_by_a_done_one_and_never_the_other_way(tmp_path: Path) -> None:
    failed = record("a", "failed", 0.1)
    here = made(tmp_path / "here.sqlite", record("a", value=0.9))
    there = made(tmp_path / "there.sqlite", failed)
    assert merged(there, here).runs == []
    assert merged(here, there).runs == ["a"]
    assert content(there) == content(here)
    assert content(here)["a"][:2] == ("done", {"test_accuracy": 0.9})  # type: ignore[index]


def test_a_run_with_other_results_stays_as_it_is_and_is_told(tmp_path: Path) -> None:
    here = made(tmp_path / "here.sqlite", record("a", value=0.9), record("b"))
    there = made(tmp_path / "there.sqlite", record("a", value=0.1), record("b"))
    before = content(there)
    done = merged(here, there)
    assert (done.runs, done.there, done.unlike) == ([], 2, ["a"])
    assert content(there) == before


def test_what_is_damaged_stays_out_and_all_else_comes(tmp_path: Path) -> None:
    here = made(tmp_path / "here.sqlite", *(record(key) for key in "abcd"))
    with closing(sqlite3.connect(here)) as db, db:
        db.execute("UPDATE runs SET metrics = '{}' WHERE key = 'a'")
        db.execute("UPDATE curves SET points = x'00' WHERE run = 2 AND metric = 'test_loss'")
        db.execute("DELETE FROM class_tables WHERE run = 3")
    target = tmp_path / "there.sqlite"
    done = merged(here, target)
    assert (done.runs, sorted(done.damaged)) == (["d"], ["a", "b", "c"])
    assert content(target)["d"] == (
        "done",
        {"test_accuracy": 0.5},
        content(target)["d"][2],  # type: ignore[index]
        [
            ("test_loss", np.array([0.5]).tobytes()),
            ("train_loss", np.array([2.0, 0.5]).tobytes()),
            ("", np.array([0.5, 1.0]).tobytes()),
        ],
    )


def test_a_store_of_an_older_version_is_merged(tmp_path: Path) -> None:
    here, target = tmp_path / "here.sqlite", tmp_path / "there.sqlite"
    shutil.copy(STORES / "v1.sqlite", here)
    assert len(merged(here, target).runs) == 4
    with Store(here) as old, Store(target) as new:
        mine, theirs = (store.study("first") for store in (old, new))
        assert mine.runs == theirs.runs
        assert mine.content == theirs.content
        assert old.proofs(mine.row.key) == new.proofs(mine.row.key) != []


_RECORDS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(st.sampled_from(["done", "diverged", "failed"]), st.floats(0, 1)),
)


@settings(max_examples=10, deadline=None)
@given(_RECORDS, _RECORDS)
def test_merged_both_ways_two_stores_have_the_same_runs(
    tmp_path_factory: pytest.TempPathFactory,
    ours: dict[str, tuple[Status, float]],
    theirs: dict[str, tuple[Status, float]],
) -> None:
    folder = tmp_path_factory.mktemp("both")
    agreed = {key: value for key, (_, value) in {**ours, **theirs}.items()}
    here, there = (
        made(
            folder / name,
            *(record(key, status, agreed[key]) for key, (status, _) in runs.items()),
            key=name * 16,
        )
        for name, runs in (("ab", ours), ("cd", theirs))
    )
    merged(here, there)
    merged(there, here)

    def finished(path: Path) -> set[tuple[str, str]]:
        with Store(path) as store:
            found = store.statuses(ours.keys() | theirs.keys())
        return {(key, status == "failed") for key, status in found.items()}

    assert finished(here) == finished(there)
    for key in ours.keys() | theirs.keys():
        tried = [runs[key][0] for runs in (ours, theirs) if key in runs]
        assert (key, all(status == "failed" for status in tried)) in finished(here)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
def test_after_a_kill_merging_again_finishes(tmp_path: Path) -> None:
    here = made(tmp_path / "here.sqlite", *(record(f"run{n}") for n in range(30)))
    target = tmp_path / "there.sqlite"
    script = (
        "import os, sys, pathlib; from paribus.store import merge; "
        "from paribus.store.store import Store\n"
        "merge._AT_ONCE = 4; put = merge.put_run; seen = []\n"
        "def dies(db, run, *parts):\n"
        "    if seen.append(run) or len(seen) < 14: return put(db, run, *parts)\n"
        "    os.kill(os.getpid(), 9)\n"
        "merge.put_run = dies\n"
        "here, there = map(pathlib.Path, sys.argv[1:])\n"
        "merge.merge(Store(here), Store(there, create=True))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(here), str(target)])
    assert done.returncode == -signal.SIGKILL
    assert content(target)["run11"] == content(here)["run11"]
    assert content(target)["run12"] != content(here)["run12"]
    assert len(merged(here, target).runs) == 18
    assert problems(target) == []
    assert content(target) == content(here)


def test_checkpoints_of_finished_runs_come_along_and_those_there_stay(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "a.safetensors").write_bytes(folder.name.encode())
    for name in ("b", "c", "unknown"):
        (here / f"{name}.safetensors").write_bytes(b"here")
    made(tmp_path / "s.sqlite", record("a"), record("b"), record("c"))
    with Store(tmp_path / "s.sqlite") as store:
        assert copy_checkpoints(here, there, store, but=["c"]) == 1
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        "a.safetensors": b"there",
        "b.safetensors": b"here",
    }


# --- the backup ---------------------------------------------------------------------------------


def test_a_backup_has_all_and_takes_only_what_is_new(tmp_path: Path) -> None:
    path = made(tmp_path / "s.sqlite", record("a"), record("b", "failed"), planned=4)
    with Store(path, create=True) as store:
        assert update(store).runs == ["a", "b"]
        assert update(store).runs == []
        store.add_record(record("b"), WHERE)
        store.add_record(record("c"), WHERE)
        store.add_proofs("k" * 32, [])
        new = update(store)
    assert (new.runs, new.there) == (["b", "c"], 0)  # and no look at those that are there
    assert content(backup_of(path)) == content(path)
    assert problems(backup_of(path)) == []


def test_a_backup_of_another_store_keeps_its_runs_and_gets_all_of_this_one(tmp_path: Path) -> None:
    path = made(tmp_path / "s.sqlite", record("a"), record("b"))
    with Store(path, create=True) as store:
        update(store)
    path.unlink()
    made(path, record("x"), record("b"), record("y"), key="x" * 32)
    with Store(path, create=True) as store:
        assert update(store).runs == ["x", "y"]
    with Store(backup_of(path)) as store:
        assert store.statuses("abxy") == dict.fromkeys("abxy", "done")


def test_what_is_damaged_in_the_store_never_harms_the_backup(tmp_path: Path) -> None:
    path = made(tmp_path / "s.sqlite", record("a"), record("b"))
    with Store(path, create=True) as store:
        update(store)
    before = content(backup_of(path))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET status = 'failed' WHERE key = 'a'")
        db.execute("UPDATE studies SET asked = '9999', name = 'gone'")
        db.execute("UPDATE curves SET points = x''")
    with Store(path, create=True) as store:
        update(store)
    with closing(sqlite3.connect(backup_of(path))) as db, db:
        db.execute("DELETE FROM copied")
    with Store(path, create=True) as store:
        update(store)
    assert content(backup_of(path)) == before


def test_a_backup_that_cannot_be_made_is_said_once_and_stops_nothing(tmp_path: Path) -> None:
    path = made(tmp_path / "s.sqlite", record("a"))
    backup_of(path).mkdir()
    said: list[str] = []
    with Store(path, create=True) as store:
        backups = Backups(store, said.append)
        backups.now()
        backups.now()
    (text,) = said
    assert text.startswith(f"The backup of {path} is not complete: ")


def test_damage_that_a_backup_meets_is_said_until_it_is_mended(tmp_path: Path) -> None:
    path = made(tmp_path / "s.sqlite", record("a"), record("b"), record("c"))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE curves SET points = x'00' WHERE run = 2")
    for _ in range(2):
        said: list[str] = []
        with Store(path, create=True) as store:
            Backups(store, said.append).now()
        (text,) = said
        assert "is damaged: `paribus doctor --store" in text
    with Store(backup_of(path)) as store:
        assert set(store.statuses("abc")) == {"a", "c"}


def test_two_drivers_that_end_together_both_back_up(tmp_path: Path) -> None:
    def back_up(path: Path) -> list[str]:
        said: list[str] = []
        with Store(path, create=True) as store:
            Backups(store, said.append).now()
        return said

    with ThreadPoolExecutor(4) as pool:
        for attempt in range(8):
            path = made(tmp_path / f"{attempt}.sqlite", record("a"), record("b"))
            assert list(pool.map(back_up, [path] * 4)) == [[]] * 4
            assert content(backup_of(path)) == content(path)


def test_a_backup_is_made_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "s.sqlite", record("a"))
    now = [100.0]
    monkeypatch.setattr("paribus.store.backup.time.monotonic", lambda: now[0])
    with Store(path, create=True) as store:
        backups = Backups(store, pytest.fail, every=60)
        backups.when_due()
        assert not backup_of(path).exists()
        now[0] += 60
        backups.when_due()
        assert backup_of(path).exists()


def test_a_store_that_is_no_store_is_not_merged(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no store " * 1000)
    target = made(tmp_path / "there.sqlite", record("a"))
    before = content(target)
    with pytest.raises(StoreError, match="is not a store"):
        merged(tmp_path / "notes", target)
    assert content(target) == before
    shutil.copy(target, tmp_path / "copy.sqlite")
    assert merged(tmp_path / "copy.sqlite", target).there == 1

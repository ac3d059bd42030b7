"""The commands that keep stores, as a person and as a program use them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from paribus.store.backup import backup_of, update
from paribus.store.store import Store
from tests.store.test_merge import content, made, record
from tests.test_cli import paribus, refused


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of two studies with a backup."""
    path = made(tmp_path / "s.sqlite", *(record(f"run{n}") for n in range(20)))
    made(path, record("other"), key="x" * 32, name="other")
    with Store(path, create=True) as opened:
        update(opened)
    return path


def flip(path: Path, share: float) -> None:
    data = bytearray(path.read_bytes())
    for place in range(int(len(data) * share), len(data), 997):
        data[place] ^= 0x55
    path.write_bytes(data)


def test_doctor_says_that_a_store_is_sound(store: Path) -> None:
    done = paribus(store.parent, "doctor", "--store", "s.sqlite")
    assert done.returncode == 0, done.stderr
    assert "s.sqlite: sound\n" in done.stdout
    assert "s.sqlite.backup: sound\n" in done.stdout
    assert "study (kkkkkkkk): 20 of 20 runs sound" in done.stdout


def test_doctor_says_what_is_damaged_and_restores_it(store: Path) -> None:
    before = content(store)
    flip(store, 0.0)
    for command in (["list"], ["show", "study"]):
        assert "`paribus doctor --store s.sqlite`" in refused(
            store.parent, *command, "--store", "s.sqlite"
        )
    done = paribus(store.parent, "doctor", "--store", "s.sqlite")
    assert done.returncode == 1
    assert "s.sqlite: damaged" in done.stdout
    assert "more in the backup" in done.stdout
    assert "--restore` makes a sound store" in done.stdout
    done = paribus(store.parent, "doctor", "--store", "s.sqlite", "--restore", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ok"]
    assert (store.parent / told["damaged"]).name.startswith("s.sqlite.damaged-")
    assert content(store) == before


def test_a_lost_store_comes_back_from_its_backup(store: Path) -> None:
    before = content(store)
    store.unlink()
    assert "--restore` restores it" in refused(store.parent, "list", "--store", "s.sqlite")
    done = paribus(store.parent, "doctor", "--store", "s.sqlite", "--restore")
    assert done.returncode == 0, done.stderr
    assert content(store) == before


def test_a_run_beside_the_backup_of_a_lost_store_says_so(store: Path) -> None:
    store.unlink()
    run = ["run", "hidden-layer", "--seeds", "1", "--set", "train.epochs=1", "--no-report"]
    for told in (True, False):  # only where the store is new
        done = paribus(store.parent, *run, "--store", "s.sqlite")
        assert done.returncode == 0, done.stderr
        assert ("beside it is the backup of an earlier one" in done.stderr) is told
    assert paribus(store.parent, "doctor", "--store", "s.sqlite", "--restore").returncode == 0
    with Store(store) as opened:
        assert {row.name for row in opened.studies()} == {"hidden-layer", "study", "other"}


def test_a_file_that_never_was_a_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes " * 2000)
    said = refused(tmp_path, "doctor", "--store", "notes.txt", "--restore")
    assert "nothing of a store of Paribus is found in notes.txt" in said


def test_merge_says_what_came_and_what_was_there(store: Path) -> None:
    target = made(store.parent / "t.sqlite", record("run0"))
    done = paribus(store.parent, "merge", "s.sqlite", "--store", "t.sqlite")
    assert done.returncode == 0, done.stderr
    assert "studies 1 (other), runs 20, trained networks 0" in done.stdout
    assert "already: 1." in done.stdout
    assert content(target).keys() == content(store).keys() == content(backup_of(target)).keys()
    again = paribus(store.parent, "merge", "s.sqlite", "--store", "t.sqlite", "--json")
    told = json.loads(again.stdout)
    assert (told["runs"], told["studies"], told["there"]) == ([], [], 21)
    assert "into itself" in refused(store.parent, "merge", "s.sqlite", "--store", "s.sqlite")
    assert "there is no store" in refused(store.parent, "merge", "none", "--store", "s.sqlite")


def test_delete_asks_for_a_yes_and_removes_a_study_from_the_backup_too(store: Path) -> None:
    content(store)  # a reader leaves an empty journal, so that it is there before
    said = refused(store.parent, "delete", "study", "--store", "s.sqlite")
    assert "study (kkkkkkkk) with 20 runs of its own would be deleted for good" in said
    done = paribus(store.parent, "delete", "study", "--store", "s.sqlite", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Deleted study (kkkkkkkk) with 20 runs of its own." in done.stdout
    assert set(content(store)) == set(content(backup_of(store))) == {"x" * 32, "other"}
    before = store.stat().st_size
    done = paribus(store.parent, "compact", "--store", "s.sqlite", "--json")
    assert json.loads(done.stdout)["s.sqlite"] == {
        "before": before,
        "after": store.stat().st_size,
    }
    assert store.stat().st_size <= before


def test_a_name_that_two_studies_have_deletes_neither(store: Path) -> None:
    made(store, record("run0"), key="z" * 32, name="other")
    before = content(store)
    said = refused(store.parent, "delete", "other", "--yes", "--store", "s.sqlite")
    assert content(store) == before
    assert "2 studies are called other: say which by its key" in said
    assert "xxxxxxxx" in said
    assert "zzzzzzzz" in said
    done = paribus(store.parent, "delete", "zzzzzzzz", "--yes", "--store", "s.sqlite")
    assert done.returncode == 0, done.stderr


def test_an_old_store_is_merged_by_the_command(tmp_path: Path) -> None:
    old = Path(__file__).parent / "store" / "stores" / "v1.sqlite"
    shutil.copy(old, tmp_path / "old.sqlite")
    done = paribus(tmp_path, "merge", "old.sqlite", "--store", "new.sqlite")
    assert "studies 1 (first), runs 4, trained networks 0" in done.stdout

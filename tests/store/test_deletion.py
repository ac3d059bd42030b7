"""A study that is deleted is gone, from the backup too, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.store.test_merge import content, made, record

from paribus.errors import StoreError
from paribus.store.backup import backup_of, update
from paribus.store.check import examine
from paribus.store.deletion import compact, delete, deletion
from paribus.store.pages import sound_rows
from paribus.store.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of two studies that share the run `both`, with a backup."""
    path = tmp_path / "s.sqlite"
    made(path, record("a"), record("both"), record("b", value=0.3), planned=4)
    made(path, record("both"), record("c"), key="x" * 32, name="other")
    with Store(path, create=True) as store:
        update(store)
    return path


def removed(path: Path, name: str) -> int:
    with Store(path) as store:
        planned = deletion(store, name)
    return delete(path, planned, path.parent / "checkpoints")


def test_its_own_runs_go_and_those_of_others_stay(path: Path) -> None:
    before = content(path)
    with Store(path) as store:
        assert set(deletion(store, "study").runs) == {"a", "b"}
    removed(path, "study")
    left = {key: before[key] for key in ("x" * 32, "both", "c")}
    for file in (path, backup_of(path)):
        assert content(file) == left
        with Store(file) as store:
            assert store.statuses("ab") == {}
    assert examine(path).ok
    with pytest.raises(StoreError, match="there is no study study"):
        removed(path, "study")


def test_what_comes_afterwards_is_backed_up_though_numbers_are_given_again(path: Path) -> None:
    removed(path, "other")
    made(path, record("d"), record("e"), key="y" * 32, name="third")
    with Store(path, create=True) as store:
        assert set(update(store).runs) == {"d", "e"}
    assert content(backup_of(path)) == content(path)


def test_what_is_deleted_is_not_restored(path: Path) -> None:
    removed(path, "study")
    keys = {row[1] for table, row in sound_rows(path) if table == "runs"}
    assert keys == {"both", "c"}


def test_its_trained_networks_go(path: Path) -> None:
    folder = path.parent / "checkpoints"
    folder.mkdir()
    for key in ("a", "both", "c"):
        (folder / f"{key}.safetensors").touch()
    assert removed(path, "study") == 1
    assert sorted(file.stem for file in folder.iterdir()) == ["both", "c"]


def test_a_study_that_another_was_tuned_by_stays(tmp_path: Path) -> None:
    path = made(tmp_path / "s.sqlite", record("a"))
    with Store(path, create=True) as store:
        told = {"arms": [], "tuning": {"study": "k" * 32}}
        store.add_study("z" * 32, "tuned", "?", told, [])
        with pytest.raises(StoreError, match="the study tuned was tuned by study"):
            deletion(store, "study")


def test_compacting_makes_the_file_smaller_and_changes_nothing_in_it(tmp_path: Path) -> None:
    path = made(tmp_path / "s.sqlite", *(record(f"run{n}") for n in range(200)))
    made(path, record("c"), key="x" * 32, name="other")
    removed(path, "study")
    left = content(path)
    before, after = compact(path)
    assert after < 0.6 * before
    assert after == path.stat().st_size
    assert content(path) == left

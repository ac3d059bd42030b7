"""Drivers on one store share the runs, and a dead driver holds none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paribus.engines.base import Record
from paribus.errors import StoreError
from paribus.store.check import examine
from paribus.store.claims import Claims, drivers
from paribus.store.deletion import compact, delete, deletion
from paribus.store.restore import restore
from paribus.store.store import Store

HOLD = """
import sys
from pathlib import Path
from paribus.store.claims import Claims
from paribus.store.store import Store

with Store(Path(sys.argv[1]), create=True) as store, Claims(store) as claims:
    print(sorted(claims.take(["a", "b"])), flush=True)
    sys.stdin.read()
"""


def test_a_run_that_is_claimed_is_nobody_elses_until_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, create=True) as one, Store(path, create=True) as two, Claims(two) as theirs:
        with Claims(one) as ours:
            assert ours.take(["a", "b"]) == {"a", "b"}
            assert theirs.take(["b", "c"]) == {"c"}
            assert ours.take(["a", "c"]) == {"a"}
        assert theirs.take(["a", "b"]) == {"a", "b"}
    assert not list(tmp_path.glob("*driver*"))


def test_a_run_that_is_in_the_store_is_claimed_no_more(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", create=True) as store, Claims(store) as claims:
        claims.take(["a", "b"])
        store.add_record(Record("a", "done"), {"Python": "3.11"})
        with Claims(store) as theirs:
            assert theirs.take(["a", "b"]) == {"a"}


def test_the_claims_of_a_killed_driver_are_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "['a', 'b']\n"
        with Store(path, create=True) as store, Claims(store) as ours:
            assert ours.take(["a", "c"]) == {"c"}
            other.kill()
            other.wait()
            assert ours.take(["a", "b"]) == {"a", "b"}
    assert not list(tmp_path.glob("*driver*"))


def test_a_store_that_is_linked_to_has_one_set_of_claims(tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "s.sqlite", tmp_path / "link.sqlite"
    real.parent.mkdir()
    link.symlink_to(real)
    with Store(real, create=True) as one, Store(link, create=True) as two:
        with Claims(one) as ours, Claims(two) as theirs:
            assert ours.take(["a"]) == {"a"}
            assert theirs.take(["a", "b"]) == {"b"}
        assert one.path == two.path


def test_a_store_that_is_trained_into_is_not_changed_by_others(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, create=True) as store:
        store.add_study("k" * 32, "study", "?", {"arms": [], "data": {}}, [(0, 0, "run0")])
        planned = deletion(store, "study")
        with Claims(store):
            for change in (
                lambda: delete(path, planned, tmp_path / "checkpoints"),
                lambda: compact(path),
                lambda: restore(path, examine(path)),
            ):
                with pytest.raises(StoreError, match="another process trains into"):
                    change()
    assert delete(path, planned, tmp_path / "checkpoints") == 0


def test_what_a_dead_driver_left_beside_the_store_goes(tmp_path: Path) -> None:
    left = tmp_path / "s.sqlite.driver-0123"
    left.touch()
    with Store(tmp_path / "s.sqlite", create=True) as store, Claims(store):
        assert not left.exists()
        assert drivers(store.path) == 1
    assert drivers(tmp_path / "s.sqlite") == 0

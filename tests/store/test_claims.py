"""Drivers on one store share the runs, and a dead driver holds none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from paribus.engines.base import Record
from paribus.store.claims import Claims
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

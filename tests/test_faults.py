"""Faults that befall a study: a fast part of `make torture`, and what it has found.

Kills of the driver and of workers are in test_run.py.
"""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from benchmarks.torture import disk, signals
from benchmarks.torture.command import heed_interrupts
from benchmarks.torture.row import Row
from benchmarks.torture.trial import STUDY, Reference, Trial, undisturbed

from paribus.data import load
from paribus.engines.base import Record
from paribus.errors import StoreError
from paribus.run import lay_out, make_plan, run_study
from paribus.settings import Settings
from paribus.store import store as store_module
from paribus.store.backup import backup_of
from paribus.store.store import Store
from paribus.study.spec import from_values

linux = pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc")
FEW_SHAPES = {**STUDY, "factors": {"model.hidden": [[4], [5], [6]]}, "seeds": 4}
ONE_SHAPE = {**STUDY, "factors": {"train.learning_rate": [0.1, 0.2]}, "seeds": 2}
SMALL = {**STUDY, "factors": {"model.hidden": [[4], [5]]}, "seeds": 2}


LEAVES_BEHIND = """
import torch

calls, behind = 0, False


class Net(torch.nn.Module):
    def __init__(self, fails):
        super().__init__()
        self.fails, self.layer = fails, torch.nn.Linear(64, 10)

    def forward(self, x):
        global calls, behind
        calls += self.fails
        if behind:
            raise MemoryError("what failed has left nothing")
        if calls > 20:  # not yet when it is tried before anything is trained
            behind = True
            raise MemoryError("all is taken")
        return self.layer(x.flatten(1))
"""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return undisturbed(tmp_path_factory.mktemp("reference"), FEW_SHAPES)


@linux
def test_ctrl_c_keeps_what_had_finished_and_leaves_no_process(
    tmp_path: Path, reference: Reference
) -> None:
    row = signals.interrupted(signals.CTRL_C, tmp_path, reference, rounds=1, seed=1)
    assert row.sound, row.said
    assert row.times == 1


@linux
@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")
def test_a_full_disk_is_said_and_with_room_the_same_command_goes_on(
    tmp_path: Path, reference: Reference
) -> None:
    row = disk.file_size(tmp_path, reference, rounds=2, seed=1)
    assert row.sound, row.said
    assert row.times >= 2


def test_what_is_lost_changed_or_done_twice_is_counted(tmp_path: Path) -> None:
    """The instrument itself: a store in which all that went wrong is not found sound."""
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    design = lay_out(from_values(SMALL), load("digits"), settings)
    run_study(design, settings)
    row = Row("none")
    trial = Trial(tmp_path, Reference(SMALL, {}, 0.0), row)
    trial = Trial(
        tmp_path, Reference(SMALL, {k: v.results for k, v in trial.kept().items()}, 0), row
    )
    trial.check("in order")
    assert row.sound
    assert trial.complete
    first, second = (run.key for run in design.runs[:2])
    with Store(settings.store, create=True) as store:
        store.add_record(Record(first, "done"), {})
    trial.check("handed over again")
    assert (row.twice, row.changed, row.lost) == (1, 0, 0)
    with sqlite3.connect(settings.store) as db:
        db.execute("UPDATE design SET run = 'another' WHERE run = ?", (second,))
    trial.check("damaged")
    assert row.errors == 1
    trial.known["another"] = trial.known[first]
    trial.reference = Reference(SMALL, {**trial.reference.results, first: ()}, 0)
    with sqlite3.connect(settings.store) as db:
        db.execute("UPDATE design SET run = ? WHERE run = 'another'", (second,))
    trial.check("another, and one that is not what it was to be")
    assert (row.lost, row.changed) == (1, 1)


def test_ctrl_c_while_a_run_is_being_kept_and_once_more_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    design = lay_out(from_values(ONE_SHAPE), load("digits"), settings)
    interrupts, really = 2, Store.add_records

    def interrupted(store: Store, records: Iterable[tuple[Record, Mapping[str, str]]]) -> None:
        nonlocal interrupts
        if interrupts:  # in the middle of it, and again while what is left is kept
            interrupts -= 1
            signal.raise_signal(signal.SIGINT)
        really(store, records)

    monkeypatch.setattr(Store, "add_records", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(design, settings)
    monkeypatch.undo()
    assert make_plan(design, settings).finished == len(design.runs)  # all of the one stack


def test_a_stack_that_failed_leaves_its_memory_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaves_behind.py").write_text(LEAVES_BEHIND)
    monkeypatch.syspath_prepend(tmp_path)
    network = {"kind": "module", "factory": "leaves_behind:Net"}
    factors = {"model.arguments.fails": [True, False]}
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    spec = from_values({**ONE_SHAPE, "model": network, "factors": factors})
    analysis = run_study(lay_out(spec, load("digits"), settings), settings)
    assert [(arm.failed, len(arm.values)) for arm in analysis.arms] == [(2, 0), (0, 2)]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("while_importing", ["typer", "paribus.run"])
def test_an_interrupt_at_any_moment_ends_with_130_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, while_importing: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        f"""
import atexit, os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {while_importing!r}:
            sys.meta_path.remove(self)
            # As text: Python ends by the signal where it is raised in what was given so.
            exec("interrupt(); done = True", globals())

def interrupt():
    os.kill(os.getpid(), signal.{how})

sys.meta_path.insert(0, Finder())
atexit.register(interrupt)  # once more, on the way out
"""
    )
    (tmp_path / "study.yaml").write_text(json.dumps(SMALL))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(store_module.__file__).parents[2]}")
    words = [sys.executable, "-m", "paribus", "plan", "study.yaml"]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=heed_interrupts,
    )
    assert (done.returncode, done.stderr) == (130, "")


# --- stores -----------------------------------------------------------------------------------


def half_made(path: Path) -> None:
    """Leave what a kill leaves that comes while the tables are made: some pages, and a journal."""
    whole = path.with_name("whole.sqlite")
    Store(whole, create=True).__exit__()
    path.write_bytes(whole.read_bytes()[:8192])
    header = bytes.fromhex("d9d505f920a163d7") + struct.pack(">5I", 0, 0, 0, 512, 8192)
    path.with_name(f"{path.name}-journal").write_bytes(header.ljust(512, b"\0"))


@pytest.mark.parametrize("leave", [Path.touch, half_made])
def test_a_store_that_was_killed_while_it_was_made_is_made_by_the_same_command(
    tmp_path: Path, leave: object
) -> None:
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    leave(settings.store)  # type: ignore[operator]
    design = lay_out(from_values(SMALL), load("digits"), settings)
    assert make_plan(design, settings).to_train == 4
    with Store(settings.store, create=True) as store:
        assert store.studies() == []


def test_an_empty_file_beside_a_backup_is_no_new_store(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    settings.store.touch()
    backup_of(settings.store).write_bytes(b"something")
    design = lay_out(from_values(SMALL), load("digits"), settings)
    with pytest.raises(StoreError, match="--restore"):
        make_plan(design, settings)


@linux
def test_a_store_whose_journal_cannot_be_read_is_not_read_without_it(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "full" / "store.sqlite"
    with Store(tmp_path / "store.sqlite", create=True) as store:
        store.add_study("k" * 32, "study", "?", {"arms": []}, [(0, 0, "run0")])
        store.add_record(Record("run0", "done", curves={"loss": np.ones(3)}), {})
        path.parent.mkdir()
        for name in ("store.sqlite", "store.sqlite-wal"):  # what a kill leaves
            shutil.copy(tmp_path / name, path.parent / name)
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))  # as on a full disk
    try:
        with pytest.raises(StoreError, match="make room"):
            Store(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
    with Store(path) as store:
        assert store.statuses(["run0"]) == {"run0": "done"}


def test_the_study_asked_for_last_is_the_newest_when_the_clock_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(["2031-01-01T00:00:00+00:00", "2030-01-01T00:00:00+00:00"] * 2)
    monkeypatch.setattr(store_module, "_now", lambda: next(times))
    with Store(tmp_path / "store.sqlite", create=True) as store:
        for key in "abab":
            store.add_study(key * 32, "study", "?", {"arms": []}, [(0, 0, "run0")])
            assert store.study("study").row.key == key * 32

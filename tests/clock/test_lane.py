"""The clock lane: one run at a time, in a fresh process, through `paribus run`'s own path."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paribus.analysis import analyse
from paribus.clock import machine
from paribus.clock.machine import DISTURBED
from paribus.curve_tables import curve_table
from paribus.data import load
from paribus.engines.base import Record
from paribus.errors import InputError, RunError, SpecError
from paribus.findings import Analysis
from paribus.run import Settings, lay_out, make_plan, run_study
from paribus.store.store import Store, StoredRun
from paribus.study.declaration import declaration
from paribus.study.spec import from_values

SMALL = {
    "question": "How long does it take?",
    "data": "digits",
    "model": {"hidden": [16]},
    "train": {"epochs": 4, "batch_size": 100},
    "outcome": "seconds_per_epoch",
    "seeds": 1,
}


def measured(folder: Path, **values: object) -> tuple[Analysis, list[StoredRun]]:
    design = lay_out(from_values({**SMALL, **values}), load("digits"), settings(folder, **{}))
    found = run_study(design, settings(folder))
    with Store(folder / "store.sqlite") as store:
        runs = list(store.study(design.key).runs)
    return found, runs


def settings(folder: Path, **more: object) -> Settings:
    return Settings(folder / "store.sqlite", device="cpu", **{"limit": 60.0, **more})


def test_a_run_is_measured_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    _, (run,) = measured(tmp_path)
    assert run.status == "done" or run.reason.startswith(DISTURBED), run.reason
    metrics = run.metrics
    for name in (
        "train_seconds",
        "seconds_per_epoch",
        "first_epoch_seconds",
        "fastest_epoch_seconds",
        "samples_per_second",
        "inference_seconds",
        "peak_memory",
        "product_rate",
        "times_the_floor",
        "test_accuracy",
        "train_loss",
    ):
        assert metrics[name] > 0, name
    assert metrics["peak_memory"] > 50e6
    assert metrics["first_epoch_seconds"] + 3 * metrics["seconds_per_epoch"] < 60
    rows = metrics["samples_per_second"] * metrics["seconds_per_epoch"]
    assert rows == pytest.approx(1438)


def test_memory_and_seconds_are_kept_for_every_epoch(tmp_path: Path) -> None:
    _, (run,) = measured(tmp_path)
    with Store(tmp_path / "store.sqlite") as store:
        curves = curve_table(store, store.study("study"))
    seconds = curves[curves["metric"] == "epoch_seconds"]["value"].to_numpy()
    assert len(seconds) == 4
    assert run.metrics["train_seconds"] == pytest.approx(seconds.sum())
    assert run.metrics["first_epoch_seconds"] == seconds[0]
    assert run.metrics["seconds_per_epoch"] == np.median(seconds[1:])
    assert run.metrics["fastest_epoch_seconds"] == seconds[1:].min()
    memory = curves[curves["metric"] == "rss"]["value"]
    assert len(memory) == 4
    assert memory.max() <= 1.01 * run.metrics["peak_memory"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [("crash", "its worker process ended with exit code 3"), ("hang", "not finished within 8 s")],
)
def test_a_process_that_ends_or_hangs_is_a_stored_row_and_the_study_goes_on(
    tmp_path: Path, how: str, reason: str
) -> None:
    values = {
        **SMALL,
        "model": {"kind": "module", "factory": "tests.clock.nets:Ending"},
        "factors": {"model.arguments.batches": [3, 100_000]},
        "train": {"epochs": 4, "batch_size": 100, "optimizer": "sgd"},
    }
    values["model"]["arguments"] = {"how": how}
    own = settings(tmp_path, limit=8.0)
    design = lay_out(from_values(values), load("digits"), own)
    run_study(design, own)
    with Store(tmp_path / "store.sqlite") as store:
        bad, good = sorted(store.study(design.key).runs, key=lambda run: run.arm)
    assert bad.status == "failed"
    assert bad.reason.startswith(reason)
    if good.status == "done":  # and not "the machine was busy"
        assert good.metrics["seconds_per_epoch"] > 0
    else:
        assert good.reason.startswith(DISTURBED)


def test_what_is_measured_is_not_measured_again(tmp_path: Path) -> None:
    _, (first,) = measured(tmp_path)
    _, (again,) = measured(tmp_path)
    if first.status == "done":  # on a busy machine it is measured anew
        assert again == first


def test_arms_take_turns_in_any_order(tmp_path: Path) -> None:
    spec = from_values({**SMALL, "factors": {"model.width": [4, 8, 16]}, "model": {}, "seeds": 8})
    plan = make_plan(lay_out(spec, load("digits"), settings(tmp_path)), settings(tmp_path))
    assert plan.workers == 1
    blocks = [task.block for (task,) in plan.stacks]
    assert blocks == sorted(blocks)
    order = [task.network.parameters for (task,) in plan.stacks]
    turns = {tuple(order[i : i + 3]) for i in range(0, len(order), 3)}
    assert all(len(set(turn)) == 3 for turn in turns)
    assert len(turns) > 1


def test_frameworks_are_proved_equal_before_they_are_timed(tmp_path: Path) -> None:
    found, runs = measured(
        tmp_path, factors={"train.engine": ["torch", "jax"]}, also={"test_accuracy": 0.05}
    )
    (proof,) = found.proofs
    assert (proof.arm, proof.reference) == ("jax", "torch")
    assert proof.gradient < 1e-5
    assert proof.epoch_loss < 1e-2
    (secondary,) = found.secondary
    assert secondary.outcome.name == "test_accuracy"
    assert {run.metrics.keys() >= {"test_accuracy", "seconds_per_epoch"} for run in runs} == {True}


def test_frameworks_that_differ_are_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paribus.engines.proof.GRADIENT_TOLERANCE", 0.0)
    with pytest.raises(RunError, match=r"do not do the same maths.*Nothing was timed"):
        measured(tmp_path, factors={"train.engine": ["torch", "jax"]})
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_frameworks_as_they_come_say_what_differs(tmp_path: Path) -> None:
    spec = from_values(
        {
            **SMALL,
            "factors": {"train.engine": ["torch", "tensorflow"]},
            "defaults": "framework",
            "train": {"epochs": 4},
            "data": {"source": "digits"},
        }
    )
    design = lay_out(spec, load("digits"), settings(tmp_path))
    torch, tensorflow = (arm.config for arm in design.arms)
    assert (torch.model.init, tensorflow.model.init) == ("pytorch", "glorot")
    assert (torch.train.batch_size, tensorflow.train.batch_size) == (64, 32)
    assert (torch.train.epsilon, tensorflow.train.epsilon) == (1e-8, 1e-7)
    assert (torch.data.scaling, tensorflow.data.scaling) == ("symmetric", "unit")
    with Store(tmp_path / "store.sqlite", create=True) as store:
        store.add_study(
            design.key,
            "study",
            "?",
            declaration(design, ""),
            ((run.block, run.arm, run.key) for run in design.runs),
        )
        notes = analyse(store, "study").notes
    (said,) = [note for note in notes if "as they come" in note]
    assert "init pytorch (torch), glorot (tensorflow)" in said
    assert "batch size 64 (torch), 32 (tensorflow)" in said


def test_what_a_study_says_is_no_default(tmp_path: Path) -> None:
    spec = from_values(
        {
            **SMALL,
            "factors": {"train.engine": ["torch", "tensorflow"]},
            "defaults": "framework",
            "train": {"epochs": 4, "batch_size": 50},
        }
    )
    design = lay_out(spec, load("digits"), settings(tmp_path))
    assert {arm.config.train.batch_size for arm in design.arms} == {50}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"train": {"engine": "stacked"}}, "seconds_per_epoch is of one run alone"),
        ({"train": {"epochs": 3}}, "train.epochs must be at least 4 to be timed (got 3)"),
        (
            {"train": {"engine": "jax", "epochs": 4, "precision": "bf16"}},
            "train.engine jax is for train.precision fp32 (got bf16)",
        ),
        ({"outcome": "peak_gpu_memory"}, "peak_gpu_memory needs train.device cuda (got cpu)"),
        ({"also": {"energy": 5.0}}, "margin must be less than 1 for energy"),
        (
            {"outcome": "test_accuracy", "also": {"energy": 0.05}},
            "energy is not measured in a study of test_accuracy",
        ),
        ({"also": {"seconds_per_epoch": 0.05}}, "is the outcome of the study already"),
        ({"contrasts": "steps"}, "contrasts: steps needs exactly one factor"),
        ({"model": {"depth": 2}}, "model.depth needs model.width"),
    ],
)
def test_what_cannot_be_timed_is_refused(
    tmp_path: Path, values: dict[str, object], problem: str
) -> None:
    with pytest.raises(SpecError) as raised:
        lay_out(from_values({**SMALL, **values}), load("digits"), settings(tmp_path))
    assert problem in str(raised.value)


def test_arms_without_their_device_are_named_or_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    spec = from_values({**SMALL, "factors": {"train.device": ["cpu", "cuda"]}, "seeds": 6})
    with pytest.raises(SpecError) as raised:
        lay_out(spec, load("digits"), settings(tmp_path))
    assert "arm cuda: device cuda is not to be had here" in str(raised.value)
    assert "--skip-unavailable" in str(raised.value)
    left = lay_out(spec, load("digits"), settings(tmp_path, skip_unavailable=True))
    assert [arm.name for arm in left.arms] == ["cpu"]
    assert "cuda" in left.unavailable[0]
    assert declaration(left, "")["factors"] == {}


def test_a_missing_framework_is_answered_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "paribus.engines.versions.framework_version",
        lambda package: None if package == "tensorflow" else "1.0",
    )
    spec = from_values({**SMALL, "train": {"engine": "tensorflow", "epochs": 4}})
    with pytest.raises(SpecError, match=r"pip install 'paribus\[tensorflow\]'"):
        lay_out(spec, load("digits"), settings(tmp_path))


def test_steps_tell_what_each_makes_up_of_the_whole(tmp_path: Path) -> None:
    values = {
        **SMALL,
        "outcome": "test_accuracy",
        "factors": {
            "optimizer": {
                "SGD": {"train.optimizer": "sgd"},
                "with momentum": {"train.optimizer": "sgd", "train.momentum": 0.9},
                "Adam": {"train.optimizer": "adam"},
            }
        },
        "contrasts": "steps",
        "seeds": 6,
    }
    found, _ = measured(tmp_path, **values)
    assert [one.varies for one in found.contrasts] == [
        "with momentum against SGD",
        "Adam against with momentum",
        "Adam against SGD",
    ]
    *parts, whole = (one.difference for one in found.contrasts)
    assert sum(parts) == pytest.approx(whole)
    assert found.remarks[0].startswith(f"Of the {100 * whole:+.2f} points between SGD and Adam")


def test_where_the_machine_tells_no_energy_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = replace(machine.read(), energy=None, gpu_joules=None)
    monkeypatch.setattr(machine, "read", lambda gpu=False: blind)
    with pytest.raises(InputError, match="this machine does not tell what it uses"):
        lay_out(from_values({**SMALL, "outcome": "energy"}), load("digits"), settings(tmp_path))


def stored(folder: Path, records: Callable[[int, int, str], Record]) -> Analysis:
    """A study of two arms whose runs came out as is said, by arm and block."""
    values = {**SMALL, "factors": {"model.width": [8, 16]}, "model": {}, "seeds": 8, "margin": 0.05}
    design = lay_out(from_values(values), load("digits"), settings(folder))
    with Store(folder / "store.sqlite", create=True) as store:
        planned = [(run.block, run.arm, run.key) for run in design.runs]
        store.add_study(design.key, "study", "?", declaration(design, ""), planned)
        for block, arm, key in planned:
            store.add_record(records(arm, block, key), {})
        return analyse(store, "study")


def test_a_busy_machine_is_said_instead_of_a_difference(tmp_path: Path) -> None:
    def record(arm: int, block: int, key: str) -> Record:
        metrics = {"seconds_per_epoch": (1 + arm) * (1 + block / 100)}
        if block < 7:
            reason = f"{DISTURBED}: other programs used 1.0 of 2 cores"
            return Record(key, "failed", reason, metrics)
        return Record(key, "done", metrics=metrics)

    found = stored(tmp_path, record)
    assert found.answer.startswith("The machine was busy in 14 of 16 measurements")
    assert found.contrasts[0].verdict == "pilot"
    assert any("other programs used 1.0 of 2 cores" in note for note in found.notes)


def test_epochs_that_grow_longer_are_no_steady_state(tmp_path: Path) -> None:
    def record(arm: int, block: int, key: str) -> Record:
        metrics = {"seconds_per_epoch": 1 + arm + block / 100, "drift": 0.3 * (block < 3)}
        return Record(key, "done", metrics={**metrics, "times_the_floor": 2.0 + arm})

    found = stored(tmp_path, record)
    assert found.contrasts[0].verdict == "worse"
    assert any(note.startswith("No steady state in 6 of 16 runs") for note in found.notes)
    (floor,) = [note for note in found.notes if "least time" in note]
    assert floor.endswith("width 8 ×2 and width 16 ×3.")

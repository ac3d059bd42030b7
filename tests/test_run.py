"""Small real studies from specification to verdict."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import paribus
from paribus.data import load
from paribus.engines.base import Record
from paribus.errors import StoreError
from paribus.findings import Analysis
from paribus.run import Settings, lay_out, make_plan, run_study
from paribus.store.claims import Claims
from paribus.store.store import Store
from paribus.study.declaration import declaration
from paribus.study.spec import from_values
from paribus.workers.messages import Notice

SMALL = {
    "question": "Which is better?",
    "name": "small",
    "data": "breast-cancer",
    "model": {"hidden": [8]},
    "train": {"epochs": 3, "batch_size": 64, "learning_rate": 0.01},
    "factors": {"train.optimizer": ["sgd", "adam"]},
    "seeds": 6,
    "margin": 0.02,
}
FOUR_SHAPES = {**SMALL, "factors": {"model.hidden": [[5], [6], [7], [8]]}}


def run(folder: Path, values: dict, watch: list | None = None, workers: int = 1) -> Analysis:
    spec = from_values(values)
    settings = Settings(folder / "store.sqlite", workers=workers)
    design = lay_out(spec, load(spec.data.source), settings)
    seen: list = [] if watch is None else watch
    return run_study(design, settings, watch=seen.append)


def test_a_study_is_trained_judged_and_kept(tmp_path: Path) -> None:
    analysis = run(tmp_path, SMALL, workers=2)
    assert [arm.name for arm in analysis.arms] == ["sgd", "adam"]
    assert all(len(arm.values) == 6 for arm in analysis.arms)
    (contrast,) = analysis.contrasts
    assert contrast.verdict == "better"
    assert contrast.difference == pytest.approx(analysis.arms[1].mean - analysis.arms[0].mean)
    assert analysis.answer.startswith("Adam against sgd: better (+")
    assert set(analysis.curves["metric"]) == {
        "train_loss",
        "train_accuracy",
        "test_loss",
        "test_accuracy",
        "test_balanced_accuracy",
        "test_macro_f1",
        "test_log_loss",
        "test_ece",
    }
    assert len(analysis.curves) == 2 * 6 * 8 * 3


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = run(tmp_path, SMALL)
    events: list = []
    again = run(tmp_path, SMALL, events)
    assert not events
    assert again.arms == first.arms
    more: list = []
    run(tmp_path, {**SMALL, "seeds": 7}, more)
    assert sum(isinstance(event, Record) for event in more) == 2


def test_a_study_leaves_a_backup_of_the_store(tmp_path: Path) -> None:
    first = run(tmp_path, SMALL)
    (tmp_path / "store.sqlite").unlink()
    shutil.move(tmp_path / "store.sqlite.backup", tmp_path / "store.sqlite")
    events: list = []
    assert run(tmp_path, SMALL, events).arms == first.arms
    assert not events


def test_a_backup_that_cannot_be_made_is_said_and_the_study_is_answered(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite.backup").mkdir()
    events: list = []
    assert run(tmp_path, SMALL, events).contrasts[0].verdict == "better"
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert notice.text.startswith("The backup of ")


def test_workers_and_their_number_change_no_result(tmp_path: Path) -> None:
    one = run(tmp_path / "one", FOUR_SHAPES, workers=1)
    two = run(tmp_path / "two", FOUR_SHAPES, workers=2)
    assert [arm.values for arm in one.arms] == [arm.values for arm in two.arms]


def test_a_diverging_arm_is_a_row_with_its_reason_and_the_others_finish(tmp_path: Path) -> None:
    rates = {"model": {"hidden": [8], "activation": "none"}, "seeds": 6}
    factors = {"train.learning_rate": [0.1, 1e6]}
    train = {**SMALL["train"], "optimizer": "sgd"}
    analysis = run(tmp_path, {**SMALL, **rates, "factors": factors, "train": train})
    fine, lost = analysis.arms
    assert len(fine.values) == 6
    assert (lost.diverged, len(lost.values)) == (6, 0)
    assert "training loss" in lost.reasons[0]
    assert analysis.contrasts[0].verdict == "not comparable"
    assert any("diverged in 6 of 6 seeds" in note for note in analysis.notes)
    events: list = []
    run(tmp_path, {**SMALL, **rates, "factors": factors, "train": train}, events)
    assert not events  # a diverged run is a result: it is not trained again


def test_two_identical_arms_are_equivalent(tmp_path: Path) -> None:
    same = {"a": {"train.epochs": 3}, "b": {"model.activation": "relu"}}
    analysis = run(tmp_path, {**SMALL, "factors": {"same": same}, "seeds": 10})
    assert analysis.contrasts[0].verdict == "equivalent"


def test_arms_that_differ_by_noise_are_never_told_apart_and_with_ten_seeds_equivalent(
    tmp_path: Path,
) -> None:
    # The same training from other random numbers: dropout of one unit in 65536 draws masks.
    noise = {"a": {"model.dropout": 0.3}, "b": {"model.dropout": 0.30001}}
    train = {**SMALL["train"], "epochs": 10}
    values = {**SMALL, "factors": {"noise": noise}, "seeds": 10, "margin": 0.03, "train": train}
    analysis = run(tmp_path, values)
    assert analysis.contrasts[0].verdict == "equivalent"


def test_fewer_than_six_seeds_give_no_verdict(tmp_path: Path) -> None:
    analysis = run(tmp_path, {**SMALL, "seeds": 3})
    assert analysis.contrasts[0].verdict == "pilot"
    assert analysis.answer.startswith("No verdict: 3 seeds make a pilot")


def test_a_regression_is_judged_by_its_rmse(tmp_path: Path) -> None:
    values = {**SMALL, "data": "diabetes", "margin": 1.0, "train": {"epochs": 20}}
    analysis = run(tmp_path, {**values, "factors": {"train.learning_rate": [0.0001, 0.01]}})
    assert analysis.outcome.name == "test_rmse"
    assert 40 < analysis.arms[1].mean < 80
    assert analysis.contrasts[0].verdict == "better"  # lower is better


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "x" / "store.sqlite", workers=1)
    made = make_plan(lay_out(from_values(SMALL), load("breast-cancer"), settings), settings)
    assert made.to_train == 12
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_an_ordinary_module_with_the_runs_accuracy(tmp_path: Path) -> None:
    import torch

    from paribus.data import fit_scaling
    from paribus.study.rows import split_rows

    spec = from_values({**SMALL, "seeds": 1})
    dataset = load("breast-cancer")
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    run_study(lay_out(spec, dataset, settings), settings)
    assert not settings.checkpoint_folder.exists()
    # Asked for later, the weights are made by training again; the stored result stays.
    kept = Settings(tmp_path / "store.sqlite", workers=1, checkpoints=True)
    design = lay_out(spec, dataset, kept)
    analysis = run_study(design, kept)
    split = split_rows(dataset, spec.data, spec.seed)
    x = torch.from_numpy(fit_scaling(dataset, split.train, "standard").apply(dataset.features))
    for planned in design.runs:
        module = paribus.load_model(kept.checkpoint_folder / f"{planned.key}.safetensors")
        with torch.no_grad():
            right = module(x[split.test]).argmax(1).numpy() == dataset.targets[split.test]
        assert right.mean() == analysis.arms[planned.arm].values[0]


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(paribus.DataError, match="not a checkpoint"):
        paribus.load_model(tmp_path / "x.safetensors")
    with pytest.raises(paribus.DataError, match="there is no checkpoint"):
        paribus.load_model(tmp_path / "none.safetensors")


# --- faults -----------------------------------------------------------------------------------


def test_weights_that_overflow_at_the_last_step_are_a_divergence(tmp_path: Path) -> None:
    train = {"epochs": 1, "batch_size": 1000, "optimizer": "sgd"}
    rates = {"train.learning_rate": [0.1, 1e38]}
    analysis = run(tmp_path, {**SMALL, "train": train, "factors": rates})
    assert analysis.arms[1].diverged == 6
    assert "test loss was" in analysis.arms[1].reasons[0]
    assert analysis.answer.startswith("Learning rate 1e+38 diverged with every seed.")


def test_ctrl_c_keeps_the_whole_of_a_stack_that_has_finished(tmp_path: Path) -> None:
    spec = from_values({**SMALL, "seeds": 10})
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    design = lay_out(spec, load(spec.data.source), settings)

    def interrupt(event: object) -> None:
        if isinstance(event, Record):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(design, settings, watch=interrupt)
    with Store(settings.store) as store:
        assert store.studies()[0].done == 20


def test_ctrl_c_does_not_wait_for_what_is_still_training(tmp_path: Path) -> None:
    train = {"epochs": 100_000, "batch_size": 1000, "optimizer": "sgd", "learning_rate": 0.01}
    spec = from_values({**SMALL, "train": train, "seeds": 1})
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    design = lay_out(spec, load(spec.data.source), settings)

    def interrupt(event: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # which it would not before the study is done
        run_study(design, settings, watch=interrupt)
    with Store(settings.store) as store:
        assert store.studies()[0].done == 0


def test_a_checkpoint_that_cannot_be_written_loses_no_run(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("in the way")
    settings = Settings(tmp_path / "store.sqlite", workers=1, checkpoints=True)
    design = lay_out(from_values({**SMALL, "seeds": 1}), load("breast-cancer"), settings)
    with pytest.raises(paribus.StoreError, match="cannot be written"):
        run_study(design, settings)
    with Store(settings.store) as store:
        assert store.studies()[0].done >= 1


def test_a_run_is_ours_until_its_weights_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path / "store.sqlite", workers=1, checkpoints=True)
    design = lay_out(from_values({**SMALL, "seeds": 1}), load("breast-cancer"), settings)
    free: list[set[str]] = []

    def save(path: Path, *_: object) -> None:
        with Store(settings.store, create=True) as store, Claims(store) as others:
            free.append(others.take([path.stem]))

    monkeypatch.setattr("paribus.engines.checkpoints.save_model", save)
    run_study(design, settings)
    assert free == [set(), set()]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("queue.py", "raise SystemExit('the file of the user, not of the library')"),
        ("torch.py", "raise ImportError('a file of the user')"),
    ],
)
def test_a_file_of_the_users_is_not_taken_for_a_library(
    tmp_path: Path, file: str, text: str
) -> None:
    (tmp_path / file).write_text(text)
    write_study(tmp_path, {**SMALL, "seeds": 1})
    script = tmp_path / "elsewhere" / "main.py"
    script.parent.mkdir()
    script.write_text("from paribus.__main__ import main; main()")
    words = [sys.executable, str(script), "run", "study.yaml", "--no-report"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("site", "failed"),
    [
        ("print('hello from a site customisation')", 0),
        ("import sys; sys.modules['torch'] = None", 2),
    ],
    ids=["prints before it starts", "cannot import torch"],
)
def test_a_worker_that_prints_or_cannot_start_hangs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: str, failed: int
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(site)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    analysis = run(tmp_path, {**SMALL, "seeds": 1})
    assert sum(arm.failed for arm in analysis.arms) == failed
    if failed:
        assert "torch" in analysis.arms[0].reasons[0]


def paribus_command(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start Paribus as from a terminal, also where the tests run in the background.

    A shell lets what it starts there ignore Ctrl-C, and children inherit that.
    """
    words = [sys.executable, "-m", "paribus", *arguments]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)


def write_study(folder: Path, values: dict) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(json.dumps(values))  # JSON is YAML


def stored_runs(folder: Path) -> int:
    path = folder / ".paribus" / "store.sqlite"
    if not path.exists():
        return 0
    try:
        with Store(path) as store:
            return sum(row.done for row in store.studies())
    except StoreError:  # it is being made at this moment
        return 0


def wait_for_runs(folder: Path, process: subprocess.Popen[bytes], least: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        if stored_runs(folder) >= least:
            return
        time.sleep(0.05)


def answer_of(folder: Path, arguments: Sequence[str] = ()) -> dict:
    process = paribus_command(
        folder, "run", "study.yaml", "--json", "--no-report", "--workers", "1", *arguments
    )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    return json.loads(out)


LONG = {**FOUR_SHAPES, "train": {**SMALL["train"], "epochs": 150}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("undisturbed")
    write_study(folder, LONG)
    return answer_of(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_after_a_kill_the_same_command_goes_on_and_gives_the_same_table(
    tmp_path: Path, undisturbed: dict, how: signal.Signals
) -> None:
    write_study(tmp_path, LONG)
    process = paribus_command(tmp_path, "run", "study.yaml", "--workers", "1")
    wait_for_runs(tmp_path, process, 6)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == (-how if how == signal.SIGKILL else 130)
    kept = stored_runs(tmp_path)
    assert 6 <= kept < 24
    with Store(tmp_path / ".paribus" / "store.sqlite") as store:
        before = {r.key: r.finished for r in store.study("small").runs if r.status == "done"}
    resumed = answer_of(tmp_path)
    with Store(tmp_path / ".paribus" / "store.sqlite") as store:
        after = {r.key: r.finished for r in store.study("small").runs}
    assert {key: after[key] for key in before} == before  # not trained again
    assert resumed["arms"] == undisturbed["arms"]
    assert resumed["contrasts"] == undisturbed["contrasts"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to find the workers")
def test_workers_end_when_their_driver_is_killed(tmp_path: Path) -> None:
    write_study(tmp_path, LONG)
    process = paribus_command(tmp_path, "run", "study.yaml", "--workers", "2")
    wait_for_runs(tmp_path, process, 1)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    process.kill()
    process.communicate()
    end = time.monotonic() + 20
    while any(running(child) for child in children) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(running(child) for child in children)


def running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to find the workers")
def test_a_killed_worker_costs_its_own_stack_and_the_next_run_mends_it(tmp_path: Path) -> None:
    write_study(tmp_path, LONG)
    process = paribus_command(tmp_path, "run", "study.yaml", "--workers", "1", "--json")
    wait_for_runs(tmp_path, process, 6)
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err.decode()
    failed = [arm for arm in json.loads(out)["arms"] if arm["failed"]]
    assert failed
    assert "ended by signal 9" in failed[0]["reasons"][0]
    assert not any(arm["failed"] for arm in answer_of(tmp_path)["arms"])


def test_two_processes_on_one_store_share_the_work(tmp_path: Path) -> None:
    write_study(tmp_path, FOUR_SHAPES)
    both = [
        paribus_command(tmp_path, "run", "study.yaml", "--workers", "1", "--json", "--no-report")
        for _ in range(2)
    ]
    tables = []
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        tables.append(json.loads(out)["arms"])
    assert tables[0] == tables[1]
    assert stored_runs(tmp_path) == 24


def test_curves_of_a_run_end_at_its_final_metrics(tmp_path: Path) -> None:
    analysis = run(tmp_path, SMALL)
    last = analysis.curves[
        (analysis.curves["metric"] == "test_accuracy") & (analysis.curves["epoch"] == 3)
    ]
    for arm in analysis.arms:
        values = last[last["arm"] == arm.name].set_index("block")["value"].to_dict()
        assert values == arm.values
        assert np.all(np.isfinite(list(values.values())))


OPEN_ENDED = {
    **SMALL,
    "factors": {
        "optimizer": {
            "sgd": {"train.optimizer": "sgd"},
            "adam": {"train.optimizer": "adam"},
            "rmsprop": {"train.optimizer": "rmsprop"},
        }
    },
    "baseline": {"optimizer": "adam"},
    "seeds": "auto",
    "max_seeds": 14,
    "outcome": "test_loss",
    "margin": 0.01,
}


def test_only_arms_that_are_not_decided_get_more_seeds(tmp_path: Path) -> None:
    analysis = run(tmp_path, OPEN_ENDED)
    by_arm = {one.arm: one for one in analysis.contrasts}
    assert analysis.looks is not None
    assert analysis.looks.seeds == (6, 9, 14)
    assert by_arm["sgd"].verdict == "worse"
    assert by_arm["sgd"].asked == 6
    assert by_arm["rmsprop"].asked > 6
    for arm in analysis.arms:
        compared = [one.asked for one in analysis.contrasts if arm.name in (one.arm, one.baseline)]
        assert arm.asked == len(arm.values) == max(compared)
    for one in analysis.contrasts:
        assert [look.seeds for look in one.looks] == [n for n in (6, 9, 14) if n <= one.asked]
        assert set(one.differences) >= set(range(one.asked))
        used = [one.differences[block] for block in range(one.asked)]
        assert one.difference == pytest.approx(np.mean(used))


def test_a_study_without_a_fixed_number_of_seeds_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", OPEN_ENDED)
    fixed = {k: v for k, v in OPEN_ENDED.items() if k != "max_seeds"} | {"seeds": 7}
    run(tmp_path / "parts", fixed)
    events: list = []
    resumed = run(tmp_path / "parts", OPEN_ENDED, events)
    assert resumed.contrasts == whole.contrasts
    assert resumed.arms == whole.arms
    trained = sum(isinstance(event, Record) for event in events)
    assert trained == sum(max(0, arm.asked - 7) for arm in whole.arms)
    again: list = []
    run(tmp_path / "parts", OPEN_ENDED, again)
    assert not again


def test_an_extended_study_keeps_what_was_decided(tmp_path: Path) -> None:
    fixed = {k: v for k, v in OPEN_ENDED.items() if k != "max_seeds"} | {"seeds": 6}
    first = {one.arm: one for one in run(tmp_path, fixed).contrasts}
    assert first["sgd"].verdict == "worse"
    assert first["rmsprop"].verdict == "inconclusive"
    assert first["rmsprop"].seeds_needed is not None
    analysis = run(tmp_path, {**fixed, "seeds": 12, "extends": [6]})
    more = {one.arm: one for one in analysis.contrasts}
    assert more["sgd"].verdict == "worse"
    assert more["sgd"].difference == first["sgd"].difference
    assert more["rmsprop"].n == 12
    assert more["rmsprop"].looks[1].level == pytest.approx(0.0125)
    assert [arm.asked for arm in analysis.arms] == [6, 12, 12]
    assert "keeps each kind of false claim at 6.25 %" in " ".join(analysis.notes)


def test_the_best_arm_may_be_one_that_was_decided_early(tmp_path: Path) -> None:
    values = {**OPEN_ENDED, "margin": 1e-9, "factors": {"train.learning_rate": [1e-6, 2e-6, 0.02]}}
    values["baseline"] = {"train.learning_rate": 1e-6}
    analysis = run(tmp_path, values)
    slow, _, fast = analysis.arms
    assert fast.asked <= slow.asked
    assert analysis.answer.endswith(f"The best mean test loss: {fast.name}, {fast.mean:.4f}.")


def test_a_study_that_is_decided_earlier_after_all_is_finished(tmp_path: Path) -> None:
    """A run that failed is tried again, and may decide what had gone on to the next look."""
    clear = {**OPEN_ENDED, "margin": 5}
    spec = from_values(clear)
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    design = lay_out(spec, load(spec.data.source), settings)
    with Store(settings.store, create=True) as store:
        later = [(run.block, run.arm, run.key) for run in design.runs if run.block < 9]
        store.add_study(design.key, spec.name, spec.question, declaration(design, ""), later)
    analysis = run(tmp_path, clear)
    assert all(arm.asked == 6 and not arm.missing for arm in analysis.arms)
    assert not analysis.answer.startswith("Not finished")

"""Profiles of machines: their file, whose they are, and the plans that they predict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from paribus.cli import app
from paribus.clock import calibration
from paribus.clock.calibration import Size
from paribus.clock.cost import CostModel, epoch_seconds
from paribus.clock.machine_profile import (
    Calibrated,
    HeldOut,
    MachineProfile,
    default_file,
    named,
    of_this_machine,
    read,
)
from paribus.clock.predict import predict
from paribus.clock.rates import Rates
from paribus.environment import choose_device, machine_name
from paribus.errors import InputError
from paribus.study.plan import plan
from paribus.workers.here import Here
from tests.engines.tasks import design_of

MODEL = CostModel(3e-4, 4e-5, 2e-5, 1e-11, 2e-10, 5e-11, 1e-10, 7e-11, 32e6)
CHECKS = tuple(HeldOut("n", predicted, 1.0) for predicted in (1.1, 0.7, 1.0))


def calibrated(engine: str, device: str, threads: int) -> Calibrated:
    return Calibrated(engine, device, threads, Rates(1e11, 2e10), MODEL, CHECKS)


MADE_UP = MachineProfile(
    "a machine elsewhere",
    "2026-01-02T03:04:05+00:00",
    {"paribus": "0.1.0"},
    8,
    (
        calibrated("torch", "cpu", 8),
        calibrated("torch", "cuda", 8),
        calibrated("stacked", "cpu", 1),
    ),
)
HERE = replace(MADE_UP, machine=machine_name(choose_device("auto")))
TIMED = {
    "data": "breast-cancer",
    "model": {"hidden": [8]},
    "train": {"epochs": 4},
    "outcome": "seconds_per_epoch",
    "factors": {"train.device": ["cpu", "cuda"]},
    "seeds": 6,
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of this machine's profile, which is not there yet."""
    monkeypatch.setenv("PARIBUS_MACHINE", str(tmp_path / "machine.json"))
    return default_file()


def test_a_profile_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "machine.json"
    MADE_UP.write(path)
    assert read(path) == named(str(path)) == MADE_UP


def test_the_error_is_that_of_what_was_held_out() -> None:
    one = MADE_UP.models[0]
    assert (one.error, one.worst) == (pytest.approx(0.1), pytest.approx(0.3))


def test_a_model_is_found_by_engine_device_and_threads() -> None:
    assert MADE_UP.model("torch", "cpu") is MADE_UP.models[0]  # all cores
    assert MADE_UP.model("torch", "cpu", 8) is MADE_UP.models[0]
    assert MADE_UP.model("torch", "cpu", 2) is None
    assert MADE_UP.model("torch", "cuda", 2) is MADE_UP.models[1]
    assert MADE_UP.model("stacked", "cpu") is MADE_UP.models[2]
    assert MADE_UP.model("jax", "cpu") is None


def _without(key: str) -> str:
    record = json.loads(calibration_json())
    del record[key]
    return json.dumps(record)


def calibration_json() -> str:
    from paribus.clock.machine_profile import _ADAPTER

    return _ADAPTER.dump_json(MADE_UP).decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file"),
        ("{", "the file"),
        ("[]", "the file"),
        (_without("models"), "models"),
        (calibration_json().replace("1e-11", "-1"), "models.0.model.flop"),
        (calibration_json().replace('"predicted":1.1', '"predicted":0'), "predicted"),
    ],
    ids=["empty", "cut off", "a list", "no models", "negative", "zero"],
)
def test_a_bad_file_says_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match="is no machine profile of this version") as raised:
        read(path)
    assert said in str(raised.value)
    assert "`paribus machine` makes a new one" in str(raised.value)


def test_a_file_that_is_not_there_or_is_a_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`paribus machine` makes one"):
        named("h200")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)
    with pytest.raises(InputError, match="name another file with --out"):
        MADE_UP.write(tmp_path)


def test_only_a_profile_of_this_machine_is_used_unasked(file: Path) -> None:
    assert of_this_machine() is None
    MADE_UP.write(file)
    assert of_this_machine() is None
    file.write_text("no JSON")
    assert of_this_machine() is None
    HERE.write(file)
    assert of_this_machine() == HERE


def test_a_plan_is_predicted_by_the_profile_of_this_machine_alone(file: Path) -> None:
    laid_out = design_of("breast-cancer", model={"hidden": [8]}, train={"epochs": 2}, seeds=6)
    MADE_UP.write(file)
    assert plan(laid_out, set(), Here(1)).error is None
    HERE.write(file)
    made = plan(laid_out, set(), Here(1))
    assert made.error == pytest.approx(0.1)
    slow = replace(MODEL, step=1.0)
    replace(HERE, models=(replace(HERE.models[2], model=slow),)).write(file)
    (size,) = {len(stack) for stack in made.stacks}
    steps = len(made.stacks) * 2 * -(-laid_out.sizes_of(laid_out.arms[0].config, 0).train // 32)
    assert plan(laid_out, set(), Here(1)).seconds - made.seconds >= steps * (1 - MODEL.step)
    assert size == 6


def test_a_timed_plan_counts_the_start_of_every_process(file: Path) -> None:
    one = design_of(**{**TIMED, "factors": {}})
    HERE.write(file)
    made = plan(one, set(), Here(1))
    assert made.error == pytest.approx(0.1)
    epochs = 6 * 4 * predict(HERE, one)[0].seconds_per_epoch  # type: ignore[operator]
    assert made.seconds == pytest.approx(6 * 3 + epochs, rel=0.1)
    replace(HERE, models=HERE.models[2:]).write(file)
    assert plan(one, set(), Here(1)).error is None  # of the stacked engine alone


def test_arms_are_predicted_on_devices_that_are_not_here() -> None:
    laid_out = design_of(**{**TIMED, "factors": {"train.device": ["cpu", "cuda"]}})
    cpu, gpu = predict(MADE_UP, laid_out)
    arm = laid_out.arms[0]
    rows = laid_out.sizes_of(laid_out.arms[0].config, 0).train
    seconds = epoch_seconds(MODEL, arm.network, rows, arm.config.train)
    assert (cpu.engine, cpu.device, cpu.seconds_per_epoch) == ("torch", "cpu", seconds)
    assert (gpu.device, gpu.error) == ("cuda", pytest.approx(0.1))
    without = predict(replace(MADE_UP, models=MADE_UP.models[:1]), laid_out)[1]
    assert (without.seconds_per_epoch, without.error) == (None, None)


def test_what_was_not_calibrated_is_not_predicted() -> None:
    threads = design_of(**{**TIMED, "train": {"epochs": 4, "threads": 1}})
    assert predict(MADE_UP, threads)[0].seconds_per_epoch is None
    bf16 = design_of(**{**TIMED, "train": {"epochs": 4, "precision": "bf16"}})
    assert predict(MADE_UP, bf16)[0].seconds_per_epoch is None


def test_a_gpu_pays_where_its_model_says() -> None:
    assert calibration.gpu_pays(MADE_UP) is None  # both alike
    cpu, gpu = MADE_UP.models[:2]
    gpu = replace(gpu, model=replace(MODEL, step=2e-3, flop=1e-13, edge=0.0))
    paying = calibration.gpu_pays(replace(MADE_UP, models=(cpu, gpu)))
    assert paying is not None
    assert 16 < paying < 2048


TINY = tuple(Size(4 * n, 1 + n % 2, 4 + n, 3, 1 + n % 3) for n in range(1, 10))


def test_the_commands_measure_show_and_predict(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "FITTED", TINY)
    monkeypatch.setattr(calibration, "HELD_OUT", 0)
    monkeypatch.setattr(calibration, "held_out", lambda count: (Size(5, 1, 7, 3),))
    run = CliRunner()
    measured = run.invoke(app, ["machine"])
    assert measured.exit_code == 0, measured.output
    assert "predictions, not measurements" in " ".join(measured.stdout.split())
    assert of_this_machine() == read(file)
    shown = json.loads(run.invoke(app, ["machine", "--show", "--json"]).stdout)
    assert [(one["engine"], one["device"]) for one in shown["models"]][:2] == [
        ("torch", "cpu"),
        ("stacked", "cpu"),
    ]
    assert shown["models"][0]["median_error"] == read(file).models[0].error
    assert shown["file"] == str(file)


def test_plan_says_where_its_times_are_from(file: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store.sqlite")  # and not what `make demo` may have left here
    run, study = CliRunner(), ["plan", "optimizers", "--seeds", "3", "--store", store]
    guessed = " ".join(run.invoke(app, study).stdout.split())
    assert "(a rough guess: `paribus machine` measures this machine)" in guessed
    HERE.write(file)
    predicted = " ".join(run.invoke(app, study).stdout.split())
    assert "(predicted by this machine's profile, typically within 10 %)" in predicted
    assert json.loads(run.invoke(app, [*study, "--json"]).stdout)["estimated_within"] < 0.11


def test_plan_predicts_for_another_machine(tmp_path: Path) -> None:
    MADE_UP.write(tmp_path / "other.json")
    study = ["plan", "optimizers", "--seeds", "3", "--machine", str(tmp_path / "other.json")]
    set_ = [
        "--set",
        "outcome=seconds_per_epoch",
        "--set",
        "train.device=cuda",
        "--set",
        "margin=0.1",
    ]
    run = CliRunner()
    shown = run.invoke(app, [*study, *set_])
    assert shown.exit_code == 0, shown.output
    assert "Predicted time per epoch of a run (±error, a prediction)" in shown.stdout
    record = json.loads(run.invoke(app, [*study, *set_, "--json"]).stdout)
    assert record["machine"] == "a machine elsewhere"
    assert {one["device"] for one in record["predictions"]} == {"cuda"}
    assert all(one["seconds_per_epoch"] > 0 for one in record["predictions"])

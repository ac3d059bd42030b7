"""Steps in place of epochs, and learning rates for batch sizes: plain runs, where they are."""

from __future__ import annotations

import numpy as np
import pytest
from tests.engines.tasks import tasks_of
from tests.engines.test_sameness import assert_same, train
from tests.study.test_confounds import found, levels
from tests.study.test_design import keys, lay_out

from paribus.errors import SpecError
from paribus.study.engine import EngineId
from paribus.study.plan import plan
from paribus.study.rows import epochs_of_work, optimizer_steps
from paribus.workers.here import Here

ROWS = 1437  # that digits are trained on


def test_steps_of_whole_epochs_are_those_epochs() -> None:
    assert keys(train={"steps": 450}) == keys(train={"epochs": 10})
    assert keys(train={"steps": 451}) != keys(train={"epochs": 10})
    (arm,) = lay_out(train={"steps": 451}).arms
    assert (arm.config.train.epochs, arm.config.train.steps) == (11, 451)
    assert optimizer_steps(arm.config.train, ROWS) == 451
    assert epochs_of_work(arm.config.train, ROWS) == 451 / 45


def test_a_scaled_learning_rate_is_a_learning_rate() -> None:
    scaled = {"rate_scaling": "linear", "learning_rate": 0.01}
    assert keys(train={**scaled, "batch_size": 32}) == keys(train={"learning_rate": 0.01})
    of_256 = {"batch_size": 256, "learning_rate": 0.08}
    assert keys(train={**scaled, "batch_size": 256}) == keys(train=of_256)


def test_an_epoch_that_is_cut_short_is_the_start_of_a_whole_one() -> None:
    logged = {"log_every": 1, "batch_size": 100}
    (cut,), dataset = tasks_of(train={**logged, "steps": 20}, seeds=1)
    (whole,), _ = tasks_of(train={**logged, "epochs": 2}, seeds=1)
    short, full = (train([task], dataset)[task.key] for task in (cut, whole))
    assert len(short.curves["test_loss"]) == 2
    np.testing.assert_array_equal(short.curves["step_loss"], full.curves["step_loss"][:20])
    last = short.curves["step_loss"][15:]  # after the 15 steps of the first epoch
    assert short.metrics["train_loss"] == pytest.approx(float(np.mean(last)))


def test_r2_of_an_epoch_that_is_cut_short_is_of_the_rows_that_were_seen() -> None:
    settings = {"batch_size": 50, "learning_rate": 1e-9}  # nothing is learned
    whole, cut = (
        tasks_of("diabetes", model="linear", train={**settings, **length}, seeds=1)
        for length in ({"epochs": 1}, {"steps": 4})
    )
    found = [train(tasks, data)[tasks[0].key].metrics["train_r2"] for tasks, data in (whole, cut)]
    assert found[1] == pytest.approx(found[0], abs=0.2)  # not that of a hundred rows too few


def test_a_run_of_steps_is_the_same_alone_and_in_a_stack() -> None:
    tasks, dataset = tasks_of(
        train={"steps": 50}, factors={"train.optimizer": ["sgd", "adam"]}, seeds=2
    )
    together = train(tasks, dataset)
    assert_same(train(tasks[:1], dataset)[tasks[0].key], together[tasks[0].key])


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"train": {"steps": 451}}, "train.steps needs train.engine stacked (got torch)"),
        (
            {"train": {"measure_gradients": True}},
            "train.measure_gradients needs train.engine stacked (got torch)",
        ),
        (
            {"outcome": "gradient_ratio"},
            "train.measure_gradients needs train.engine stacked (got torch)",
        ),
    ],
)
def test_other_engines_refuse_what_the_stack_alone_can(values: dict, problem: str) -> None:
    with pytest.raises(SpecError) as raised:
        lay_out(**values, engine=EngineId("torch", "1", "cpu"))
    assert raised.value.problems == [problem]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"data": {"rows": 150}}, "train.measure_gradients needs at least 200 training rows"),
        ({"data": {"split": "resampled"}}, "outcome gradient_ratio needs data.split fixed"),
        ({"model": "tests.engines.own_networks:Plain"}, "not for a network of your own"),
    ],
)
def test_gradients_that_cannot_be_judged_are_a_problem(values: dict, problem: str) -> None:
    with pytest.raises(SpecError) as raised:
        lay_out(outcome="gradient_ratio", **values)
    assert len(raised.value.problems) == 1
    assert problem in raised.value.problems[0]


def test_steps_that_are_unlike_epochs_of_unequal_splits_are_a_problem() -> None:
    folds = {"source": "digits", "split": "kfold"}  # 1,437 or 1,438 rows to train on
    lay_out(data=folds, train={"steps": 450})
    with pytest.raises(SpecError, match="unlike numbers of epochs"):
        lay_out(data=folds, train={"steps": 1438, "batch_size": 1})


def test_gradients_are_measured_where_they_are_judged() -> None:
    measured = keys(train={"measure_gradients": True})
    assert keys(outcome="inactive_share", margin=0.1) == measured
    assert keys(also={"gradient_noise": 0.1}) == measured
    assert keys(also={"test_loss": 0.1}) == keys() != measured


def test_equal_steps_are_no_confound() -> None:
    sizes = {"train.batch_size": [8, 32, 512]}
    assert "unequal-steps" in found(train={"epochs": 4}, factors=sizes)
    assert not found(train={"steps": 450}, factors=sizes)
    assert not found(train={"steps": 460}, factors=sizes)


@pytest.mark.parametrize(
    "factors",
    [
        {"train.steps": [450, 900]},
        {"train.steps": [450, 901]},
        levels({"train.epochs": 10}, {"train.steps": 901}),
        {"train.rate_scaling": ["none", "linear"]},
        {"model.depth": [1, 4]},
    ],
    ids=str,
)
def test_what_is_resolved_into_other_settings_is_one_setting(factors: dict) -> None:
    width = {"width": 16} if "model.depth" in factors else {}
    assert not found(model=width, train={"batch_size": 64}, factors=factors)


def test_a_plan_of_steps_is_one_of_as_many_epochs() -> None:
    whole = plan(lay_out(train={"epochs": 10}), set(), Here(1)).groups[0]
    more = plan(lay_out(train={"steps": 451}), set(), Here(1)).groups[0]
    assert more.label.endswith("451 steps")
    assert whole.flops < more.flops < 1.05 * whole.flops

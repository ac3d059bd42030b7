"""Every engine does the same maths: one table of cases, the same numbers from each."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.engines.choice import engine, learner
from paribus.engines.inputs import inputs
from paribus.engines.laps import Laps
from paribus.engines.proof import STEPS, Trace, agreement, trace_of
from paribus.engines.stacked.stack import Stack
from tests.engines.tasks import tasks_of

ENGINES = ["torch", "tensorflow", "jax"]

MLP = {"hidden": [40, 20]}
CNN = {
    "kind": "cnn",
    "conv": [{"channels": 4, "kernel": 3}, {"channels": 5, "kernel": 2, "pool": 1}],
    "hidden": [20],
}
SGD = {"optimizer": "sgd", "learning_rate": 0.01}
MOMENTUM = {**SGD, "momentum": 0.9}
RMSPROP = {"optimizer": "rmsprop"}
ADAM = {"optimizer": "adam"}
CURVE = "logistic on numbers, adam"

CASES = {
    "mlp, sgd": (MLP, SGD, "digits"),
    "mlp, momentum": (MLP, MOMENTUM, "digits"),
    "mlp, rmsprop": (MLP, RMSPROP, "digits"),
    "mlp, adam": (MLP, ADAM, "digits"),
    "mlp, batch norm after, sgd": ({**MLP, "batch_norm": "after"}, SGD, "digits"),
    "mlp, batch norm before, momentum": ({**MLP, "batch_norm": "before"}, MOMENTUM, "digits"),
    "mlp, batch norm after, rmsprop": ({**MLP, "batch_norm": "after"}, RMSPROP, "digits"),
    "mlp, batch norm after, adam": ({**MLP, "batch_norm": "after"}, ADAM, "digits"),
    "mlp, tanh, nesterov, weight decay": (
        {**MLP, "activation": "tanh"},
        {**MOMENTUM, "nesterov": True, "weight_decay": 0.01},
        "digits",
    ),
    "mlp, sigmoid, adam, weight decay": (
        {**MLP, "activation": "sigmoid"},
        {**ADAM, "weight_decay": 0.01},
        "digits",
    ),
    "mlp, adamw": (MLP, {"optimizer": "adamw", "weight_decay": 0.1, "beta1": 0.8}, "digits"),
    "mlp, rmsprop with momentum": (MLP, {**RMSPROP, "momentum": 0.5, "smoothing": 0.9}, "digits"),
    "mlp, double softmax": (MLP, {**ADAM, "loss": "softmax-cross-entropy"}, "digits"),
    "cnn, adam": (CNN, ADAM, "digits"),
    "cnn, momentum": (CNN, MOMENTUM, "digits"),
    "cnn, batch norm, adam": ({**CNN, "batch_norm": "after"}, ADAM, "digits"),
    "logistic, sgd": ({"kind": "logistic"}, SGD, "breast-cancer"),
    "linear on classes, sgd": ({"kind": "linear"}, SGD, "digits"),
    "linear, sgd": ({"kind": "linear"}, SGD, "diabetes"),
    CURVE: ({"kind": "logistic"}, ADAM, "diabetes"),
    "mlp on numbers, adam": (MLP, ADAM, "diabetes"),
    "mlp, some rows and columns": (
        MLP,
        SGD,
        {"source": "breast-cancer", "rows": 200, "columns": 10},
    ),
}


def task_of(model: dict, train: dict, data: str | dict, **more: object) -> tuple[Task, Dataset]:
    settings = {"batch_size": 64, "epochs": 2, **train}
    tasks, dataset = tasks_of(data, model=model, train=settings, seeds=1, **more)
    return tasks[0], dataset


def by(name: str, task: Task) -> Task:
    return replace(task, engine=replace(task.engine, name=name))


@cache
def stacked_trace(case: str) -> Trace:
    """What a stack of one computes."""
    task, dataset = task_of(*CASES[case])
    stack = Stack([task], dataset, torch.device("cpu"))
    before, total, rows_seen = stack.weights(0), 0.0, 0
    for step, rows in enumerate(stack.batches.epoch(0)):
        batch, gradients = stack.gradients(rows)
        if step == 0:
            loss = float(batch.losses.mean())
            found = {name: g[0].numpy().copy() for name, g in gradients.items()}
        for optimizer in stack.optimizers:
            optimizer.step(gradients)
        if step < STEPS:
            updates = {name: stack.weights(0)[name] - before[name] for name in found}
        total += float(batch.losses.sum())
        rows_seen += rows.shape[1]
    return Trace(loss, found, updates, total / rows_seen)


def record(name: str, task: Task, dataset: Dataset) -> Record:
    (one,) = engine(by(name, task).engine, Laps()).train(
        [by(name, task)], dataset, keep_weights=True, epoch_done=lambda runs: None
    )
    assert one.status == "done", one.reason
    return one


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("case", CASES)
def test_engines_do_the_same_maths(case: str, name: str) -> None:
    task, dataset = task_of(*CASES[case])
    found = agreement(trace_of(by(name, task), dataset), stacked_trace(case))
    assert found.holds, found


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("case", ["mlp, adam", "cnn, momentum", "linear, sgd", CURVE])
def test_engines_record_the_same(case: str, name: str) -> None:
    task, dataset = task_of(*CASES[case])
    ours = record(name, task, dataset)
    theirs = record("stacked", task, dataset)
    left_out = {"train_accuracy"}  # which other engines do not count
    assert ours.metrics.keys() == theirs.metrics.keys() - left_out
    for metric, value in ours.metrics.items():
        assert value == pytest.approx(theirs.metrics[metric], rel=2e-3, abs=2e-3), metric
    assert ours.tables.keys() == theirs.tables.keys()
    assert ours.weights is not None
    assert theirs.weights is not None
    assert ours.weights.keys() == theirs.weights.keys()
    for parameter, values in ours.weights.items():
        np.testing.assert_allclose(values, theirs.weights[parameter], atol=2e-3, err_msg=parameter)


@cache
def resnet() -> tuple[Task, Dataset]:
    """ResNet-18 on made-up images of two channels."""
    draw = np.random.default_rng(0)
    dataset = Dataset(
        "made-up",
        "classification",
        draw.integers(0, 256, (80, 2, 28, 28), dtype=np.uint8),
        np.arange(80) % 4,
        classes=("a", "b", "c", "d"),
        value_range=(0, 255),
        test_rows=np.arange(64, 80),
    )
    train = {"batch_size": 16, "epochs": 1, "optimizer": "sgd", "learning_rate": 0.01}
    tasks, _ = tasks_of(dataset=dataset, model={"kind": "resnet18"}, train=train, seeds=1)
    return tasks[0], dataset


@pytest.mark.parametrize("name", [name for name in ENGINES if name != "torch"])
def test_resnet_gives_what_pytorchs_gives(name: str) -> None:
    task, dataset = resnet()
    held = inputs(task, dataset)
    ours, theirs = (learner(by(one, task), held) for one in (name, "torch"))
    np.testing.assert_allclose(ours.outputs("test"), theirs.outputs("test"), rtol=1e-4, atol=1e-4)
    before, rows = ours.weights(), held.order(0)[:16]
    (loss, gradients), (expected_loss, expected) = (one.gradients(rows) for one in (ours, theirs))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert gradients.keys() == expected.keys()
    apart = [
        np.linalg.norm(gradients[parameter] - gradient) / np.linalg.norm(gradient)
        for parameter, gradient in expected.items()
    ]
    assert np.median(apart) <= 1e-5
    assert max(apart) <= 2e-2  # where rounding takes a ReLU's input to the other side of zero
    for parameter, value in ours.weights().items():
        np.testing.assert_array_equal(value, before[parameter], err_msg=parameter)
    assert ours.epoch(rows) == pytest.approx(expected_loss, rel=1e-5)


@pytest.mark.parametrize("name", ENGINES)
def test_dropout_is_drawn_from_its_own_stream(name: str) -> None:
    losses = {}
    for dropout in (0.0, 0.5):
        task, dataset = task_of({**MLP, "dropout": dropout}, ADAM, "digits")
        held = inputs(task, dataset)
        first, again = (learner(by(name, task), held) for _ in range(2))
        rows = held.order(0)
        losses[dropout] = first.epoch(rows)
        assert np.isfinite(first.epoch(rows))
        np.testing.assert_array_equal(first.outputs("test"), first.outputs("test"))
        if name != "torch":  # whose generator is that of the process
            assert again.epoch(rows) == losses[dropout]
    assert losses[0.5] > losses[0.0]


def test_bf16_comes_near_fp32() -> None:
    task, dataset = task_of(MLP, {**ADAM, "precision": "bf16"}, "digits")
    losses = [record(name, task, dataset).metrics["train_loss"] for name in ("torch", "tensorflow")]
    full = record("torch", *task_of(*CASES["mlp, adam"])).metrics["train_loss"]
    assert losses == pytest.approx([full, full], rel=1e-2)
    assert full not in losses


def test_a_wrong_constant_is_found() -> None:
    wrong, dataset = task_of(MLP, {**ADAM, "beta2": 0.99}, "digits")
    assert not agreement(trace_of(by("torch", wrong), dataset), stacked_trace("mlp, adam")).holds


def test_a_wrong_initial_weight_is_found() -> None:
    task, dataset = task_of(*CASES["mlp, adam"])
    other = replace(task, block=1)
    assert not agreement(trace_of(by("torch", other), dataset), stacked_trace("mlp, adam")).holds

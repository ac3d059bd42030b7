"""The JAX engine: running statistics, colours, and what is compiled when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paribus.data import Dataset
from paribus.engines.base import Task
from paribus.engines.inputs import inputs
from paribus.engines.torch import TorchLearner
from tests.engines.tasks import tasks_of

pytest.importorskip("optax")

from paribus.engines.jax import JaxLearner, loss


def task_of(data: object, dataset: Dataset | None = None, **values: object) -> tuple[Task, Dataset]:
    tasks, dataset = tasks_of(data, dataset, seeds=1, **values)
    return replace(tasks[0], engine=replace(tasks[0].engine, name="jax")), dataset


def images() -> Dataset:
    draw = np.random.default_rng(0)
    return Dataset(
        "images",
        "classification",
        draw.integers(0, 256, (64, 1, 28, 28)).astype(np.uint8),
        draw.integers(0, 3, 64),
        ("a", "b", "c"),
        value_range=(0, 255),
        test_rows=np.arange(48, 64),
    )


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_running_statistics_are_those_of_pytorch() -> None:
    model = {"kind": "cnn", "conv": [{"channels": 3}], "batch_norm": "before", "hidden": [10]}
    task, dataset = task_of("digits", model=model, train={"optimizer": "sgd"})
    held = inputs(task, dataset)
    learners = JaxLearner(task, held), TorchLearner(task, held)
    for learner in learners:
        learner.epoch(held.order(0)[:70])
    ours, theirs = (learner.weights() for learner in learners)
    assert ours.keys() == theirs.keys()
    for name in (name for name in theirs if "running" in name):
        assert apart(ours[name], theirs[name]) < 1e-5, name


def test_colour_images_go_as_in_pytorch() -> None:
    draw = np.random.default_rng(1)
    colours = replace(images(), features=draw.integers(0, 256, (64, 3, 8, 8)).astype(np.uint8))
    for model in ({"hidden": [5]}, {"kind": "cnn", "conv": [{"channels": 4, "kernel": 3}]}):
        task, dataset = task_of("digits", colours, model=model)
        held = inputs(task, dataset)
        rows = held.order(0)
        ours, theirs = (one(task, held).gradients(rows) for one in (JaxLearner, TorchLearner))
        assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
        for name, expected in theirs[1].items():
            assert apart(ours[1][name], expected) < 1e-5, name


def test_nothing_is_compiled_after_the_first_epoch() -> None:
    task, dataset = task_of("digits", train={"batch_size": 100})
    held = inputs(task, dataset)
    learner = JaxLearner(task, held)
    sizes = []
    for epoch in range(3):
        learner.epoch(held.order(epoch))
        learner.outputs("test")
        sizes.append((learner._step._cache_size(), learner._outputs._cache_size()))
    assert sizes == [(2, 1)] * 3  # full batches, and the short last one


def test_numbers_are_compared_row_by_row() -> None:
    y = np.arange(5, dtype=np.float32)
    assert float(loss("mse", y[:, None] + 1, y)) == 1.0


def test_weights_are_copies() -> None:
    task, dataset = task_of("digits", train={"batch_size": 100})
    held = inputs(task, dataset)
    learner = JaxLearner(task, held)
    before = learner.weights()
    kept = {name: array.copy() for name, array in before.items()}
    learner.epoch(held.order(0))
    for name, array in learner.weights().items():
        np.testing.assert_array_equal(before[name], kept[name])
        assert not np.array_equal(array, kept[name])
        array[:] = 0
    assert all(np.any(array) for array in learner.weights().values())

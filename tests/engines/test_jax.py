"""The JAX engine: residual networks, dropout, and what is compiled when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paribus.data import Dataset
from paribus.engines.base import Task
from paribus.engines.inputs import inputs
from paribus.engines.torch import TorchLearner
from paribus.study.config import Config
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


def without_dropout(task: Task) -> Config:
    return task.config.model_copy(
        update={"model": task.config.model.model_copy(update={"dropout": 0.0})}
    )


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_resnet18_has_the_gradients_and_outputs_of_pytorch() -> None:
    task, dataset = task_of(
        "digits", images(), model={"kind": "resnet18"}, train={"batch_size": 16}
    )
    held = inputs(task, dataset)
    ours, theirs = JaxLearner(task, held), TorchLearner(task, held)
    np.testing.assert_allclose(ours.outputs("test"), theirs.outputs("test"), atol=1e-6, rtol=1e-4)
    rows = held.order(0)[:16]
    (loss, gradients), (expected_loss, expected) = ours.gradients(rows), theirs.gradients(rows)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert gradients.keys() == expected.keys()
    largest = max(apart(gradients[name], expected[name]) for name in expected)
    assert largest < 1e-4


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


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_colour_images_and_weighted_classes_go_as_in_pytorch(weights: str) -> None:
    draw = np.random.default_rng(1)
    colours = replace(images(), features=draw.integers(0, 256, (64, 3, 8, 8)).astype(np.uint8))
    data = {"source": "digits", "class_weights": weights}
    for model in ({"hidden": [5]}, {"kind": "cnn", "conv": [{"channels": 4, "kernel": 3}]}):
        task, dataset = task_of(data, colours, model=model)
        held = inputs(task, dataset)
        rows = held.order(0)
        ours, theirs = (one(task, held).gradients(rows) for one in (JaxLearner, TorchLearner))
        assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
        for name, expected in theirs[1].items():
            assert apart(ours[1][name], expected) < 1e-5, name


def test_dropout_learns_and_is_drawn_by_seed_and_step() -> None:
    train = {"batch_size": 100, "learning_rate": 0.01}
    task, dataset = task_of("digits", model={"hidden": [40], "dropout": 0.5}, train=train)
    held = inputs(task, dataset)
    learner, again = JaxLearner(task, held), JaxLearner(task, held)
    none = JaxLearner(replace(task, config=without_dropout(task)), held)
    rows = held.order(0)[:100]
    first, undropped = learner.gradients(rows)[0], none.gradients(rows)[0]
    assert learner.gradients(rows)[0] == again.gradients(rows)[0] == first
    own, begun = again.key, again.state
    again.state = begun._replace(steps=begun.steps + 1)
    second = again.gradients(rows)[0]
    again.key, again.state = JaxLearner(replace(task, seed=1), held).key, begun
    assert len({first, undropped, second, again.gradients(rows)[0]}) == 4
    again.key = own
    np.testing.assert_array_equal(learner.outputs("test"), none.outputs("test"))
    losses = [learner.epoch(held.order(epoch)) for epoch in range(4)]
    assert again.epoch(held.order(0)) == losses[0]
    assert losses[-1] < 0.7 * losses[0]


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
    assert float(loss("mse", y[:, None] + 1, y, None)) == 1.0


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

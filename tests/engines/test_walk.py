"""Walks on surfaces: the same alone and together, and as theory has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from paribus.engines.base import Record
from paribus.engines.stacked.engine import StackedEngine
from paribus.errors import SpecError
from paribus.models.surfaces import SURFACES
from tests.engines.tasks import design_of, tasks_of
from tests.engines.test_sameness import OPTIMIZERS, assert_same


def walks(
    surface: str, steps: int = 60, seeds: int = 3, factors: Any = None, **train: Any
) -> tuple[Any, Any]:
    return tasks_of(
        "plane",
        model={"kind": "surface", "surface": surface},
        train={"epochs": steps, "optimizer": "sgd", "learning_rate": 0.01, **train},
        factors=factors or {},
        seeds=seeds,
    )


def train(tasks: Any, dataset: Any) -> list[Record]:
    engine = StackedEngine("cpu")
    done = engine.train(tasks, dataset, keep_weights=False, epoch_done=lambda runs: None)
    found = {record.key: record for record in done}
    return [found[task.key] for task in tasks]


@pytest.mark.parametrize("surface", SURFACES)
def test_a_walk_is_the_same_alone_and_among_others(surface: str) -> None:
    settings = {name: {"train.learning_rate": 0.001, **own} for name, own in OPTIMIZERS.items()}
    tasks, dataset = walks(surface, factors={"optimizer": settings}, seeds=9)
    together = train(tasks, dataset)
    for task, record in list(zip(tasks, together, strict=True))[::4]:
        assert_same(train([task], dataset)[0], record)
    for one, other in zip(train(tasks[::-1], dataset)[::-1], together, strict=True):
        assert_same(one, other)


def test_arms_of_a_block_start_at_the_same_place_and_seeds_at_others() -> None:
    tasks, dataset = walks("himmelblau", 1, factors={"train.momentum": [0, 0.9]}, seeds=2)
    (a, b, c, d) = [(r.curves["x"][0], r.curves["y"][0]) for r in train(tasks, dataset)]
    assert a == b  # momentum has gathered nothing yet
    assert c == d
    assert a != c


def test_descent_leaves_a_saddle_as_the_linear_theory_says() -> None:
    # Near the saddle y grows by the factor 1 + rate per step, and x shrinks by 1 - rate.
    tasks, dataset = walks("saddle", 100)
    for record in train(tasks, dataset):
        x, y = record.curves["x"], record.curves["y"]
        t = np.arange(100)
        np.testing.assert_allclose(y, y[0] * 1.01**t, rtol=3e-3)
        np.testing.assert_allclose(x, x[0] * 0.99**t, rtol=1e-4)


def test_momentum_leaves_a_saddle_faster_by_the_root_of_its_recurrence() -> None:
    # y grows by the larger root of r² - (1 + momentum + rate) r + momentum = 0 per step.
    tasks, dataset = walks("saddle", 60, momentum=0.9, seeds=4)
    root = (1.91 + math.sqrt(1.91**2 - 3.6)) / 2
    for record in train(tasks, dataset):
        y = record.curves["y"]
        np.testing.assert_allclose(y[31] / y[30], root, rtol=2e-3)
    assert root > 1.06 > 1.01


def test_exactly_on_the_ridge_nothing_ever_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(SURFACES["saddle"]), "start", lambda self, p: p * [1, 0])
    tasks, dataset = walks("saddle", 200, momentum=0.9, seeds=1)
    (record,) = train(tasks, dataset)
    assert record.metrics["steps_to_minimum"] == 200
    assert record.metrics["excess"] == pytest.approx(0.25, abs=1e-4)


def test_too_little_momentum_is_caught_in_the_shallow_well() -> None:
    tasks, dataset = walks("double-well", 300, factors={"train.momentum": [0, 0.9]}, seeds=12)
    by_arm = np.array([r.metrics["steps_to_minimum"] for r in train(tasks, dataset)]).reshape(12, 2)
    assert np.all(by_arm[:, 0] == 300)
    assert np.sum(by_arm[:, 1] < 300) >= 4


@pytest.mark.parametrize("surface", ["himmelblau", "beale"])
def test_adam_gets_to_the_bottom(surface: str) -> None:
    tasks, dataset = walks(surface, 500, 2, optimizer="adam", learning_rate=0.1)
    for record in train(tasks, dataset):
        assert record.metrics["excess"] == pytest.approx(0, abs=1e-3)
        assert record.metrics["excess"] == record.curves["excess"][-1]
        assert {len(points) for points in record.curves.values()} == {500}


def test_a_walk_that_leaves_all_numbers_has_diverged_and_the_others_go_on() -> None:
    tasks, dataset = walks("beale", 50, 2, {"train.learning_rate": [0.001, 10]})
    fine, lost = train(tasks, dataset)[:2]
    assert (fine.status, lost.status, lost.metrics) == ("done", "diverged", {})
    assert lost.reason.startswith("its place or its value was not finite after step ")
    assert_same(train(tasks[:1], dataset)[0], fine)


SURFACE = {"kind": "surface", "surface": "saddle"}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"model": {"kind": "surface"}}, "model.surface is missing: saddle, say"),
        (
            {"model": {**SURFACE, "dropout": 0.5}},
            "model.dropout does nothing on a surface (got 0.5",
        ),
        ({"model": SURFACE, "train": {"batch_size": 8}}, "train.batch_size does nothing on a surf"),
        ({"model": SURFACE, "train": {"epochs": 10_001}}, "train.epochs, the steps on a surface"),
        ({"model": SURFACE, "train": {"engine": "torch"}}, "model.kind surface needs train.engine"),
        ({"model": SURFACE, "outcome": "test_rmse"}, "outcome test_rmse does not fit data plane"),
        ({"model": {"kind": "mlp"}}, "model.kind surface and data plane need each other (got mlp"),
        ({"model": SURFACE, "data": "digits"}, "model.kind surface and data plane need each other"),
        (
            {"model": {"surface": "saddle"}, "data": "digits"},
            "model.surface needs model.kind surface (got mlp)",
        ),
        ({"outcome": "excess", "data": "digits"}, "outcome excess does not fit data digits"),
    ],
)
def test_what_does_not_apply_is_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError) as raised:
        design_of(**{"data": "plane", **values})
    assert any(one.startswith(problem) for one in raised.value.problems), raised.value.problems

"""A run gives the same result alone, in any stack and in any order: bit for bit on one thread."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.engines.stacked import shared
from paribus.engines.stacked.engine import StackedEngine
from paribus.engines.stacked.stack import Stack
from paribus.study.rows import split_rows
from tests.engines.tasks import tasks_of


def train(tasks: list[Task], dataset: Dataset) -> dict[str, Record]:
    engine = StackedEngine("cpu")
    records = engine.train(tasks, dataset, keep_weights=True, epoch_done=lambda runs: None)
    return {record.key: record for record in records}


def assert_same(one: Record, other: Record) -> None:
    assert one.status == other.status
    assert one.metrics == other.metrics
    assert one.curves.keys() == other.curves.keys()
    for metric, points in one.curves.items():
        np.testing.assert_array_equal(points, other.curves[metric])
    assert one.tables.keys() == other.tables.keys()
    for name, cells in one.tables.items():
        np.testing.assert_array_equal(cells, other.tables[name])
    for name, array in (one.weights or {}).items():
        np.testing.assert_array_equal(array, other.weights[name])


OPTIMIZERS = {
    "sgd": {"train.optimizer": "sgd", "train.learning_rate": 0.05},
    "nesterov": {
        "train.optimizer": "sgd",
        "train.momentum": 0.9,
        "train.nesterov": True,
        "train.weight_decay": 0.01,
    },
    "rmsprop": {"train.optimizer": "rmsprop", "train.momentum": 0.5, "train.weight_decay": 0.001},
    "adam": {"train.optimizer": "adam"},
    "adamw": {"train.optimizer": "adamw", "train.weight_decay": 0.1},
}

NETWORKS = {
    "mlp": {"hidden": [33]},
    "deep mlp with odd widths": {"hidden": [17, 13, 1]},
    "batch norm after": {"hidden": [30], "batch_norm": "after"},
    "batch norm before, tanh, dropout": {
        "hidden": [21, 10],
        "batch_norm": "before",
        "activation": "tanh",
        "dropout": 0.3,
    },
    "sigmoid": {"hidden": [19], "activation": "sigmoid"},
    "logistic": {"kind": "logistic"},
    "cnn": {"kind": "cnn", "conv": [{"channels": 5, "kernel": 3}], "hidden": [11]},
    "cnn with batch norm": {
        "kind": "cnn",
        "conv": [{"channels": 3, "kernel": 3}],
        "hidden": [11],
        "batch_norm": "after",
        "dropout": 0.5,
    },
}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
def test_a_run_is_the_same_alone_and_in_a_stack(network: dict[str, object], precision: str) -> None:
    tasks, dataset = tasks_of(
        model=network,
        train={"epochs": 2, "batch_size": 48, "precision": precision},
        factors={"optimizer": OPTIMIZERS},
        seeds=2,
    )
    together = train(tasks, dataset)
    assert len(together) == len(tasks) == 10
    for task in tasks[::3]:
        assert_same(train([task], dataset)[task.key], together[task.key])


@pytest.mark.parametrize("loss", ["cross-entropy", "softmax-cross-entropy"])
def test_a_network_whose_weights_are_lost_has_diverged(loss: str) -> None:
    """The loss of softmax twice has an upper bound, and oneDNN makes numbers of NaNs."""
    tasks, dataset = tasks_of(
        model=NETWORKS["cnn"],
        train={"epochs": 2, "optimizer": "sgd", "learning_rate": 1e30, "loss": loss},
        seeds=1,
    )
    (record,) = train(tasks, dataset).values()
    assert record.status == "diverged"


@pytest.mark.parametrize("data", ["diabetes", "breast-cancer"])
def test_a_run_on_a_table_is_the_same_alone_and_in_a_stack(data: str) -> None:
    tasks, dataset = tasks_of(
        data=data,
        model={"hidden": [9]},
        train={"epochs": 2, "batch_size": 50},
        factors={"optimizer": OPTIMIZERS},
        seeds=2,
    )
    together = train(tasks, dataset)
    for task in tasks[::4]:
        assert_same(train([task], dataset)[task.key], together[task.key])


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_a_run_with_class_weights_is_the_same_alone_and_in_a_stack(loss: str) -> None:
    tasks, dataset = tasks_of(
        data={"source": "breast-cancer", "validation": 0.2, "class_weights": "balanced"},
        model={"hidden": [9]},
        train={"epochs": 2, "batch_size": 50, "loss": loss},
        factors={"optimizer": OPTIMIZERS},
        seeds=2,
    )
    together = train(tasks, dataset)
    for task in tasks[::3]:
        assert_same(train([task], dataset)[task.key], together[task.key])


@pytest.mark.parametrize("kind", ["linear", "logistic", "mlp"])
def test_networks_with_one_output_are_the_same_alone_and_in_a_stack(kind: str) -> None:
    tasks, dataset = tasks_of(
        data="diabetes",
        model={"kind": kind, "hidden": [1, 7] if kind == "mlp" else []},
        train={"epochs": 3, "batch_size": 29, "optimizer": "sgd"},
        seeds=5,
    )
    together = train(tasks, dataset)
    for task in tasks:
        assert_same(train([task], dataset)[task.key], together[task.key])


def test_testing_in_training_mode_is_the_same_alone_and_in_a_stack() -> None:
    tasks, dataset = tasks_of(
        model={"hidden": [12], "batch_norm": "after", "dropout": 0.5},
        train={"epochs": 2},
        evaluate={"mode": "training"},
        seeds=3,
    )
    together = train(tasks, dataset)
    for task in tasks:
        assert_same(train([task], dataset)[task.key], together[task.key])


SPLITS = {
    "resampled": {"split": "resampled", "validation": 0.1},
    "kfold": {"split": "kfold", "folds": 4, "validation": 0.1},
    "cross-validation": {"split": "cross-validation", "folds": 2},
}
IMBALANCE = {"subsample": {"3": 0.1, "8": 0.5}, "class_weights": "balanced"}
RESAMPLED = {
    "images": ({"source": "digits"}, {"hidden": [13], "dropout": 0.2}),
    "imbalance": ({"source": "digits", **IMBALANCE}, {"hidden": [13]}),
    "convolutions": (
        {"source": "digits"},
        {"kind": "cnn", "conv": [{"channels": 3, "kernel": 3}]},
    ),
    "table": ({"source": "breast-cancer"}, {"hidden": [9], "batch_norm": "after"}),
    "numeric target": ({"source": "diabetes"}, {"hidden": [7]}),
}


def train_in_any_stacks(tasks: list[Task], dataset: Dataset) -> dict[str, Record]:
    """Train what has splits of equal sizes together, as a plan does."""
    groups = defaultdict(list)
    for task in tasks:
        one = split_rows(dataset, task.config.data, task.seed, task.block)
        groups[len(one.train), len(one.test)].append(task)
    return {
        key: record for group in groups.values() for key, record in train(group, dataset).items()
    }


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS.keys())
@pytest.mark.parametrize(("data", "network"), RESAMPLED.values(), ids=RESAMPLED.keys())
def test_a_run_on_a_split_of_its_own_is_the_same_alone_in_any_stack_and_order(
    split: dict[str, object], data: dict[str, object], network: dict[str, object]
) -> None:
    tasks, dataset = tasks_of(
        data={**data, "scaling": "standard", **split},
        model=network,
        train={"epochs": 2, "batch_size": 50},
        factors={"optimizer": {name: OPTIMIZERS[name] for name in ("nesterov", "adam")}},
        seeds=5,
    )
    together = train_in_any_stacks(tasks, dataset)
    assert len(together) == 10
    halves = train_in_any_stacks(tasks[6::-1], dataset) | train_in_any_stacks(tasks[7:], dataset)
    for task in tasks:
        assert_same(halves[task.key], together[task.key])
    for task in tasks[::3]:
        assert_same(train([task], dataset)[task.key], together[task.key])


def test_a_stack_of_splits_of_unequal_sizes_is_refused() -> None:
    """1,797 rows: the first two of five folds have one row more."""
    tasks, dataset = tasks_of(data={"source": "digits", "split": "kfold"}, seeds=3)
    with pytest.raises(ValueError, match="splits of equal sizes"):
        train(tasks, dataset)


@pytest.mark.parametrize("split", [{"split": "fixed"}, *SPLITS.values()])
def test_testing_in_training_mode_where_arms_share_a_wide_first_product(
    split: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fixed split, a batch to test on is common to all blocks: there is one, not three."""
    tasks, dataset = tasks_of(
        data={"source": "digits", **split},
        model={"hidden": [32], "batch_norm": "after"},
        train={"epochs": 1, "batch_size": 48},
        evaluate={"mode": "training"},
        factors={"optimizer": OPTIMIZERS},
        seeds=4,
    )
    tasks = [task for task in tasks if task.block]  # the first of four folds has one row more
    monkeypatch.setattr(shared, "pays", lambda *shape: False)
    apart = train(tasks, dataset)
    monkeypatch.setattr(shared, "pays", lambda *shape: True)
    together = train(tasks, dataset)
    for key, record in apart.items():
        assert_same(record, together[key])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.data(),
    hidden=st.lists(st.integers(1, 40), max_size=2),
    batch_size=st.integers(2, 130).filter(lambda size: 1438 % size != 1),
    activation=st.sampled_from(["relu", "tanh", "sigmoid", "none"]),
    batch_norm=st.sampled_from(["none", "before", "after"]),
)
def test_any_packing_and_order_gives_the_same_runs(
    data: st.DataObject, hidden: list[int], batch_size: int, activation: str, batch_norm: str
) -> None:
    tasks, dataset = tasks_of(
        model={"hidden": hidden, "activation": activation, "batch_norm": batch_norm},
        train={"epochs": 1, "batch_size": batch_size},
        factors={"optimizer": OPTIMIZERS},
        seeds=2,
    )
    together = train(tasks, dataset)
    shuffled = data.draw(st.permutations(tasks))
    cut = data.draw(st.integers(1, len(tasks) - 1))
    apart = train(shuffled[:cut], dataset) | train(shuffled[cut:], dataset)
    for key, record in together.items():
        assert_same(record, apart[key])


@pytest.mark.parametrize(
    "network",
    [
        {"hidden": [32]},
        {"hidden": [64, 10], "batch_norm": "after", "dropout": 0.3},
        {"hidden": [16]},
    ],
    ids=lambda network: str(network["hidden"]),
)
def test_arms_that_share_a_wide_first_product_get_the_same_numbers(
    network: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,437 rows in batches of 48 end with a short one, which is not shared."""
    tasks, dataset = tasks_of(
        model=network,
        train={"epochs": 2, "batch_size": 48},
        factors={"optimizer": OPTIMIZERS},
        seeds=3,
    )
    stack = tasks[2:]  # blocks of three, five and five
    monkeypatch.setattr(shared, "pays", lambda *shape: False)
    apart = train(stack, dataset)
    asked = []
    monkeypatch.setattr(shared, "pays", lambda *shape: asked.append(shape) or True)
    together = train(stack, dataset)
    assert asked == [(48, 64, network["hidden"][0], (3, 5, 5))]
    for key, record in apart.items():
        assert_same(record, together[key])


@pytest.mark.parametrize("outputs", [10, 33])
def test_a_wide_product_that_may_differ_is_not_used(outputs: int) -> None:
    """33 outputs leave an optimizer's vector loop a remainder; 10 have a kernel of their own."""
    assert not shared.pays(20, 63, outputs, (8,))


def test_one_member_per_block_has_nothing_to_share() -> None:
    assert not shared.pays(100, 784, 100, (1, 1, 1))


def test_one_training_serves_both_modes_of_testing() -> None:
    tasks, dataset = tasks_of(
        model={"hidden": [20], "batch_norm": "after", "dropout": 0.5},
        train={"epochs": 2, "batch_size": 100, "log_every": 5},
        factors={
            "evaluate.mode": ["evaluation", "training"],
            "train.optimizer": ["sgd", "adam"],
        },
        seeds=2,
    )
    steps = 0

    def count(runs: int) -> None:
        nonlocal steps
        steps += runs

    engine = StackedEngine("cpu")
    stack = Stack(tasks, dataset, engine.device)
    assert len(stack.tasks) == len(tasks) / 2
    found = {r.key: r for r in stack.train(keep_weights=True, epoch_done=count)}
    assert steps == 2 * len(tasks)
    for task in tasks:
        assert_same(found[task.key], train([task], dataset)[task.key])
    one, other = (found[task.key].metrics for task in tasks[:3:2])
    assert one["train_loss"] == other["train_loss"]
    assert one["test_loss"] != other["test_loss"]


def test_logged_means_are_those_of_the_steps_between() -> None:
    curves = {}
    for every in (1, 7):
        tasks, dataset = tasks_of(
            model={"hidden": [20]},
            train={"epochs": 2, "batch_size": 64, "log_every": every},
            seeds=1,
        )
        curves[every] = train(tasks, dataset)[tasks[0].key].curves
    for name in ("loss", "accuracy"):
        each = curves[1][f"step_{name}"].reshape(2, -1)  # 23 steps an epoch
        np.testing.assert_array_equal(curves[7][f"step_{name}"], each[:, 6::7].ravel())
        means = each[:, :21].reshape(2, 3, 7).mean(2).ravel()
        np.testing.assert_allclose(curves[7][f"step_mean_{name}"], means, rtol=1e-6)

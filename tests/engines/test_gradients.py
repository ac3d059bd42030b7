"""Measures of gradients and activations are those of plain PyTorch, and change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from paribus.data import Dataset, fit_scaling
from paribus.engines.base import Record, Task
from paribus.engines.stacked.gradients import noise
from paribus.engines.torch import build, state_dict
from paribus.study.rows import split_rows
from paribus.study.seeds import generator
from tests.engines.tasks import tasks_of
from tests.engines.test_sameness import OPTIMIZERS, assert_same, train

NETWORKS = {
    "relu": {"hidden": [33, 20]},
    "tanh, batch norm": {"hidden": [19, 7], "activation": "tanh", "batch_norm": "before"},
    "sigmoid": {"hidden": [10, 10, 10], "activation": "sigmoid"},
    "cnn": {"kind": "cnn", "conv": [{"channels": 4, "kernel": 3}], "hidden": [11]},
}
SLOPES = {
    nn.ReLU: lambda z: (z > 0).double(),
    nn.Tanh: lambda z: 1 - torch.tanh(z.double()) ** 2,
    nn.Sigmoid: lambda z: 4 * torch.sigmoid(z.double()) * (1 - torch.sigmoid(z.double())),
}
MEASURES = ("gradient_", "inactive_")


def measured(values: object, **settings: object) -> tuple[list[Task], Dataset]:
    given = {"epochs": 2, "learning_rate": 0.01, "measure_gradients": True, **settings}
    return tasks_of(model=values, train=given, seeds=1)


def by_hand(task: Task, dataset: Dataset, record: Record) -> dict[str, float]:
    """Measure a trained network as a person would, batch by batch."""
    module = build(task.network)
    assert record.weights is not None
    module.load_state_dict(state_dict(task.network, record.weights), strict=False)
    module.train()
    rows = split_rows(dataset, task.config.data, task.seed, task.block).train
    scaling = fit_scaling(dataset, rows, task.config.data.scaling)
    probe = generator(task.seed, "gradient probe", task.block).permutation(rows)[:1400]
    flat: dict[nn.Module, list[float]] = {}
    for part in module:
        if type(part) in SLOPES:
            flat[part] = []
            part.register_forward_hook(
                lambda m, z, y: flat[m].append(
                    float((SLOPES[type(m)](z[0]) < 0.01).double().mean())
                )
            )
    gradients = []
    for batch in probe.reshape(14, 100):
        x = torch.from_numpy(scaling.apply(dataset.features[batch]))
        loss = F.cross_entropy(module(x), torch.from_numpy(dataset.targets[batch]))
        found = torch.autograd.grad(loss, list(module.parameters()))
        gradients.append([g.double() for g in found])
    means = [torch.stack(of_batches).mean(0) for of_batches in zip(*gradients, strict=True)]
    norms = [float(m.norm()) for m, p in zip(means, module.parameters(), strict=True) if p.ndim > 1]
    whole = torch.stack([torch.cat([g.flatten() for g in one]) for one in gradients])
    spread = float(whole.var(0, unbiased=True).sum())  # of means of 100 rows
    square = float(whole.mean(0).square().sum()) - spread / len(whole)
    expected = {f"gradient_norm_{i}": norm for i, norm in enumerate(norms, 1)}
    expected |= {f"inactive_{i}": float(np.mean(s)) for i, s in enumerate(flat.values(), 1)}
    return expected | {
        "gradient_ratio": norms[0] / norms[-1],
        "inactive_share": float(np.mean(list(flat.values()))),
        "gradient_noise": 100 * spread / square,
    }


def without_nan(record: Record) -> Record:
    """Without metrics that equal nothing; the curves say where they are."""
    return replace(record, metrics={m: v for m, v in record.metrics.items() if not np.isnan(v)})


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_measures_are_those_of_plain_pytorch(network: dict) -> None:
    (task,), dataset = measured(network)
    record = train([task], dataset)[task.key]
    expected = by_hand(task, dataset, record)
    found = {m: v for m, v in record.metrics.items() if m.startswith(MEASURES)}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # a unit near the bound may fall on either side of it by rounding
        assert found[name] == pytest.approx(value, rel=2e-4, abs=1e-5), name
        assert len(record.curves[name]) == 2
        assert record.curves[name][-1] == found[name]


def test_measuring_changes_nothing_else() -> None:
    network = {"hidden": [30], "batch_norm": "after", "dropout": 0.4}
    (plain,), dataset = measured(network, measure_gradients=False)
    (task,), _ = measured(network)
    assert task.key != plain.key
    expected, found = train([plain], dataset)[plain.key], train([task], dataset)[task.key]
    kept = {m: v for m, v in found.metrics.items() if not m.startswith(MEASURES)}
    assert kept == expected.metrics
    for name, weights in (expected.weights or {}).items():
        np.testing.assert_array_equal(weights, (found.weights or {})[name])


@pytest.mark.parametrize(
    "network",
    [
        *NETWORKS.values(),
        {"hidden": [40], "batch_norm": "after", "dropout": 0.3},
        {"hidden": [17, 13, 1]},
        {"width": 64, "depth": 6, "activation": "tanh"},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [100, 256])
def test_a_measured_run_is_the_same_alone_and_in_a_stack(network: dict, batch: int) -> None:
    chosen = {name: OPTIMIZERS[name] for name in ("sgd", "adam")}
    tasks, dataset = tasks_of(
        model=network,
        data={"source": "digits", "rows": 400},
        train={"epochs": 1, "batch_size": batch, "measure_gradients": True},
        factors={"optimizer": chosen},
        seeds=2,
    )
    together = train(tasks, dataset)
    for task in tasks[::3]:
        alone = train([task], dataset)[task.key]
        assert_same(without_nan(alone), without_nan(together[task.key]))


def test_a_linear_network_has_no_inactive_units() -> None:
    (task,), dataset = measured({"hidden": [9, 9], "activation": "none"}, epochs=1)
    metrics = train([task], dataset)[task.key].metrics
    assert metrics["inactive_1"] == metrics["inactive_2"] == metrics["inactive_share"] == 0


def test_without_hidden_layers_the_ratio_is_one_and_no_share_is_known() -> None:
    (task,), dataset = measured({"kind": "logistic"}, epochs=1)
    metrics = train([task], dataset)[task.key].metrics
    assert metrics["gradient_ratio"] == 1
    assert np.isnan(metrics["inactive_share"])
    assert "gradient_norm_2" not in metrics


def test_dead_units_are_inactive_and_their_gradients_are_zero() -> None:
    (task,), dataset = measured({"hidden": [8]}, epochs=1, learning_rate=1e4, optimizer="sgd")
    record = train([task], dataset)[task.key]  # a step so large that no unit is ever above zero
    assert record.curves["inactive_1"][-1] == 1
    assert record.curves["gradient_norm_1"][-1] == 0
    assert np.isnan(record.curves["gradient_ratio"][-1])  # nothing reaches the last layer either


def test_the_noise_of_a_linear_model_is_that_of_its_closed_form() -> None:
    """Rows x ~ N(0, I), y = x·w + e: the gradient of (x·d - e)² has the mean 2d in closed form.

    E |g|² is 4 ((n + 2) |d|² + n s²) for n inputs and noise of variance s².
    """
    draw, n, rows, batches, studies, s = np.random.default_rng(1), 6, 10, 20, 400, 1.5
    d = draw.normal(size=n)
    x = draw.normal(size=(studies, batches, rows, n))
    error = x @ d - s * draw.normal(size=(studies, batches, rows))
    of_batches = (2 * error[..., None] * x).mean(2)
    small = torch.from_numpy((of_batches**2).sum(-1).mean(1))
    large = torch.from_numpy((of_batches.mean(1) ** 2).sum(-1))
    trace, square = noise(small, large, rows, batches)
    signal = 4 * d @ d
    for found, expected in ((trace, 4 * ((n + 1) * d @ d + n * s**2)), (square, signal)):
        error_of_mean = float(found.std()) / studies**0.5
        assert float(found.mean()) == pytest.approx(expected, abs=4 * error_of_mean)
        assert error_of_mean < 0.05 * expected


@given(st.lists(st.lists(st.integers(-99, 99), min_size=3, max_size=3), min_size=2, max_size=9))
def test_the_noise_is_the_spread_of_the_batches(batches: list[list[int]]) -> None:
    g = torch.tensor(batches, dtype=torch.float64)
    small, large = g.square().sum(1).mean(), g.mean(0).square().sum()
    trace, square = noise(small, large, 100, len(g))
    spread = float(g.var(0).sum())
    assert float(trace) == pytest.approx(100 * spread, abs=1e-6)
    assert float(square) == pytest.approx(float(large) - spread / len(g), abs=1e-6)

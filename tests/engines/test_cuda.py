"""On a GPU the stack and the torch engine give the runs that they give on a CPU, to rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from paribus.data import load
from paribus.engines.base import Task
from paribus.engines.choice import learner
from paribus.engines.inputs import inputs
from paribus.engines.proof import agreement, trace_of
from paribus.engines.stacked.engine import StackedEngine
from paribus.engines.stacked.stack import Stack
from paribus.study.design import design
from paribus.study.engine import EngineId
from paribus.study.spec import from_values
from tests.engines.tasks import tasks_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_graph_gives_what_operations_one_by_one_give(kind: str, dropout: float) -> None:
    tasks, dataset = tasks_of(
        model={"kind": kind, "batch_norm": "after", "dropout": dropout},
        train={"epochs": 2, "batch_size": 100, "log_every": 1},
        factors={"train.optimizer": ["sgd", "rmsprop", "adam", "adamw"]},
        seeds=2,
    )
    curves = {}
    for graphable in (True, False):
        stack = Stack(tasks, dataset, torch.device("cuda"))
        assert stack.graphable
        stack.graphable = graphable
        records = list(stack.train(keep_weights=False, epoch_done=lambda runs: None))
        assert (stack.graphed is not None) == graphable
        curves[graphable] = {record.key: record.curves["step_loss"] for record in records}
    for key, points in curves[False].items():
        np.testing.assert_allclose(curves[True][key], points, rtol=1e-4)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_less_precision_on_a_gpu_gives_nearly_the_same_losses(precision: str) -> None:
    losses = {}
    for chosen in ("fp32", precision):
        spec = from_values(
            {
                "question": "?",
                "model": {"hidden": [100]},
                "train": {"epochs": 1, "log_every": 1, "precision": chosen},
                "seeds": 1,
            }
        )
        laid_out = design(spec, load("digits"), EngineId("stacked", "test", "cuda"))
        arm, run = laid_out.arms[0], laid_out.runs[0]
        task = Task(run.key, arm.config, arm.network, 0, run.block, arm.engine)
        (record,) = StackedEngine("cuda").train(
            [task], laid_out.dataset, keep_weights=False, epoch_done=lambda runs: None
        )
        losses[chosen] = record.curves["step_loss"]
    np.testing.assert_allclose(losses[precision], losses["fp32"], rtol=2**-6)
    assert not np.array_equal(losses[precision], losses["fp32"])


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_a_gpu_gives_the_loss_curves_of_a_cpu(kind: str) -> None:
    tasks, dataset = tasks_of(
        model={"kind": kind, "batch_norm": "after", "dropout": 0.2},
        train={"epochs": 1, "batch_size": 100, "log_every": 1},
        factors={"train.optimizer": ["sgd", "rmsprop", "adam", "adamw"]},
        seeds=2,
    )
    curves = {}
    for device in ("cpu", "cuda"):
        engine = StackedEngine(device)
        records = engine.train(tasks, dataset, keep_weights=False, epoch_done=lambda runs: None)
        curves[device] = {record.key: record.curves["step_loss"] for record in records}
    for key, points in curves["cpu"].items():
        np.testing.assert_allclose(curves["cuda"][key], points, rtol=1e-3)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_the_torch_engine_on_a_gpu_does_the_maths_of_a_cpu(kind: str) -> None:
    train = {"epochs": 1, "batch_size": 100, "optimizer": "sgd"}
    (task,), dataset = tasks_of(model={"kind": kind}, train=train, seeds=1)
    gpu, cpu = (
        trace_of(replace(task, engine=EngineId("torch", "test", device)), dataset)
        for device in ("cuda", "cpu")
    )
    found = agreement(gpu, cpu)
    assert found.holds, found


def test_the_memory_of_a_gpu_is_told_after_an_epoch() -> None:
    (task,), dataset = tasks_of(train={"epochs": 1, "batch_size": 100}, seeds=1)
    task = replace(task, engine=EngineId("torch", "test", "cuda"))
    held = inputs(task, dataset)
    one = learner(task, held)
    one.epoch(held.order(0))
    found = one.gpu_memory()
    assert found.keys() == {"gpu_allocated", "gpu_reserved", "gpu_peak"}
    assert held.x["train"].nbytes < found["gpu_allocated"] <= found["gpu_peak"]
    assert found["gpu_allocated"] <= found["gpu_reserved"]

"""The stacked engine on a GPU gives the runs that it gives on a CPU, to rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paribus.engines.stacked.engine import StackedEngine
from tests.engines.tasks import tasks_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


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

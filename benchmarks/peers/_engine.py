"""What the engines of single runs share: a learner, trained epoch by epoch."""

from __future__ import annotations

import os
from collections.abc import Callable

from benchmarks.timing import Stopwatch, Timing
from benchmarks.workloads import Workload
from paribus.data import Dataset
from paribus.engines.base import Task
from paribus.engines.choice import learner
from paribus.engines.inputs import inputs
from paribus.study.config import Config, DataConfig, TrainConfig
from paribus.study.engine import EngineId
from paribus.workers.cores import available_cores


def trains(engine: str) -> Callable[[Workload, Dataset, int], Timing]:
    """Return what trains a workload with an engine."""

    def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
        """Train one model."""
        os.environ["OMP_NUM_THREADS"] = str(available_cores())
        config = Config(
            data=DataConfig(scaling="unit"),
            model=workload.model,
            train=TrainConfig(
                epochs=epochs,
                batch_size=workload.batch,
                optimizer=workload.optimizer,
                learning_rate=workload.learning_rate,
                momentum=workload.momentum,
                loss="cross-entropy",
            ),
        )
        task = Task("", config, workload.network, 0, 0, EngineId(engine, "", "cpu"))
        held = inputs(task, data)
        one, watch, loss = learner(task, held), Stopwatch(), 0.0
        for epoch in range(epochs):
            watch.start()
            loss = one.epoch(held.order(epoch))
            watch.stop()
        return Timing(watch.seconds, 1, loss)

    return train

"""Ictonyx: the same training N times with N seeds, one after another.

As in https://ictonyx.readthedocs.io/en/latest/ (variability_study), with its PyTorch wrapper. It
insists on validation and test rows: it is given 100 of each, which take no time to speak of.
"""

from __future__ import annotations

import math

import ictonyx as ix
import torch
from torch import nn

from benchmarks.peers import _torch
from benchmarks.timing import Stopwatch, Timing
from benchmarks.workloads import Workload, arrays
from paribus.data import Dataset

PACKAGES = ("ictonyx", "torch")
RUNS = 2


class Timed(nn.Sequential):
    """A network that times its epochs: the wrapper calls `train` before and `eval` after each."""

    def __init__(self, watch: Stopwatch, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.watch = watch

    def train(self, mode: bool = True) -> Timed:
        """Switch to training or to evaluation, as any module."""
        was_training = self.training
        super().train(mode)
        if mode:
            self.watch.start()
        elif was_training and self.watch.started:
            self.watch.stop()
        return self


def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train several models, one after another; an epoch's seconds are those of all of them."""
    watch = Stopwatch()

    def build(config: ix.ModelConfig) -> ix.PyTorchModelWrapper:
        return ix.PyTorchModelWrapper(
            Timed(watch, *_torch.module(workload)),
            criterion=nn.CrossEntropyLoss(),
            optimizer_class=_torch.OPTIMIZERS[workload.optimizer],
            optimizer_params={"lr": workload.learning_rate},
            device="cpu",
        )

    few_images, few_labels = arrays(data, "test")
    results = ix.variability_study(
        model=build,
        data=arrays(data),
        X_val=few_images,
        y_val=few_labels,
        X_test=few_images,
        y_test=few_labels,
        runs=RUNS,
        epochs=epochs,
        batch_size=workload.batch,
        seed=0,
        verbose=False,
    )
    assert len(watch.seconds) == RUNS * epochs, "its wrapper no longer calls train and eval"
    together = [math.fsum(watch.seconds[epoch::epochs]) for epoch in range(epochs)]
    last = [run["train_loss"].iloc[-1] for run in results.all_runs_metrics]
    return Timing(together, RUNS, float(torch.tensor(last).mean()))

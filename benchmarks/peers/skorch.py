"""Skorch: scikit-learn's interface around a PyTorch module.

As in https://skorch.readthedocs.io/en/stable/user/quickstart.html, with all rows for training.
The seconds of an epoch are those of its own history.
"""

from __future__ import annotations

from skorch import NeuralNetClassifier
from torch import nn

from benchmarks.peers import _torch
from benchmarks.timing import Timing
from benchmarks.workloads import Workload, arrays
from paribus.data import Dataset

PACKAGES = ("skorch", "torch")


def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train one model."""
    net = NeuralNetClassifier(
        _torch.module(workload),
        criterion=nn.CrossEntropyLoss,
        optimizer=_torch.OPTIMIZERS[workload.optimizer],
        lr=workload.learning_rate,
        batch_size=workload.batch,
        max_epochs=epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    net.fit(*arrays(data))
    return Timing(net.history[:, "dur"], 1, net.history[-1, "train_loss"])

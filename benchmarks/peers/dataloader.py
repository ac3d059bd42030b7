"""PyTorch's loop over a DataLoader of tensors.

As in https://docs.pytorch.org/tutorials/beginner/nn_tutorial.html (TensorDataset, DataLoader).
"""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers import _loop
from benchmarks.timing import Timing
from benchmarks.workloads import Workload, arrays
from paribus.data import Dataset

PACKAGES = ("torch",)


def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train one model on images that are tensors already."""
    images, labels = map(torch.from_numpy, arrays(data))
    loader = DataLoader(TensorDataset(images, labels), workload.batch, shuffle=True)
    return _loop.run(workload, loader, epochs)

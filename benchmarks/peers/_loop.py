"""The training loop of PyTorch's tutorials, over any DataLoader."""

from __future__ import annotations

from torch import nn
from torch.utils.data import DataLoader

from benchmarks.peers import _torch
from benchmarks.timing import Stopwatch, Timing
from benchmarks.workloads import Workload


def run(workload: Workload, loader: DataLoader, epochs: int) -> Timing:
    """Train on a loader's batches and report the mean loss, as the tutorials do."""
    model = _torch.module(workload)
    criterion = nn.CrossEntropyLoss()
    optimizer = _torch.optimizer(workload, model.parameters())
    watch, loss_mean = Stopwatch(), 0.0
    for _ in range(epochs):
        watch.start()
        running_loss = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        loss_mean = running_loss / len(loader)
        watch.stop()
    return Timing(watch.seconds, 1, loss_mean)

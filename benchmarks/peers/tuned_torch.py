"""A well-tuned PyTorch loop: data in memory by index, fused optimizer, no wait within an epoch.

By https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html (gradients set to none, no
needless synchronisation, denormals flushed) and the `fused` option of
https://docs.pytorch.org/docs/stable/optim.html.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from benchmarks.peers import _torch
from benchmarks.timing import Stopwatch, Timing
from benchmarks.workloads import Workload, arrays
from paribus.data import Dataset

PACKAGES = ("torch",)


def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train one model."""
    torch.set_flush_denormal(True)
    images, labels = map(torch.from_numpy, arrays(data))
    model = _torch.module(workload)
    optimizer = _torch.optimizer(workload, model.parameters(), fused=True)
    watch, loss_mean = Stopwatch(), 0.0
    for _ in range(epochs):
        watch.start()
        total = torch.zeros(())
        for rows in torch.randperm(len(images)).split(workload.batch):
            loss = functional.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        loss_mean = total.item() / len(images)
        watch.stop()
    return Timing(watch.seconds, 1, loss_mean)

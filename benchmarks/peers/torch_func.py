"""Ensembling with torch.func: several models vectorised into one.

As in https://docs.pytorch.org/tutorials/intermediate/ensembling.html (stack_module_state,
functional_call, vmap) and https://docs.pytorch.org/docs/stable/generated/torch.func.grad_and_value
for the gradients. An optimizer is element-wise, so that one fused optimizer over the stacked
parameters updates every model as its own would.
"""

from __future__ import annotations

import torch
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional

from benchmarks.peers import _torch
from benchmarks.timing import Stopwatch, Timing
from benchmarks.workloads import STACK, Workload, arrays
from paribus.data import Dataset

PACKAGES = ("torch",)


def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train a stack of models, each on batches of its own."""
    torch.set_flush_denormal(True)
    images, labels = map(torch.from_numpy, arrays(data))
    params, buffers = stack_module_state([_torch.module(workload) for _ in range(STACK)])
    base = _torch.module(workload).to("meta")

    def loss_of(params: dict, buffers: dict, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(functional_call(base, (params, buffers), (x,)), y)

    gradients = vmap(grad_and_value(loss_of))
    optimizer = _torch.optimizer(workload, params.values(), fused=True)
    watch, loss_mean = Stopwatch(), 0.0
    for _ in range(epochs):
        watch.start()
        total = torch.zeros(())
        orders = torch.stack([torch.randperm(len(images)) for _ in range(STACK)])
        for rows in orders.split(workload.batch, 1):
            found, losses = gradients(params, buffers, images[rows], labels[rows])
            for name, gradient in found.items():
                params[name].grad = gradient
            optimizer.step()
            total += losses.detach().mean() * rows.shape[1]
        loss_mean = total.item() / len(images)
        watch.stop()
    return Timing(watch.seconds, STACK, loss_mean)

"""What the PyTorch peers share: the network and the optimizer, as any user writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from benchmarks.workloads import CLASSES, Workload


def module(workload: Workload) -> nn.Sequential:
    """Return the network, with PyTorch's own initial weights, for images [batch, 1, h, w]."""
    layers: list[nn.Module] = []
    channels, side = 1, workload.side
    for wider in workload.channels:
        layers += [nn.Conv2d(channels, wider, 5), nn.ReLU(), nn.MaxPool2d(2)]
        channels, side = wider, (side - 4) // 2
    layers.append(nn.Flatten())
    width = channels * side * side
    for units in workload.hidden:
        layers += [nn.Linear(width, units), nn.ReLU()]
        layers += [nn.BatchNorm1d(units)] if workload.batch_norm else []
        layers += [nn.Dropout(workload.dropout)] if workload.dropout else []
        width = units
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


OPTIMIZERS = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD}


def optimizer(
    workload: Workload, parameters: Iterable[torch.Tensor], **settings: Any
) -> torch.optim.Optimizer:
    """Return the workload's optimizer."""
    if workload.momentum:
        settings["momentum"] = workload.momentum
    if workload.optimizer == "rmsprop":  # which has no fused form
        settings.pop("fused", None)
    return OPTIMIZERS[workload.optimizer](parameters, lr=workload.learning_rate, **settings)

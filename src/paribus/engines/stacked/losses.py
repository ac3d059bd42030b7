"""Losses and errors of stacks, per member."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_losses(loss: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of every sample, [member, batch].

    `outputs` are [member, batch, outputs]; `targets` [member, batch] class codes, or numbers where
    there is one output. `mse` on classes is against their one-hot code, averaged over the classes.
    """
    if loss == "mse":
        if outputs.shape[-1] > 1:
            wanted = F.one_hot(targets, outputs.shape[-1]).to(outputs.dtype)
        else:
            wanted = targets.to(outputs.dtype).unsqueeze(-1)
        return ((outputs - wanted) ** 2).mean(-1)
    if loss == "softmax-cross-entropy":
        outputs = torch.softmax(outputs, -1)
    return log_losses(outputs, targets)


def log_losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of the softmax of the outputs for every sample, [member, batch]."""
    flat = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.view(targets.shape)


def mean_losses(losses: Tensor, targets: Tensor, class_weights: Tensor | None) -> Tensor:
    """Return the mean loss of a batch per member, weighted by class where there are weights.

    `class_weights` are [member, class]. The weighted sum is divided by the sum of the weights, as
    `torch.nn.CrossEntropyLoss` does.
    """
    if class_weights is None:
        return losses.mean(1)
    weights = class_weights.gather(1, targets)
    return (losses * weights).sum(1) / weights.sum(1)


def hits(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the number of right answers per member (classification)."""
    return (outputs.argmax(-1) == targets).sum(1)


def squared_errors(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the sum of squared errors per member (regression)."""
    return ((outputs.squeeze(-1) - targets) ** 2).sum(1)

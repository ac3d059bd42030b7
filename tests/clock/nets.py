"""A network that misbehaves."""

from __future__ import annotations

import os
import time

import torch
from torch import Tensor, nn


class Ending(nn.Linear):
    """Ends its process, or hangs, when it has seen so many batches in training."""

    def __init__(self, how: str, batches: int = 3) -> None:
        super().__init__(64, 10)
        self.how, self.left = how, batches

    def forward(self, x: Tensor) -> Tensor:
        self.left -= self.training and torch.is_grad_enabled() and len(x) > 4
        if self.left < 0 and self.how == "crash":
            os._exit(3)
        while self.left < 0 and self.how == "hang":
            time.sleep(1)
        return super().forward(x.flatten(1))

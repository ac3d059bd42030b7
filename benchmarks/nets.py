"""A network of known work."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH = 512


class Repeated(nn.Module):
    """Goes through the same product so many times; its name changes nothing."""

    def __init__(self, rounds: int, name: str) -> None:
        super().__init__()
        self.rounds = rounds
        self.first, self.again = nn.Linear(64, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs."""
        x = torch.relu(self.first(x.flatten(1)))
        for _ in range(self.rounds):
            x = torch.relu(self.again(x))
        return self.last(x)

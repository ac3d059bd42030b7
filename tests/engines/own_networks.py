"""Networks as users write them, named by studies in the tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Plain(nn.Module):
    def __init__(self, width: int = 20) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(64, width), nn.GELU(), nn.Linear(width, 10)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Normed(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.body.insert(2, nn.BatchNorm1d(20))


class Dropping(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.body.insert(3, nn.Dropout(0.5))


class Strided(Normed):
    """Its weights do not lie in memory as they are counted."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.empty(64, 20).uniform_(-0.1, 0.1).t()
        self.body[1].weight = nn.Parameter(weight)


class Checking(Plain):
    def forward(self, x: Tensor) -> Tensor:
        if x.max() > 5:
            raise ValueError("these are no pixels")
        return super().forward(x)


class Standardising(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.body.insert(1, nn.LayerNorm(64))
        self.body.insert(3, nn.BatchNorm1d(20, track_running_stats=False))


class Frozen(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.body[1].weight.requires_grad_(False)


class Convolving(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4 * 6 * 6, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.convolution(x)).flatten(1))


class Branching(Plain):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y if y.sum() > 0 else -y


class MixingUp(Plain):
    """Looks at the rows of other calls: stacked, those are other members' rows."""

    seen = 0

    def forward(self, x: Tensor) -> Tensor:
        MixingUp.seen += 1
        return super().forward(x) * (1 + MixingUp.seen % 3)


def too_few(width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width))


def images_only() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3))


def no_module() -> str:
    return "a network"


def untrainable() -> nn.Module:
    return nn.Flatten()


NOT_CALLABLE = 3

"""Optimizers over stacks: the kernels of torch.optim, called with each member's own tensors.

Members with equal settings are updated by one call. On a CPU a member's tensors are passed one by
one, so that vector loops start and end where they would if it trained alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from paribus.study.config import TrainConfig


class Optimizer:
    """Updates the parameters of the members that share one set of settings."""

    def __init__(self, train: TrainConfig, members: list[int], stacked: Mapping[str, Tensor]):
        """Take the settings, the places of the members, and all stacked parameters."""
        self.settings = train
        self.members = members
        self.names = list(stacked)
        self.parameters = self._own(stacked)
        self.count = torch.zeros((), device=self.parameters[0].device)  # of steps
        self.begun = False
        adaptive = train.optimizer in ("adam", "adamw")
        self.first = self._zeros() if adaptive or train.momentum > 0 else []
        self.second = self._zeros() if train.optimizer != "sgd" else []

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """Update all members of this group in place from stacked gradients."""
        own, s = self._own(gradients), self.settings
        if s.optimizer == "sgd":
            torch._fused_sgd_(
                self.parameters,
                own,
                self.first,
                weight_decay=s.weight_decay,
                momentum=s.momentum,
                lr=s.learning_rate,
                dampening=0.0,
                nesterov=s.nesterov,
                maximize=False,
                is_first_step=not self.begun,
            )
        elif s.optimizer == "rmsprop":
            self._rmsprop(own)
        else:
            update = torch._fused_adamw_ if s.optimizer == "adamw" else torch._fused_adam_
            self.count += 1
            update(
                self.parameters,
                own,
                self.first,
                self.second,
                [],
                [self.count] * len(own),
                lr=s.learning_rate,
                beta1=s.beta1,
                beta2=s.beta2,
                weight_decay=s.weight_decay,
                eps=s.epsilon,
                amsgrad=False,
                maximize=False,
            )
        self.begun = True

    def _rmsprop(self, gradients: list[Tensor]) -> None:
        """As torch.optim.RMSprop does it, which has no fused kernel."""
        s = self.settings
        if s.weight_decay:
            gradients = list(torch._foreach_add(gradients, self.parameters, alpha=s.weight_decay))
        torch._foreach_mul_(self.second, s.smoothing)
        torch._foreach_addcmul_(self.second, gradients, gradients, 1 - s.smoothing)
        root = torch._foreach_sqrt(self.second)
        torch._foreach_add_(root, s.epsilon)
        if s.momentum:
            torch._foreach_mul_(self.first, s.momentum)
            torch._foreach_addcdiv_(self.first, gradients, root)
            torch._foreach_add_(self.parameters, self.first, alpha=-s.learning_rate)
        else:
            torch._foreach_addcdiv_(self.parameters, gradients, root, -s.learning_rate)

    def _own(self, stacked: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the tensors of this group's members: on a GPU side by side, as one per name."""
        tensors = [stacked[name].detach() for name in self.names]
        first, last = self.members[0], self.members[-1]
        if tensors[0].device.type == "cuda" and last - first + 1 == len(self.members):
            return [tensor[first : last + 1] for tensor in tensors]
        rows = [tensor.unbind(0) for tensor in tensors]
        return [row[member] for row in rows for member in self.members]

    def _zeros(self) -> list[Tensor]:
        return [torch.zeros_like(p) for p in self.parameters]

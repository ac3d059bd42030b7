"""Walks on a surface: each member a point that its optimizer moves, all of them together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from paribus.engines.base import EpochDone, Record, Task
from paribus.engines.stacked.optimizers import Optimizer
from paribus.models.surfaces import SURFACES, SurfaceModel
from paribus.study.seeds import generator

_VECTOR = 32  # numbers, two registers of AVX-512: what a vector loop takes at once


class Walks:
    """Runs on one surface, for equal numbers of steps: an epoch is one step."""

    def __init__(self, tasks: Sequence[Task], device: torch.device):
        """Put every run on its start, which is that of its block."""
        network = tasks[0].network
        assert isinstance(network, SurfaceModel)
        self.tasks = list(tasks)
        self.surface = SURFACES[network.surface]
        self.steps = tasks[0].config.train.epochs
        draws = [generator(task.seed, "start", task.block).random(2) for task in tasks]
        starts = self.surface.start(np.stack(draws)).astype(np.float32)
        self.position = torch.from_numpy(starts).to(device).requires_grad_()  # [member, 2]
        alike = defaultdict(list)
        for member, task in enumerate(tasks):
            alike[task.config.train].append(member)
        stacked = {"position": self.position}
        self.optimizers = [Optimizer(train, m, stacked) for train, m in alike.items()]

    def values(self) -> Tensor:
        """Return the value of the surface at each member's place, [member]."""
        # Filled up to whole vectors, so that a kernel's scalar remainder falls on no member.
        x, y = F.pad(self.position.t(), (0, -len(self.tasks) % _VECTOR)).unbind(0)
        values: Tensor = self.surface.value(x, y)
        return values[: len(self.tasks)]

    def train(self, epoch_done: EpochDone) -> Iterator[Record]:
        """Take all steps, then yield a record for each member."""
        path, values = [], []
        for _ in range(self.steps):
            found = torch.autograd.grad(self.values().sum(), self.position)
            for optimizer in self.optimizers:
                optimizer.step({"position": found[0].contiguous()})
            with torch.no_grad():
                path.append(self.position.detach().clone())
                values.append(self.values())
            epoch_done(len(self.tasks))
        yield from self._records(
            torch.stack(path).double().cpu().numpy(), torch.stack(values).double().cpu().numpy()
        )

    def _records(self, path: np.ndarray, values: np.ndarray) -> Iterator[Record]:
        """Yield what became of each member by its path [step, member, 2] and values."""
        excess = np.maximum(values - self.surface.least, 0.0)  # below it by rounding alone
        arrival = self.surface.arrival(path)
        lost = ~(np.isfinite(path).all(2) & np.isfinite(values))  # [step, member]
        for member, task in enumerate(self.tasks):
            curves = {
                "excess": excess[:, member],
                "x": path[:, member, 0],
                "y": path[:, member, 1],
            }
            if lost[:, member].any():
                step = int(np.argmax(lost[:, member])) + 1
                reason = f"its place or its value was not finite after step {step}"
                yield Record(task.key, "diverged", reason, {}, curves)
                continue
            metrics = {
                "excess": float(excess[-1, member]),
                "steps_to_minimum": float(arrival[member]),
            }
            yield Record(task.key, "done", "", metrics, curves)

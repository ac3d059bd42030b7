"""The log of steps: loss and accuracy every so many steps of each epoch."""

from __future__ import annotations

from collections import defaultdict

from torch import Tensor

from paribus.engines.stacked.losses import hits
from paribus.engines.stacked.metrics import Pass


class StepLog:
    """What came of the batch at every logged step, and the means of the steps since the last one.

    `curves` holds `step_loss` and `step_accuracy`, of the batch of that step, and `step_mean_loss`
    and `step_mean_accuracy`; [member] tensors that stay on the device. Steps are counted from the
    start of each epoch, as training loops print them. With `every` 0 nothing is logged.
    """

    def __init__(self, every: int, classify: bool):
        self.every = every
        self.classify = classify
        self.curves: dict[str, list[Tensor]] = defaultdict(list)
        self.start_epoch()

    def start_epoch(self) -> None:
        """Count steps anew."""
        self._steps = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, batch: Pass) -> None:
        """Take in what came of the next step's batch."""
        if not self.every:
            return
        found = {"loss": batch.losses.double().mean(1)}
        if self.classify:
            found["accuracy"] = hits(batch.outputs, batch.targets) / batch.targets.shape[1]
        for name, value in found.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._steps += 1
        if self._steps % self.every == 0:
            for name, value in found.items():
                self.curves[f"step_{name}"].append(value)
                self.curves[f"step_mean_{name}"].append(self._sums[name] / self.every)
            self._sums = {}

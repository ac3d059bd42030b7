"""One run at a time, in any framework: the learner trains, and what is recorded is the same."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np

from paribus.data import Dataset
from paribus.engines.base import DIVERGED_ABOVE, EpochDone, Learner, Record, Task
from paribus.engines.inputs import Inputs, inputs
from paribus.engines.laps import Laps

MakeLearner = Callable[[Task, Inputs], Learner]


class SingleEngine:
    """Trains tasks one by one, each by a learner of its own."""

    def __init__(self, make: MakeLearner, laps: Laps | None = None):
        self.make = make
        self.laps = laps or Laps()

    def train(
        self, tasks: list[Task], dataset: Dataset, *, keep_weights: bool, epoch_done: EpochDone
    ) -> Iterator[Record]:
        """Train the tasks and yield one record for each."""
        for task in tasks:
            held = inputs(task, dataset)
            learner = self.make(task, held)
            self.laps.lap("set-up")
            yield self._train(task, held, learner, keep_weights, epoch_done)

    def _train(
        self,
        task: Task,
        held: Inputs,
        learner: Learner,
        keep_weights: bool,
        epoch_done: EpochDone,
    ) -> Record:
        curves: dict[str, list[float]] = defaultdict(list)
        tables: dict[str, np.ndarray] = {}
        reason = ""
        for epoch in range(task.config.train.epochs):
            loss = learner.epoch(held.order(epoch))
            self.laps.lap("training")
            found = training_metrics(held, loss)
            for part in held.x:
                if part != "train":
                    metrics, tables_of_part = tested(task, held, learner, part)
                    found |= metrics
                    tables |= tables_of_part
            for metric, value in found.items():
                curves[metric].append(value)
            self.laps.lap("evaluation")
            epoch_done(1)
            reason = diverged(curves["train_loss"], found, epoch)
            if reason:
                break
        weights = learner.weights() if keep_weights and not reason else None
        own = {metric: np.array(values) for metric, values in curves.items()}
        if reason:
            return Record(task.key, "diverged", reason, {}, own)
        final = {metric: values[-1] for metric, values in curves.items()}
        return Record(task.key, "done", "", final, own, weights, tables)


def training_metrics(held: Inputs, loss: float) -> dict[str, float]:
    """Return what the mean training loss of an epoch says."""
    found = {"train_loss": loss}
    if not held.classify:
        found["train_rmse"] = math.sqrt(loss) * held.target_unit if loss >= 0 else math.nan
        found["train_r2"] = 1 - loss / held.target_variance
    return found


def tested(
    task: Task, held: Inputs, learner: Learner, part: str
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Test a learner on a part of the data; return metrics, and tables by class."""
    return scores(task, held, learner.outputs(part), part)


def scores(
    task: Task, held: Inputs, outputs: np.ndarray, part: str
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return the metrics of outputs [rows, outputs] for a part of the data, and tables by class.

    Computed as those of a stack of one, whatever framework the outputs come from.
    """
    import torch

    from paribus.engines.stacked.losses import sample_losses
    from paribus.engines.stacked.metrics import (
        Pass,
        Totals,
        evaluation_sums,
        metrics_of,
        tables_of,
    )

    y = held.y[part]
    given = torch.from_numpy(np.ascontiguousarray(outputs, np.float32))[None]
    wanted, kind = torch.from_numpy(y)[None], task.config.train.loss or ""
    batch = Pass(sample_losses(kind, given, wanted), given, wanted)
    totals = Totals()
    totals.add(evaluation_sums(batch, kind, held.classify), len(y))
    spread = 0.0 if held.classify else float(((y.astype(np.float64) - y.mean()) ** 2).sum())
    found = metrics_of(part, totals, np.array([held.target_unit]), np.array([spread]))
    metrics = {name: float(value[0]) for name, value in found.items()}
    return metrics, {name: value[0] for name, value in tables_of(part, totals).items()}


def diverged(losses: list[float], metrics: dict[str, float], epoch: int) -> str:
    """Return why a run has diverged, or nothing; R² and log loss may be undefined or infinite."""
    for metric, value in metrics.items():
        if not math.isfinite(value) and not metric.endswith(("_r2", "_log_loss")):
            name = metric.replace("_", " ").replace("train ", "training ")
            return f"the {name} was {value} in epoch {epoch + 1}"
    if losses[-1] > DIVERGED_ABOVE * losses[0]:
        return (
            f"the training loss rose from {losses[0]:.3g} to {losses[-1]:.3g} in epoch "
            f"{epoch + 1}, more than {DIVERGED_ABOVE:g} times"
        )
    return ""

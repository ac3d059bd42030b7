"""A stack: members of one shape that are trained, tested and recorded together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from paribus.data import Dataset
from paribus.engines.base import DIVERGED_ABOVE, EpochDone, Record, Status, Task, trained_once
from paribus.engines.laps import Laps
from paribus.engines.stacked.batches import Batches, DropoutMasks
from paribus.engines.stacked.gradients import Probe
from paribus.engines.stacked.graph import WARM_UP, GraphedStep, side_stream
from paribus.engines.stacked.losses import mean_losses, sample_losses
from paribus.engines.stacked.metrics import (
    Pass,
    Totals,
    evaluation_sums,
    metrics_of,
    tables_of,
    training_sums,
)
from paribus.engines.stacked.model import LayeredModel, model
from paribus.engines.stacked.optimizers import Optimizer
from paribus.engines.stacked.steplog import StepLog

_TEST_ROWS = 1000  # per pass in evaluation mode

_Curves = dict[str, list[np.ndarray]]  # metric -> [member] per epoch


class Stack:
    """Runs of one shape signature, trained as one program.

    Members differ in block, optimizer, learning rate and every other hyperparameter; they share
    network shape, data settings, batch size, loss and epochs. Tasks that differ only in how they
    are tested are one member.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        dataset: Dataset,
        device: torch.device,
        laps: Laps | None = None,
    ):
        """Place the data and the networks with their initial weights on the device."""
        if device.type == "cuda":  # members with equal settings side by side: see `Optimizer`
            tasks = sorted(tasks, key=lambda task: task.config.train.model_dump_json())
        else:  # members of a block side by side: see `shared`
            tasks = sorted(tasks, key=lambda task: task.block)
        members = trained_once(tasks)
        self.tested_as = [{task.config.evaluate.mode: task for task in own} for own in members]
        self.modes = sorted({mode for own in self.tested_as for mode in own})
        self.runs = len(tasks)
        self.tasks = tasks = [own[0] for own in members]
        self.config = tasks[0].config
        self.loss = tasks[0].config.train.loss or ""
        self.classify = dataset.task == "classification"
        self.batches = Batches(tasks, dataset, device)
        self.dropout = DropoutMasks(tasks, device)
        self.model = model(tasks, self.batches, device)
        alike = defaultdict(list)
        for member, task in enumerate(tasks):
            alike[task.config.train].append(member)
        parameters = self.model.parameters
        measured = self.config.train.measure_gradients
        self.probe = Probe(tasks, self.batches, self.dropout, self.model) if measured else None
        self.test_rows = _TEST_ROWS
        if device.type == "cuda":  # whose kernels count the numbers of an array in 31 bits
            numbers = len(tasks) * tasks[0].network.activations()
            self.test_rows = max(1, min(_TEST_ROWS, 2**31 // numbers))
        self.optimizers = [Optimizer(train, m, parameters) for train, m in alike.items()]
        self.step = 0
        self.first_loss = torch.empty(0)  # [member], of the first batch
        self.log = StepLog(self.config.train.log_every, self.classify)
        self.tables: dict[str, dict[str, np.ndarray]] = {}  # mode -> [member, …], of the last epoch
        self.laps = laps or Laps()
        # A graph cannot be timed inside, and a module of the user's may wait for the device.
        self.graphable = (
            device.type == "cuda"
            and isinstance(self.model, LayeredModel)
            and self.laps.settle is None
        )
        self.graphed: GraphedStep[Pass] | None = None
        self.laps.lap("set-up")

    def gradients(
        self, rows: Tensor, masks: Mapping[int, Tensor] | None = None
    ) -> tuple[Pass, Mapping[str, Tensor]]:
        """Return what came of a batch and the gradients of each member's mean loss on it.

        `data.class_weights` enter that mean, and no loss that is reported. `rows` are
        [block, batch]; `masks` those of the dropout layers, by default this step's.
        Batch-normalisation statistics are updated.
        """
        x, y = self.batches.gather(rows)
        masks = self._masks(rows) if masks is None else masks
        self.laps.lap("gather")
        outputs = self.model.outputs(x, masks, training=True)
        losses = sample_losses(self.loss, outputs, y)
        self.laps.lap("forward")
        # Members touch none of each other's parameters: the sum's gradient is each one's own.
        parameters = self.model.parameters
        found = torch.autograd.grad(
            mean_losses(losses, y, self.batches.class_weights).sum(),
            list(parameters.values()),
            materialize_grads=True,
        )
        # The kernels of the optimizers read numbers in the order in which they lie.
        named = {
            name: g if g.stride() == p.stride() else torch.empty_like(p).copy_(g)
            for (name, p), g in zip(parameters.items(), found, strict=True)
        }
        self.laps.lap("backward")
        return Pass(losses.detach(), outputs.detach(), y), named

    def train(self, keep_weights: bool, epoch_done: EpochDone) -> Iterator[Record]:
        """Train to the last epoch; yield a record for each run, a diverged one at once."""
        alive = {
            (member, mode): task
            for member, own in enumerate(self.tested_as)
            for mode, task in own.items()
        }
        curves: dict[str, _Curves] = {mode: defaultdict(list) for mode in self.modes}
        for epoch in range(self.config.train.epochs):
            trained = self._metrics("train", self._train_epoch(epoch))
            self.laps.lap("metrics")
            results = {mode: trained | self._tested(epoch, mode) for mode in self.modes}
            self.laps.lap("evaluation")
            measured = self._measured()
            for mode, found in results.items():
                for metric, values in (measured | found).items():
                    curves[mode][metric].append(values)
            finite = self._finite_weights()
            for (member, mode), task in list(alive.items()):
                own = {metric: float(values[member]) for metric, values in results[mode].items()}
                reason = self._diverged(member, own, bool(finite[member]), epoch)
                if reason:
                    del alive[member, mode]
                    yield self._record(task, member, curves[mode], "diverged", reason)
            epoch_done(self.runs)
            if not alive:
                return
        for (member, mode), task in alive.items():
            done = self._record(task, member, curves[mode], "done")
            tables = {name: values[member] for name, values in self.tables[mode].items()}
            weights = self.weights(member) if keep_weights else None
            yield replace(done, tables=tables, weights=weights)

    def weights(self, member: int) -> dict[str, np.ndarray]:
        """Return a member's parameters and statistics by name, as NumPy arrays."""
        held = {**self.model.parameters, **self.model.statistics}
        return {name: t[member].detach().cpu().numpy().copy() for name, t in held.items()}

    def _train_epoch(self, epoch: int) -> Totals:
        totals = Totals()
        self.log.start_epoch()
        for rows in self.batches.epoch(epoch):
            if self.step == self.config.train.steps:
                break
            batch = self._take_step(rows)
            totals.add(training_sums(batch, self.classify), rows.shape[1])
            if self.step == 0:
                self.first_loss = batch.losses.mean(1)
            self.step += 1
            self.log.add(batch)
            self.laps.lap("metrics")
        return totals

    def _take_step(self, rows: Tensor) -> Pass:
        """Update all members on a batch: on a GPU by replaying a graph, after a few first steps."""
        masks = self._masks(rows)
        if not self.graphable or rows.shape[1] != self.batches.size:
            return self._update(rows, masks)
        if self.step < WARM_UP:
            with side_stream():
                return self._update(rows, masks)
        if self.graphed is None:
            self.graphed = GraphedStep(self._update, rows, masks)
        return self.graphed(rows, masks)

    def _update(self, rows: Tensor, masks: Mapping[int, Tensor]) -> Pass:
        batch, gradients = self.gradients(rows, masks)
        for optimizer in self.optimizers:
            optimizer.step(gradients)
        self.laps.lap("optimizer")
        return batch

    def _masks(self, rows: Tensor) -> Mapping[int, Tensor]:
        return self.dropout.draw("dropout", self.step, rows.shape[1])

    def _measured(self) -> dict[str, np.ndarray]:
        """Return what the gradients are like, [member] each, where that is asked for."""
        if self.probe is None:
            return {}
        found = self.probe.measure(self.gradients)
        self.laps.lap("measuring")
        return found

    def _tested(self, epoch: int, mode: str) -> dict[str, np.ndarray]:
        """Return the metrics of all parts that are tested in a mode, [member] each."""
        found: dict[str, np.ndarray] = {}
        for part in self.batches.rows:
            if part != "train":
                totals = self._test(part, epoch, in_training=mode == "training")
                found |= self._metrics(part, totals)
                if epoch == self.config.train.epochs - 1:
                    self.tables[mode] = self.tables.get(mode, {}) | tables_of(part, totals)
        return found

    @torch.no_grad()
    def _test(self, part: str, epoch: int, *, in_training: bool) -> Totals:
        size = self.config.train.batch_size if in_training else self.test_rows
        before = {name: t.clone() for name, t in self.model.statistics.items()}
        random = self.model.random
        totals = Totals()
        for number, rows in enumerate(self.batches.part(part, size)):
            x, y = self.batches.gather(rows)
            masks: Mapping[int, Tensor] = {}
            if in_training:
                masks = self.dropout.draw(f"{part} dropout {epoch}", number, x.shape[1])
            outputs = self.model.outputs(x, masks, training=in_training)
            batch = Pass(sample_losses(self.loss, outputs, y), outputs, y)
            totals.add(evaluation_sums(batch, self.loss, self.classify), rows.shape[1])
        for name, statistic in self.model.statistics.items():
            statistic.copy_(before[name])  # testing in training mode has moved them
        self.model.random = random
        return totals

    def _metrics(self, part: str, totals: Totals) -> dict[str, np.ndarray]:
        """Return the metrics of a part, [member] each; this waits for the device."""
        spread = np.zeros(len(self.tasks)) if self.classify else self.batches.spread(part)
        share = totals.rows / self.batches.rows[part].shape[1]  # of an epoch that was cut short
        return metrics_of(part, totals, self.batches.target_unit, spread * share)

    def _finite_weights(self) -> np.ndarray:
        """Return whether all weights of each member are finite.

        Their losses may be so when the weights are not: oneDNN makes numbers of NaNs.
        """
        each = [t.isfinite().flatten(1).all(1) for t in self.model.parameters.values()]
        found: np.ndarray = torch.stack(each).all(0).cpu().numpy()
        return found

    def _diverged(self, member: int, metrics: Mapping[str, float], finite: bool, epoch: int) -> str:
        """Return why a member has diverged, or nothing.

        R² may be undefined, and a log loss that is not trained on may be infinite.
        """
        for metric, value in metrics.items():
            if not math.isfinite(value) and not metric.endswith(("_r2", "_log_loss")):
                name = metric.replace("_", " ").replace("train ", "training ")
                return f"the {name} was {value} in epoch {epoch + 1}"
        if not finite:
            return f"its weights were not finite after epoch {epoch + 1}"
        loss = metrics["train_loss"]
        first = float(self.first_loss[member])
        if loss > DIVERGED_ABOVE * first:
            return (
                f"the training loss rose from {first:.3g} to {loss:.3g} in epoch {epoch + 1}, "
                f"more than {DIVERGED_ABOVE:g} times"
            )
        return ""

    def _record(
        self, task: Task, member: int, curves: _Curves, status: Status, reason: str = ""
    ) -> Record:
        own = {metric: np.array([v[member] for v in values]) for metric, values in curves.items()}
        final = {metric: float(values[-1]) for metric, values in own.items()}
        for metric, logged in self.log.curves.items():
            own[metric] = np.array([float(v[member]) for v in logged])
        return Record(task.key, status, reason, final if status == "done" else {}, own)

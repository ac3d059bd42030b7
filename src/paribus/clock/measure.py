"""One run, timed: what happens in a fresh process that has the machine to itself."""

from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from paribus.clock import machine
from paribus.clock.cost import step_work
from paribus.clock.rates import floor_seconds, rates
from paribus.data import Dataset
from paribus.engines.base import EpochDone, Learner, Record, Task
from paribus.engines.inputs import Inputs, inputs
from paribus.engines.single import diverged, tested, training_metrics

_PREDICTIONS = 5


class TimedEngine:
    """Trains one task at a time and records, besides what any engine does, what it took.

    Start-up and the first epoch, which holds compilation, stay apart from the others, whose median
    is the time per epoch; the fastest of them is kept too, because guests of the same host, whom
    nobody sees from inside, can only add time (Chen and Revels, 2016). Tests are made when the
    training is over. A measurement in which others used the machine, or the processor was
    throttled, is failed and keeps its numbers.
    """

    def __init__(self, make: Callable[[Task, Inputs], Learner], cores: int):
        self.make = make
        self.cores = cores

    def train(
        self, tasks: list[Task], dataset: Dataset, *, keep_weights: bool, epoch_done: EpochDone
    ) -> Iterator[Record]:
        """Measure the tasks one after another and yield a record for each."""
        for task in tasks:
            yield self._measure(task, dataset, keep_weights, epoch_done)

    def _measure(
        self, task: Task, dataset: Dataset, keep_weights: bool, epoch_done: EpochDone
    ) -> Record:
        begun = time.perf_counter()
        held = inputs(task, dataset)
        learner = self.make(task, held)
        curves: dict[str, list[float]] = defaultdict(list)
        curves["setup_seconds"] = [time.perf_counter() - begun]
        reason = ""
        machine.reset_peak_memory()
        gpu = task.engine.device == "cuda"
        start = machine.read(gpu)
        for epoch in range(task.config.train.epochs):
            order = held.order(epoch)
            before = time.perf_counter()
            loss = learner.epoch(order)
            curves["epoch_seconds"].append(time.perf_counter() - before)
            found = training_metrics(held, loss)
            sizes = {"rss": float(machine.memory_of_process()), **learner.gpu_memory()}
            for metric, value in (found | sizes).items():
                curves[metric].append(value)
            epoch_done(1)
            reason = diverged(curves["train_loss"], found, epoch)
            if reason:
                break
        meanwhile = machine.between(start, machine.read(gpu))
        own = {metric: np.array(values) for metric, values in curves.items()}
        if reason:
            return Record(task.key, "diverged", reason, {}, own)
        metrics = _measured(curves, len(held.y["train"]), meanwhile)
        metrics["inference_seconds"] = _prediction_seconds(learner)
        metrics |= self._floor(task, held, metrics["seconds_per_epoch"])
        tables: dict[str, np.ndarray] = {}
        for part in held.x:
            if part != "train":
                scores, tables_of_part = tested(task, held, learner, part)
                metrics |= scores
                tables |= tables_of_part
        metrics |= {metric: own[metric][-1].item() for metric in found}
        disturbed = machine.disturbance(meanwhile, self.cores)
        if machine.on_battery():
            disturbed = ", ".join(filter(None, [disturbed, "it ran on its battery"]))
        if disturbed:
            return Record(task.key, "failed", f"{machine.DISTURBED}: {disturbed}", metrics, own)
        weights = learner.weights() if keep_weights else None
        return Record(task.key, "done", "", metrics, own, weights, tables)

    def _floor(self, task: Task, held: Inputs, seconds: float) -> dict[str, float]:
        """Return the machine's rates, and how many times the least time an epoch took."""
        if task.engine.device == "cuda" and task.engine.name != "torch":
            return {}
        measured, train = rates(task.engine.device), task.config.train
        work = step_work(task.network, train.batch_size, train)
        steps = len(held.y["train"]) / train.batch_size
        moved = work.weights + work.activations
        least = floor_seconds(work.flops * steps, moved * steps, measured)
        return {
            "product_rate": measured.product,
            "copy_rate": measured.copy,
            "times_the_floor": seconds / least,
        }


def _measured(
    curves: dict[str, list[float]], rows: int, meanwhile: machine.Interval
) -> dict[str, float]:
    """Return the outcomes of the clock, of what the machine told."""
    first, *steady = curves["epoch_seconds"]
    seconds = statistics.median(steady)
    found = {
        "train_seconds": math.fsum(curves["epoch_seconds"]),
        "first_epoch_seconds": first,
        "seconds_per_epoch": seconds,
        "fastest_epoch_seconds": min(steady),
        "samples_per_second": rows / seconds,
        "setup_seconds": curves["setup_seconds"][0],
        "peak_memory": float(machine.peak_memory()),
        "drift": drift(steady),
        "busy_cores": meanwhile.elsewhere,
        "stolen_cores": meanwhile.stolen,
        "energy": _together(meanwhile.joules, meanwhile.gpu_joules),
    }
    if "gpu_peak" in curves:
        found["peak_gpu_memory"] = max(curves["gpu_peak"])
    return {name: value for name, value in found.items() if value is not None}


def drift(seconds: Sequence[float]) -> float:
    """Return how much longer the second half of some epochs took than the first, as a share."""
    middle = len(seconds) // 2
    first, second = seconds[:middle], seconds[len(seconds) - middle :]
    return statistics.median(second) / statistics.median(first) - 1


def _prediction_seconds(learner: Learner) -> float:
    """Return the median time to predict all test rows, after a first time that compiles."""
    learner.outputs("test")
    taken = []
    for _ in range(_PREDICTIONS):
        start = time.perf_counter()
        learner.outputs("test")
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _together(*joules: float | None) -> float | None:
    known = [one for one in joules if one is not None]
    return math.fsum(known) if known else None

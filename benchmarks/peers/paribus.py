"""Paribus: replicates of one model, planned and trained as `paribus run` does.

A long study is laid out and planned, and the first stack of each worker is trained: one
single-thread process per core, all at the same time. The clock is the driver's: an epoch is over
when as many members as all stacks hold have gone through one more epoch. The first epoch holds the
start of the processes.

Of a whole study every run is trained, with ten seeds per arm, and the time from the start of the
processes to the last result is shared out among the epochs: some runs are long finished when others
begin.
"""

from __future__ import annotations

import itertools
import math
import time
from itertools import chain

from benchmarks.timing import Timing
from benchmarks.workloads import Workload
from paribus.data import Dataset
from paribus.engines.base import Record
from paribus.run import Settings, lay_out
from paribus.study import spec
from paribus.study.plan import plan
from paribus.workers.cores import available_cores
from paribus.workers.local import LocalWorkers
from paribus.workers.messages import EpochDone

PACKAGES = ("paribus", "torch", "numpy")
TRAINS_STUDIES = True
SEEDS = 10
STUDY_RUNS = 128
"""Enough for stacks as large as the plan makes them."""


def train(workload: Workload, data: Dataset, epochs: int, arms: int = 1) -> Timing:
    """Train one stack per core; the arms of a block share its batches."""
    values = {
        "name": workload.name,
        "question": f"How fast is {workload.name}?",
        "data": {"source": workload.data},
        "model": workload.model.model_dump(mode="json"),
        "train": {
            "epochs": epochs,
            "batch_size": workload.batch,
            "optimizer": workload.optimizer,
            "learning_rate": workload.learning_rate,
        },
        "seeds": STUDY_RUNS // arms,
    }
    if arms > 1:  # so close to each other that they end at the same loss
        rates = [workload.learning_rate * (1 + arm / 100) for arm in range(arms)]
        values["factors"] = {"train.learning_rate": rates}
    if workload.arms:
        values["factors"] = {"arm": {str(n): _level(one) for n, one in enumerate(workload.singles)}}
        values["seeds"] = SEEDS
    design = lay_out(spec.from_values(values), data, Settings(device="cpu"))
    cores = available_cores()
    stacks = plan(design, (), cores).stacks
    if not workload.arms:
        stacks = stacks[:cores]
    members = sum(map(len, stacks))
    through, losses = 0, []
    marks = [time.perf_counter()]
    with LocalWorkers(cores, data, "cpu", keep_weights=False) as workers:
        for event in chain.from_iterable(workers.run(stacks, wanted=lambda tasks: tasks)):
            if isinstance(event, EpochDone):
                through += event.runs
                if through >= members * len(marks):
                    marks.append(time.perf_counter())
            elif isinstance(event, Record) and event.status == "done":
                losses.append(event.metrics["train_loss"])
            elif isinstance(event, Record):
                raise RuntimeError(f"a run {event.status}: {event.reason}")
    seconds = [b - a for a, b in itertools.pairwise(marks)]
    if workload.arms:
        seconds = [(marks[-1] - marks[0]) / epochs] * epochs
    return Timing(seconds, members, math.fsum(losses) / members)


def _level(one: Workload) -> dict[str, object]:
    return {
        "model.batch_norm": one.model.batch_norm,
        "model.dropout": one.dropout,
        "train.optimizer": one.optimizer,
        "train.momentum": one.momentum,
    }

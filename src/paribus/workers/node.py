"""What runs on a machine of a cluster: it trains stacks there, and tells the driver.

Nothing here imports Ray: `workers.cluster` hands these functions and classes to it.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain
from pathlib import Path

import psutil

from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.engines.laps import Laps
from paribus.engines.proof import Trace
from paribus.engines.versions import engine_id
from paribus.environment import environment, version_of
from paribus.study.engine import EngineId
from paribus.workers.base import Event
from paribus.workers.cores import cache_bytes
from paribus.workers.environment import stacked
from paribus.workers.messages import EpochDone, StackDone
from paribus.workers.sources import Sources, put_down

TOLD_EVERY = 1.0  # seconds between what a node tells of its progress


@dataclass(frozen=True)
class Facts:
    """What a planner must know of a node: bytes that are free, and rates of one core."""

    name: str
    paribus: str | None
    memory: float
    gpu_memory: float
    cache: float
    product: float  # FLOP/s
    copy: float  # bytes/s


def facts(gpu: bool) -> Facts:
    """Look at this node."""
    from paribus.workers.here import core_rates

    gpu_memory = 0.0
    if gpu:
        import torch

        gpu_memory = float(torch.cuda.mem_get_info()[0])
    memory = float(psutil.virtual_memory().available)
    paribus = version_of("paribus")
    return Facts(platform.node(), paribus, memory, gpu_memory, cache_bytes(), *core_rates())


def engine_here(name: str, device: str) -> EngineId | str:
    """Return what an engine is on this node, or what is missing for it."""
    from paribus.errors import InputError

    try:
        return engine_id(name, device)
    except InputError as error:
        return str(error)


class Outbox:
    """Tells a mailbox now and then, and everything at its end."""

    def __init__(self, post: Callable[[list[Event]], None]):
        self._post = post
        self._events: list[Event] = []
        self._epochs = 0
        self._told = time.monotonic()

    def epochs(self, runs: int) -> None:
        """Tell that so many runs went through one more epoch."""
        self._epochs += runs
        self._tell_at_times()

    def add(self, event: Event) -> None:
        """Tell an event."""
        self._events.append(event)
        self._tell_at_times()

    def tell(self) -> None:
        """Tell all that there is; when this returns it has arrived."""
        if self._epochs:
            self._events.append(EpochDone(self._epochs))
        self._post(self._events)
        self._events, self._epochs, self._told = [], 0, time.monotonic()

    def _tell_at_times(self) -> None:
        if time.monotonic() - self._told > TOLD_EVERY:
            self.tell()


@dataclass(frozen=True)
class Charge:
    """What all stacks of a study share: the data by its checksum, and where modules are found.

    `read` returns the data set; it is asked once in a process.
    """

    checksum: str
    read: Callable[[], Dataset]
    keep_weights: bool
    settle: bool
    path: tuple[str, ...]
    sources: Sources = field(default_factory=dict)  # of networks that a node may not have


_datasets: dict[str, Dataset] = {}  # by checksum: a process trains many stacks on the same


def train(tasks: list[Task], charge: Charge, post: Callable[[list[Event]], None]) -> None:
    """Train these tasks as one stack, in a process whose environment is that of a worker."""
    from paribus.engines.choice import engine
    from paribus.engines.stacked.arithmetic import one_thread

    outbox, laps, error = Outbox(post), Laps(), ""
    try:
        dataset = _prepared(charge)
        one_thread()
        wanted = tasks[0].engine
        here = engine_id(wanted.name, wanted.device)
        if here.version != wanted.version:
            raise RuntimeError(f"{platform.node()} has {here.version}, not {wanted.version}")
        if charge.settle:
            import torch

            laps.settle = torch.cuda.synchronize
        laps.lap("start")
        about = environment(wanted.name, wanted.device)
        for record in engine(wanted, laps).train(
            tasks, dataset, keep_weights=charge.keep_weights, epoch_done=outbox.epochs
        ):
            outbox.add(replace(record, environment=about))
        laps.lap("metrics")
    except Exception as raised:  # whatever it is becomes a stored reason
        traceback.print_exc()
        error = f"{type(raised).__name__}: {raised}"
    outbox.add(StackDone(error, laps.taken()))
    outbox.tell()


class Timer:
    """An actor that has a node for itself, and times runs there one by one in fresh processes."""

    def __init__(self, charge: Charge, limit: float):
        for name in stacked():  # which are not for what is timed
            os.environ.pop(name, None)
        dataset = _prepared(charge)
        from paribus.workers.timed import TimedWorkers

        self.workers = TimedWorkers(dataset, charge.keep_weights, limit)

    def ready(self) -> None:
        """Return, once this node is reserved."""

    def measure(self, tasks: list[Task], post: Callable[[list[Event]], None]) -> None:
        """Measure runs, and tell what comes."""
        outbox = Outbox(post)
        about = environment(tasks[0].engine.name, tasks[0].engine.device)
        for event in chain.from_iterable(self.workers.run([tasks], lambda tasks: tasks)):
            match event:
                case EpochDone():
                    outbox.epochs(event.runs)
                case Record():
                    outbox.add(replace(event, environment=about))
                case _:  # the end is told below
                    continue
        outbox.add(StackDone())
        outbox.tell()

    def trace(self, task: Task) -> Trace:
        """Return what the engine of a task computes first; RunError where it cannot."""
        return self.workers.trace(task)


@cache
def _put_down(sources: tuple[tuple[str, bytes], ...]) -> Path:
    return put_down(dict(sources))


def _found_last(places: Iterable[str]) -> None:
    """Have Python look for modules there too, last, so that they hide nothing."""
    sys.path += [place for place in places if place not in sys.path]


def _prepared(charge: Charge) -> Dataset:
    """Return the data, whole; the driver's modules are found from now on."""
    if charge.sources:
        _found_last([str(_put_down(tuple(sorted(charge.sources.items()))))])
    _found_last(charge.path)
    if charge.checksum not in _datasets:
        dataset = charge.read()
        if dataset.checksum != charge.checksum:
            raise RuntimeError(f"the data came to {platform.node()} with another checksum")
        _datasets.clear()
        _datasets[charge.checksum] = dataset
    return _datasets[charge.checksum]

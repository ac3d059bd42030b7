"""Where what is timed runs: one run at a time, each in a fresh process, all others waiting."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.engines.proof import Trace
from paribus.errors import RunError
from paribus.workers.base import Event, Wanted
from paribus.workers.cores import available_cores, cores
from paribus.workers.messages import Begin, EpochDone, Proved
from paribus.workers.process import Worker, failures


class TimedWorkers:
    """Trains runs one after another, and measures what each takes.

    A context manager, used as `LocalWorkers` is. A process that dies, or that has not finished when
    its time is up, gives a failed record; the others go on.
    """

    def __init__(self, dataset: Dataset, keep_weights: bool, limit: float):
        self.begin = Begin(dataset, keep_weights, path=tuple(sys.path), timed=True)
        self.limit = limit
        self.worker: Worker | None = None
        self.events: SimpleQueue[tuple[Worker, Any]] = SimpleQueue()

    def __enter__(self) -> TimedWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        if self.worker is not None:
            self.worker.end()

    def run(self, stacks: Sequence[list[Task]], wanted: Wanted) -> Iterator[list[Event]]:
        """Measure all runs in their order; yield events as they come: see `base.Workers`."""
        for tasks in stacks:
            for task in wanted(tasks):
                for event in self._measure(task):
                    yield [event]

    def arrived(self) -> Iterator[Record]:
        """Yield nothing: what is interrupted was not measured."""
        yield from ()

    def trace(self, task: Task) -> Trace:
        """Return what the engine of a task computes first; RunError where it cannot."""
        with self._process(task) as worker:
            worker.prove(task)
            for event in self._said(worker):
                if isinstance(event, Proved) and event.trace is not None:
                    return event.trace
                reason = event.error if isinstance(event, Proved) else worker.last_words()
                raise RunError(f"{task.key} could not be made: {reason}")
        raise RunError(f"{task.key} was not finished within {self.limit:g} s")

    def _measure(self, task: Task) -> Iterator[Event]:
        with self._process(task) as worker:
            worker.train([task])
            for event in self._said(worker):
                if isinstance(event, Record):
                    worker.unfinished.pop(event.key, None)
                    yield event
                elif isinstance(event, EpochDone):
                    yield event
                else:  # a StackDone, or None when the process is gone
                    yield from failures(worker, event)
                    if event is not None:
                        yield event
                    return
            yield Record(task.key, "failed", f"not finished within {self.limit:g} s")

    @contextmanager
    def _process(self, task: Task) -> Iterator[Worker]:
        """Give a fresh process for a task, with as many threads and cores as it is to have."""
        worker = self.worker = Worker(self.begin, self.events, 0, _environment(task))
        _keep_to_cores(worker.process.pid, threads_of(task))
        try:
            yield worker
        finally:
            worker.end()
            self.worker = None

    def _said(self, worker: Worker) -> Iterator[Any]:
        """Yield what a process says until its time is up; None when it is gone."""
        end = time.monotonic() + self.limit
        while True:
            try:
                sender, event = self.events.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                return
            if sender is worker:  # and not the last words of one that was ended
                yield event


def threads_of(task: Task) -> int:
    """Return how many threads a timed process has."""
    return task.config.train.threads or available_cores()


def _environment(task: Task) -> dict[str, str]:
    threads = str(threads_of(task))
    return {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


def _keep_to_cores(process: int, threads: int) -> None:
    """Leave a process as many cores as it has threads: frameworks count those they may use."""
    own = cores()
    if threads < len(own) and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # the process has ended already, or may not be moved
            os.sched_setaffinity(process, set(own[:threads]))

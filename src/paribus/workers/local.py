"""Workers on this machine: one single-thread process per core."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.workers.base import Event, Wanted
from paribus.workers.cores import pin
from paribus.workers.environment import stacked
from paribus.workers.messages import Begin, EpochDone
from paribus.workers.process import Worker, failures

_SILENCE = 5.0  # seconds; a worker that is killed, or hands over a finished stack, takes less


class LocalWorkers:
    """Trains stacks in processes of their own and hands back events as they come.

    A context manager: leaving it ends the processes. A stack whose worker dies or whose training
    raises gives a failed record for each of its unfinished runs; the other stacks go on.
    """

    def __init__(
        self, count: int, dataset: Dataset, device: str, keep_weights: bool, settle: bool = False
    ):
        self.count = count
        self.device = device
        self.begin = Begin(
            dataset, keep_weights, settle=settle and device != "cpu", path=tuple(sys.path)
        )
        self.workers: list[Worker] = []
        self.events: SimpleQueue[tuple[Worker, Any]] = SimpleQueue()
        self.came: list[Event] = []  # and may not have been kept yet

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.end()

    def run(self, stacks: Sequence[list[Task]], wanted: Wanted) -> Iterator[list[Event]]:
        """Train all stacks; yield events in the order they come in: see `base.Workers`."""
        waiting = deque(stacks)
        while True:
            while waiting and self._free():
                if tasks := wanted(waiting.popleft()):
                    self._one().train(tasks)
            if not any(worker.busy for worker in self.workers):
                return
            self.came.extend(self._told())
            yield self.came
            self.came = []

    def arrived(self) -> Iterator[Record]:
        """End the workers, and yield the records that they sent: `run` was left by Ctrl-C, say.

        One whose stack has finished may say so to the end. The others are ended at once, for while
        they train they never fall silent.
        """
        yield from (event for event in self.came if isinstance(event, Record))
        left = set(self.workers)
        while left:
            for worker in left:
                if self.events.empty() and not worker.finishing:
                    worker.process.kill()
            try:
                worker, event = self.events.get(timeout=_SILENCE)
            except Empty:  # the end of a worker was being told when `run` was left
                return
            worker.heard(event)
            if event is None:
                left.discard(worker)
            elif isinstance(event, Record):
                yield event

    def _told(self) -> Iterator[Event]:
        """Yield all that has come, after waiting for something to come."""
        yield from self._heard(*self.events.get())
        while not self.events.empty():
            yield from self._heard(*self.events.get())

    def _heard(self, worker: Worker, event: Any) -> Iterator[Event]:
        if worker not in self.workers:  # the last word of one that was ended
            return
        worker.heard(event)
        if isinstance(event, Record):
            worker.unfinished.pop(event.key, None)
            yield event
        elif isinstance(event, EpochDone):
            yield event
        else:  # a StackDone, or None when the process is gone
            worker.busy = False
            yield from failures(worker, event)
            if event is not None:
                yield event
            if event is None or event.error:  # what failed may have left no memory to others
                worker.end()
                self.workers.remove(worker)

    def _free(self) -> bool:
        """Return whether a worker is idle, or may be started."""
        return sum(worker.busy for worker in self.workers) < self.count

    def _one(self) -> Worker:
        """Return an idle worker, started if there is none."""
        for worker in self.workers:
            if not worker.busy:
                return worker
        place = min({*range(self.count)} - {worker.place for worker in self.workers})
        worker = Worker(self.begin, self.events, place, stacked())
        self.workers.append(worker)
        if self.device == "cpu":
            pin(worker.process.pid, place, self.count)
        return worker

"""Workers on Ray: stacks as its tasks, and a node for what is timed.

Each stack is a task with the processor or the GPU that it needs; what it finds comes back by a
mailbox. The stack of a worker that is lost is trained again.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.engines.proof import Trace
from paribus.errors import RunError
from paribus.workers import node
from paribus.workers.base import Event, Wanted
from paribus.workers.mailbox import Mailbox, MailboxActor, MailboxHere, Post
from paribus.workers.messages import Notice, StackDone
from paribus.workers.ray_connection import (
    brief,
    end,
    explained,
    held,
    is_ours,
    left,
    surroundings,
)
from paribus.workers.sources import of_networks

LOSSES = 3
"""How many workers a stack may lose before its runs count as failed."""

_QUIET = 60.0  # seconds without a word after which nodes are looked for


def charge(dataset: Dataset, keep_weights: bool, settle: bool = False) -> node.Charge:
    """Return what all stacks of a study share; the data is put where every node fetches it once."""
    import ray

    read = partial(ray.get, held(dataset))
    return node.Charge(dataset.checksum, read, keep_weights, settle, tuple(sys.path))


@dataclass
class _Flight:
    """A stack that is being trained somewhere."""

    ref: Any
    unfinished: dict[str, Task]
    losses: int = 0


class RayWorkers:
    """Trains stacks as tasks of Ray; used as `LocalWorkers` is.

    A stack whose worker is lost is trained again, what it had handed over excepted; after `LOSSES`
    its runs count as failed.
    """

    def __init__(self, count: int, charge: node.Charge):
        self.count = count
        self.charge = charge
        self._flights: dict[int, _Flight] = {}
        self._numbers = 0
        self._came: list[Event] = []  # and may not have been kept yet

    def __enter__(self) -> Self:
        self._leave = ExitStack()
        self._heard = time.monotonic()
        # Ray prints what its processes say to standard output, which is for answers.
        self._leave.enter_context(redirect_stdout(sys.stderr))
        with explained():
            self._open_mailbox()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._mailbox.close()
        self._leave.close()

    def run(self, stacks: Sequence[list[Task]], wanted: Wanted) -> Iterator[list[Event]]:
        """Train all stacks; yield events in the order they come in: see `base.Workers`."""
        waiting = deque(stacks)
        with explained():
            while True:
                while waiting and len(self._flights) < self.count:
                    if tasks := wanted(waiting.popleft()):
                        self._launch({task.key: task for task in tasks})
                if not self._flights:
                    return
                self._came.extend(self._told())
                yield self._came
                self._came = []

    def arrived(self) -> Iterator[Record]:
        """End what trains, and yield the records that were sent: `run` was left by Ctrl-C, say."""
        self._end()
        told = self._came
        with left():
            told = [*told, *(event for _, event in self._mailbox.take(self._seen))]
        # What had come may not have been counted as seen, and was handed over again.
        yield from {one.key: one for one in told if isinstance(one, Record)}.values()

    def _start(self, tasks: list[Task], post: Post) -> Any:
        """Have Ray train a stack, and return the reference of its end."""
        import ray

        on_gpu = tasks[0].engine.device == "cuda"
        remote = ray.remote(node.train).options(
            num_cpus=1,
            num_gpus=int(on_gpu),
            max_retries=0,
            name=f"stack of {len(tasks)}",
            runtime_env=surroundings(),
        )
        return remote.remote(tasks, replace(self.charge, sources=of_networks(tasks)), post)

    def _launch(self, unfinished: dict[str, Task], losses: int = 0) -> None:
        self._numbers += 1
        ref = self._start(list(unfinished.values()), self._mailbox.post(self._numbers))
        self._flights[self._numbers] = _Flight(ref, unfinished, losses)

    def _told(self) -> Iterator[Event]:
        """Yield all that has come, after waiting a moment for it; see to what was lost."""
        import ray

        refs = {flight.ref: number for number, flight in self._flights.items()}
        ended, _ = ray.wait(list(refs), num_returns=len(refs), timeout=0)
        # What a task has told arrives before its end does.
        try:
            told = self._mailbox.take(self._seen, () if ended else list(refs))
        except ray.exceptions.RayActorError as error:
            yield Notice(f"What nodes had told was lost ({brief(error)}): it is trained again.")
            self._begin_anew()
            return
        if told:
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > _QUIET:
            self._heard = time.monotonic()
            yield from self._missing()
        for number, event in told:
            flight = self._flights.get(number)
            if isinstance(event, StackDone):
                if flight is not None:
                    del self._flights[number]
                    yield from _failed(flight, event.error or "the engine gave no record")
                yield event
                continue
            if isinstance(event, Record) and flight is not None:
                flight.unfinished.pop(event.key, None)
            yield event
        self._seen += len(told)
        for number in [refs[ref] for ref in ended if refs[ref] in self._flights]:
            yield from self._lost(self._flights.pop(number))

    def _missing(self) -> Iterator[Notice]:
        """Say so where no node has what a stack waits for."""
        import ray

        offered = ray.cluster_resources()
        tasks = [task for flight in self._flights.values() for task in flight.unfinished.values()]
        needed = {"GPU" if task.engine.device == "cuda" else "CPU" for task in tasks}
        for kind in sorted(kind for kind in needed if offered.get(kind, 0) < 1):
            yield Notice(f"No node of the cluster offers a {kind} now: waiting for one.")

    def _open_mailbox(self) -> None:
        self._mailbox: Mailbox = MailboxHere() if is_ours() else MailboxActor()
        self._seen = 0

    def _begin_anew(self) -> None:
        """Train again what was in flight, with another mailbox."""
        # Each of them ends by itself when it next tells something.
        flights, self._flights = list(self._flights.values()), {}
        self._open_mailbox()
        for flight in flights:
            self._launch(flight.unfinished, flight.losses)

    def _lost(self, flight: _Flight) -> Iterator[Event]:
        """Train again what a worker was training when it ended; too often, and its runs failed."""
        import ray

        why = "it ended without a word"
        try:
            ray.get(flight.ref)
        except ray.exceptions.RayTaskError as error:  # raised by our own part of it, not the study
            yield from _failed(flight, str(error.cause))
            return
        except ray.exceptions.RayError as error:
            why = brief(error)
        if flight.losses + 1 < LOSSES:
            runs = len(flight.unfinished)
            yield Notice(f"A worker was lost ({why}); runs that are trained again: {runs}.")
            self._launch(flight.unfinished, flight.losses + 1)
        else:
            yield from _failed(flight, f"its worker was lost {LOSSES} times: {why}")

    def _end(self) -> None:
        import ray

        for flight in self._flights.values():
            with left():
                # By an interrupt between two of its steps: a driver whose task is killed in the
                # moment in which it ends can be taken down by it (Ray 2.60).
                ray.cancel(flight.ref, force=False)
        self._flights.clear()


class RayClock(RayWorkers):
    """Times runs one by one on a node that nothing else of Ray uses meanwhile.

    `options` make Ray run something there, and take all that the node has.
    """

    def __init__(self, charge: node.Charge, limit: float, options: dict[str, Any]):
        super().__init__(1, charge)
        self.limit = limit
        self.options = options

    def __enter__(self) -> Self:
        super().__enter__()
        self._engage()
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._dismiss()

    def trace(self, task: Task) -> Trace:
        """Return what the engine of a task computes first; RunError where it cannot."""
        import ray

        with explained():
            try:
                found: Trace = ray.get(self._timer.trace.remote(task))
            except ray.exceptions.RayTaskError as error:
                raise RunError(str(error.cause)) from None
        return found

    def _start(self, tasks: list[Task], post: Post) -> Any:
        return self._timer.measure.remote(tasks, post)

    def _launch(self, unfinished: dict[str, Task], losses: int = 0) -> None:
        if losses:  # the actor was lost with its process
            self._dismiss()
            self._engage()
        super()._launch(unfinished, losses)

    def _engage(self) -> None:
        import ray

        timer = ray.remote(node.Timer).options(**self.options)
        self._timer = timer.remote(self.charge, self.limit)
        with explained():  # until the node is free: nothing is claimed before
            ray.get(self._timer.ready.remote())

    def _dismiss(self) -> None:
        end(self._timer)

    def _end(self) -> None:
        if self._flights:  # a method of an actor can only be ended with it
            self._dismiss()
        self._flights.clear()


def _failed(flight: _Flight, reason: str) -> Iterator[Record]:
    """Yield a failed record for every run that a stack left unfinished."""
    for key in flight.unfinished:
        yield Record(key, "failed", reason, environment={"machine": "a node of a cluster"})

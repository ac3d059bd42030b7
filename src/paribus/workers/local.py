"""Workers on this machine: one single-thread process per core."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.workers.cores import pin
from paribus.workers.environment import REPRODUCIBLE
from paribus.workers.messages import READY, Begin, EpochDone, StackDone, Train, receive, send


class LocalWorkers:
    """Trains stacks in processes of their own and hands back events as they come.

    A context manager: leaving it ends the processes. A stack whose worker dies or whose training
    raises gives a failed record for each of its unfinished runs; the other stacks go on.
    """

    def __init__(
        self, count: int, dataset: Dataset, device: str, keep_weights: bool, settle: bool = False
    ):
        self.count = count
        self.begin = Begin(dataset, device, keep_weights, settle, tuple(sys.path))
        self.workers: list[_Worker] = []
        self.events: SimpleQueue[tuple[_Worker, Any]] = SimpleQueue()

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.end()

    def run(
        self, stacks: Sequence[list[Task]], wanted: Callable[[list[Task]], list[Task]]
    ) -> Iterator[Record | EpochDone | StackDone]:
        """Train all stacks; yield records, finished epochs and stacks in the order they come in.

        A worker may have said more than was asked for when this is left early: see `arrived`.
        `wanted` is asked just before a stack starts which of its runs are still to be trained.
        """
        waiting = deque(stacks)
        busy = 0
        for _ in range(min(self.count, len(stacks))):
            busy += self._next(self._start(len(self.workers)), waiting, wanted)
        while busy:
            worker, event = self.events.get()
            if isinstance(event, Record):
                worker.unfinished.pop(event.key, None)
                yield event
            elif isinstance(event, EpochDone):
                yield event
            else:  # a StackDone, or None when the process is gone
                busy -= worker.busy
                worker.busy = False
                yield from _failures(worker, event)
                if event is not None:
                    yield event
                else:
                    worker.end()
                    self.workers.remove(worker)
                    if waiting:
                        worker = self._start(worker.place)
                busy += self._next(worker, waiting, wanted)

    def arrived(self) -> Iterator[Record]:
        """Yield the records that have come since `run` was left, by Ctrl-C say."""
        while True:
            try:
                _, event = self.events.get(timeout=0.2)
            except Empty:
                return
            if isinstance(event, Record):
                yield event

    def _start(self, place: int) -> _Worker:
        worker = _Worker(self.begin, self.events, place)
        self.workers.append(worker)
        if self.begin.device == "cpu":
            pin(worker.process.pid, place, self.count)
        return worker

    def _next(
        self,
        worker: _Worker,
        waiting: deque[list[Task]],
        wanted: Callable[[list[Task]], list[Task]],
    ) -> int:
        """Give a worker the next stack that has something left to train; 1 if there was one."""
        while waiting:
            tasks = wanted(waiting.popleft())
            if tasks:
                worker.train(tasks)
                return 1
        return 0


def _failures(worker: _Worker, event: StackDone | None) -> Iterator[Record]:
    """Yield a failed record for every run that its worker left unfinished."""
    reason = event.error if event is not None else worker.last_words()
    for key in list(worker.unfinished):
        yield Record(key, "failed", reason or "the engine gave no record")
    worker.unfinished.clear()


class _Worker:
    """One worker process, with a thread that turns what it says into events."""

    def __init__(self, begin: Begin, events: SimpleQueue[tuple[_Worker, Any]], place: int):
        self.place = place
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115, closed in `end`
        self.process = subprocess.Popen(
            # -P: a file of the user's called queue.py is not the library's
            [sys.executable, "-P", "-m", "paribus.workers.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, **REPRODUCIBLE},
        )
        self.events = events
        self.unfinished: dict[str, Task] = {}
        self.busy = False
        self._send(begin)
        threading.Thread(target=self._listen, daemon=True).start()

    def train(self, tasks: list[Task]) -> None:
        self.busy = True
        self.unfinished = {task.key: task for task in tasks}
        self._send(Train(tasks))

    def _send(self, message: Begin | Train) -> None:
        assert self.process.stdin is not None
        try:
            send(self.process.stdin, message)
        except OSError:  # the process is gone: `_listen` says so
            return

    def last_words(self) -> str:
        """Say how the process ended, with the end of what it wrote to standard error."""
        code = self.process.wait()
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip()[-500:]
        hint = " (out of memory, perhaps)" if code == -9 else ""
        return f"its worker process ended {how}{hint}" + (f": {said}" if said else "")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with suppress(OSError):  # closing writes what is left to a process that is gone
                stream.close()  # type: ignore[union-attr]

    def _listen(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        try:
            said = b""
            while not said.endswith(READY):
                byte = stream.read(1)
                if not byte:
                    raise EOFError
                said += byte
            while True:
                self.events.put((self, receive(stream)))
        except Exception:  # it is gone, or no longer speaks our language: then it has to go
            self.process.kill()
            self.events.put((self, None))

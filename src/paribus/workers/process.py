"""One worker process, as its driver sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from paribus.engines.base import Record, Task
from paribus.workers.messages import READY, Begin, Prove, StackDone, Train, receive, send


class Worker:
    """One worker process, with a thread that turns what it says into events."""

    def __init__(
        self,
        begin: Begin,
        events: SimpleQueue[tuple[Worker, Any]],
        place: int,
        environment: Mapping[str, str],
    ):
        """Start it with additions to the environment; what it says is put into `events`."""
        self.place = place
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115, closed in `end`
        self.process = subprocess.Popen(
            # -P: a file of the user's called queue.py is not the library's
            [sys.executable, "-P", "-m", "paribus.workers.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, **environment},
        )
        self.events = events
        self.unfinished: dict[str, Task] = {}
        self.busy = False
        self.finishing = False  # whether its stack is trained and its records are being handed over
        self._send(begin)
        threading.Thread(target=self._listen, daemon=True).start()

    def train(self, tasks: list[Task]) -> None:
        """Have it train these tasks as one stack."""
        self.busy = True
        self.unfinished = {task.key: task for task in tasks}
        self._send(Train(tasks))

    def prove(self, task: Task) -> None:
        """Have it trace what the engine of a task computes first."""
        self._send(Prove(task))

    def heard(self, event: object) -> None:
        """Take note of what it said."""
        self.finishing = isinstance(event, Record)

    def _send(self, message: Begin | Train | Prove) -> None:
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
        """Kill it, if it still runs, and let go of what belonged to it."""
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


def failures(worker: Worker, event: StackDone | None) -> Iterator[Record]:
    """Yield a failed record for every run that its worker left unfinished."""
    reason = event.error if event is not None else worker.last_words()
    for key in list(worker.unfinished):
        yield Record(key, "failed", reason or "the engine gave no record")
    worker.unfinished.clear()

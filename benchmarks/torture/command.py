"""The command line in a process of its own, as a terminal starts it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

import paribus
from benchmarks.torture.row import Row

WORKER = "paribus.workers.child"
"""What the command line of a worker has in it."""

_MARK = "PARIBUS_TORTURE"
_PATIENCE = 10.0  # seconds that a worker may outlive its driver
_LIMIT = 300.0  # seconds for one command
_SOURCES = Path(paribus.__file__).resolve().parents[1]  # those that we read the store with


def heed_interrupts() -> None:
    """Heed Ctrl-C: a shell lets what it starts in the background ignore it, and so its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Command:
    """`paribus …` with its workers: a process group of its own, every process marked.

    A context manager: leaving it ends what still runs. `inside` is what the command is started
    through (`faketime`, say).
    """

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        inside: Sequence[str] = (),
    ):
        self.mark = uuid.uuid4().hex
        self._err = tempfile.TemporaryFile()  # noqa: SIM115, closed in `__exit__`
        path = os.pathsep.join(filter(None, (str(_SOURCES), os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(
            [*inside, sys.executable, "-m", "paribus", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._err,
            env={**os.environ, "PYTHONPATH": path, **(environment or {}), _MARK: self.mark},
            start_new_session=True,
            preexec_fn=heed_interrupts,
        )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.processes():
            with contextlib.suppress(psutil.Error):
                one.kill()
        self.process.wait()
        self._err.close()

    def processes(self) -> list[psutil.Process]:
        """Return all that runs of it: those that carry its mark."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if one.environ().get(_MARK) == self.mark and one.status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
        return found

    def workers(self, named: str = WORKER) -> list[psutil.Process]:
        """Return its worker processes: those with `named` in their command line."""
        found = []
        for one in self.processes():
            with contextlib.suppress(psutil.Error):
                if named in " ".join(one.cmdline()):
                    found.append(one)
        return found

    def sleep(self, seconds: float) -> bool:
        """Wait so long, or until it ends; return whether it still runs."""
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    @property
    def listens(self) -> bool:
        """Whether it has got so far that it decides itself what a SIGTERM does (Linux)."""
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        except OSError:
            return False
        decided = [line.split()[1] for line in lines if line.startswith(("SigCgt:", "SigIgn:"))]
        return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in decided)

    def ended(self, row: Row) -> int:
        """Wait for its end, and for that of its workers; return its exit code.

        What hangs, what outlives it and a traceback go into `row`.
        """
        try:
            code = self.process.wait(timeout=_LIMIT)
        except subprocess.TimeoutExpired:
            row.error(f"not finished after {_LIMIT:.0f} s")
            os.killpg(self.process.pid, signal.SIGKILL)
            code = self.process.wait()
        end = time.monotonic() + _PATIENCE
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        for one in left:
            with contextlib.suppress(psutil.Error):
                row.orphan(f"{' '.join(one.cmdline())[:100]} is left")
        for text in ("Traceback", "internal error"):
            if text in self.said:
                row.error(f"{text}: {self.said[-1500:]}")
                break
        return code

    @property
    def said(self) -> str:
        """What it has written to standard error so far."""
        return _whole(self._err)


def _whole(file: object) -> str:
    # By its own descriptor: the process shares the place in it.
    size = os.fstat(file.fileno()).st_size  # type: ignore[attr-defined]
    return os.pread(file.fileno(), size, 0).decode(errors="replace")  # type: ignore[attr-defined]

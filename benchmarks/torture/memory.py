"""Workers that run out of memory: by a limit, by a network that takes all, by the kernel."""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.torture.command import Command
from benchmarks.torture.row import Row
from benchmarks.torture.trial import STUDY, Reference, Trial, finished, undisturbed
from paribus.store.store import Store

_MORE = 8 * 2**20  # bytes at most that a worker gets beside what it has
_ENOUGH = 1500 * 2**20  # bytes for a worker whose network is not greedy
_CGROUPS = Path("/sys/fs/cgroup")

_NETWORK = """
import torch

taken, calls = [], 0


class Net(torch.nn.Module):
    def __init__(self, greedy: int = 0):
        super().__init__()
        self.greedy, self.layer = greedy, torch.nn.Linear(64, 10)

    def forward(self, x):
        global calls
        calls += self.greedy
        if calls > 20:  # not yet when it is tried before anything is trained
            taken.append(torch.ones(30_000_000))
        return self.layer(x.flatten(1))
"""


def torture(folder: Path, reference: Reference, rounds: int, seed: int) -> list[Row]:
    """Take the memory away in three ways, as often as there are rounds."""
    if sys.platform != "linux":
        names = ("a worker without memory", "a network that takes all memory")
        return [Row(name, skipped="needs Linux") for name in names]
    return [
        limited(folder / "limited", reference, rounds, seed),
        greedy(folder / "greedy", rounds, seed, _under_rlimit, "RLIMIT_DATA"),
        greedy(folder / "killed", rounds, seed, _in_cgroup, "the kernel kills it"),
    ]


def limited(folder: Path, reference: Reference, rounds: int, seed: int) -> Row:
    """Let a worker have hardly more than it has at a random moment; then give the command again."""
    row, draw = Row("a worker without memory (RLIMIT_DATA)"), random.Random(seed)
    trial = Trial(folder, reference, row)
    while row.times < rounds:
        with trial.run() as command:
            if command.sleep(draw.uniform(0, reference.seconds)):
                with contextlib.suppress(psutil.Error, IndexError, ProcessLookupError, OSError):
                    worker = draw.choice(command.workers())
                    _limit(worker.pid, _data_bytes(worker.pid) + draw.randrange(_MORE))
                    row.times += 1
            code = command.ended(row)
            if code not in (0, 1):
                row.error(f"exit code {code}: {command.said[-500:]}")
        trial.check(f"after {row.times}")
        _have_reasons(trial)
        if (code == 0) != trial.complete:
            row.error(f"exit code {code} with {len(trial.known)} runs")
        if trial.complete:
            row.count("studies finished")
            trial.anew()
    finished(trial, "in the end")
    return row


def greedy(
    folder: Path,
    rounds: int,
    seed: int,
    within: Callable[[], contextlib.AbstractContextManager[Callable[[int], None]]],
    how: str,
) -> Row:
    """Train a network that takes ever more memory beside one that does not."""
    row = Row(f"a network that takes all memory ({how})")
    values: dict[str, Any] = {
        **{key: value for key, value in STUDY.items() if key not in ("model", "factors")},
        "model": {"kind": "module", "factory": "greedy:Net", "arguments": {"greedy": 0}},
        "factors": {"train.learning_rate": [0.01, 0.1]},
        "seeds": 8,
    }
    for place in (folder, folder / "reference-0"):  # modules are found beside the study
        place.mkdir(parents=True)
        (place / "greedy.py").write_text(_NETWORK)
    sys.path.insert(0, str(folder))
    reference = undisturbed(folder, values)
    both = {**values, "factors": {**values["factors"], "model.arguments.greedy": [1, 0]}}
    for _ in range(rounds):
        trial = Trial(folder, Reference(both, reference.results, reference.seconds), row)
        with within() as limit, trial.run() as command:
            _limit_all(command, limit)
            code = command.ended(row)
            if code != 1:
                row.error(f"exit code {code}: {command.said[-500:]}")
        row.times += 1
        trial.check(f"after {row.times}")
        _have_reasons(trial)
        if missing := len(reference.results.keys() - trial.known.keys()):
            row.lose(f"{missing} runs of the other network were not trained", missing)
        trial.anew()
    return row


def _limit_all(command: Command, limit: Callable[[int], None]) -> None:
    seen: set[int] = set()
    while command.sleep(0.05):
        for worker in command.workers():
            if worker.pid not in seen:
                seen.add(worker.pid)
                with contextlib.suppress(OSError):
                    limit(worker.pid)


@contextmanager
def _under_rlimit() -> Iterator[Callable[[int], None]]:
    yield lambda process: _limit(process, _ENOUGH)


@contextmanager
def _in_cgroup() -> Iterator[Callable[[int], None]]:
    """Give what puts a process where the kernel kills it when it takes too much."""
    version_1 = _CGROUPS / "memory"
    group = (version_1 if version_1.exists() else _CGROUPS) / f"paribus-torture-{time.time_ns()}"
    group.mkdir()
    try:
        name = "memory.limit_in_bytes" if version_1.exists() else "memory.max"
        (group / name).write_text(str(_ENOUGH))

        def put(process: int) -> None:
            (group / "cgroup.procs").write_text(str(process))

        yield put
    finally:
        for _ in range(50):  # until the last process in it is gone
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)


def _limit(process: int, size: int) -> None:
    import resource

    resource.prlimit(process, resource.RLIMIT_DATA, (size, size))


def _data_bytes(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def _have_reasons(trial: Trial) -> None:
    with Store(trial.store) as store:
        for run in store.study(str(trial.reference.values["name"])).runs:
            if run.status == "failed":
                trial.row.count("runs failed")
                if not run.reason.strip():
                    trial.row.error(f"run {run.key} failed for no reason")
                    continue
                trial.row.count(f"failed: {run.reason.splitlines()[0][:100]}")

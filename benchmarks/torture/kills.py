"""kill -9 of the driver and of workers, at any moment."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.torture.command import WORKER
from benchmarks.torture.row import Row
from benchmarks.torture.trial import Reference, Trial, finished


def torture(folder: Path, reference: Reference, rounds: int, seed: int) -> list[Row]:
    """Kill as often as there are rounds: drivers in one half of them, workers in the other."""
    return [
        drivers(folder / "driver", reference, rounds - rounds // 2, seed),
        workers(folder / "worker", reference, rounds // 2, seed),
    ]


def drivers(folder: Path, reference: Reference, rounds: int, seed: int) -> Row:
    """Kill the driver at a random moment, give the same command again, kill it again, and so on."""
    row, draw = Row("kill -9 of the driver"), random.Random(seed)
    trial = Trial(folder, reference, row)
    while row.times < rounds:
        known = len(trial.known)
        with trial.run() as command:
            if command.sleep(draw.uniform(0, reference.seconds)):
                command.process.kill()
                row.times += 1
            code = command.ended(row)
            trial.resumed(command, "after a kill", known)
            if code not in (-9, 0):
                row.error(f"exit code {code}: {command.said[-500:]}")
        trial.check(f"after kill {row.times}")
        if code == 0:
            row.count("studies finished")
            if not trial.complete:
                row.error("a study that was killed did not finish")
            trial.anew()
    finished(trial, "in the end")
    return row


def workers(
    folder: Path,
    reference: Reference,
    rounds: int,
    seed: int,
    fault: str = "kill -9 of a worker",
    named: str = WORKER,
    arguments: Sequence[str] = (),
) -> Row:
    """Kill workers at random moments while their driver goes on; then give the command again."""
    row, draw = Row(fault), random.Random(seed)
    trial = Trial(folder, reference, row)
    while row.times < rounds:
        known, hit = len(trial.known), 0
        with trial.run(*arguments) as command:
            while row.times < rounds and command.sleep(draw.uniform(0, reference.seconds / 2)):
                with contextlib.suppress(psutil.Error, IndexError, StopIteration):
                    worker = draw.choice(command.workers(named))
                    name = next(word for word in worker.cmdline() if named in word)
                    worker.kill()
                    row.times, hit = row.times + 1, hit + 1
                    row.count(f"killed {name.strip()}")
            code = command.ended(row)
            trial.resumed(command, "after a kill", known)
            if code not in ((0, 1) if hit else (0,)):
                row.error(f"exit code {code} after {hit} kills: {command.said[-500:]}")
        trial.check(f"after kill {row.times}")
        if (code == 0) != trial.complete:
            row.error(f"exit code {code} with {len(trial.known)} runs")
        if trial.complete:
            row.count("studies finished")
            trial.anew()
    finished(trial, "in the end")
    return row

"""SIGTERM, and Ctrl-C as a terminal sends it: SIGINT to every process of the group."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from pathlib import Path

from benchmarks.torture.row import Row
from benchmarks.torture.trial import Reference, Trial, finished

SIGTERM, CTRL_C = "SIGTERM to the driver", "Ctrl-C (SIGINT to all its processes)"
_AGAIN = 0.3  # how often someone presses twice
_SOON = 0.3  # seconds within which they do


def torture(folder: Path, reference: Reference, rounds: int, seed: int) -> list[Row]:
    """Interrupt in both ways, as often as there are rounds."""
    return [
        interrupted(SIGTERM, folder / "term", reference, rounds, seed),
        interrupted(CTRL_C, folder / "int", reference, rounds, seed),
    ]


def interrupted(fault: str, folder: Path, reference: Reference, rounds: int, seed: int) -> Row:
    """Interrupt at random moments, sometimes twice, and give the same command again."""
    row, draw = Row(fault), random.Random(seed)
    trial = Trial(folder, reference, row)

    def send(process: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if fault == SIGTERM:
                os.kill(process, signal.SIGTERM)
            else:
                os.killpg(process, signal.SIGINT)

    while row.times < rounds:
        known, stacks = len(trial.known), trial.stacks()
        expected: tuple[int, ...] = (0,)
        with trial.run() as command:
            if command.sleep(draw.uniform(0, reference.seconds)):
                # Before its first line has run, the system ends it, or Python does.
                expected = (130, 0)
                if not command.listens:
                    expected = (130, -signal.SIGTERM, -signal.SIGINT)
                    row.count("before its first line")
                send(command.process.pid)
                row.times += 1
                if draw.random() < _AGAIN and command.sleep(draw.uniform(0, _SOON)):
                    row.count("sent twice")
                    send(command.process.pid)
            code = command.ended(row)
            trial.resumed(command, f"after {fault}", known)
            if code not in expected:
                row.error(f"exit code {code}: {command.said[-500:]}")
        trial.check(f"after {fault} {row.times}")
        for stack in stacks:  # its runs finish together: all are kept, or it had not finished
            if kept := stack & trial.known.keys():
                missing = len(stack) - len(kept)
                if missing:
                    row.lose(f"{len(kept)} of {len(stack)} runs of a stack kept", missing)
        if trial.complete:
            row.count("studies finished")
            trial.anew()
        elif code == 0:
            row.error(f"exit code 0 with {len(trial.known)} runs")
    finished(trial, "in the end")
    return row

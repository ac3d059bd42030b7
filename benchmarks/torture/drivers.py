"""Two drivers on one store: they share the work, and the death of one is no loss to the other."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.torture.row import Row
from benchmarks.torture.trial import Reference, Trial, undisturbed
from paribus.store.store import Store

_ARMS = 5
_TINY: dict[str, Any] = {
    "question": "Which learning rate?",
    "name": "many",
    "data": {"source": "digits", "rows": 200},
    "model": {"kind": "linear"},
    "train": {"steps": 1, "batch_size": 32},
    "factors": {"train.learning_rate": [0.1 * (arm + 1) for arm in range(_ARMS)]},
    "margin": 0.02,
}
RUNS = 25
"""Tiny runs for each round that is asked for."""


def torture(folder: Path, reference: Reference, rounds: int, seed: int) -> list[Row]:
    """Give the same command twice at once: for many tiny runs, and with one of the two killed."""
    return [
        together(folder / "together", max(_ARMS * 6, rounds * RUNS)),
        survivor(folder / "survivor", reference, max(1, rounds // 20), seed),
    ]


def together(folder: Path, runs: int) -> Row:
    """Train so many tiny runs with two drivers, and find each of them once."""
    reference = undisturbed(folder, {**_TINY, "seeds": runs // _ARMS})
    row = Row(f"two drivers on one store, {len(reference.results):,} runs", times=1)
    trial = Trial(folder / "both", reference, row)
    Store(trial.store, create=True).__exit__()
    trial.check("before")  # which counts from now on
    with trial.run() as one, trial.run() as other:
        for command in (one, other):
            if code := command.ended(row):
                row.error(f"exit code {code}: {command.said[-500:]}")
    trial.check("with two drivers")
    if not trial.complete:
        row.error(f"{len(trial.known)} of {len(reference.results)} runs in the end")
    return row


def survivor(folder: Path, reference: Reference, rounds: int, seed: int) -> Row:
    """Kill one of two drivers at a random moment; the other does what is left."""
    row, draw = Row("kill -9 of one of two drivers"), random.Random(seed)
    trial = Trial(folder, reference, row)
    while row.times < rounds:
        Store(trial.store, create=True).__exit__()
        trial.check("before")
        with ExitStack() as stack:
            both = [stack.enter_context(trial.run("--workers", "1")) for _ in range(2)]
            killed = draw.randrange(2)
            time.sleep(draw.uniform(0, reference.seconds))
            if both[killed].process.poll() is None:
                both[killed].process.kill()
                row.times += 1
            for number, command in enumerate(both):
                code = command.ended(row)
                if code not in ((0, -9) if number == killed else (0,)):
                    row.error(f"exit code {code}: {command.said[-500:]}")
        trial.check(f"after kill {row.times}")
        if not trial.complete:
            row.error(f"the other driver left {len(trial.known)} runs")
        trial.anew()
    return row

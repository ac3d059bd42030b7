"""How a store does with 100,000 runs: `python -m benchmarks.store_scale [FILE] [STUDIES]`.

Every study has 10 arms of 100 seeds, and every run 4 metrics over 100 epochs. The studies are
declared as they always are; the runs are made up, so that filling the store takes minutes. The
last study is kept run by run, as training keeps them, and for comparison in an empty store too; the
others in large transactions. Without FILE the store is gone afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from paribus.data import load
from paribus.engines.base import Record
from paribus.environment import environment
from paribus.run import Settings, lay_out
from paribus.store.backup import update
from paribus.store.store import Store
from paribus.study.declaration import declaration
from paribus.study.design import Design
from paribus.study.spec import from_values

STUDIES, ARMS, SEEDS, EPOCHS = 100, 10, 100, 100
METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


def study(number: int, settings: Settings) -> Design:
    """Return the design of a study that shares no run with others."""
    rates = [round(0.001 * (1 + number / 1000) * 1.5**arm, 8) for arm in range(ARMS)]
    values = {
        "question": "Which learning rate?",
        "name": f"rates-{number}",
        "data": "digits",
        "model": {"hidden": [16]},
        "train": {"epochs": EPOCHS, "optimizer": "adam"},
        "factors": {"train.learning_rate": rates},
        "seeds": SEEDS,
        "margin": 0.01,
    }
    return lay_out(from_values(values), load("digits"), settings)


def records(design: Design) -> Iterator[Record]:
    """Yield made-up runs: curves that level off, with noise of their own."""
    epochs = np.arange(1, EPOCHS + 1)
    for run in design.runs:
        noise = np.random.default_rng(int(run.key[:8], 16)).normal(0, 0.005, (4, EPOCHS))
        losses = np.exp(-epochs / (5 + run.arm)) + 0.1
        curves = np.stack([losses, 1 - losses / 3, losses + 0.02, 0.98 - losses / 3]) + noise
        named = dict(zip(METRICS, curves, strict=True))
        metrics = {name: float(points[-1]) for name, points in named.items()}
        yield Record(run.key, "done", "", metrics, named)


def fill(path: Path, studies: int) -> dict[str, float]:
    """Fill a store; return its size, and how fast it and an empty one take runs and back up."""
    where = environment("stacked", "cpu")
    with Store(path, create=True) as store:
        for number in range(studies - 1):
            store.add_records((record, where) for record in declared(store, number))
        figures = {"s to back up all but the last study": timed(lambda: update(store))}
        figures |= append_rates(store, studies - 1)
        figures["s to back up the last study"] = timed(lambda: update(store))
        figures["s to back up where nothing is new"] = timed(lambda: update(store))
        store.connection.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    figures["GB of the file"] = path.stat().st_size / 1e9
    return figures


def declared(store: Store, number: int) -> list[Record]:
    """Declare a study, and return the records of its runs."""
    design = study(number, Settings(store.path))
    planned = ((run.block, run.arm, run.key) for run in design.runs)
    content = declaration(design, "made up")
    store.add_study(design.key, design.spec.name, design.spec.question, content, planned)
    return list(records(design))


def append_rates(full: Store, number: int) -> dict[str, float]:
    """Return the runs per second that a full and an empty store keep, each in its own transaction.

    They take turns, so that what else the machine does slows both.
    """
    where, seconds = environment("stacked", "cpu"), {"full": 0.0, "empty": 0.0}
    with Store(full.path.with_name("empty.sqlite"), create=True) as empty:
        stores = {"full": full, "empty": empty}
        made, _ = (declared(store, number) for store in stores.values())
        for record in made:
            for name, store in stores.items():
                seconds[name] += timed(lambda store=store, r=record: store.add_record(r, where))
    return {f"runs/s kept by the {name} store": len(made) / s for name, s in seconds.items()}


def timed(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def command(path: Path, *words: str) -> tuple[float, float]:
    """Return the seconds of a command, the whole process, and those of the processor.

    Of three times the fastest: other programs can only add to it.
    """

    def once() -> tuple[float, float]:
        line = [sys.executable, "-m", "paribus", *words, "--store", str(path)]
        before = sum(os.times()[2:4])
        seconds = timed(lambda: subprocess.run(line, check=True, stdout=subprocess.DEVNULL))
        return seconds, sum(os.times()[2:4]) - before

    return min(once() for _ in range(3))


def main(path: Path, studies: int) -> None:
    figures = {} if path.exists() else fill(path, studies)
    last = f"rates-{studies - 1}"
    report = ["report", last, "--out", str(path.with_suffix(".html"))]
    for words in (["list"], ["show", last], report):
        seconds, processor = command(path, *words)
        figures[f"s of paribus {' '.join(words[:2])}"] = seconds
        figures[f"s of them on the processor ({words[0]})"] = processor
    for name, value in figures.items():
        print(f"{value:>12.3f} {name}", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    with TemporaryDirectory() as folder:
        main(
            Path(given[0]) if given else Path(folder) / "store.sqlite",
            int(given[1]) if len(given) > 1 else STUDIES,
        )

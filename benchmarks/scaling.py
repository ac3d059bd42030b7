"""What the driver and the store bear, and a cluster of 1,000 GPUs: `python -m benchmarks.scaling`.

The rates are measured on this machine, with the code that a study runs through. The cluster is
simulated with them: GPUs train stacks, and the driver keeps what they hand over, one after another.
"""

from __future__ import annotations

import heapq
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from paribus.data import load
from paribus.engines.base import Record
from paribus.environment import environment
from paribus.run import lay_out, make_plan
from paribus.settings import Settings
from paribus.store.claims import Claims
from paribus.store.store import Store
from paribus.study.declaration import declaration
from paribus.study.spec import from_values

ARMS, SEEDS = 1000, 100
EPOCHS, METRICS = 100, ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
STACK = 256
KEPT = 20 * STACK
GPUS, RUNS = 1000, 1_000_000


@dataclass(frozen=True)
class Rates:
    """Seconds that the driver spends: on a run laid out, on one kept, on a stack given out."""

    lay_out: float
    keep: float
    receive: float
    claim: float
    submit: float


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rates = Rates(
            lay_out=laying_out(Path(folder)),
            keep=keeping(Path(folder)),
            claim=claiming(Path(folder)),
            **on_ray(),
        )
    found: dict[str, Any] = {"seconds": vars(rates), "machine": describe(), "simulated": []}
    for seconds in (0.1, 1.0, 10.0, 100.0):
        found["simulated"].append(
            {"GPU seconds of a run": seconds, **simulate(rates, seconds, np.random.default_rng(0))}
        )
    print(json.dumps(found, indent=1))


def laying_out(folder: Path) -> float:
    """Return the seconds of a run on the way from a specification to stacks."""
    values = {
        "question": "Which learning rate?",
        "data": "digits",
        "model": {"hidden": [8]},
        "factors": {"train.learning_rate": [0.0001 * (arm + 1) for arm in range(ARMS)]},
        "seeds": SEEDS,
    }
    settings, dataset = Settings(folder / "laid-out.sqlite", workers=1), load("digits")

    def job() -> None:
        design = lay_out(from_values(values), dataset, settings)
        make_plan(design, settings)
        content, spec = declaration(design, ""), design.spec
        with Store(settings.store, create=True) as store:
            planned = ((run.block, run.arm, run.key) for run in design.runs)
            store.add_study(design.key, spec.name, spec.question, content, planned)

    return timed(job) / (ARMS * SEEDS)


def keeping(folder: Path) -> float:
    """Return the seconds that it takes to keep a run, with its stack in one transaction."""
    made = [record(number) for number in range(KEPT)]
    where = environment("stacked", "cpu")
    with Store(folder / "kept.sqlite", create=True) as store:
        stacks = [made[start : start + STACK] for start in range(0, KEPT, STACK)]
        return timed(lambda: [store.add_records((m, where) for m in s) for s in stacks]) / KEPT


def claiming(folder: Path) -> float:
    """Return the seconds that it takes to claim a stack."""
    stacks = [[f"{number:08}-{one:032}" for one in range(STACK)] for number in range(100)]
    with Store(folder / "claimed.sqlite", create=True) as store, Claims(store) as claims:
        return timed(lambda: [claims.take(keys) for keys in stacks]) / len(stacks)


def on_ray() -> dict[str, float]:
    """Return the seconds in which a run comes by the mailbox, and a stack is given to Ray."""
    import ray

    from paribus.workers.mailbox import MailboxActor

    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR")
    mailbox = MailboxActor()
    post, some = mailbox.post(0), [record(number) for number in range(STACK)]
    post(some)

    def receive() -> None:
        for told in range(1, 9):
            post(some)
            mailbox.take(told * STACK)

    nothing = ray.remote(_nothing).options(num_cpus=1)
    ray.get([nothing.remote(some[0]) for _ in range(8)])
    seconds = {
        "receive": timed(receive) / (8 * STACK),
        "submit": timed(lambda: ray.get([nothing.remote(some) for _ in range(200)])) / 200,
    }
    ray.shutdown()
    return seconds


def _nothing(_: object) -> None:
    """Stand for a stack that takes no time."""


def record(number: int) -> Record:
    draw = np.random.default_rng(number)
    curves = {name: draw.random(EPOCHS) for name in METRICS}
    metrics = {name: float(points[-1]) for name, points in curves.items()}
    return Record(f"{number:032}", "done", "", metrics, curves)


def simulate(rates: Rates, seconds: float, draw: np.random.Generator) -> dict[str, float]:
    """Train a study on GPUs whose stacks take so many seconds a run; one driver serves them all.

    Stacks differ in their time by a tenth. A GPU waits for its next stack until the driver, which
    does one thing after another, has kept the last one and given out the next.
    """
    stacks = -(-RUNS // STACK)
    served = STACK * (rates.receive + rates.keep) + rates.claim + rates.submit
    begin = RUNS * rates.lay_out
    ends = [begin + rates.submit * gpu for gpu in range(min(GPUS, stacks))]
    ends = [end + duration(seconds, draw) for end in ends]
    heapq.heapify(ends)
    given, driver, busy = len(ends), begin, 0.0
    while ends:
        end = heapq.heappop(ends)
        driver = max(driver, end) + served
        busy += served
        if given < stacks:
            given += 1
            heapq.heappush(ends, driver + duration(seconds, draw))
    return {
        "hours": driver / 3600,
        "hours of GPUs that never wait": RUNS * seconds / GPUS / 3600,
        "share of the GPUs' time that is used": RUNS * seconds / GPUS / driver,
        "share of the driver's time that is used": busy / driver,
    }


def duration(seconds: float, draw: np.random.Generator) -> float:
    return STACK * seconds * max(0.1, draw.normal(1, 0.1))


def timed(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

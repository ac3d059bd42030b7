"""The same study by local workers and on Ray, both on this machine: `python -m benchmarks.cluster`.

Whole commands are timed, starts included, in turns; the runs of all stores are compared bit for
bit. In one more command on Ray a worker is killed in the middle.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import describe
from paribus.store.store import Store

STUDY = ["optimizers", "--set", "train.epochs=400"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--study", nargs="+", default=STUDY)
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {"local": [], "ray": []}
    with tempfile.TemporaryDirectory() as folder:
        stores = []
        for number in range(asked.rounds):
            for site in sorted(seconds, reverse=number % 2 == 1):
                store = Path(folder) / f"{site}{number}.sqlite"
                seconds[site].append(run(asked.study, site, store))
                stores.append(store)
        killed = Path(folder) / "killed.sqlite"
        with_kill = run(
            asked.study, "ray", killed, kill_after=statistics.median(seconds["ray"]) / 2
        )
        reference = contents(stores[0])
        differing = sum(
            contents(store)[key] != value
            for store in [*stores[1:], killed]
            for key, value in reference.items()
        )
    ratios = [ray / local for local, ray in zip(seconds["local"], seconds["ray"], strict=True)]
    found = {
        "study": asked.study,
        "runs": len(reference),
        "seconds": seconds,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "seconds with a worker killed": with_kill,
        "runs that differ": differing,
        "machine": describe(),
    }
    print(json.dumps(found, indent=1))


def run(study: list[str], site: str, store: Path, kill_after: float | None = None) -> float:
    """Return the seconds of a whole command."""
    command = [sys.executable, "-m", "paribus", "run", *study, "--no-report", "--store", str(store)]
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, *(["--on", "ray"] if site == "ray" else [])], stdout=subprocess.DEVNULL
    ) as driver:
        if kill_after is not None:
            time.sleep(kill_after)
            stacks = [one for one in psutil.Process(driver.pid).children(True) if trains(one)]
            stacks[0].kill()
            print(f"killed {stacks[0].pid} after {kill_after:.0f} s", file=sys.stderr)
    if driver.returncode:
        raise SystemExit(f"the command failed with exit code {driver.returncode}")
    return time.perf_counter() - start


def trains(process: psutil.Process) -> bool:
    with suppress(psutil.Error):  # it has ended
        return "".join(process.cmdline()[:1]).startswith("ray::stack")
    return False


def contents(path: Path) -> dict[str, Any]:
    """Return all that a store has of each run, curves as bytes."""
    with Store(path) as store:
        (row,) = store.studies()
        study = store.study(row.key)
        keys = {(run.arm, run.block): run.key for run in study.runs}
        found: dict[str, Any] = {
            run.key: [run.status, run.reason, dict(run.metrics)] for run in study.runs
        }
        for arm, block, metric, points in store.curves(row.key):
            found[keys[arm, block]].append((metric, points.tobytes()))
    return found


if __name__ == "__main__":
    main()

"""A clock that jumps back and forth by days while a study is trained (libfaketime)."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from benchmarks.torture.row import Row
from benchmarks.torture.trial import Reference, Trial
from paribus.store.store import Store

_DAYS = 1000
_KILLS = 0.1  # how often the driver is killed just after


def torture(folder: Path, reference: Reference, rounds: int, seed: int) -> list[Row]:
    """Set the clock at random moments, and kill the driver at some of them."""
    row, draw = Row("a clock that jumps by days"), random.Random(seed)
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if sys.platform != "linux" or library is None:
        row.skipped = "needs libfaketime (Debian: apt-get install faketime)"
        return [row]
    trial = Trial(folder, reference, row)
    clock = folder / "clock"
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # nor does a clock that someone sets
    }

    def jump() -> None:
        (folder / "next").write_text(f"{draw.uniform(-_DAYS, _DAYS):+.3f}d\n")
        (folder / "next").replace(clock)
        row.times += 1

    jump()
    while row.times < rounds or trial.known:
        known = len(trial.known)
        with trial.run(environment=environment) as command:
            while command.sleep(draw.uniform(0, reference.seconds / 2)):
                if row.times >= rounds:
                    continue
                jump()
                if draw.random() < _KILLS:
                    row.count("kills")
                    command.process.kill()
            code = command.ended(row)
            trial.resumed(command, "after a jump", known)
            if code not in (0, -9):
                row.error(f"exit code {code}: {command.said[-500:]}")
        trial.check(f"after jump {row.times}")
        if code == 0:
            row.count("studies finished")
            if not trial.complete:
                row.error(f"exit code 0 with {len(trial.known)} runs")
            for seeds in (4, 3):
                _asked_last_is_newest(trial, seeds, environment)
                jump()
            trial.anew()
    return [row]


def _asked_last_is_newest(trial: Trial, seeds: int, environment: dict[str, str]) -> None:
    """Ask for another study of the same name; then the name must mean that one."""
    with trial.run("--seeds", str(seeds), environment=environment) as command:
        code = command.ended(trial.row)
        if code:
            trial.row.error(f"exit code {code}: {command.said[-500:]}")
    with Store(trial.store) as store:
        found = store.study(str(trial.reference.values["name"])).content["seeds"]
    if found != seeds:
        trial.row.error(f"the study asked for last has {seeds} seeds, the newest has {found}")

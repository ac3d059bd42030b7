"""Where the time of a run of a study went: `paribus run --profile`.

For whoever wants a study to be faster. Its times are of workers that train side by side, and of
many runs at once: no arm is ever judged by them.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Profile:
    """Seconds by phase, all workers together, and of the driver that keeps what they find.

    `idle` is what is left of the workers' time: waiting for work, for one another at the end, and
    for the start of a process.
    """

    def __init__(self) -> None:
        self.workers = 0
        self.wall = 0.0
        self.phases: Counter[str] = Counter()
        self.store = 0.0

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add what a worker spent."""
        self.phases.update({p: s for p, s in seconds.items() if p != "idle"})

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Book a block of the driver's time on the store."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.store += time.perf_counter() - start

    @contextmanager
    def training(self, workers: int) -> Iterator[None]:
        """Take the time from the start of so many workers to the end of the last one."""
        start = time.perf_counter()
        self.workers = workers
        try:
            yield
        finally:
            self.wall += time.perf_counter() - start

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per phase, with its share of the workers' time, and one for the store."""
        total = self.workers * self.wall
        spent = {**self.phases, "idle": max(0.0, total - sum(self.phases.values()))}
        rows = [
            {"phase": phase, "seconds": seconds, "share": seconds / total if total else 0.0}
            for phase, seconds in spent.items()
        ]
        driver = {"phase": "store (driver)", "seconds": self.store, "share": None}
        return [*rows, driver] if self.workers else []

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        held = {"workers": self.workers, "wall_seconds": self.wall, "phases": self.rows()}
        path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")

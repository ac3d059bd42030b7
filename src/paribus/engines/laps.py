"""Where an engine's time goes, phase by phase."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable


class Laps:
    """Seconds by phase: each `lap` books what has passed since the last one.

    `settle`, where set, is called before the clock is read, to wait for a device.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.settle: Callable[[], None] | None = None
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Book the time since the last lap on a phase."""
        if self.settle is not None:
            self.settle()
        now = time.perf_counter()
        self.seconds[phase] += now - self._last
        self._last = now

    def taken(self) -> dict[str, float]:
        """Return the seconds by phase, and begin anew."""
        seconds, self.seconds = dict(self.seconds), defaultdict(float)
        return seconds

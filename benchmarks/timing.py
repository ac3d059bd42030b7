"""What a peer hands back, and the stopwatch that most of them use."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds of each epoch of all `members` together, the first one included.

    final_loss: mean training loss over the last epoch, as the peer reports it.
    """

    epoch_seconds: list[float]
    members: int
    final_loss: float


def together(timings: Sequence[Timing]) -> Timing:
    """Return the timing of all, one after another."""
    return Timing(
        [sum(seconds) for seconds in zip(*(t.epoch_seconds for t in timings), strict=True)],
        sum(t.members for t in timings),
        sum(t.final_loss * t.members for t in timings) / sum(t.members for t in timings),
    )


@dataclass
class Stopwatch:
    """Collects the seconds between `start` and `stop`."""

    seconds: list[float] = field(default_factory=list)
    started: float = 0.0

    def start(self) -> None:
        """Begin an epoch."""
        self.started = time.perf_counter()

    def stop(self) -> None:
        """End an epoch."""
        self.seconds.append(time.perf_counter() - self.started)

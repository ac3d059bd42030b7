"""What a peer hands back, and the stopwatch that most of them use."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds of each epoch of all `members` together, the first one included.

    final_loss: mean training loss over the last epoch, as the peer reports it.
    """

    epoch_seconds: list[float]
    members: int
    final_loss: float


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

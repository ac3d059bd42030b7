"""What every kind of workers is to its driver: processes here, or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol, Self

from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.engines.proof import Trace
from paribus.study.engine import EngineId
from paribus.workers.messages import EpochDone, Notice, StackDone

Wanted = Callable[[list[Task]], list[Task]]
"""Asked just before a stack starts which of its runs are still to be trained."""

Event = Record | EpochDone | StackDone | Notice


class Workers(Protocol):
    """Trains stacks somewhere else and hands back events as they come; a context manager.

    Leaving it ends what still trains.
    """

    def __enter__(self) -> Self:
        """Start."""
        ...

    def __exit__(self, *_: object) -> None:
        """End what still trains."""
        ...

    def run(self, stacks: Sequence[list[Task]], wanted: Wanted) -> Iterator[list[Event]]:
        """Train all stacks; yield events as they come in, those that came together at once.

        Whatever happens to a stack, there is a record for each of its runs in the end. More may
        have been said than was asked for when this is left early: see `arrived`.
        """
        ...

    def arrived(self) -> Iterator[Record]:
        """End the workers, and yield the records that they sent: `run` was left by Ctrl-C, say."""
        ...


class Clock(Workers, Protocol):
    """Workers that train one run at a time and measure what it takes."""

    def trace(self, task: Task) -> Trace:
        """Return what the engine of a task computes first; RunError where it cannot."""
        ...


class Site(Protocol):
    """A place where runs are trained, as the planner and the driver see it."""

    @property
    def name(self) -> str:
        """What it is, in words; empty for this machine."""
        ...

    def device(self, wanted: str) -> str:
        """Return "cpu" or "cuda" for "auto", "cpu" or "cuda"."""
        ...

    def engine(self, name: str, device: str) -> EngineId:
        """Return what an engine is here; InputError with what is missing for it."""
        ...

    def workers(self, timed: bool, devices: Collection[str]) -> int:
        """Return how many stacks are trained at once."""
        ...

    def free_memory(self, device: str, workers: int) -> float:
        """Return the bytes that are free for each of so many workers."""
        ...

    def cache_bytes(self) -> float:
        """Return the size of a processor's last cache."""
        ...

    def rates(self) -> tuple[float, float]:
        """Return FLOP/s of a worker's matrix products, and bytes/s of its copies: roughly."""
        ...

    def quality(
        self, count: int, dataset: Dataset, device: str, keep_weights: bool, settle: bool
    ) -> Workers:
        """Return so many workers that train stacks."""
        ...

    def clock(self, dataset: Dataset, device: str, keep_weights: bool, limit: float) -> Clock:
        """Return what times runs one by one; none may take more than `limit` seconds."""
        ...

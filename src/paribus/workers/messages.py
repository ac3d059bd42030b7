"""What a driver and its workers say to each other: pickled messages over pipes."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.engines.proof import Trace


@dataclass(frozen=True)
class Begin:
    """First to a worker: the data for all its stacks.

    `settle`: wait for a GPU before each reading of the clock, which costs time. `path`: where the
    driver finds modules, a network of the user's among them. `timed`: measure what each run takes,
    with as many threads as the environment says.
    """

    dataset: Dataset
    keep_weights: bool
    settle: bool = False
    path: tuple[str, ...] = ()
    timed: bool = False


@dataclass(frozen=True)
class Train:
    """To a worker: train these tasks as one stack."""

    tasks: list[Task]


@dataclass(frozen=True)
class Prove:
    """To a worker: trace what the engine of a task computes first."""

    task: Task


@dataclass(frozen=True)
class Proved:
    """From a worker: what an engine computed first, or why it could not."""

    trace: Trace | None
    error: str = ""


@dataclass(frozen=True)
class EpochDone:
    """From a worker: so many runs went through one more epoch."""

    runs: int


@dataclass(frozen=True)
class StackDone:
    """From a worker: the stack is finished; `error` says why it could not be.

    `seconds` tells where the worker's time went since it last said so, by phase.
    """

    error: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DoneElsewhere:
    """To whoever watches: another process has finished these runs."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Notice:
    """To whoever watches: something that a person should know, and that stops nothing."""

    text: str


READY = b"\0paribus worker\0"
"""Comes before a worker's first message: what was printed until then is not ours."""

Message = Begin | Train | Prove | Proved | EpochDone | StackDone | Record


def send(stream: IO[bytes], message: Message) -> None:
    """Write one message."""
    pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Return the next message; EOFError when the other side is gone."""
    return pickle.load(stream)

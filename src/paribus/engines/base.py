"""What every engine takes and gives: runs in, records out; no stores, statistics or screens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from paribus.data import Dataset
from paribus.models.build import AnyNetwork
from paribus.models.weights import Weights
from paribus.study.config import Config, EvaluateConfig
from paribus.study.engine import EngineId

Status = Literal["done", "diverged", "failed"]

DIVERGED_ABOVE = 1000.0
"""A run has diverged when its loss is not finite, or this many times that of its first batch."""


@dataclass(frozen=True)
class Task:
    """One run to be trained: its configuration and the streams that it draws from."""

    key: str
    config: Config
    network: AnyNetwork
    seed: int
    block: int
    engine: EngineId


@dataclass(frozen=True)
class Record:
    """What became of a run: final metrics, curves, and on request the trained weights.

    `curves` maps a metric to its values after each epoch (those named `step_…`: every
    `train.log_every` steps of each epoch). `reason` says why a run diverged or failed. `weights`
    holds the parameters and batch-normalisation statistics by name, shaped as in `Network`.
    `tables` holds what the last test found class by class, for each tested part: `test_recall`
    [class], and for up to 100 classes `test_confusion` [class, predicted class], a count of rows.
    `environment` says where it was trained, if not on the driver's machine.
    """

    key: str
    status: Status
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, np.ndarray] = field(default_factory=dict)
    weights: Weights | None = None
    tables: dict[str, np.ndarray] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def trained_once(tasks: Sequence[Task]) -> list[list[Task]]:
    """Return the tasks in groups that differ only in how they are tested, in their order."""
    groups: dict[tuple[object, ...], list[Task]] = defaultdict(list)
    for task in tasks:
        trained = task.config.model_copy(update={"evaluate": EvaluateConfig()}).model_dump_json()
        groups[trained, task.network, task.engine, task.seed, task.block].append(task)
    return list(groups.values())


EpochDone = Callable[[int], None]
"""Called after every epoch with the number of runs that went through it."""


class Engine(Protocol):
    """Something that trains a list of tasks that fit together, and hands back their records."""

    def train(
        self, tasks: list[Task], dataset: Dataset, *, keep_weights: bool, epoch_done: EpochDone
    ) -> Iterator[Record]:
        """Train the tasks and yield one record for each."""
        ...


class Learner(Protocol):
    """One network in one framework, on its device with its data: what an engine is made of.

    Weights and gradients go by the names and shapes of `models.layers`.
    """

    def epoch(self, order: np.ndarray) -> float:
        """Train on all training rows in an order; return their mean loss, of each batch before it.

        Returns when the device has finished.
        """
        ...

    def outputs(self, part: str) -> np.ndarray:
        """Return the outputs for a part's rows in evaluation mode, float32 [rows, outputs]."""
        ...

    def gradients(self, rows: np.ndarray) -> tuple[float, Weights]:
        """Return the mean loss of training rows, in training mode, and its gradients.

        Weights and optimizer stay as they are.
        """
        ...

    def weights(self) -> Weights:
        """Return the parameters and batch-normalisation statistics."""
        ...

    def gpu_memory(self) -> dict[str, float]:
        """Return bytes on the GPU by name: `gpu_allocated`, `gpu_peak` and what else it tells.

        The peak is the most since the learner was made, or since the last call where a framework
        can begin anew (PyTorch). Nothing on a CPU.
        """
        ...

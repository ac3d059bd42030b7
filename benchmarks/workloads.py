"""The work that every peer is given: a network, its data, batches and optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paribus.data import Dataset, load
from paribus.models.build import network
from paribus.models.layers import Network
from paribus.study.config import ConvBlock, ModelConfig

TEST_ROWS = 100
"""So few that testing, which Paribus does after every epoch, costs nothing beside training."""

STACK = 8
"""Members that the peers which train several models at once train together."""

CLASSES = 10

_ABOUT_STUDIES = (
    "Paribus trains ten seeds of every arm, and its time holds the start of its processes and the "
    "first epoch; the others train one seed of each, one after another. Only peers whose file here "
    "takes all arms take part, and the fastest ways to train many copies of one model do not"
)


@dataclass(frozen=True)
class Workload:
    """ReLU network, fp32, cross-entropy, a new order of all rows in every epoch.

    rows: training rows, the first of the data set. stretch: epochs of this workload for one of
    the others, so that a small data set is timed for long enough. arms: of a whole study, what each
    of them sets differently. peers: those that know all of it, where not every peer does.
    """

    name: str
    data: str
    rows: int
    hidden: tuple[int, ...]
    batch: int
    channels: tuple[int, ...] = ()  # of 5 × 5 convolutions, each with 2 × 2 max-pooling
    optimizer: str = "adam"  # or "sgd" or "rmsprop"
    learning_rate: float = 0.001
    momentum: float = 0.0
    batch_norm: bool = False  # after the activation
    dropout: float = 0.0
    stretch: int = 1
    arms: tuple[Mapping[str, Any], ...] = ()
    peers: tuple[str, ...] | None = None

    @property
    def side(self) -> int:
        """Height and width of an image."""
        return 8 if self.data == "digits" else 28

    @property
    def model(self) -> ModelConfig:
        """The network as Paribus is told it."""
        conv = tuple(ConvBlock(channels=channels) for channels in self.channels)
        return ModelConfig(
            kind="cnn" if conv else "mlp",
            hidden=self.hidden,
            conv=conv,
            batch_norm="after" if self.batch_norm else "none",
            dropout=self.dropout,
        )

    @property
    def network(self) -> Network:
        """The network as layers."""
        return network(self.model, (1, self.side, self.side), CLASSES)

    @property
    def flops(self) -> float:
        """Floating-point operations of one epoch, forward and backward."""
        return float(self.network.training_flops() * self.rows)

    @property
    def summary(self) -> str:
        """Everything about it in one line."""
        trained = f"{len(self.arms)} arms" if self.arms else self.optimizer
        return (
            f"{self.data}, {self.rows:,} rows; {self.network.summary()}; batch {self.batch}; "
            f"{trained}, lr {self.learning_rate:g}" + (f". {_ABOUT_STUDIES}" if self.arms else "")
        )

    @property
    def singles(self) -> list[Workload]:
        """The work of each arm by itself; of a single model, the work as it is."""
        return [replace(self, arms=(), **arm) for arm in self.arms] or [self]

    def shortened(self, rows: int) -> Workload:
        """Return the same work on fewer rows, once per epoch."""
        return replace(self, rows=min(rows, self.rows), stretch=1)


WORKLOADS = {
    one.name: one
    for one in (
        Workload("mlp-500", "mnist", 60_000, (500,), 100),
        Workload("mlp-128", "mnist", 60_000, (128,), 64),
        # A fifth of the rows, so that a round stays short.
        Workload("cnn", "mnist", 12_000, (120, 84), 64, channels=(16, 32)),
        Workload("mlp-50-50", "mnist", 60_000, (50, 50), 20, optimizer="sgd", learning_rate=0.1),
        Workload("digits", "digits", 1_697, (100,), 32, stretch=20),
        # Four optimizers, each plain, with batch norm, and with dropout too: a whole study.
        Workload(
            "grid",
            "mnist",
            12_000,
            (500,),
            100,
            arms=tuple(
                {**optimizer, **layers}
                for optimizer in (
                    {"optimizer": "sgd"},
                    {"optimizer": "sgd", "momentum": 0.9},
                    {"optimizer": "rmsprop"},
                    {"optimizer": "adam"},
                )
                for layers in ({}, {"batch_norm": True}, {"batch_norm": True, "dropout": 0.5})
            ),
            peers=("paribus", "notebook_loop", "dataloader", "tuned_torch", "lightning"),
        ),
    )
}


def dataset(workload: Workload) -> Dataset:
    """Return the training rows of a workload, followed by its few test rows."""
    whole = load(workload.data)
    test = whole.rows - TEST_ROWS if whole.test_rows is None else int(whole.test_rows[0])
    rows = np.r_[: workload.rows, test : test + TEST_ROWS]
    return replace(
        whole,
        features=whole.features[rows],
        targets=whole.targets[rows],
        test_rows=np.arange(workload.rows, len(rows)),
    )


def arrays(data: Dataset, part: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Return images in [0, 1], float32 [rows, 1, height, width], and labels, int64 [rows].

    part: "train", or "test" for the few test rows, which some peers insist on.
    """
    rows = slice(-TEST_ROWS) if part == "train" else slice(-TEST_ROWS, None)
    assert data.value_range is not None
    images = data.features[rows].astype(np.float32) / np.float32(data.value_range[1])
    return images, data.targets[rows]

"""Lightning: a LightningModule and its Trainer.

As in https://lightning.ai/docs/pytorch/stable/starter/introduction.html, without what it would do
beside training: no logger, no checkpoints, no progress bar.
"""

from __future__ import annotations

import logging
import tempfile

import lightning as L  # as its documentation does
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers import _torch
from benchmarks.timing import Stopwatch, Timing
from benchmarks.workloads import Workload, arrays
from paribus.data import Dataset

PACKAGES = ("lightning", "torch")


class Classifier(L.LightningModule):
    """The workload's network with its loss and optimizer."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.workload = workload
        self.model = _torch.module(workload)

    def training_step(
        self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int
    ) -> torch.Tensor:
        """Return the loss of a batch."""
        inputs, labels = batch
        loss = functional.cross_entropy(self.model(inputs), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the workload's optimizer."""
        return _torch.optimizer(self.workload, self.parameters())


class Timer(L.Callback):
    """Times each epoch."""

    def __init__(self) -> None:
        self.watch = Stopwatch()

    def on_train_epoch_start(self, *_: object) -> None:
        """Begin an epoch."""
        self.watch.start()

    def on_train_epoch_end(self, *_: object) -> None:
        """End an epoch."""
        self.watch.stop()


def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train one model."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    images, labels = map(torch.from_numpy, arrays(data))
    loader = DataLoader(TensorDataset(images, labels), workload.batch, shuffle=True)
    timer = Timer()
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            callbacks=[timer],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(Classifier(workload), loader)
    return Timing(timer.watch.seconds, 1, trainer.callback_metrics["train_loss"].item())

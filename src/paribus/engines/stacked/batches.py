"""The rows that a stack sees: splits, scaling, batch order and dropout, shared within blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from paribus.data import Dataset, fit_scaling
from paribus.data.scaling import balanced_weights, target_scale
from paribus.engines.base import Task
from paribus.study.rows import split_rows
from paribus.study.seeds import generator, stream


class Batches:
    """The data of one stack on its device.

    Each distinct block among the members is gathered once: rows are [block, batch], inputs
    [block, batch, …], which `each` hands to the members. Numeric targets are standardised by the
    training rows; `target_sd` turns errors back into the target's unit. `class_weights` [class] are
    those of `data.class_weights`.
    """

    def __init__(self, tasks: Sequence[Task], dataset: Dataset, device: torch.device):
        """Place a data set on a device for tasks that share their data settings."""
        config = tasks[0].config
        self.seed = tasks[0].seed
        self.size = config.train.batch_size
        self.shuffle = config.train.shuffle
        self.device = device
        self.blocks = sorted({task.block for task in tasks})
        self.of_member = torch.tensor([self.blocks.index(task.block) for task in tasks]).to(device)
        self.members = len(tasks)
        self.one_each = [task.block for task in tasks] == self.blocks  # no block is shared
        count = Counter(task.block for task in tasks)
        self.counts = tuple(count[block] for block in self.blocks)  # members of each
        split = split_rows(dataset, config.data, self.seed)
        self.rows = {
            part: torch.from_numpy(rows).to(device)
            for part, rows in (
                ("train", split.train),
                ("validation", split.validation),
                ("test", split.test),
            )
            if len(rows)
        }
        assert config.data.scaling is not None
        scaling = fit_scaling(dataset, split.train, config.data.scaling)
        if dataset.kind == "image":  # bytes on the device, scaled batch by batch
            self.features = torch.from_numpy(dataset.features).to(device)
            self.shift = torch.from_numpy(scaling.shift).to(device)
            self.scale = torch.from_numpy(scaling.scale).to(device)
        else:
            self.features = torch.from_numpy(scaling.apply(dataset.features)).to(device)
            self.shift = self.scale = torch.empty(0)
        targets = torch.from_numpy(dataset.targets)
        self.target_sd = 1.0
        if dataset.task == "regression":
            mean, self.target_sd = target_scale(dataset.targets[split.train])
            targets = ((targets.double() - mean) / self.target_sd).float()
        self.targets = targets.to(device)
        self.class_weights: Tensor | None = None
        if config.data.class_weights == "balanced":
            weights = balanced_weights(dataset.targets[split.train], dataset.outputs)
            self.class_weights = torch.from_numpy(weights).to(device)

    def epoch(self, epoch: int) -> Iterator[Tensor]:
        """Yield the training rows of each batch of an epoch, [block, batch]; the last is short."""
        rows = self.rows["train"]
        if self.shuffle:
            orders = [
                generator(self.seed, f"batches {epoch}", block).permutation(len(rows))
                for block in self.blocks
            ]
            order = rows[torch.from_numpy(np.stack(orders)).to(self.device)]
        else:
            order = rows.expand(len(self.blocks), -1)
        yield from torch.split(order, self.size, 1)

    def part(self, part: str, size: int) -> Iterator[Tensor]:
        """Yield the rows of a part of the data in order, [1, batch]: the same for all blocks."""
        yield from torch.split(self.rows[part].unsqueeze(0), size, 1)

    def spread(self, part: str) -> float:
        """Return the sum of squared deviations of a part's targets from their mean."""
        targets = self.targets[self.rows[part]].double()
        return float(((targets - targets.mean()) ** 2).sum())

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs [block, batch, …] and targets [member, batch] of rows [block, batch]."""
        # index_select keeps plain strides; those of indexing can pass for another memory format
        x = self.features.index_select(0, rows.flatten()).view(
            *rows.shape, *self.features.shape[1:]
        )
        if x.dtype == torch.uint8:  # in place: what was just written is still in the cache
            x = x.float().sub_(self.shift).mul_(self.scale)
        return x, self.each(self.targets[rows])

    def each(self, of_blocks: Tensor) -> Tensor:
        """Return for every member what is its block's: [block, …] to [member, …]."""
        if len(of_blocks) == 1:
            return of_blocks.expand(self.members, *of_blocks.shape[1:])
        return of_blocks if self.one_each else of_blocks.index_select(0, self.of_member)


class DropoutMasks:
    """Masks from a counter-based stream (Philox; Salmon et al., 2011): the step is the counter.

    Arms of a block draw the same numbers, so that a unit dropped at a low rate is dropped at every
    higher rate too. Rates are met to 1/65536.
    """

    def __init__(self, tasks: Sequence[Task], device: torch.device):
        """Take the tasks of a stack, which share their network."""
        self.shapes = tasks[0].network.dropout_shapes
        self.device = device
        self.seed = tasks[0].seed
        self.blocks = sorted({task.block for task in tasks})
        self.of_member = [self.blocks.index(task.block) for task in tasks]
        drop = [min(round(task.config.model.dropout * 65536), 65535) for task in tasks]
        self.threshold = np.array(drop, np.uint16)[:, None]
        self.gain = (65536 / (65536 - np.array(drop)))[:, None].astype(np.float32)

    def draw(self, purpose: str, step: int, batch: int) -> Mapping[int, Tensor]:
        """Return a scaled mask [member, batch, units] for every dropout layer."""
        masks = {}
        for number, (layer, units) in enumerate(self.shapes.items()):
            count = batch * units
            drawn = np.stack(
                [
                    np.random.Philox(
                        key=_philox_key(self.seed, f"{purpose} {number}", block),
                        counter=np.array([0, step, 0, 0], np.uint64),
                    )
                    .random_raw(-(-count // 4))
                    .view(np.uint16)[:count]
                    for block in self.blocks
                ]
            )
            # in NumPy, which compares these several times as fast as PyTorch
            mask = (drawn[self.of_member] >= self.threshold) * self.gain
            masks[layer] = torch.from_numpy(mask).view(-1, batch, units).to(self.device)
        return masks


@cache
def _philox_key(seed: int, purpose: str, block: int) -> np.ndarray:
    return stream(seed, purpose, block).generate_state(2, np.uint64)

"""The rows that a stack sees: splits, scaling, batch order and dropout, shared within blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from paribus.data import Dataset, Scaling, fit_scaling
from paribus.data.scaling import balanced_weights, target_scale
from paribus.engines.base import Task
from paribus.study.rows import of_columns, split_rows
from paribus.study.seeds import generator, stream


class Batches:
    """The data of one stack on its device.

    Each distinct block among the members is gathered once: rows are [block, batch], inputs
    [block, batch, …], which `each` hands to the members. Numeric targets are scaled by the training
    rows; `target_unit` [member] turns errors back into the target's unit. `class_weights`
    [member, class] are those of `data.class_weights`.

    What comes from the split leads with the blocks, or with 1 where they share a fixed one.
    """

    def __init__(self, tasks: Sequence[Task], dataset: Dataset, device: torch.device):
        """Place a data set on a device for tasks that share data settings and sizes of splits."""
        config = tasks[0].config
        dataset = of_columns(dataset, config.data.columns)
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
        fixed = config.data.split == "fixed"
        splits = [
            split_rows(dataset, config.data, self.seed, block)
            for block in (self.blocks[:1] if fixed else self.blocks)
        ]
        if len({(len(s.train), len(s.validation), len(s.test)) for s in splits}) > 1:
            raise ValueError("a stack needs splits of equal sizes")
        parts = {
            "train": [split.train for split in splits],
            "validation": [split.validation for split in splits],
            "test": [split.test for split in splits],
        }
        self.rows = {
            part: torch.from_numpy(np.stack(rows)).to(device)
            for part, rows in parts.items()
            if len(rows[0])
        }
        assert config.data.scaling is not None
        scalings = [fit_scaling(dataset, rows, config.data.scaling) for rows in parts["train"]]
        self.by_batch: _Scaling | None = None
        if fixed and dataset.kind == "table":
            self.features = torch.from_numpy(scalings[0].apply(dataset.features)).to(device)
        else:  # as they were read, bytes where they are, and scaled batch by batch
            self.features = torch.from_numpy(dataset.features).to(device)
            self.by_batch = _Scaling(scalings, len(dataset.shape), device)
        targets = torch.from_numpy(dataset.targets).unsqueeze(0)
        units = [1.0]
        if dataset.task == "regression":
            bounded = config.model.kind == "logistic"
            scales = [target_scale(dataset.targets[rows], bounded) for rows in parts["train"]]
            numbers = targets.double()
            targets = torch.cat([(numbers - shift) / unit for shift, unit in scales]).float()
            units = [unit for _, unit in scales]
        self.targets = targets.to(device)
        self.target_unit = self._each_number(units)
        self.class_weights: Tensor | None = None
        if config.data.class_weights == "balanced":
            learned_from = [dataset.targets[rows] for rows in parts["train"]]
            weights = [balanced_weights(codes, dataset.outputs) for codes in learned_from]
            self.class_weights = self.each(torch.from_numpy(np.stack(weights)).to(device))

    def epoch(self, epoch: int) -> Iterator[Tensor]:
        """Yield the training rows of each batch of an epoch, [block, batch]; the last is short."""
        rows = self.rows["train"].expand(len(self.blocks), -1)
        if self.shuffle:
            orders = [
                generator(self.seed, f"batches {epoch}", block).permutation(rows.shape[1])
                for block in self.blocks
            ]
            rows = rows.gather(1, torch.from_numpy(np.stack(orders)).to(self.device))
        yield from torch.split(rows, self.size, 1)

    def part(self, part: str, size: int) -> Iterator[Tensor]:
        """Yield the rows of a part of the data in order, [block, batch]; [1, batch] if shared."""
        yield from torch.split(self.rows[part], size, 1)

    def spread(self, part: str) -> np.ndarray:
        """Return the sum of squared deviations of a part's targets from their mean, [member]."""
        of_blocks = self.targets.gather(1, self.rows[part]).double()
        # One by one: sums of several rows at once may be taken in another order.
        return self._each_number([float(((t - t.mean()) ** 2).sum()) for t in of_blocks])

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs [block, batch, …] and targets [member, batch] of rows [block, batch]."""
        # index_select keeps plain strides; those of indexing can pass for another memory format
        x = self.features.index_select(0, rows.flatten()).view(
            *rows.shape, *self.features.shape[1:]
        )
        if self.by_batch is not None:
            x = self.by_batch.apply(x)
        return x, self.each(self.targets.expand(len(rows), -1).gather(1, rows))

    def each(self, of_blocks: Tensor) -> Tensor:
        """Return for every member what is its block's: [block, …] to [member, …]."""
        if len(of_blocks) == 1:
            return of_blocks.expand(self.members, *of_blocks.shape[1:])
        return of_blocks if self.one_each else of_blocks.index_select(0, self.of_member)

    def _each_number(self, of_blocks: Sequence[float]) -> np.ndarray:
        numbers = torch.tensor(of_blocks, dtype=torch.float64, device=self.device)
        return self.each(numbers).cpu().numpy()


class _Scaling:
    """The scalings of one or of all blocks, for inputs [block, batch, …]."""

    def __init__(self, scalings: Sequence[Scaling], sample_axes: int, device: torch.device):
        def lead_with_blocks(arrays: Sequence[np.ndarray]) -> Tensor:
            stacked = torch.from_numpy(np.stack(arrays)).to(device)
            return stacked.view(len(arrays), *[1] * sample_axes, -1)

        self.shift = lead_with_blocks([one.shift for one in scalings])
        self.scale = lead_with_blocks([one.scale for one in scalings])
        fills = [one.fill for one in scalings if one.fill is not None]
        self.fill = lead_with_blocks(fills) if fills else None

    def apply(self, x: Tensor) -> Tensor:
        """Return scaled inputs as `Scaling.apply` gives them; `x` may be overwritten."""
        x = x.float()
        if self.fill is not None:
            x = torch.where(x.isnan(), self.fill, x)
        return x.sub_(self.shift).mul_(self.scale)  # what was just written is still in the cache


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

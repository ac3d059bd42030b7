"""What one run learns from and is tested on, as plain arrays that any framework takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from paribus.data import Dataset, fit_scaling
from paribus.data.scaling import target_scale
from paribus.engines.base import Task
from paribus.study.rows import of_columns, split_rows
from paribus.study.seeds import generator


@dataclass(frozen=True, eq=False)
class Inputs:
    """The scaled rows of a run by part ("train", "test", and "validation" where there is one).

    `x` are float32 [rows, *shape], channels first; `y` int64 class codes, or float32 numbers scaled
    by the training rows: standardised, or to [0, 1] for a logistic curve. `target_unit` turns their
    errors back; `target_variance` is that of the scaled training targets.
    """

    x: Mapping[str, np.ndarray]
    y: Mapping[str, np.ndarray]
    classify: bool
    target_unit: float
    seed: int
    block: int
    shuffle: bool
    target_variance: float = 1.0

    def order(self, epoch: int) -> np.ndarray:
        """Return the order in which an epoch takes the training rows."""
        count = len(self.y["train"])
        if not self.shuffle:
            return np.arange(count)
        return generator(self.seed, f"batches {epoch}", self.block).permutation(count)


def inputs(task: Task, dataset: Dataset) -> Inputs:
    """Split and scale a data set for one run."""
    config = task.config
    dataset = of_columns(dataset, config.data.columns)
    split = split_rows(dataset, config.data, task.seed, task.block)
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    parts = {part: rows for part, rows in parts.items() if len(rows)}
    assert config.data.scaling is not None
    scaling = fit_scaling(dataset, split.train, config.data.scaling)
    targets, unit, variance = dataset.targets, 1.0, 1.0
    if dataset.task == "regression":
        bounded = config.model.kind == "logistic"
        shift, unit = target_scale(targets[split.train], bounded)
        targets = ((targets.astype(np.float64) - shift) / unit).astype(np.float32)
        if bounded:
            variance = float(targets[split.train].astype(np.float64).var()) or math.nan
    return Inputs(
        x={part: scaling.apply(dataset.features[rows]) for part, rows in parts.items()},
        y={part: targets[rows] for part, rows in parts.items()},
        classify=dataset.task == "classification",
        target_unit=unit,
        target_variance=variance,
        seed=task.seed,
        block=task.block,
        shuffle=config.train.shuffle,
    )

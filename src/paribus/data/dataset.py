"""A data set as arrays: what every reader returns and every engine trains on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from paribus.errors import DataError

Array = npt.NDArray[Any]
Task = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = ("classification", "regression")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples and their targets, unscaled, as they were read.

    features: [rows, channels, height, width] uint8 or float32 pixels, or [rows, columns] float32
        with NaN where a value is missing.
    targets: [rows]; int64 codes into `classes`, or float32 for regression.
    classes: names of the classes by code; empty for regression.
    columns: names of a table's feature columns; empty for images.
    numeric: [columns] bool, False for one-hot columns; None means that all are numeric.
    value_range: least and largest value that a pixel can take; None for tables.
    test_rows: rows of the official test set; None where one has to be split off.

    Raises DataError where these do not fit each other.
    """

    name: str
    task: Task
    features: Array = field(repr=False)
    targets: Array = field(repr=False)
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    numeric: Array | None = field(default=None, repr=False)
    value_range: tuple[float, float] | None = None
    test_rows: Array | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if problems := list(self._misfits()):
            raise DataError([f"{self.name}: {problem}" for problem in problems])

    @property
    def rows(self) -> int:
        """Number of samples."""
        return len(self.features)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (channels, height, width) or (columns,)."""
        return self.features.shape[1:]

    @property
    def kind(self) -> Literal["image", "table"]:
        """Whether a sample is an image or a row of a table."""
        return "image" if self.features.ndim == 4 else "table"

    @property
    def outputs(self) -> int:
        """Number of outputs of a model for it: one per class, or 1 for regression."""
        return len(self.classes) if self.task == "classification" else 1

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hex) over all that can change a result: arrays, task, range, test rows."""
        value_range = [float(value) for value in self.value_range or ()]
        digest = hashlib.sha256(f"{self.task} {value_range}".encode())
        test_rows = None if self.test_rows is None else self.test_rows.astype(np.int64)
        for array in (self.features, self.targets, self.numeric, test_rows):
            digest.update(b"|")
            if array is not None:
                # Little-endian and contiguous, so that equal arrays agree on every machine.
                plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
                digest.update(f"{plain.dtype.str} {plain.shape} ".encode())
                digest.update(plain.reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def _misfits(self) -> list[str]:
        found = []
        rows, task = len(self.features), self.task
        if task not in TASKS:
            found.append(f"task is {task!r}; allowed are {', '.join(TASKS)}")
        if self.features.ndim not in (2, 4) or self.features.dtype not in (np.uint8, np.float32):
            found.append(
                f"features are {self.features.dtype} of shape {self.features.shape}; allowed are "
                "uint8 or float32 of shape [rows, columns] or [rows, channels, height, width]"
            )
        elif self.kind == "image" and self.value_range is None:
            found.append("images need a value_range, such as (0, 255)")
        elif self.kind == "table" and len(self.columns) != self.features.shape[1]:
            found.append(f"{len(self.columns)} column names for {self.features.shape[1]} columns")
        if self.numeric is not None and self.numeric.shape != (len(self.columns),):
            found.append(f"numeric has shape {self.numeric.shape}, not ({len(self.columns)},)")
        wanted = np.int64 if task == "classification" else np.float32
        if self.targets.shape != (rows,) or self.targets.dtype != wanted:
            found.append(
                f"targets are {self.targets.dtype} of shape {self.targets.shape}; {task} needs "
                f"{np.dtype(wanted)} of shape ({rows},)"
            )
        elif task == "classification" and rows and not self._codes_fit():
            found.append(f"targets hold codes outside 0 to {len(self.classes) - 1}")
        if self.test_rows is not None and not self._test_rows_fit():
            found.append(f"test_rows must be distinct rows from 0 to {rows - 1}, and not all")
        return found

    def _codes_fit(self) -> bool:
        return bool(self.targets.min() >= 0 and self.targets.max() < len(self.classes))

    def _test_rows_fit(self) -> bool:
        rows = self.test_rows
        if rows is None or rows.ndim != 1 or rows.dtype.kind not in "iu" or not rows.size:
            return False
        within = rows.min() >= 0 and rows.max() < self.rows
        return bool(within and len(np.unique(rows)) == len(rows) < self.rows)

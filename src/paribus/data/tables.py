"""Read a person's own data from a CSV, Parquet or NPZ file."""

from __future__ import annotations

import csv
import itertools
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paribus.data.dataset import TASKS, Array, Dataset, Task
from paribus.data.frames import Missing, Origin, build, check_choice, encode_target
from paribus.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_NPZ_FEATURES, _NPZ_TARGETS = ("X", "features"), ("y", "targets")


def read_table(
    path: Path, target: str | None, *, missing: Missing = "error", task: Task | None = None
) -> Dataset:
    """Return the data set in a file, by its extension.

    .csv (UTF-8, commas, a header) and .parquet: `target` names the column to predict.
    .npz: arrays X and y, or features and targets; `target` may name another array than y. Features
    are [rows, columns] numbers, or uint8 images [rows, height, width] or [rows, channels, height,
    width] with 1 or 3 channels. Unless `task` is given, whole numbers, booleans and text are
    classes, and floats are quantities.
    missing, task: see `from_frame`.

    Raises DataError with every problem found, naming the file and the line.
    """
    reader = {".csv": _read_csv, ".parquet": _read_parquet}.get(path.suffix.lower())
    if not path.is_file():
        what = "is a folder; a file is needed" if path.is_dir() else "there is no such file"
        raise DataError(f"{path}: {what}")
    if path.suffix.lower() == ".npz":
        return _read_npz(path, target, missing, task)
    if reader is None:
        raise DataError(
            f"{path}: its extension is {path.suffix or 'missing'}; "
            "allowed are .csv, .parquet and .npz"
        )
    frame, place = reader(path)
    if target is None:
        names = ", ".join(str(column) for column in frame.columns[:20])
        raise DataError(f"{path}: data.target is missing; the columns are {names}")
    return build(frame, target, path.stem, Origin(str(path), place), missing, task)


def _read_csv(path: Path) -> tuple[pd.DataFrame, Callable[[int], str]]:
    import pandas as pd

    try:
        header = next((fields for _, fields in _records(path)), [])
        _check_header(path, header)
        with warnings.catch_warnings():
            # Rows with other numbers of fields than the header are refused, not cut.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, index_col=False, low_memory=False, encoding="utf-8-sig", skipinitialspace=True
            )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{path}: is not a table: {str(error).strip()}") from error
    return frame, lambda row: f"line {_line(path, row)}"


def _check_header(path: Path, header: list[str]) -> None:
    if not header:
        raise DataError(f"{path}: the file is empty")
    problems = []
    for name in sorted({name for name in header if header.count(name) > 1 and name}):
        problems.append(
            f"{header.count(name)} columns are named {name}: rename or drop all but one"
        )
    for number in (i for i, name in enumerate(header, start=1) if not name):
        problems.append(
            f"column {number} has no name; it is often a saved row index, which tells rows apart "
            "but teaches nothing: drop it, or name it"
        )
    if len(header) == 1:
        mark = next((mark for mark in ";\t|" if mark in header[0]), None)
        if mark is not None:
            problems.append(f"its columns are separated by {mark!r}: separate them by commas")
    if problems:
        raise DataError([f"{path}: {problem}" for problem in problems])


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line at which it begins, fields) of each record that pandas would read."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True)
        begin = 1
        for fields in reader:
            if fields and (len(fields) > 1 or fields[0].strip()):
                yield begin, fields
            begin = reader.line_num + 1


def _line(path: Path, row: int) -> int:
    """Return the line of a row of the table; blank lines and line breaks in quotes count."""
    return next(itertools.islice(_records(path), row + 1, None))[0]


def _read_parquet(path: Path) -> tuple[pd.DataFrame, Callable[[int], str]]:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError, NotImplementedError) as error:  # bases of pyarrow's own
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error
    return frame, lambda row: f"row {row + 1}"


def _read_npz(path: Path, target: str | None, missing: Missing, task: Task | None) -> Dataset:
    import pandas as pd

    check_choice("data.task", task, (None, *TASKS))
    features, targets, column = _npz_arrays(path, target)
    if task is None:
        task = "regression" if targets.dtype.kind == "f" else "classification"
    origin = Origin(str(path), lambda row: f"row {row + 1}")
    if features.ndim == 2:
        frame = pd.DataFrame(features, columns=[f"x{i}" for i in range(features.shape[1])])
        frame.insert(len(frame.columns), column, targets, allow_duplicates=True)
        return build(frame, column, path.stem, origin, missing, task)
    problems: list[str] = []
    values = targets.astype(object) if targets.dtype.kind == "U" else targets
    task, codes, classes = encode_target(values, column, task, problems)
    if problems:
        raise DataError([f"{path}: {problem}" for problem in problems])
    images = features if features.ndim == 4 else features[:, None]
    return Dataset(path.stem, task, images, codes, classes, value_range=(0, 255))


def _npz_arrays(path: Path, target: str | None) -> tuple[Array, Array, str]:
    """Return features, targets and the name of the targets, checked for type and shape."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: cannot be read as NPZ: it is no archive of arrays")
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
            pair = [
                next((name for name in wanted if name in names), None)
                for wanted in (_NPZ_FEATURES, (target,) if target else _NPZ_TARGETS)
            ]
            if pair[0] is None or pair[1] is None:
                raise DataError(
                    f"{path}: it needs arrays X and y, or features and targets"
                    f"{f', or data.target: {target}' if target else ''}; "
                    f"it has {', '.join(names) or 'none'}"
                )
            features, targets = archive[pair[0]], archive[pair[1]]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as NPZ: {error}") from error

    problems = []
    is_image = features.dtype == np.uint8 and (
        features.ndim == 3 or (features.ndim == 4 and features.shape[1] in (1, 3))
    )
    if not (is_image or (features.ndim == 2 and features.dtype.kind in "iufb")):
        problems.append(
            f"{pair[0]} is {features.dtype} of shape {features.shape}; allowed are numbers of "
            "shape [rows, columns], and uint8 images of shape [rows, height, width] or "
            "[rows, channels, height, width] with 1 or 3 channels"
        )
    targets = targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets
    if targets.ndim != 1 or len(targets) != len(features) or targets.dtype.kind not in "iufbU":
        problems.append(
            f"{pair[1]} is {targets.dtype} of shape {targets.shape}; "
            f"one number or text for each of the {len(features)} rows is needed"
        )
    elif is_image and targets.dtype.kind == "f" and not np.isfinite(targets).all():
        problems.append(f"{pair[1]} has {(~np.isfinite(targets)).sum()} missing or infinite values")
    if not len(features):
        problems.append("there are no rows")
    if problems:
        raise DataError([f"{path}: {problem}" for problem in problems])
    if features.dtype == bool:
        features = features.astype(np.uint8)
    # pandas takes only the machine's own byte order.
    features, targets = (
        a.astype(a.dtype.newbyteorder("="), copy=False) for a in (features, targets)
    )
    return features, targets, pair[1]

"""Read a person's own data from a CSV, Parquet or NPZ file."""

from __future__ import annotations

import csv
import itertools
import math
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paribus.data.dataset import TASKS, Array, Dataset, Task
from paribus.data.frames import Missing, Origin, build, check_choice, encode_target
from paribus.data.limits import MOST_DEFLATE_SHRINKS, check_size, reading
from paribus.errors import DataError
from paribus.files import kind_of

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
    if (kind := kind_of(path)) != "file":
        what = "is a folder; a file is needed" if kind else "there is no such file"
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

    with reading(path, "UTF-8 text"), warnings.catch_warnings():
        check_size(path, path.stat().st_size)
        header = next((fields for _, fields in _records(path)), [])
        _check_header(path, header)
        # Rows with other numbers of fields than the header are refused, not cut.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame = pd.read_csv(
                path, index_col=False, low_memory=False, encoding="utf-8-sig", skipinitialspace=True
            )
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            raise DataError(f"{path}: is not a table: {str(error).strip()}") from error
    return frame, lambda row: f"line {_line(path, row)}"


def _check_header(path: Path, header: list[str]) -> None:
    if not header:
        raise DataError(f"{path}: the file is empty")
    problems = []
    for name, count in sorted(Counter(header).items()):
        if count > 1 and name:
            problems.append(f"{count} columns are named {name}: rename or drop all but one")
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
    import pyarrow as pa
    from pyarrow import parquet

    with reading(path, "Parquet"), parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        _check_columns(path, schema)
        parts = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        rows = max(file.metadata.num_rows, sum(part.num_rows for part in parts))
        encoded = sum(part.total_byte_size for part in parts)
        check_size(path, max(encoded, rows * sum(map(_width, schema.types))))
    # A long text that a file has once and means in every row is read once.
    texts = [
        f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)
    ]
    with reading(path, "Parquet"):
        frame = parquet.read_table(path, read_dictionary=texts).to_pandas()
        for name in frame.columns.intersection(texts):
            frame[name] = frame[name].astype(object)
    return frame, lambda row: f"row {row + 1}"


def _check_columns(path: Path, schema: Any) -> None:
    """Refuse columns whose values are no single ones: nothing tells how much they unpack to."""
    import pyarrow as pa

    nested = [field for field in schema if pa.types.is_nested(field.type)]
    if nested:
        raise DataError(
            [
                f"{path}: column {f.name} holds {f.type}: turn it into numbers or drop it"
                for f in nested
            ]
        )


def _width(kind: Any) -> int:
    """Return about the bytes that a value of a Parquet column takes in a table."""
    try:
        return max(8, int(kind.bit_width) // 8)
    except ValueError:  # texts, whose lengths differ
        return 16


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
    with reading(path, "NPZ"), np.load(path, allow_pickle=False) as archive:
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
        check_size(path, sum(_npz_size(archive.zip, name) for name in pair if name))
        features, targets = archive[pair[0]], archive[pair[1]]

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
    rows = len(features) if features.ndim else 0
    targets = targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets
    if targets.ndim != 1 or len(targets) != rows or targets.dtype.kind not in "iufbU":
        problems.append(
            f"{pair[1]} is {targets.dtype} of shape {targets.shape}; "
            f"one number or text for each of the {rows} rows is needed"
        )
    elif is_image and targets.dtype.kind == "f" and not np.isfinite(targets).all():
        problems.append(f"{pair[1]} has {(~np.isfinite(targets)).sum()} missing or infinite values")
    if not rows:
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


def _npz_size(archive: zipfile.ZipFile, name: str) -> int:
    """Return the bytes of an array of an archive; ValueError where its declared sizes disagree."""
    info = archive.getinfo(name if name in archive.NameToInfo else f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed in a way that numpy never does")
    if info.file_size > info.compress_size * MOST_DEFLATE_SHRINKS:
        raise ValueError(f"{name} cannot unpack to the {info.file_size:,} bytes that it promises")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read_head = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_head is None:
            raise ValueError(f"{name} has a version that numpy never writes for numbers and text")
        shape, _, dtype = read_head(file)
    size: int = math.prod(shape) * dtype.itemsize
    if not all(type(n) is int and 0 <= n <= info.file_size for n in shape) or size > info.file_size:
        raise ValueError(f"{name} promises {dtype} of shape {shape} in {info.file_size:,} bytes")
    return size

"""Turn a DataFrame into arrays: numbers stay, categories become one-hot columns.

All problems of a frame are found in one pass and reported together, each with its column, how
many values it concerns, and where the first of them is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from paribus.data.dataset import TASKS, Array, Dataset, Task
from paribus.data.limits import check_size
from paribus.errors import DataError, nearest

if TYPE_CHECKING:
    import pandas as pd

Missing = Literal["error", "drop", "mean"]

_MOST_CLASSES_OF_INTEGERS = 20  # integers with more distinct values are quantities
_MOST_CATEGORIES = 200  # more of them are probably an identifier
_SHARE_OF_NUMBERS = 0.9  # a column with so many numbers is numeric, its text a mistake
_OF_TARGETS = "set data.missing to drop (--set data.missing=drop)"
_OF_COLUMNS = "set data.missing to drop or mean (--set data.missing=mean)"
_MISSING_CATEGORY = "(missing)"


@dataclass(frozen=True)
class Origin:
    """Where a table comes from, so that a problem can be found there."""

    label: str  # how the table is called in a message
    place: Callable[[int], str]  # number of a row -> where it is: "line 4" or "index 2"


def from_frame(
    frame: pd.DataFrame,
    target: str,
    *,
    name: str,
    missing: Missing = "error",
    task: Task | None = None,
) -> Dataset:
    """Return a DataFrame as a data set, with every column but `target` as features.

    missing: "error" refuses missing values; "drop" leaves out rows that have any; "mean" keeps NaN
    in numeric columns, for the scaling to fill, and gives categories one more, "(missing)".
    task: None decides by the target: text, booleans and integers with at most 20 distinct values
    are classes, other numbers are quantities.

    Raises DataError with every problem found.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        got = f"{type(frame).__module__}.{type(frame).__qualname__}"
        raise DataError(f"data is a {got}; allowed are a pandas DataFrame, a file or a name")
    origin = Origin(name, lambda row: f"index {frame.index[row]}")
    return build(frame, target, name, origin, missing, task)


def build(
    frame: pd.DataFrame, target: str, name: str, origin: Origin, missing: Missing, task: Task | None
) -> Dataset:
    """Return a DataFrame that came from `origin` as a data set; see `from_frame`."""
    check_choice("data.missing", missing, get_args(Missing))
    check_choice("data.task", task, (None, *TASKS))
    names = [str(column) for column in frame.columns]
    _check_shape(frame, names, target, origin)

    problems: list[str] = []
    # Class names may mix text and numbers: "0" to "9" and "other".
    mixable: dict[Task | None, float] = {None: _MOST_CLASSES_OF_INTEGERS, "classification": np.inf}
    columns = [
        _parse(
            frame.iloc[:, i],
            column,
            mixable.get(task, 0) if column == target else 0,
            origin,
            problems,
        )
        for i, column in enumerate(names)
    ]
    keep = np.ones(len(frame), dtype=bool)
    for column in columns:
        gaps, is_target = column.gaps, column.name == target
        if gaps.all():
            problems.append(f"column {column.name} has no values: drop it")
        elif missing == "drop":
            keep &= ~gaps
        elif gaps.any() and (is_target or missing == "error"):
            kind = "target column" if is_target else "column"
            ways = _OF_TARGETS if is_target else _OF_COLUMNS
            problems.append(
                f"{kind} {column.name} has {_count(gaps, 'missing value')} "
                f"(the first at {_first(gaps, origin)}): fill them in, or {ways}"
            )
    if not keep.any():
        problems.append("data.missing: drop leaves no row: every row has a missing value")
    _raise(problems, origin)

    at = names.index(target)
    task, targets, classes = encode_target(columns.pop(at).values[keep], target, task, problems)
    blocks, taken = [], 0
    for column in columns:
        blocks.append(_encode(column, keep, problems, origin, taken))
        taken += blocks[-1][0].nbytes
    _raise(problems, origin)
    return Dataset(
        name=name,
        task=task,
        features=np.concatenate([block for block, _ in blocks], axis=1),
        targets=targets,
        classes=classes,
        columns=tuple(column for _, labels in blocks for column in labels),
        numeric=np.repeat(
            [column.is_numeric for column in columns], [len(labels) for _, labels in blocks]
        ),
    )


def encode_target(
    values: Array, column: str, task: Task | None, problems: list[str]
) -> tuple[Task, Array, tuple[str, ...]]:
    """Return (task, targets, classes) from the values of a target, none of them missing.

    values: [rows]; numbers, or objects that are all strings. Adds what is wrong to `problems`.
    """
    distinct, codes = np.unique(values, return_inverse=True)
    is_text = values.dtype == object
    if task is None:
        whole = not is_text and bool((distinct == np.round(distinct)).all())
        few = len(distinct) <= _MOST_CLASSES_OF_INTEGERS
        task = "classification" if is_text or (whole and few) else "regression"
    if len(distinct) < 2:
        problems.append(f"target column {column} is {distinct[0]} in every row: nothing to learn")
    if task == "regression":
        if not is_text:
            return task, values.astype(np.float32), ()
        problems.append(
            f'target column {column} holds text, such as "{distinct[0]}"; regression needs '
            "numbers: choose another column, or say data.task: classification"
        )
        return task, np.zeros(len(values), dtype=np.float32), ()
    labels = [_label(value) for value in distinct]
    order = _sorted(labels)
    rank = np.argsort(order)
    if problem := _lonely([labels[i] for i in np.flatnonzero(np.bincount(codes) == 1)], column):
        problems.append(problem)
    return task, rank[codes].astype(np.int64), tuple(labels[i] for i in order)


def check_choice(path: str, got: object, allowed: Sequence[Any]) -> None:
    """Raise DataError unless `got` is one of `allowed`."""
    if got not in allowed:
        words = [str(word) for word in allowed if word is not None]
        raise DataError(
            f"{path} is {got!r}{nearest(str(got), words)}; allowed are {', '.join(words)}"
        )


@dataclass(frozen=True)
class _Column:
    """A parsed column: float64 with NaN, or objects that are strings, or None where missing."""

    name: str
    values: Array

    @property
    def is_numeric(self) -> bool:
        return self.values.dtype != object

    @property
    def gaps(self) -> Array:
        gaps: Array = np.isnan(self.values) if self.is_numeric else self.values == None  # noqa: E711
        return gaps


def _check_shape(frame: pd.DataFrame, names: list[str], target: str, origin: Origin) -> None:
    problems = [
        f"{count} columns are named {column}: rename or drop all but one"
        for column, count in sorted(Counter(names).items())
        if count > 1
    ]
    if target not in names:
        listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        problems.append(
            f"data.target is {target!r}{nearest(str(target), names)}, which is no column; "
            f"the columns are {listed or 'none'}"
        )
    elif len(names) == 1:
        problems.append(f"there is no column but the target, {target}: nothing to learn from")
    if not len(frame):
        problems.append("there are no rows")
    _raise(problems, origin)


def _parse(
    series: pd.Series[Any], name: str, mixable: float, origin: Origin, problems: list[str]
) -> _Column:
    """Return a column as numbers or text, and add what is wrong with it to `problems`.

    Up to `mixable` distinct values may mix numbers and some text without being taken for a mistake.
    """
    import pandas as pd
    from pandas.api import types

    gaps = series.isna().to_numpy(dtype=bool)
    if types.is_bool_dtype(series.dtype) or isinstance(series.dtype, pd.CategoricalDtype):
        return _Column(name, _text(series, gaps))
    if types.is_complex_dtype(series.dtype):
        problems.append(f"column {name} holds complex numbers: split or drop it")
        return _Column(name, np.zeros(len(series)))
    if types.is_numeric_dtype(series.dtype):
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
    elif types.is_object_dtype(series.dtype) or types.is_string_dtype(series.dtype):
        text = _text(series, gaps)
        numbers = np.asarray(pd.to_numeric(pd.Series(text), errors="coerce"), dtype=np.float64)
        words = np.isnan(numbers) & ~gaps
        if words.any() or gaps.all():
            numeric_share = 1 - words.sum() / max(1, (~gaps).sum())
            mixed = numeric_share >= _SHARE_OF_NUMBERS and words.any()
            if mixed and len(set(text[~gaps])) > mixable:
                problems.append(
                    f"column {name} has text in a numeric column: "
                    f'{_count(words, "value")} of {len(series)} such as "{text[words][0]}" at '
                    f"{_first(words, origin)}: mend them, or leave them empty and {_OF_COLUMNS}"
                )
            return _Column(name, text)
    else:
        problems.append(f"column {name} holds {series.dtype}: turn it into numbers or drop it")
        return _Column(name, np.zeros(len(series)))
    # float32 is what models are trained in, so what does not fit into it is as good as infinite.
    endless = np.abs(numbers) > np.finfo(np.float32).max
    if endless.any():
        problems.append(
            f"column {name} has {_count(endless, 'infinite value')} (the first, "
            f"{numbers[endless][0]}, at {_first(endless, origin)}): replace or remove them"
        )
    return _Column(name, numbers)


def _text(series: pd.Series[Any], gaps: Array) -> Array:
    """Return [rows] objects: strings, and None where missing."""
    values = np.full(len(series), None, dtype=object)
    values[~gaps] = [_label(value) for value in series[~gaps]]
    return values


def _label(value: object) -> str:
    """Return a value as text, whole numbers without a decimal point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _sorted(labels: Sequence[str]) -> list[int]:
    """Return the order of labels: by number where all are numbers, else by text."""
    try:
        return sorted(range(len(labels)), key=lambda i: float(labels[i]))
    except ValueError:
        return sorted(range(len(labels)), key=lambda i: labels[i])


def _encode(
    column: _Column, keep: Array, problems: list[str], origin: Origin, taken: int
) -> tuple[Array, list[str]]:
    """Return ([rows, columns] float32, names of the columns) of the rows to keep.

    The columns before it have `taken` so many bytes.
    """
    values = column.values[keep]
    if column.is_numeric:
        return values.astype(np.float32)[:, None], [column.name]
    values = np.where(column.gaps[keep], _MISSING_CATEGORY, values)
    categories, codes = np.unique(values, return_inverse=True)
    if len(categories) > _MOST_CATEGORIES:
        problems.append(
            f'column {column.name} has {len(categories)} categories, such as "{categories[0]}" and '
            f'"{categories[1]}"; at most {_MOST_CATEGORIES} are allowed. It is probably an '
            "identifier: drop it"
        )
        return np.zeros((len(values), 0), dtype=np.float32), []
    check_size(origin.label, taken + 4 * len(values) * len(categories))
    order = _sorted(list(categories))
    one_hot = codes[:, None] == np.array(order)
    return one_hot.astype(np.float32), [f"{column.name}={categories[i]}" for i in order]


def _lonely(lonely: list[str], column: str) -> str | None:
    """Return what is wrong with classes that have one row each."""
    if len(lonely) > 1:
        shown = ", ".join(f'"{label}"' for label in lonely[:3])
        more = ", …" if len(lonely) > 3 else ""
        return (
            f"{len(lonely)} classes of column {column} have 1 row each ({shown}{more}); "
            "at least 2 are needed to split them: merge or drop them"
        )
    if lonely:
        return (
            f'class "{lonely[0]}" of column {column} has 1 row; '
            "at least 2 are needed to split it: merge or drop it"
        )
    return None


def _count(where: Array, what: str) -> str:
    count = int(where.sum())
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _first(where: Array, origin: Origin) -> str:
    return origin.place(int(np.argmax(where)))


def _raise(problems: list[str], origin: Origin) -> None:
    if problems:
        raise DataError([f"{origin.label}: {problem}" for problem in problems])

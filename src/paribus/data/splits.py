"""Which rows train, which validate, and which test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from paribus.data.dataset import Array, Dataset
from paribus.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint, ascending int64 row indices; all rows of a data set before any are thinned."""

    train: Array
    validation: Array
    test: Array


def split(dataset: Dataset, *, test: float, validation: float, rng: np.random.Generator) -> Split:
    """Split a data set at random, stratified by class for classification.

    The official test set is kept where there is one; else a share `test` of all rows is split off.
    Then a share `validation` of what remains is split off; 0 leaves it empty. Every class with at
    least two rows keeps at least one for training. The result depends on `rng` and the data alone.

    Raises DataError for shares out of range, for a class with one row and for too few rows.
    """
    rows = np.arange(dataset.rows, dtype=np.int64)
    problems = []
    if dataset.test_rows is None:
        if not 0 < test < 1:
            problems.append(f"data.test is {test}; it must be above 0 and below 1")
        problems += _lonely_classes(dataset, rows)
    if not 0 <= validation < 1:
        problems.append(f"data.validation is {validation}; it must be at least 0 and below 1")
    if problems:
        raise DataError([f"{dataset.name}: {problem}" for problem in problems])

    if dataset.test_rows is None:
        rest, test_rows = _split_off(dataset, rows, test, "test", rng)
    else:
        test_rows = np.sort(dataset.test_rows).astype(np.int64)
        rest = np.setdiff1d(rows, test_rows, assume_unique=True)
    if validation:
        train, validation_rows = _split_off(dataset, rest, validation, "validation", rng)
    else:
        train, validation_rows = rest, rows[:0]
    return Split(train, validation_rows, test_rows)


def thin(rows: Array, targets: Array, kept: Mapping[int, float], rng: np.random.Generator) -> Array:
    """Return `rows` with a random share of those of some classes: class code -> share kept.

    Each class keeps at least one row. What is kept at a share is kept at every larger one, and
    whatever becomes of the other classes.
    """
    shuffled = rng.permutation(rows)
    gone = np.zeros(len(targets), dtype=bool)
    for code, share in kept.items():
        of_class = shuffled[targets[shuffled] == code]
        gone[of_class[max(1, round(share * len(of_class))) :]] = True
    return rows[~gone[rows]]


def folds(
    dataset: Dataset, count: int, rng: np.random.Generator, rows: Array | None = None
) -> list[Array]:
    """Cut rows at random into so many folds; by default all, an official test set among them.

    The first folds are the larger ones: sizes differ by one row at most, and so do the rows of
    each class in them. Every class keeps at least one row outside each fold.

    Raises DataError for a class with one row and for fewer rows than folds.
    """
    rows = np.arange(dataset.rows, dtype=np.int64) if rows is None else rows
    problems = _lonely_classes(dataset, rows)
    if len(rows) < count:
        problems.append(f"data.folds is {count}; there are only {len(rows)} rows")
    if problems:
        raise DataError([f"{dataset.name}: {problem}" for problem in problems])
    shuffled = rng.permutation(rows)
    if dataset.task == "classification":
        shuffled = shuffled[np.argsort(dataset.targets[shuffled], kind="stable")]
    # Dealt like cards, class after class.
    return [np.sort(shuffled[fold::count]) for fold in range(count)]


def _lonely_classes(dataset: Dataset, rows: Array) -> list[str]:
    if dataset.task == "regression":
        return []
    counts = np.bincount(dataset.targets[rows], minlength=dataset.outputs)
    outside = " outside the test set" if len(rows) < dataset.rows else ""
    return [
        f'class "{dataset.classes[code]}" has 1 row{outside}; at least 2 are needed to split it: '
        "merge or drop it"
        for code in np.flatnonzero(counts == 1)
    ]


def _split_off(
    dataset: Dataset, rows: Array, share: float, part: str, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return (kept, taken): about `share` of `rows` are taken, of each class alike."""
    groups = dataset.targets[rows] if dataset.task == "classification" else np.zeros_like(rows)
    counts = np.bincount(groups)
    quotas = _quotas(counts, max(1, round(share * len(rows))), rng)
    if not quotas.sum():
        raise DataError(
            f"{dataset.name}: {len(rows)} rows are too few to split off a {part} set: "
            f"add rows, or lower data.{part}"
        )
    shuffled = rng.permutation(len(rows))
    by_class = shuffled[np.argsort(groups[shuffled], kind="stable")]
    place_in_class = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    taken = np.zeros(len(rows), dtype=bool)
    taken[by_class] = place_in_class < np.repeat(quotas, counts)
    return rows[~taken], rows[taken]


def _quotas(counts: Array, wanted: int, rng: np.random.Generator) -> Array:
    """Return how many rows to take of each class: in proportion, and never the last one."""
    room = np.maximum(counts - 1, 0)
    wanted = min(wanted, int(room.sum()))
    # Whole numbers throughout: largest remainders first, ties at random.
    whole, remainder = np.divmod(wanted * counts, max(1, counts.sum()))
    quotas: Array = np.minimum(whole, room)
    order = np.lexsort((rng.random(len(counts)), -remainder))
    while (short := wanted - int(quotas.sum())) > 0:
        open_classes = order[quotas[order] < room[order]]
        quotas[open_classes[:short]] += 1
    return quotas

"""Which rows a run trains, validates and tests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from paribus.data import Dataset, Split, folds, split
from paribus.data.splits import thin
from paribus.errors import nearest
from paribus.study.config import DataConfig, TrainConfig
from paribus.study.seeds import generator

PROBE_ROWS = 2000
"""Training rows, at most, that gradients are measured on."""

PROBE_BATCH = 100

_MOST_NAMED = 20  # classes that a message lists


def split_rows(dataset: Dataset, data: DataConfig, seed: int, block: int = 0) -> Split:
    """Return the rows of a block, the same for every arm; a fixed split is that of all blocks.

    With folds, block b is tested on fold b mod k of repetition b div k; in cross-validation it is
    validated on that fold of the training rows of the fixed split. An official test set is kept by
    these two splits; the others put it back among all rows. Training rows are thinned as
    `data.subsample` says, which must fit (`unfit_subsample`), and as `data.rows`; with
    `data.subsample_test` the others are thinned too. What is kept is a subset of the rows of the
    same block without thinning.
    """
    whole = _whole_split(dataset, data, seed, block)
    if data.rows is None or data.rows >= len(whole.train):
        return whole
    own = None if data.split == "fixed" else block
    drawn = generator(seed, "rows", own).permutation(whole.train)[: data.rows]
    return replace(whole, train=np.sort(drawn))


def of_columns(dataset: Dataset, columns: int | None) -> Dataset:
    """Return a table with its first so many columns alone."""
    if columns is None or columns >= len(dataset.columns):
        return dataset
    numeric = None if dataset.numeric is None else dataset.numeric[:columns]
    return replace(
        dataset,
        features=np.ascontiguousarray(dataset.features[:, :columns]),
        columns=dataset.columns[:columns],
        numeric=numeric,
    )


def _whole_split(dataset: Dataset, data: DataConfig, seed: int, block: int) -> Split:
    """Return the rows of a block with all training rows that the split and thinning leave."""
    own = None if data.split == "fixed" else block
    repetition, fold = divmod(block, data.folds)
    of_folds = generator(seed, "folds", repetition)
    if data.split == "resampled":
        dataset = replace(dataset, test_rows=None)
    elif data.split == "kfold":
        dataset = replace(dataset, test_rows=folds(dataset, data.folds, of_folds)[fold])
    draw = generator(seed, "split", None if data.split == "cross-validation" else own)
    whole = split(dataset, test=data.test, validation=data.validation, rng=draw)
    if data.split == "cross-validation":
        held_out = folds(dataset, data.folds, of_folds, whole.train)[fold]
        whole = Split(np.setdiff1d(whole.train, held_out), held_out, whole.test)
    if not data.subsample:
        return whole
    codes = class_codes(dataset)
    kept = {codes[name]: share for name, share in data.subsample.items()}

    def thinned(rows: np.ndarray, purpose: str, block: int | None = own) -> np.ndarray:
        return thin(rows, dataset.targets, kept, generator(seed, purpose, block))

    train = thinned(whole.train, "subsample")
    if not data.subsample_test:
        return replace(whole, train=train)
    validation = thinned(whole.validation, "subsample validation")
    of_test = None if data.split == "cross-validation" else own  # the same test rows for all
    return Split(train, validation, thinned(whole.test, "subsample test", of_test))


class Sizes(NamedTuple):
    """Numbers of rows of a split."""

    train: int
    validation: int
    test: int


def split_sizes(dataset: Dataset, data: DataConfig, seed: int, blocks: int) -> tuple[Sizes, ...]:
    """Return the sizes of each block's split."""
    if data.split == "fixed":
        unlike = 1
    elif data.subsample:  # ties between classes are drawn, and with them what a share leaves
        unlike = blocks
    else:  # they depend on the number of the fold alone
        unlike = 1 if data.split == "resampled" else min(blocks, data.folds)
    splits = [split_rows(dataset, data, seed, block) for block in range(unlike)]
    sizes = [Sizes(len(s.train), len(s.validation), len(s.test)) for s in splits]
    return tuple(sizes[block % unlike] for block in range(blocks))


def optimizer_steps(train: TrainConfig, rows: int) -> int:
    """Return how many steps an optimizer takes in all, on so many training rows."""
    return train.steps or train.epochs * steps_of_epoch(train, rows)


def epochs_of_work(train: TrainConfig, rows: int) -> float:
    """Return how many whole epochs of so many rows the training and the measuring are worth."""
    trained = optimizer_steps(train, rows) / steps_of_epoch(train, rows)
    probed = train.epochs * min(PROBE_ROWS, rows) / rows if train.measure_gradients else 0.0
    return trained + probed


def steps_of_epoch(train: TrainConfig, rows: int) -> int:
    """Return how many batches an epoch of so many rows has, a short last one included."""
    return -(-rows // train.batch_size)


def class_codes(dataset: Dataset) -> dict[str, int]:
    """Return the code of each class by its index as text, and by its name, which goes first."""
    codes = {str(code): code for code in range(len(dataset.classes))}
    return codes | {name: code for code, name in enumerate(dataset.classes)}


def unfit_subsample(dataset: Dataset, data: DataConfig) -> Iterator[str]:
    """Say why the classes of `data.subsample` are not those of a data set, where they are not."""
    if data.subsample and dataset.task == "regression":
        yield f"data.subsample needs classes, and the target of {dataset.name} is numeric"
        return
    codes, seen = class_codes(dataset), dict[int, str]()
    for name in data.subsample or ():
        if name not in codes:
            listed = ", ".join(dataset.classes[:_MOST_NAMED])
            more = len(dataset.classes) - _MOST_NAMED
            yield (
                f"data.subsample: {dataset.name} has no class {name}"
                f"{nearest(name, dataset.classes)}; its classes are {listed}"
                f"{f' and {more} more' if more > 0 else ''}"
            )
        elif (other := seen.setdefault(codes[name], name)) != name:
            yield f"data.subsample: {other} and {name} are the same class"

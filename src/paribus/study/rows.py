"""Which rows a run trains, validates and tests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from paribus.data import Dataset, Split, split
from paribus.data.splits import thin
from paribus.errors import nearest
from paribus.study.config import DataConfig
from paribus.study.seeds import generator

_MOST_NAMED = 20  # classes that a message lists


def split_rows(dataset: Dataset, data: DataConfig, seed: int) -> Split:
    """Return the study's one split: the same rows for every arm and every block.

    Training rows are thinned as `data.subsample` says, which must fit (`unfit_subsample`).
    """
    draw = generator(seed, "split")
    whole = split(dataset, test=data.test, validation=data.validation, rng=draw)
    if not data.subsample:
        return whole
    codes = class_codes(dataset)
    kept = {codes[name]: share for name, share in data.subsample.items()}
    train = thin(whole.train, dataset.targets, kept, generator(seed, "subsample"))
    return replace(whole, train=train)


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

"""Which rows a run trains, validates and tests on."""

from __future__ import annotations

from paribus.data import Dataset, Split, split
from paribus.study.config import DataConfig
from paribus.study.seeds import generator


def split_rows(dataset: Dataset, data: DataConfig, seed: int) -> Split:
    """Return the study's one split: the same rows for every arm and every block."""
    draw = generator(seed, "split")
    return split(dataset, test=data.test, validation=data.validation, rng=draw)

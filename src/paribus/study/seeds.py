"""Named streams of random numbers: one per purpose, the same for every arm of a block."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, purpose: str, block: int | None = None) -> np.random.SeedSequence:
    """Return the seed sequence of one purpose in one block of a study.

    Streams of different purposes or blocks are independent; nothing but the study's seed, the
    purpose's name and the block enters, so that all arms of a block draw the same numbers.
    Without a block the stream is common to the whole study.
    """
    digest = hashlib.sha256(purpose.encode()).digest()
    words = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    return np.random.SeedSequence(seed, spawn_key=(0 if block is None else block + 1, *words))


def generator(seed: int, purpose: str, block: int | None = None) -> np.random.Generator:
    """Return a generator (PCG64) over the stream of one purpose in one block."""
    return np.random.Generator(np.random.PCG64(stream(seed, purpose, block)))

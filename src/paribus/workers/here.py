"""This machine as a place to train."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import cache

import numpy as np
import psutil

from paribus.data import Dataset
from paribus.engines.versions import engine_id
from paribus.environment import choose_device
from paribus.study.engine import EngineId
from paribus.workers.base import Clock, Workers
from paribus.workers.cores import available_cores, cache_bytes
from paribus.workers.local import LocalWorkers
from paribus.workers.timed import TimedWorkers


class Here:
    """This machine; `asked` processes train at once, by default one for each core."""

    name = ""

    def __init__(self, asked: int | None = None):
        self.asked = asked

    def device(self, wanted: str) -> str:
        """Return "cpu" or "cuda" for "auto", "cpu" or "cuda"."""
        return choose_device(wanted)

    def engine(self, name: str, device: str) -> EngineId:
        """Return what an engine is here; InputError with what is missing for it."""
        return engine_id(name, device)

    def workers(self, timed: bool, devices: Collection[str]) -> int:
        """Return how many stacks are trained at once: one on a GPU, or where they are timed."""
        if timed or any(device != "cpu" for device in devices):
            return 1
        return self.asked or available_cores()

    def free_memory(self, device: str, workers: int) -> float:
        """Return the bytes that are free for each of so many workers."""
        if device == "cpu":
            return float(psutil.virtual_memory().available) / workers
        import torch

        return float(torch.cuda.mem_get_info()[0]) / workers

    def cache_bytes(self) -> float:
        """Return the size of the last cache."""
        return cache_bytes()

    def rates(self) -> tuple[float, float]:
        """Return FLOP/s of a core's matrix products, and bytes/s of its copies: roughly."""
        return core_rates()

    def quality(
        self, count: int, dataset: Dataset, device: str, keep_weights: bool, settle: bool
    ) -> Workers:
        """Return so many processes that train stacks."""
        return LocalWorkers(count, dataset, device, keep_weights, settle)

    def clock(self, dataset: Dataset, device: str, keep_weights: bool, limit: float) -> Clock:
        """Return what times runs one by one; none may take more than `limit` seconds."""
        return TimedWorkers(dataset, keep_weights, limit)


@cache
def core_rates() -> tuple[float, float]:
    """Return this machine's rates per core: FLOP/s of a matrix product, bytes/s of a copy.

    A measurement of a few hundredths of a second: good for "about 9 minutes", not for a claim.
    """
    a = np.random.default_rng(0).random((512, 512), np.float32)
    big = np.zeros(4_000_000, np.float32)
    a @ a, big.copy()
    products, copies = [], []
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        middle = time.perf_counter()
        big.copy()
        products.append(middle - start)
        copies.append(time.perf_counter() - middle)
    cores = psutil.cpu_count(logical=False) or 1
    return 2 * 512**3 / min(products) / cores, 2 * big.nbytes / min(copies)

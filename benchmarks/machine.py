"""The machine: what it is, how busy it is, and how fast it multiplies matrices."""

from __future__ import annotations

import multiprocessing
import os
import platform
import time
from multiprocessing.synchronize import Barrier
from typing import Any

import psutil

from paribus.environment import cpu_model
from paribus.workers.cores import available_cores

SIZE = 1024
WINDOWS, SECONDS = 4, 0.5


def describe() -> dict[str, Any]:
    """Return processor, cores, memory and system."""
    return {
        "processor": cpu_model(),
        "cores": available_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def busy() -> dict[str, float]:
    """Return how busy the machine is: its load over a minute, its processor over a second."""
    return {"load": os.getloadavg()[0], "cpu_percent": psutil.cpu_percent(1.0)}


def product_rate() -> float:
    """Return FLOP/s of fp32 matrix products in one single-thread process per core, together.

    Square matrices, multiplied on all cores at the same time; the best of four half seconds of
    each, because a floor that something else held up would be none.
    """
    context = multiprocessing.get_context("spawn")
    cores = available_cores()
    barrier, results = context.Barrier(cores), context.SimpleQueue()
    processes = [context.Process(target=_multiply, args=(barrier, results)) for _ in range(cores)]
    for process in processes:
        process.start()
    rate: float = sum(results.get() for _ in processes)
    for process in processes:
        process.join()
    return rate


def _multiply(barrier: Barrier, results: Any) -> None:
    import torch

    torch.set_num_threads(1)
    a, b, out = torch.rand(SIZE, SIZE), torch.rand(SIZE, SIZE), torch.empty(SIZE, SIZE)
    torch.mm(a, b, out=out)  # the first product loads the library
    barrier.wait()
    best = 0.0
    for _ in range(WINDOWS):
        start, count = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < SECONDS:
            torch.mm(a, b, out=out)
            count += 1
        best = max(best, 2.0 * SIZE**3 * count / spent)
    results.put(best)

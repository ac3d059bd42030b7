"""How fast this machine multiplies matrices and copies memory: the floor of any time on it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

_SIDE = 1024
_COPIED = 16_000_000  # numbers: 64 MB, more than caches hold
_REPEATS = 7


@dataclass(frozen=True)
class Rates:
    """FLOP/s of a matrix product in fp32, and bytes/s of a copy (read and written)."""

    product: float
    copy: float


def rates(device: str = "cpu") -> Rates:
    """Measure a device by the best of seven; on a CPU with NumPy, and as many threads as it has."""
    return _cuda() if device == "cuda" else _cpu()


def floor_seconds(flops: float, moved: float, measured: Rates) -> float:
    """Return the least time for so many operations and bytes: whichever of both takes longer."""
    return max(flops / measured.product, moved / measured.copy)


def _cpu() -> Rates:
    a = np.random.default_rng(0).random((_SIDE, _SIDE), np.float32)
    product, source = np.empty_like(a), np.zeros(_COPIED, np.float32)
    target = np.empty_like(source)
    products, copies = [], []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        np.matmul(a, a, out=product)
        middle = time.perf_counter()
        np.copyto(target, source)
        products.append(middle - start)
        copies.append(time.perf_counter() - middle)
    return Rates(2 * _SIDE**3 / min(products), 2 * source.nbytes / min(copies))


def _cuda() -> Rates:
    import torch

    side, count = 4 * _SIDE, 16 * _COPIED
    a = torch.rand(side, side, device="cuda")
    source = torch.zeros(count, device="cuda")
    target = torch.empty_like(source)
    products, copies = [], []
    for _ in range(_REPEATS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        a @ a
        torch.cuda.synchronize()
        middle = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize()
        products.append(middle - start)
        copies.append(time.perf_counter() - middle)
    return Rates(2 * side**3 / min(products), 2 * 4 * count / min(copies))

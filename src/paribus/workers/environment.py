"""The environment in which a worker process starts."""

from __future__ import annotations

import platform

REPRODUCIBLE = {
    # Products whose rounding does not depend on where an array begins in memory.
    "MKL_CBWR": "AUTO",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""Read by MKL before its first product: one thread, and the same kernel for the same numbers."""


def stacked() -> dict[str, str]:
    """Return the environment of a worker that trains stacks: reproducible, and keeping its memory.

    By default glibc gives large arrays back to the system as they are freed, so that every step
    faults all of its pages in again. See mallopt(3); other C libraries ignore this.
    """
    return REPRODUCIBLE | _keeping_memory(*platform.libc_ver())


def _keeping_memory(library: str, version: str) -> dict[str, str]:
    if library != "glibc":
        return {}
    numbers = tuple(int(part) for part in version.split(".")[:2])
    # Older ones take no more than 32 MiB, and otherwise keep to 128 KiB, which is the slowest.
    largest = 4 * 2**30 if numbers >= (2, 35) else 32 * 2**20
    return {
        "MALLOC_MMAP_THRESHOLD_": str(largest),
        "MALLOC_TRIM_THRESHOLD_": str(4 * 2**30),
        "MALLOC_TOP_PAD_": str(64 * 2**20),
    }

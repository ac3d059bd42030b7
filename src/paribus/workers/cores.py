"""The processor as workers use it: its cores, their cache, and a place for each worker."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_USUAL_CACHE = 32e6


@cache
def cores() -> tuple[int, ...]:
    """Return one logical processor for each core that this process may use.

    The threads of a core share its arithmetic: a second worker on it would only be in the way.
    """
    if not hasattr(os, "sched_getaffinity"):
        return tuple(range(os.cpu_count() or 1))
    found: dict[str, int] = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = str(cpu)
        with suppress(OSError):  # not told in every container
            siblings = (_CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text()
        found.setdefault(siblings, cpu)
    return tuple(found.values())


def available_cores() -> int:
    """Return the number of cores that this process may use, a container's quota heeded."""
    return max(1, int(min(len(cores()), _quota())))


@cache
def cache_bytes() -> float:
    """Return the size of the last cache, which all cores are taken to share."""
    with suppress(OSError, ValueError):
        size = (_CPUS / "cpu0/cache/index3/size").read_text().strip()
        return float(size.removesuffix("K")) * 1024
    return _USUAL_CACHE


def pin(process: int, place: int, workers: int) -> None:
    """Keep a worker on a core of its own, where they are to have all cores and no quota to share.

    Fewer workers are left to the system: those of two studies must not meet on the same cores.
    """
    own = cores()
    if workers == len(own) and _quota() == math.inf and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # the process has ended already, or may not be moved
            os.sched_setaffinity(process, {own[place % len(own)]})


def _quota() -> float:
    """Return how many cores a container may use at once (cgroup v2)."""
    with suppress(OSError, ValueError):
        quota, period = _QUOTA.read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    return math.inf

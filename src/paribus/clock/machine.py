"""What a measurement must know of its machine: who else used it, and what held it back.

Two moments enclose a measurement; the interval between them tells how much of the machine other
processes used, what a virtual machine's host took away, how often the processor was throttled, and
the energy used. What a machine does not tell is None: Linux tells most, macOS and Windows the rest.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

_CPUS = Path("/sys/devices/system/cpu")
_POWERCAP = Path("/sys/class/powercap")
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")

BUSY = 0.1
"""The share of the machine's cores that others may use before a measurement counts as disturbed."""

STEADY = 0.1
"""Epochs are steady where those of the second half take at most so much more or less time."""

DISTURBED = "the machine was busy"
"""How the reason of a measurement that does not count begins."""

SHORT = 0.3
"""Seconds: the system counts CPU time in ticks of 10 ms, which say little of a shorter interval."""

_MOST_WATTS = 500  # of one package


@dataclass(frozen=True)
class Moment:
    """The machine at one instant: counters that mean something only as differences."""

    clock: float  # seconds of time.perf_counter
    busy: float | None  # CPU seconds in which some core of the machine worked
    stolen: float | None  # CPU seconds in which the host of this virtual machine ran others
    own: float  # CPU seconds of this process and its children
    throttled: int | None  # thermal throttle events
    energy: tuple[tuple[float, float], ...] | None  # joules of a package, and where it wraps
    gpu_joules: float | None = None


@dataclass(frozen=True)
class Interval:
    """What the machine did between two moments; None where it does not tell."""

    seconds: float
    elsewhere: float | None  # cores that other processes used, on average
    stolen: float | None  # cores that the host of this virtual machine took away, on average
    throttled: int | None  # thermal throttle events
    joules: float | None  # of the processor packages, whoever used them
    gpu_joules: float | None = None


def read(gpu: bool = False) -> Moment:
    """Read the machine now; `gpu` adds the energy of the first NVIDIA device, if pynvml is there.

    Takes about a millisecond, more where many processes run.
    """
    throttled, energy = _throttle_events(_CPUS), _energy(_POWERCAP)
    gpu_joules = _gpu_joules() if gpu else None
    own = _own_seconds()
    busy, stolen = _machine_seconds()
    return Moment(time.perf_counter(), busy, stolen, own, throttled, energy, gpu_joules)


def between(start: Moment, end: Moment) -> Interval:
    """Return what the machine did from one moment to a later one.

    Joules are None, too, where the interval is so long that a counter may have wrapped twice: add
    up shorter ones. A child that outlives the process that started it counts as another program.
    Raises ValueError where the end does not come after the start.
    """
    seconds = end.clock - start.clock
    if not seconds > 0:
        raise ValueError("the second moment must come after the first")
    busy = _difference(start.busy, end.busy)
    stolen = _difference(start.stolen, end.stolen)
    throttled = _difference(start.throttled, end.throttled)
    return Interval(
        seconds,
        None if busy is None else max(0.0, busy - max(0.0, end.own - start.own)) / seconds,
        None if stolen is None else stolen / seconds,
        None if throttled is None else int(throttled),
        _joules(start, end, seconds),
        _difference(start.gpu_joules, end.gpu_joules),
    )


def disturbance(interval: Interval, cores: int) -> str:
    """Return what disturbed a measurement, as people say it; empty where nothing did.

    `cores` are the logical processors of the machine. In an interval shorter than `SHORT` only
    more than one whole core counts; throttling, which is counted in events, always does.
    """
    most = BUSY * cores if interval.seconds >= SHORT else 1.0
    found = []
    if interval.elsewhere is not None and interval.elsewhere > most:
        found.append(f"other programs used {interval.elsewhere:.1f} of {cores} cores")
    if interval.stolen is not None and interval.stolen > most:
        found.append(f"the host took {interval.stolen:.1f} cores away")
    if interval.throttled:
        times = "once" if interval.throttled == 1 else f"{interval.throttled} times"
        found.append(f"the processor was throttled {times}")
    return ", ".join(found)


def on_battery() -> bool | None:
    """Return whether the machine runs on its battery; None where it has none or does not tell."""
    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, NotImplementedError, RuntimeError, ValueError):
        return None
    if battery is None or battery.power_plugged is None:
        return None
    return not battery.power_plugged


def memory_of_process() -> int:
    """Return the bytes of memory that this process has now (resident set size)."""
    return int(psutil.Process().memory_info().rss)


def peak_memory() -> int:
    """Return the most bytes of memory that this process had, since the last reset or its start."""
    with suppress(OSError, ValueError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory() -> bool:
    """Let the peak begin anew at the memory of now; False where the system cannot (not Linux)."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _difference(start: float | None, end: float | None) -> float | None:
    """Return end - start; None where one is unknown, zero where a counter of the system slips."""
    return None if start is None or end is None else max(0, end - start)


def _joules(start: Moment, end: Moment, seconds: float) -> float | None:
    if not start.energy or not end.energy or len(start.energy) != len(end.energy):
        return None
    joules = 0.0
    for (before, wraps), (after, _) in zip(start.energy, end.energy, strict=True):
        if wraps <= _MOST_WATTS * seconds:
            return None
        joules += (after - before) % wraps
    return joules


def _machine_seconds() -> tuple[float | None, float | None]:
    """Return the seconds that all cores worked and that were stolen; Linux counts guests as user.

    A sandbox may hand out zeros for both, which is no news.
    """
    try:
        times: Any = psutil.cpu_times()
    except (OSError, RuntimeError, ValueError):
        return None, None
    parts = ("user", "nice", "system", "irq", "softirq")
    busy = sum(getattr(times, part, 0.0) for part in parts)
    return (busy, getattr(times, "steal", None)) if busy > 0 else (None, None)


def _own_seconds() -> float:
    """Return the CPU seconds of this process, its children that have ended and those that run."""
    ended = os.times()
    seconds = time.process_time() + ended.children_user + ended.children_system
    with suppress(psutil.Error, OSError):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error, OSError):  # it has just ended
                times = child.cpu_times()
                seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def _throttle_events(cpus: Path) -> int | None:
    try:
        counts = [int(file.read_text()) for file in _throttle_files(cpus)]
    except (OSError, ValueError):
        return None
    return sum(counts) if counts else None


@cache
def _throttle_files(cpus: Path) -> tuple[Path, ...]:
    """Return one counter per core and one per package: each logical processor repeats them."""
    found: dict[tuple[str, ...], Path] = {}
    for cpu in sorted(cpus.glob("cpu[0-9]*")):
        with suppress(OSError):
            package = (cpu / "topology/physical_package_id").read_text().strip()
            core = (cpu / "topology/core_id").read_text().strip()
            for place in ((package,), (package, core)):
                kind = "package" if len(place) == 1 else "core"
                file = cpu / f"thermal_throttle/{kind}_throttle_count"
                if file.is_file():
                    found.setdefault(place, file)
    return tuple(found.values())


def _energy(powercap: Path) -> tuple[tuple[float, float], ...] | None:
    """Return the energy of each package (RAPL); its parts, and `psys` around it, are left out."""
    found = []
    try:
        for domain in sorted(powercap.glob("intel-rapl:*")):  # AMD's are called so as well
            if (domain / "name").read_text().startswith("package"):
                joules = int((domain / "energy_uj").read_text()) / 1e6
                found.append((joules, int((domain / "max_energy_range_uj").read_text()) / 1e6))
    except (OSError, ValueError):  # read by root alone on most systems
        return None
    return tuple(found) or None


def _gpu_joules() -> float | None:
    try:
        return _gpu_counter()() / 1e3
    except Exception:  # no pynvml, no driver, no device, a device that does not count
        return None


@cache
def _gpu_counter() -> Callable[[], int]:
    """Return what reads the millijoules of NVML's device 0."""
    import importlib

    nvml = importlib.import_module("pynvml")
    nvml.nvmlInit()
    device = nvml.nvmlDeviceGetHandleByIndex(0)
    return lambda: int(nvml.nvmlDeviceGetTotalEnergyConsumption(device))

"""What this machine has for training: frameworks, accelerator, processor, memory, load, data."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from paribus.clock import machine
from paribus.environment import cpu_model, version_of
from paribus.errors import InputError, nearest
from paribus.workers import cores

LIMIT = 20.0
"""Seconds that a framework may take to say what it sees."""

_CPUFREQ = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_DRIVER = Path("/proc/driver/nvidia/version")
_CPUINFO = Path("/proc/cpuinfo")


@dataclass
class Row:
    """One thing looked at; `ok` is false only where it hinders work."""

    name: str  # for programs
    what: str  # for people
    found: str
    ok: bool = True
    remedy: str = ""  # what would change it
    facts: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return the row as a program reads it."""
        shown = {"what": self.what, "found": self.found, "ok": self.ok, "remedy": self.remedy}
        return {**shown, "name": self.name, **self.facts}


@dataclass(frozen=True)
class Framework:
    """A framework that Paribus knows: how to have it, and how to have it use a GPU."""

    title: str
    companion: str | None  # a package that is told beside it
    install: str
    with_gpu: str


FRAMEWORKS = {
    "torch": Framework(
        "PyTorch",
        None,
        "pip install 'torch>=2.13,<3'",
        "install a build with CUDA: https://pytorch.org/get-started",
    ),
    "tensorflow": Framework(
        "TensorFlow",
        "Keras",
        "pip install 'paribus[tensorflow]'",
        "pip install 'tensorflow[and-cuda]'",
    ),
    "jax": Framework("JAX", "Optax", "pip install 'paribus[jax]'", "pip install 'jax[cuda12]'"),
}
REQUIRABLE = (*FRAMEWORKS, "cuda")


def examine() -> list[Row]:
    """Look at everything; takes about as long as the slowest framework takes to import."""
    start = machine.read()
    with ThreadPoolExecutor(len(FRAMEWORKS) + 1) as pool:
        asked = {name: pool.submit(ask, name) for name in FRAMEWORKS if _installed(name)}
        nvidia = pool.submit(_nvidia)
        after = [_processor(), _cores(), _precision(), _memory(), _power(), *_governor()]
        data = _data()
        driver = nvidia.result()
        answers = {name: answer.result() for name, answer in asked.items()}
    frameworks = [_framework(name, answers.get(name), driver) for name in FRAMEWORKS]
    load = _load(machine.between(start, machine.read()))
    return [*_python(), *frameworks, driver, *after, _threads(answers.get("torch")), load, *data]


def requirements(text: str) -> list[str]:
    """Return what a comma-separated list requires; InputError for what is not known."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    allowed = ", ".join(REQUIRABLE)
    if not names:
        raise InputError(f"--require names nothing; allowed are {allowed}")
    unknown = [name for name in names if name not in REQUIRABLE]
    if unknown:
        raise InputError(
            [
                f"--require {name} is not known{nearest(name, REQUIRABLE)}; allowed are {allowed}"
                for name in unknown
            ]
        )
    return names


def require(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Return what is missing of the names, with what to do; its rows are no longer ok.

    "cuda" is a GPU that each framework named with it can use; PyTorch, where none is named.
    """
    by_name = {row.name: row for row in rows}
    missing = []
    for name in [name for name in FRAMEWORKS if name in names] or ["torch"]:
        row = by_name[name]
        if not row.ok or row.facts["version"] is None:
            missing.append(f"{row.what} is required: {row.found} ({row.remedy})")
        elif "cuda" in names and not row.facts["cuda"]:
            how = row.remedy or f"needs NVIDIA's driver, then {FRAMEWORKS[name].with_gpu}"
            missing.append(f"{row.what} cannot use CUDA: {row.facts['why']} ({how})")
        else:
            continue
        row.ok = False
    return missing


def _python() -> list[Row]:
    version, recent = platform.python_version(), sys.version_info >= (3, 11)
    own = sys.prefix != sys.base_prefix or os.environ.get("CONDA_PREFIX") == sys.prefix
    paribus = version_of("paribus")
    return [
        Row("paribus", "Paribus", paribus or "not installed", facts={"version": paribus}),
        Row(
            "python",
            "Python",
            version,
            recent,
            "" if recent else "use 3.11 or newer",
            {"version": version},
        ),
        Row("environment", "virtual environment", sys.prefix if own else "none"),
    ]


def _installed(name: str) -> bool:
    """Return whether there is such a package; a folder that an uninstalled one left is none."""
    with suppress(ImportError, ValueError):
        found = importlib.util.find_spec(name)
        return found is not None and found.origin is not None
    return False


def _command(name: str) -> list[str]:
    return [sys.executable, "-P", "-m", "paribus.probe", name]


def ask(name: str) -> dict[str, Any] | str:
    """Return what a framework says of itself in a process of its own, or why it does not."""
    try:
        done = _run(_command(name))
    except subprocess.TimeoutExpired:
        return f"did not answer within {LIMIT:g} s"
    except OSError as error:
        return f"could not be asked: {error}"
    if done.returncode == 0:
        with suppress(ValueError, IndexError):
            answer = json.loads(done.stdout.splitlines()[-1])
            if isinstance(answer, dict):
                return answer
    how = f"exit code {done.returncode}"
    if done.returncode < 0:
        with suppress(ValueError):
            how = signal.Signals(-done.returncode).name
    return f"does not start: {_last_line(done.stderr) or how}"


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=LIMIT,
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def _framework(name: str, answer: dict[str, Any] | str | None, driver: Row) -> Row:
    known = FRAMEWORKS[name]
    row = Row(name, known.title, "not installed", remedy=known.install)
    row.facts = {"version": None, "accelerator": None, "cuda": False, "why": ""}
    if answer is None:
        row.ok = name != "torch"  # which Paribus cannot do without
        return row
    if isinstance(answer, str):
        version = version_of(name) or version_of(f"{name}-cpu")
        row.facts |= {"version": version, "why": answer}
        row.found, row.ok = f"{version or 'some version'} {answer}", False
        row.remedy = f"python -m paribus.probe {name} shows more"
        return row
    row.facts |= {key: answer[key] for key in row.facts}
    row.found, row.remedy = answer["version"], ""
    if known.companion:
        beside = version_of(known.companion.lower())
        row.facts[known.companion.lower()] = beside
        row.found += f" with {known.companion} {beside}" if beside else f", no {known.companion}"
        row.remedy = "" if beside else known.install
    if answer["accelerator"]:
        row.found += f", {answer['accelerator']}"
        return row
    why, how = answer["why"], known.with_gpu if driver.facts["driver"] else ""
    if not why and os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        why, how = "CUDA_VISIBLE_DEVICES hides every GPU", "unset CUDA_VISIBLE_DEVICES"
    elif not why:
        loaded = driver.facts["driver"]
        why = (
            "it finds no GPU though the driver is loaded"
            if loaded
            else "no NVIDIA driver is loaded"
        )
    row.facts["why"] = why
    row.found, row.remedy = f"{row.found}, CPU only: {why}", how or row.remedy
    return row


def _nvidia() -> Row:
    """Return the row of the NVIDIA driver, the CUDA version it supports and its GPUs."""
    facts: dict[str, Any] = {"driver": None, "cuda": None, "gpus": []}
    if found := _loaded_driver():
        facts["driver"] = found
    row = Row("nvidia", "NVIDIA driver", "none is loaded", facts=facts)
    if shutil.which("nvidia-smi"):
        try:
            done = _run(["nvidia-smi", "-q"])
        except (subprocess.TimeoutExpired, OSError):
            done = None
        if done is None or done.returncode:
            said = (
                f"did not answer within {LIMIT:g} s"
                if done is None
                else _last_line(done.stdout + done.stderr)
            )
            row.found, row.ok = f"nvidia-smi: {said}", False
            row.remedy = "start the machine anew, or install the driver anew"
            return row
        facts |= {key: value for key, value in _parse_smi(done.stdout).items() if value}
    if facts["driver"]:
        cuda = f", CUDA {facts['cuda']}" if facts["cuda"] else ""
        row.found = ", ".join([f"{facts['driver']}{cuda}", *facts["gpus"]])
    return row


def _loaded_driver() -> str | None:
    with suppress(OSError):
        if match := re.search(r"\b\d+\.\d+(\.\d+)?\b", _DRIVER.read_text()):
            return match.group()
        return "of unknown version"
    return None


def _parse_smi(text: str) -> dict[str, Any]:
    """Return driver, CUDA version and GPUs of what `nvidia-smi -q` prints."""
    driver = re.search(r"Driver Version\s*:\s*([\d.]+)", text)
    cuda = re.search(r"CUDA (?:UMD )?Version\s*:\s*([\d.]+)", text)
    names = re.findall(r"Product Name\s*:\s*(.+)", text)
    sizes = re.findall(r"FB Memory Usage\s+Total\s*:\s*(\d+) MiB", text)
    gpus = [name.strip() for name in names]
    if len(sizes) == len(gpus):
        gpus = [f"{n} {int(s) * 2**20 / 1e9:.0f} GB" for n, s in zip(gpus, sizes, strict=True)]
    return {"driver": driver and driver[1], "cuda": cuda and cuda[1], "gpus": gpus}


def _processor() -> Row:
    return Row("processor", "processor", cpu_model())


def _cores() -> Row:
    physical, logical = psutil.cpu_count(logical=False), os.cpu_count()
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    quota = cores._quota()
    found = f"{physical or 'unknown'} physical, {logical} logical, {mine} for this process"
    if quota != math.inf:
        found += f", no more than {quota:g} at once by a container's quota"
    facts = {"physical": physical, "logical": logical, "available": mine}
    return Row(
        "cores", "cores", found, facts={**facts, "quota": None if quota == math.inf else quota}
    )


_FAST = {
    "float32": {
        "avx512f": "AVX-512",
        "avx2": "AVX2",
        "avx": "AVX",
        "sve": "SVE",
        "asimd": "NEON",
    },
    "bfloat16": {"amx_bf16": "AMX", "avx512_bf16": "AVX-512", "bf16": "NEON"},
    "float16": {"amx_fp16": "AMX", "avx512_fp16": "AVX-512", "asimdhp": "NEON"},
}
"""Precision, the processor's flag for it as Linux writes it, and its usual name; the best first."""


def fast_precisions(cpuinfo: str) -> dict[str, str]:
    """Return the precisions that a processor computes fast, and by which instructions.

    `cpuinfo` is the text of Linux's /proc/cpuinfo. Empty where it names no instructions we know.
    """
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    flags = set(line[1].split()) if line else set()
    best = {
        precision: next((name for flag, name in names.items() if flag in flags), "")
        for precision, names in _FAST.items()
    }
    return {precision: name for precision, name in best.items() if name}


def _precision() -> Row:
    text = ""
    with suppress(OSError):
        text = _CPUINFO.read_text()
    fast = fast_precisions(text)
    found = ", ".join(f"{precision} by {name}" for precision, name in fast.items())
    return Row("precision", "fast precision", found or "unknown", facts={"precisions": fast})


def _threads(torch: dict[str, Any] | str | None) -> Row:
    given = os.environ.get("OMP_NUM_THREADS")
    threads = torch.get("threads") if isinstance(torch, dict) else None
    found = f"PyTorch takes {threads}, " if threads else ""
    found += f"OMP_NUM_THREADS={given}" if given else "OMP_NUM_THREADS is not set"
    return Row("threads", "threads", found, facts={"threads": threads, "omp_num_threads": given})


def _memory() -> Row:
    memory = psutil.virtual_memory()
    free, total = memory.available / 1e9, memory.total / 1e9
    return Row(
        "memory",
        "memory",
        f"{free:.1f} of {total:.1f} GB free",
        free > 1,
        "" if free > 1 else "close other programs",
        {"free": memory.available, "total": memory.total},
    )


def _power() -> Row:
    battery = machine.on_battery()
    facts = {"on_battery": battery}
    if battery:
        remedy = "plug it in: times on battery mislead"
        return Row("power", "power", "battery", False, remedy, facts)
    return Row("power", "power", "unknown" if battery is None else "mains", facts=facts)


def _governor() -> list[Row]:
    """Return what sets the processor's frequency, where it is told."""
    try:
        governor = (_CPUFREQ / "scaling_governor").read_text().strip()
        driver = (_CPUFREQ / "scaling_driver").read_text().strip()
    except OSError:
        return []
    # "powersave" means the lowest frequency, but to these two drivers whatever the load needs.
    slow = governor == "powersave" and driver not in ("intel_pstate", "amd-pstate-epp")
    remedy = "sudo cpupower frequency-set -g performance" if slow else ""
    facts = {"governor": governor, "driver": driver}
    found = f"{governor} ({driver})"
    return [Row("governor", "frequency governor", found, not slow, remedy, facts)]


def _load(meanwhile: machine.Interval) -> Row:
    """Return what other programs did while the frameworks were asked."""
    logical = os.cpu_count() or 1
    disturbed = machine.disturbance(meanwhile, logical)
    found = disturbed or "unknown"
    if not disturbed and meanwhile.elsewhere is not None:
        found = f"other programs used {meanwhile.elsewhere:.1f} of {logical} cores"
    remedy = "close what runs: training is slower, and times mislead" if disturbed else ""
    facts = {"elsewhere": meanwhile.elsewhere, "stolen": meanwhile.stolen}
    return Row("load", "load", found, not disturbed, remedy, facts)


def _data() -> list[Row]:
    from paribus.data import REGISTRY
    from paribus.data.registry import location

    rows = []
    for name in REGISTRY:
        place = location(name)
        remedy = "" if place else f"paribus data get {name}"
        found = str(place or "not here yet")
        rows.append(Row(f"data:{name}", f"data: {name}", found, True, remedy))
    return rows

"""What this machine has for training: versions, accelerator, cores, memory, data."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import psutil

from paribus.environment import cpu_model, version_of
from paribus.workers.cores import available_cores


def examine() -> list[dict[str, Any]]:
    """Return one row per thing looked at: what, found, ok, and what to do where it is not."""
    rows = [
        _row("Paribus", version_of("paribus") or "not installed", True),
        _row("Python", platform.python_version(), sys.version_info >= (3, 11), "use 3.11 or newer"),
        _row("virtual environment", sys.prefix if sys.prefix != sys.base_prefix else "none", True),
        *_torch(),
        _row("processor", f"{cpu_model()}, {available_cores()} cores", True),
    ]
    memory = psutil.virtual_memory()
    free, total = memory.available / 1e9, memory.total / 1e9
    rows.append(
        _row("memory", f"{free:.1f} of {total:.1f} GB free", free > 1, "close other programs")
    )
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    rows.append(
        _row(
            "load",
            f"{load:.1f} of {available_cores()} cores busy",
            load < available_cores(),
            "other programs are running: training will be slower",
        )
    )
    return rows + _data()


def _torch() -> list[dict[str, Any]]:
    if version_of("torch") is None:
        return [_row("PyTorch", "not installed", False, "pip install 'torch>=2.13,<3'")]
    import torch

    rows = [_row("PyTorch", torch.__version__, True)]
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 1e9
        return [*rows, _row("GPU", f"{torch.cuda.get_device_name()}, {memory:.0f} GB", True)]
    if torch.version.cuda is None:
        why = "none: this PyTorch is a build for CPUs"
    else:
        why = "none: PyTorch finds no CUDA device"
    return [*rows, _row("GPU", why, True)]


def _data() -> list[dict[str, Any]]:
    from paribus.data import REGISTRY
    from paribus.data.registry import location

    rows = []
    root = Path(os.environ["PARIBUS_DATA"]) if "PARIBUS_DATA" in os.environ else None
    for name in REGISTRY:
        found = location(name, root)
        rows.append(_row(f"data: {name}", found or f"not here yet: paribus data get {name}", True))
    return rows


def _row(what: str, found: Any, ok: bool, remedy: str = "") -> dict[str, Any]:
    return {"what": what, "found": str(found), "ok": ok, "remedy": "" if ok else remedy}

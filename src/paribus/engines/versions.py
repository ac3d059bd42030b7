"""Which engines this machine has, and what is missing for those that it has not."""

from __future__ import annotations

from paribus.engines import stacked
from paribus.environment import FRAMEWORKS, framework_version, machine_name, require_cuda
from paribus.errors import InputError
from paribus.study.engine import EngineId

VERSION = "1"
"""Of the engines of single runs; part of every run's hash: raise it with any change of a result."""


def engine_id(name: str, device: str) -> EngineId:
    """Return what an engine is on this machine; InputError with what is missing for it."""
    parts = [stacked.VERSION if name == "stacked" else VERSION]
    for package in FRAMEWORKS[name].values():
        version = framework_version(package)
        if version is None:
            raise InputError(
                f"train.engine {name} needs {package}, which is not installed: "
                f"pip install 'paribus[{name}]'"
            )
        parts.append(f"{package} {version.partition('+')[0]}")
    if device == "cuda":
        require_cuda()
    return EngineId(name, " ".join(parts), device, machine_name(device))

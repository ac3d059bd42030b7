"""Which engines this machine has, and what is missing for those that it has not."""

from __future__ import annotations

from functools import cache

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
        if name in ("stacked", "torch"):
            require_cuda()
        elif why := _why_not_cuda(name):
            raise InputError(f"device cuda is not to be had here for train.engine {name}: {why}")
    return EngineId(name, " ".join(parts), device, machine_name(device))


@cache
def _why_not_cuda(name: str) -> str:
    """Return why a framework cannot use a CUDA device, or nothing; this imports it elsewhere."""
    from paribus.doctor import ask

    answer = ask(name)
    if isinstance(answer, str):
        return f"{name} {answer}"
    return "" if answer["cuda"] else answer["why"] or f"{name} finds no CUDA device"

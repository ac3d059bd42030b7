"""Which engines this machine has, and what is missing for those that it has not."""

from __future__ import annotations

from paribus.engines import stacked
from paribus.environment import machine_name, require_cuda, version_of
from paribus.errors import InputError
from paribus.study.engine import EngineId

VERSION = "1"
"""Of the engines of single runs; part of every run's hash: raise it with any change of a result."""

_PACKAGES = {
    "stacked": ("torch",),
    "torch": ("torch",),
    "tensorflow": ("tensorflow", "keras"),
    "jax": ("jax", "optax"),
}
"""What an engine's results depend on."""


def engine_id(name: str, device: str) -> EngineId:
    """Return what an engine is on this machine; InputError with what is missing for it."""
    parts = [stacked.VERSION if name == "stacked" else VERSION]
    for package in _PACKAGES[name]:
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


def framework_version(package: str) -> str | None:
    """Return the installed version of a framework, whatever the name of its build."""
    builds = ("tensorflow", "tensorflow-cpu") if package == "tensorflow" else (package,)
    return next((found for build in builds if (found := version_of(build))), None)

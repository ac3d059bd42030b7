"""Where runs are trained: versions, machine and device, as they are kept with every run."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from paribus.errors import InputError
from paribus.workers.cores import available_cores


def version_of(package: str) -> str | None:
    """Return the installed version of a package without importing it; None if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def cpu_model() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        return platform.processor() or platform.machine()
    return platform.processor() or platform.machine()


FRAMEWORKS = {
    "stacked": {"PyTorch": "torch"},
    "torch": {"PyTorch": "torch"},
    "tensorflow": {"TensorFlow": "tensorflow", "Keras": "keras"},
    "jax": {"JAX": "jax", "Optax": "optax"},
}
"""The packages that an engine trains with, by their names for people."""


@cache
def framework_version(package: str) -> str | None:
    """Return the installed version of a framework, whatever the name of its build."""
    builds = ("tensorflow", "tensorflow-cpu") if package == "tensorflow" else (package,)
    return next((found for build in builds if (found := version_of(build))), None)


@cache
def environment(engine: str, device: str) -> Mapping[str, str]:
    """Return what runs of an engine on a device of this machine are trained with."""
    found = {
        "Paribus": version_of("paribus") or "not installed",
        **{
            name: framework_version(package) or "not installed"
            for name, package in FRAMEWORKS[engine].items()
        },
        "NumPy": version_of("numpy") or "not installed",
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": f"{cpu_model()}, {available_cores()} cores",
        "device": device,
    }
    if device == "cuda":
        found["GPU"] = _gpu_name()
    return found


def machine_name(device: str) -> str:
    """Return what times on a device of this machine depend on."""
    processor = f"{cpu_model()}, {available_cores()} cores"
    return f"{processor}, {_gpu_name()}" if device == "cuda" else processor


def _gpu_name() -> str:
    import torch

    return torch.cuda.get_device_name()


def choose_device(wanted: str) -> str:
    """Return "cpu" or "cuda" for "auto", "cpu" or "cuda"; asks PyTorch only where a GPU may be."""
    if wanted != "auto":
        return wanted
    torch_version = version_of("torch") or ""
    if "+cpu" in torch_version or not Path("/proc/driver/nvidia").exists():
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def require_cuda() -> None:
    """Raise InputError with what is missing where PyTorch cannot use a CUDA device."""
    import torch

    if torch.cuda.is_available():
        return
    if torch.version.cuda is None:
        why = f"PyTorch {torch.__version__} is a build for CPUs: install one with CUDA"
    else:
        why = "PyTorch finds no CUDA device: `nvidia-smi` tells whether the driver does"
    raise InputError(f"device cuda is not to be had here: {why}, or use device cpu")

"""What a framework says of itself: `python -m paribus.probe NAME`, in a process of its own.

A framework takes seconds to import, and may hang or crash at it: `paribus doctor` asks all at once,
from outside.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from importlib import metadata
from typing import Any


def torch() -> dict[str, Any]:
    """Return PyTorch's version, accelerator and threads, and why it cannot have a GPU."""
    module = importlib.import_module("torch")
    device, why = None, ""
    if module.cuda.is_available():
        device = module.cuda.get_device_name()
    elif module.backends.mps.is_available():
        why = "Apple's GPU is there, but Paribus does not use it"
    elif module.version.cuda is None and module.version.hip is None:
        why = "this PyTorch is a build for CPUs"
    return _answer(module, device, why, device is not None, threads=module.get_num_threads())


def tensorflow() -> dict[str, Any]:
    """Return TensorFlow's version and accelerator, and why it cannot have one."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    module = importlib.import_module("tensorflow")
    device, why = None, ""
    if gpus := module.config.list_physical_devices("GPU"):
        device = module.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU")
    elif _installed("tensorflow-cpu"):
        why = "tensorflow-cpu has no GPU support"
    elif not module.test.is_built_with_gpu_support():
        why = "this TensorFlow is a build for CPUs"
    return _answer(module, device, why, device is not None)


def jax() -> dict[str, Any]:
    """Return JAX's version and accelerator, and why it cannot have one."""
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # else it takes most of the GPU's memory
    module = importlib.import_module("jax")
    first, why = module.devices()[0], ""
    if first.platform != "cpu":
        why = f"it uses {first.device_kind}"
        return _answer(module, first.device_kind, why, first.platform == "gpu")
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        why = "JAX_PLATFORMS allows only cpu"
    elif not any("cuda" in one.name for one in metadata.entry_points(group="jax_plugins")):
        why = "jaxlib without a CUDA plugin"
    return _answer(module, None, why, False)


def _answer(module: Any, device: str | None, why: str, cuda: bool, **more: int) -> dict[str, Any]:
    return {
        "version": module.__version__,
        "accelerator": device,
        "cuda": cuda,
        "why": why,
        **more,
    }


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    probes = {"torch": torch, "tensorflow": tensorflow, "jax": jax}
    print(json.dumps(probes[sys.argv[1]]()))

"""Controlled, replicated answers to small questions about training neural networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paribus.api import Comparison, Result, Study, compare
    from paribus.engines.checkpoints import load_model
    from paribus.errors import DataError, InputError, ParibusError, RunError, SpecError, StoreError

_HOMES = {
    "Study": "paribus.api",
    "Result": "paribus.api",
    "Comparison": "paribus.api",
    "compare": "paribus.api",
    "load_model": "paribus.engines.checkpoints",
    **dict.fromkeys(
        ["ParibusError", "InputError", "SpecError", "DataError", "StoreError", "RunError"],
        "paribus.errors",
    ),
}

__all__ = [
    "Comparison",
    "DataError",
    "InputError",
    "ParibusError",
    "Result",
    "RunError",
    "SpecError",
    "StoreError",
    "Study",
    "compare",
    "load_model",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import paribus` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'paribus' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

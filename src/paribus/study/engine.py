"""What trains a run: the engines by name, and what of them can change a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EngineName = Literal["stacked", "torch", "tensorflow", "jax"]


@dataclass(frozen=True)
class EngineId:
    """What trains, as far as it can change a result.

    `machine` counts for times alone, and is empty elsewhere.
    """

    name: str
    version: str
    device: str  # "cpu" or "cuda"
    machine: str = ""

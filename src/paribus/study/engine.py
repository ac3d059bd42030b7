"""What trains a run: the engines by name, and what of them can change a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

EngineName = Literal["stacked", "torch", "tensorflow", "jax"]


GRADIENT_TOLERANCE = 1e-5
"""How far apart the first loss and gradients of two engines may be, relative (`engines.proof`)."""

UPDATE_TOLERANCE = 5e-4
"""Of what the first steps change the weights by, relative: it tells constants of optimizers."""

LOSS_TOLERANCE = 1e-2
"""Of the mean loss of the first epoch, relative.

Rounding grows with every step: by RMSprop, a network with batch normalisation came out up to 0.3 %
from itself when its initial weights were moved by rounding alone.
"""

DEFAULTS: dict[EngineName, dict[str, Any]] = {
    "torch": {
        "model.init": "pytorch",
        "train.epsilon": 1e-8,
        "train.smoothing": 0.99,
        "train.batch_size": 64,
        "data.scaling": "symmetric",
    },
    "tensorflow": {
        "model.init": "glorot",
        "train.epsilon": 1e-7,
        "train.smoothing": 0.9,
        "train.batch_size": 32,
        "data.scaling": "unit",
    },
    "jax": {
        "model.init": "lecun",
        "train.epsilon": 1e-8,
        "train.smoothing": 0.9,
        "train.batch_size": 32,
        "data.scaling": "unit",
    },
}
"""What users of a framework get who say nothing: PyTorch, Keras, and Flax with Optax.

Where a framework has no default (batch size, scaling of images), it is that of its first tutorial.
"""


@dataclass(frozen=True)
class EngineId:
    """What trains, as far as it can change a result.

    `machine` counts for times alone, and is empty elsewhere.
    """

    name: str
    version: str
    device: str  # "cpu" or "cuda"
    machine: str = ""

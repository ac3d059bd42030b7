"""The work that a run is: floating-point operations and bytes, on any machine."""

from __future__ import annotations

from paribus.models.build import AnyNetwork

BYTES_PER_WEIGHT_STEP = 40
"""What a step moves for every weight: the weight, its gradient and two moments, read and written
as often as an update by Adam does it."""


def epoch_flops(network: AnyNetwork, rows: int) -> float:
    """Return the operations of training on so many rows once."""
    return float(network.training_flops()) * rows


def epoch_bytes(network: AnyNetwork, rows: int, batch_size: int) -> float:
    """Return the bytes that an epoch moves: weights at every step, activations of every row."""
    steps = -(-rows // batch_size)
    weights = BYTES_PER_WEIGHT_STEP * network.parameters * steps
    return float(weights + 3 * 4 * network.activations() * rows)

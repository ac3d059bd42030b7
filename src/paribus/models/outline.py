"""A network as its readers see it: its main layers, and what follows each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from paribus.models.layers import (
    Activation,
    AveragePool,
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
    Network,
    Residual,
    Shape,
    output_shape,
)


@dataclass(frozen=True)
class LayerSummary:
    """A layer that changes what it is given, with what is done to its outputs before the next."""

    kind: str  # "input", "dense", "conv 5×5", "max pool 2×2", "residual block"
    shape: Shape  # of one sample's outputs: (500,), or channels, height and width
    parameters: int  # trainable, those of its batch normalisation included
    then: tuple[str, ...] = ()  # "batch norm", "relu", "dropout 0.2", "flatten", in order


def outline(network: Network, dropout: float = 0.0) -> tuple[LayerSummary, ...]:
    """Return the main layers of a network in order, its input before them.

    A residual block counts as one; `dropout` is the rate, which is no part of a network.
    """
    own = _parameters(network)
    layers = [LayerSummary("input", network.input_shape, 0)]
    shape = network.input_shape
    for place, layer in enumerate(network.layers):
        shape = output_shape(layer, shape)
        match layer:
            case Flatten():
                then = "flatten"
            case Activation(function):
                then = function
            case BatchNorm():
                then = "batch norm"
            case Dropout():
                then = f"dropout {dropout:g}"
            case _:
                layers.append(LayerSummary(_kind(layer), shape, own[place]))
                continue
        last = layers[-1]
        count = last.parameters + own[place]
        layers[-1] = replace(last, parameters=count, then=(*last.then, then))
    return tuple(layers)


def _kind(layer: Layer) -> str:
    match layer:
        case Conv(_, _, kernel):
            strides = f", stride {layer.stride}" if layer.stride > 1 else ""
            return f"conv {kernel}×{kernel}{strides}"
        case MaxPool(size):
            return f"max pool {size}×{size}"
        case AveragePool():
            return "average pool"
        case Residual():
            return "residual block"
        case _:
            return "dense"


def _parameters(network: Network) -> list[int]:
    """Return the trainable parameters of each layer of the chain."""
    counts = [0] * len(network.layers)
    for name, shape in network.parameter_shapes().items():
        counts[int(name.partition(".")[0])] += math.prod(shape)
    return counts

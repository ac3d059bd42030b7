"""Initial weights, drawn by NumPy so that every engine starts from the same numbers."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from paribus.models.layers import BatchNorm, Conv, Dense, Network
from paribus.study.seeds import generator

Weights = dict[str, np.ndarray]


def initial_weights(network: Network, init: str, seed: int, block: int) -> Weights:
    """Return float32 initial values of every parameter, by name.

    `pytorch`: weights and biases uniform on ±1/√fan_in, PyTorch's default for dense and
    convolution layers. `glorot`: weights uniform on ±√(6/(fan_in + fan_out)) (Glorot and Bengio,
    2010), biases zero, as in Keras. Batch normalisation starts at weight 1, bias 0. The stream of
    a layer is named by its shape and its count among layers of that shape, so that arms of a
    block share the weights of every layer they have in common.
    """
    weights: Weights = {}
    seen: Counter[str] = Counter()
    for index, layer in enumerate(network.layers):
        match layer:
            case Dense(inputs, outputs):
                shape: tuple[int, ...] = (inputs, outputs)
                fan_in, fan_out, kind = inputs, outputs, "dense"
            case Conv(inputs, outputs, kernel):
                shape = (outputs, inputs, kernel, kernel)
                fan_in, fan_out, kind = inputs * kernel**2, outputs * kernel**2, "conv"
            case BatchNorm(features):
                weights[f"{index}.weight"] = np.ones(features, np.float32)
                weights[f"{index}.bias"] = np.zeros(features, np.float32)
                continue
            case _:
                continue
        name = f"{kind} {shape}"
        draw = generator(seed, f"weights {name} {seen[name]}", block)
        seen[name] += 1
        weight, bias = draw.uniform(-1, 1, shape), draw.uniform(-1, 1, outputs)
        limit = math.sqrt(6 / (fan_in + fan_out)) if init == "glorot" else 1 / math.sqrt(fan_in)
        weights[f"{index}.weight"] = (weight * limit).astype(np.float32)
        weights[f"{index}.bias"] = (bias * (0 if init == "glorot" else limit)).astype(np.float32)
    return weights

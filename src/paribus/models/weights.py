"""Initial weights, drawn by NumPy so that every engine starts from the same numbers."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from paribus.models.layers import BatchNorm, Conv, Dense, Network
from paribus.study.seeds import generator

Weights = dict[str, np.ndarray]

_CUT = 2.0
_CUT_SD = 0.87962566103423978
"""Standard deviation of a standard normal variable that is cut at ±2."""


def initial_weights(network: Network, init: str, seed: int, block: int) -> Weights:
    """Return float32 initial values of every parameter, by name.

    `pytorch`: weights and biases uniform on ±1/√fan_in, PyTorch's default for dense and
    convolution layers. `glorot`: weights uniform on ±√(6/(fan_in + fan_out)) (Glorot and Bengio,
    2010), biases zero, as in Keras. `lecun`: weights normal with variance 1/fan_in, cut at two
    standard deviations, biases zero, as in Flax. Batch normalisation starts at weight 1, bias 0.
    The stream of a layer is named by its shape and its count among layers of that shape, so that
    arms of a block share the weights of every layer they have in common.
    """
    weights: Weights = {}
    seen: Counter[str] = Counter()
    for place, layer in network.places().items():
        match layer:
            case Dense(inputs, outputs):
                shape: tuple[int, ...] = (inputs, outputs)
                fan_in, fan_out, kind = inputs, outputs, "dense"
            case Conv(inputs, outputs, kernel):
                shape = (outputs, inputs, kernel, kernel)
                fan_in, fan_out, kind = inputs * kernel**2, outputs * kernel**2, "conv"
            case BatchNorm(features):
                weights[f"{place}.weight"] = np.ones(features, np.float32)
                weights[f"{place}.bias"] = np.zeros(features, np.float32)
                continue
            case _:
                continue
        name = f"{kind} {shape}"
        draw = generator(seed, f"weights {name} {seen[name]}", block)
        seen[name] += 1
        weight, bias = draw.uniform(-1, 1, shape), draw.uniform(-1, 1, outputs)
        limit = 1 / math.sqrt(fan_in)
        if init == "glorot":
            limit = math.sqrt(6 / (fan_in + fan_out))
        elif init == "lecun":
            weight, limit = _cut_normal(weight), limit / _CUT_SD
        weights[f"{place}.weight"] = (weight * limit).astype(np.float32)
        if getattr(layer, "bias", True):
            start = limit if init == "pytorch" else 0.0
            weights[f"{place}.bias"] = (bias * start).astype(np.float32)
    return weights


def _cut_normal(uniform: np.ndarray) -> np.ndarray:
    """Turn numbers uniform on [-1, 1) into standard normal ones that are cut at ±2."""
    from scipy.special import ndtr, ndtri

    inside = ndtr(_CUT) - 0.5
    normal: np.ndarray = ndtri(0.5 + uniform * inside)
    return normal

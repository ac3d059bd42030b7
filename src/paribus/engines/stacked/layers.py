"""The forward pass of every layer on stacks: [member, batch, …] in, [member, batch, …] out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from paribus.models.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
)

_EPSILON = 1e-5
_MOMENTUM = 0.1
_VECTOR = 32  # numbers, two registers of AVX-512: what a vector loop takes at once

Tensors = Mapping[str, Tensor]


def forward(
    layers: Sequence[tuple[int, Layer]],
    parameters: Tensors,
    statistics: Tensors,
    x: Tensor,
    *,
    training: bool,
    masks: Mapping[int, Tensor],
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return the outputs [member, batch, outputs] of layers with their indices, fp32.

    `parameters` and `statistics` (running means and variances, updated when training) hold one
    tensor [member, …] per name; `masks` one [member, batch, units] per dropout layer, scaled to
    keep the mean, or nothing where no unit is dropped. Products, convolutions and what is handed
    from layer to layer have the `dtype`; products add up in fp32.
    """
    x = x.to(dtype)
    dense_ones = (n for n, (_, layer) in enumerate(layers) if isinstance(layer, Flatten | Dense))
    head = next(dense_ones, len(layers))
    if head and any(isinstance(layer, Conv) for _, layer in layers[:head]):
        spatial = _spatial_grouped if x.device.type == "cuda" else _spatial_by_member
        x = spatial(layers[:head], parameters, statistics, x, training)
        layers = layers[head:]
    for index, layer in layers:
        match layer:
            case Flatten():
                x = x.flatten(2)
            case Dense():
                weight, bias = (
                    parameters[f"{index}.{name}"].to(dtype) for name in ("weight", "bias")
                )
                x = dense(x, weight.contiguous(), bias)  # one layout: see `shared.transposed`
            case Activation("relu"):
                x = torch.relu_(x)  # in place: no layer before it needs what it put out
            case Activation(function):
                x = activation(function, x)
            case BatchNorm():
                x = _batch_norm(index, parameters, statistics, x, training)
            case Dropout():
                x = (x * masks[index]).to(dtype) if index in masks else x
            case _:
                raise TypeError(f"no stacked form of {layer}")
    return x.float()


def dense(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x @ weight + bias for each member: [m, b, i], [m, i, o], [m, o] to [m, b, o]."""
    if len(x) == 1 and 1 in weight.shape[1:]:
        # A product one wide becomes a matrix-vector product in a batch of one, with other
        # rounding: a twin keeps it in the kernel that larger stacks use.
        twins = [t.expand(2, *t.shape[1:]) for t in (x, weight, bias)]
        return torch.baddbmm(twins[2].unsqueeze(1), twins[0], twins[1])[:1]
    return torch.baddbmm(bias.unsqueeze(1), x, weight)


def activation(function: str, x: Tensor) -> Tensor:
    """Return an element-wise function of x."""
    match function:
        case "relu":
            return torch.relu(x)
        case "tanh":
            return torch.tanh(x)
        case "sigmoid":
            # Through tanh: torch.sigmoid rounds differently in its vector and scalar loops.
            return torch.tanh(x * 0.5) * 0.5 + 0.5
        case _:
            raise ValueError(f"unknown activation {function}")


def _batch_norm(
    index: int, parameters: Tensors, statistics: Tensors, x: Tensor, training: bool
) -> Tensor:
    """Normalise [member, batch, features] over the batch, each member by itself.

    All members' features stand side by side in one call of PyTorch's kernel. Each member's are
    filled up to whole vectors, so that a kernel's scalar remainder never falls on any of them.
    """
    members, rows, features = x.shape
    filler = -features % _VECTOR

    def side_by_side(t: Tensor) -> Tensor:
        return F.pad(t, (0, filler)).flatten(-2)

    if x.requires_grad:  # sums over the batch, of the bias before it, go by the strides
        x.register_hook(torch.Tensor.contiguous)  # type: ignore[no-untyped-call]
    names = ("running_mean", "running_var")
    kept = [statistics[f"{index}.{name}"] for name in names]
    mean, var = (side_by_side(t) for t in kept)
    y = torch.batch_norm(
        side_by_side(x.float().transpose(0, 1)),
        side_by_side(parameters[f"{index}.weight"]),
        side_by_side(parameters[f"{index}.bias"]),
        mean,
        var,
        training,
        _MOMENTUM,
        _EPSILON,
        cudnn_enabled=False,
    )
    if training:
        for statistic, moved in zip(kept, (mean, var), strict=True):
            statistic.copy_(moved.view(members, -1)[:, :features])
    apart = y.view(rows, members, -1)[..., :features].transpose(0, 1)
    return apart.to(x.dtype).contiguous()


def _spatial_grouped(
    layers: Sequence[tuple[int, Layer]],
    parameters: Tensors,
    statistics: Tensors,
    x: Tensor,
    training: bool,
) -> Tensor:
    """Run the convolutional part with all members' channels side by side: few, large kernels.

    [member, batch, channels, …] becomes [batch, member · channels, …], in which a convolution in
    groups, and batch normalisation by channel, keep members apart.
    """
    members = len(x)
    side_by_side = {name: t.flatten(0, 1) for name, t in parameters.items()}
    moved = {name: t.view(-1) for name, t in statistics.items()}
    y = x.transpose(0, 1).flatten(1, 2)
    y = _chain(layers, side_by_side, moved, y, training, groups=members)
    apart = y.view(len(y), members, -1, *y.shape[2:])
    return apart.transpose(0, 1).contiguous()


def _spatial_by_member(
    layers: Sequence[tuple[int, Layer]],
    parameters: Tensors,
    statistics: Tensors,
    x: Tensor,
    training: bool,
) -> Tensor:
    """Run the convolutional part member by member, which beats grouped convolution on CPUs.

    On a CPU it runs in the memory format of oneDNN where that has all the layers.
    """
    blocked = (
        x.device.type == "cpu"
        and x.dtype == torch.float32  # in which alone it can be trained
        and _onednn_does(x.dtype)
        and all(_in_onednn(layer) for _, layer in layers)
    )
    names = [n for i, _ in layers for n in (f"{i}.weight", f"{i}.bias") if n in parameters]
    # unbind, because its backward pass writes each gradient once; indexing would add up stacks
    by_member = zip(*(parameters[name].unbind(0) for name in names), strict=True)
    outputs = []
    for member, tensors in enumerate(by_member):
        own = dict(zip(names, tensors, strict=True))
        moved = {name: t[member] for name, t in statistics.items()}
        y = x[member].to_mkldnn() if blocked else x[member]
        y = _chain(layers, own, moved, y, training, groups=1)
        outputs.append(y.to_dense() if blocked else y)
    return torch.stack(outputs)


def _chain(
    layers: Sequence[tuple[int, Layer]],
    parameters: Tensors,
    statistics: Tensors,
    y: Tensor,
    training: bool,
    groups: int,
) -> Tensor:
    """Run convolutional layers on [batch, channels, height, width]."""
    for index, layer in _pooled_first(layers):
        match layer:
            case Conv():
                weight, bias = (
                    parameters[f"{index}.{name}"].to(y.dtype) for name in ("weight", "bias")
                )
                y = F.conv2d(y, weight, bias, groups=groups)
            case MaxPool(size):
                y = _max_pool(y, size)
            case Activation(function):
                y = activation(function, y)
            case BatchNorm():
                y = F.batch_norm(
                    y,
                    statistics[f"{index}.running_mean"],
                    statistics[f"{index}.running_var"],
                    parameters[f"{index}.weight"],
                    parameters[f"{index}.bias"],
                    training,
                    _MOMENTUM,
                    _EPSILON,
                )
            case _:
                raise TypeError(f"no spatial form of {layer}")
    return y


def _pooled_first(layers: Sequence[tuple[int, Layer]]) -> list[tuple[int, Layer]]:
    """Put max-pooling before the ReLU in front of it: the same numbers for a quarter of the work.

    Gradients too: where a pixel above zero is the largest, it is so before and after; where none
    is, all of them get zero.
    """
    ordered = list(layers)
    for here, ((_, before), (_, layer)) in enumerate(itertools.pairwise(layers)):
        if before == Activation("relu") and isinstance(layer, MaxPool):
            ordered[here : here + 2] = ordered[here + 1], ordered[here]
    return ordered


def _in_onednn(layer: Layer) -> bool:
    return isinstance(layer, Conv | MaxPool) or layer == Activation("relu")


def _max_pool(y: Tensor, size: int) -> Tensor:
    """Pool by oneDNN where that can be: it is twenty times as fast as PyTorch on plain arrays."""
    if y.is_mkldnn:
        return torch.mkldnn_max_pool2d(y, size, size)
    if y.device.type == "cpu" and _onednn_does(y.dtype):
        return torch.mkldnn_max_pool2d(y.to_mkldnn(), size, size).to_dense()
    return F.max_pool2d(y, size)


@cache
def _onednn_does(dtype: torch.dtype) -> bool:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

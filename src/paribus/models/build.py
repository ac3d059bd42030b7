"""From a model's configuration to its layers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from paribus.models.given import Given
from paribus.models.layers import (
    Activation,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
    Network,
    Residual,
    Shape,
    output_shape,
)
from paribus.models.own import OwnNetwork, own_network
from paribus.models.surfaces import SurfaceModel
from paribus.study.config import ModelConfig

_HIDDEN: dict[str, tuple[int, ...]] = {"mlp": (128,), "cnn": (120, 84)}

_RESNET_PIXELS = 16

AnyNetwork = Network | OwnNetwork | SurfaceModel


def network(
    model: ModelConfig,
    input_shape: Shape,
    outputs: int,
    given: Mapping[str, Given] = MappingProxyType({}),
) -> AnyNetwork:
    """Return the network that a configuration describes for inputs and outputs of given shape.

    Hidden layers are dense, activation, batch normalisation (before or after the activation) and
    dropout, in this order; a cnn has its convolutions (activation, batch normalisation, pooling)
    in front. The one output of a logistic model, which a numeric target has, goes through a
    sigmoid; those of classes are logits. `given` holds factories that no import finds, by name.
    Raises ValueError where the model does not fit the inputs.
    """
    if model.kind == "module":
        if model.factory is None:
            raise ValueError("model.factory is missing: package.module:name of your network")
        own = given.get(model.factory)
        return own_network(model.factory, model.arguments, input_shape, outputs, own)
    if model.kind == "surface":
        if model.surface is None:
            raise ValueError("model.surface is missing: saddle, say")
        return SurfaceModel(model.surface)
    layers: list[Layer] = []
    shape = input_shape
    if model.kind in ("cnn", "resnet18") and len(input_shape) != 3:
        raise ValueError(f"model.kind {model.kind} needs images (got a table): use mlp")
    if model.kind == "resnet18":
        return Network(input_shape, outputs, _resnet18(input_shape, outputs))
    if model.kind == "cnn":
        for number, block in enumerate(model.conv):
            if min(shape[1:]) < block.kernel:
                raise ValueError(
                    f"model.conv[{number}].kernel must be at most {min(shape[1:])} for what is "
                    f"left of the image there (got {block.kernel})"
                )
            part = [Conv(shape[0], block.channels, block.kernel), *_hidden(model, block.channels)]
            if block.pool > 1:
                part.append(MaxPool(block.pool))
            for layer in part:
                shape = output_shape(layer, shape)
            if min(shape[1:]) < 1:
                raise ValueError(
                    f"model.conv[{number}].pool must leave at least one pixel (got {block.pool})"
                )
            layers += part
    if len(shape) > 1:
        layers.append(Flatten())
        shape = output_shape(Flatten(), shape)
    hidden = hidden_units(model)
    if model.kind in ("linear", "logistic") and hidden:
        raise ValueError(
            f"model.hidden must be empty for a {model.kind} model (got {list(hidden)})"
        )
    width = shape[0]
    for units in hidden:
        layers += [Dense(width, units), *_hidden(model, units)]
        if model.dropout > 0:
            layers.append(Dropout())
        width = units
    layers.append(Dense(width, outputs))
    if model.kind == "logistic" and outputs == 1:
        layers.append(Activation("sigmoid"))
    return Network(input_shape, outputs, tuple(layers))


def _resnet18(input_shape: Shape, outputs: int) -> tuple[Layer, ...]:
    """Return the layers of ResNet-18 (He et al., 2016)."""
    if min(input_shape[1:]) < _RESNET_PIXELS:
        raise ValueError(
            f"model.kind resnet18 needs images of {_RESNET_PIXELS} pixels or more each way "
            f"(got {input_shape[1]} × {input_shape[2]})"
        )
    channels = 64
    layers: list[Layer] = [
        Conv(input_shape[0], channels, 7, stride=2, padding=3, bias=False),
        BatchNorm(channels),
        Activation("relu"),
        MaxPool(3, stride=2, padding=1),
    ]
    for wider in (64, 128, 256, 512):
        layers += [_basic_block(channels, wider), _basic_block(wider, wider)]
        channels = wider
    return (*layers, AveragePool(), Dense(channels, outputs))


def _basic_block(inputs: int, outputs: int) -> Residual:
    """Return two 3×3 convolutions and a way around; more channels go with half the pixels."""
    stride = 1 if inputs == outputs else 2
    body = (
        Conv(inputs, outputs, 3, stride, padding=1, bias=False),
        BatchNorm(outputs),
        Activation("relu"),
        Conv(outputs, outputs, 3, padding=1, bias=False),
        BatchNorm(outputs),
    )
    around = (Conv(inputs, outputs, 1, stride, bias=False), BatchNorm(outputs))
    return Residual(body, around if stride > 1 else ())


def hidden_units(model: ModelConfig) -> tuple[int, ...]:
    """Return the units of each hidden layer, by default those of the kind of model."""
    if model.width is not None:
        return (model.width,) * (model.depth or 1)
    return model.hidden if model.hidden is not None else _HIDDEN.get(model.kind, ())


def _hidden(model: ModelConfig, features: int) -> list[Layer]:
    act: list[Layer] = [] if model.activation == "none" else [Activation(model.activation)]
    match model.batch_norm:
        case "before":
            return [BatchNorm(features), *act]
        case "after":
            return [*act, BatchNorm(features)]
        case _:
            return act

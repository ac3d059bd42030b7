"""From a model's configuration to its layers."""

from __future__ import annotations

from paribus.models.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool,
    Network,
    Shape,
    output_shape,
)
from paribus.models.own import OwnNetwork, own_network
from paribus.study.config import ModelConfig

_HIDDEN: dict[str, tuple[int, ...]] = {"mlp": (128,), "cnn": (120, 84)}


AnyNetwork = Network | OwnNetwork


def network(model: ModelConfig, input_shape: Shape, outputs: int) -> AnyNetwork:
    """Return the network that a configuration describes for inputs and outputs of given shape.

    Hidden layers are dense, activation, batch normalisation (before or after the activation) and
    dropout, in this order; a cnn has its convolutions (activation, batch normalisation, pooling)
    in front. Raises ValueError where the model does not fit the inputs.
    """
    if model.kind == "module":
        if model.factory is None:
            raise ValueError("model.factory is missing: package.module:name of your network")
        return own_network(model.factory, model.arguments, input_shape, outputs)
    layers: list[Layer] = []
    shape = input_shape
    if model.kind == "cnn":
        if len(input_shape) != 3:
            raise ValueError("model.kind cnn needs images (got a table): use mlp")
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
    return Network(input_shape, outputs, tuple(layers))


def hidden_units(model: ModelConfig) -> tuple[int, ...]:
    """Return the units of each hidden layer, by default those of the kind of model."""
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

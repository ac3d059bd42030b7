"""Networks as ordinary PyTorch modules, and trained weights in and out of files."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import nn

from paribus.errors import DataError, StoreError
from paribus.models import layers as described
from paribus.models.build import AnyNetwork
from paribus.models.layers import Network
from paribus.models.own import OwnNetwork
from paribus.models.weights import Weights

_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def build(network: Network, dropout: float = 0.0) -> nn.Sequential:
    """Return a network as an `nn.Sequential`, with PyTorch's own initial weights."""
    parts: list[nn.Module] = []
    channels = len(network.input_shape) == 3
    for layer in network.layers:
        match layer:
            case described.Flatten():
                parts.append(nn.Flatten())
                channels = False
            case described.Dense(inputs, outputs):
                parts.append(nn.Linear(inputs, outputs))
            case described.Conv(inputs, outputs, kernel):
                parts.append(nn.Conv2d(inputs, outputs, kernel))
            case described.MaxPool(size):
                parts.append(nn.MaxPool2d(size))
            case described.Activation(function):
                parts.append(_ACTIVATIONS[function]())
            case described.BatchNorm(features):
                norm = nn.BatchNorm2d if channels else nn.BatchNorm1d
                parts.append(norm(features))
            case described.Dropout():
                parts.append(nn.Dropout(dropout))
    return nn.Sequential(*parts)


def state_dict(network: Network, weights: Weights) -> dict[str, torch.Tensor]:
    """Return weights as the `state_dict` of the module that `build` makes.

    Dense weights are [in, out] here and [out, in] there; absent running statistics are left out.
    """
    state = {}
    for name, array in weights.items():
        layer = network.layers[int(name.partition(".")[0])]
        if isinstance(layer, described.Dense) and name.endswith(".weight"):
            array = array.T
        state[name] = torch.from_numpy(np.ascontiguousarray(array))
    return state


def save_model(path: Path, network: AnyNetwork, dropout: float, weights: Weights) -> None:
    """Write a trained network to a safetensors file, whole or not at all; else StoreError."""
    if isinstance(network, OwnNetwork):
        held: dict[str, Any] = {"factory": network.factory, "arguments": network.arguments}
        tensors = weights
    else:
        described_layers = [{"kind": type(x).__name__, **asdict(x)} for x in network.layers]
        held = {
            "input_shape": network.input_shape,
            "outputs": network.outputs,
            "layers": described_layers,
            "dropout": dropout,
        }
        tensors = {name: t.numpy() for name, t in state_dict(network, weights).items()}
    about = {"format": "paribus-model-1", "network": json.dumps(held)}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial, metadata=about)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"the checkpoint {path} cannot be written ({error}): make room or free its folder; "
            f"the run itself is kept"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def load_model(path: str | Path) -> nn.Sequential:
    """Return the network of a checkpoint as an `nn.Sequential` in evaluation mode.

    Its inputs are scaled as the run's were (`data.scaling`). Raises DataError where the file is
    missing, or is no checkpoint of ours.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            about = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.get("format") != "paribus-model-1":
            raise DataError(f"{path} is not a checkpoint that Paribus wrote")
        held = json.loads(about["network"])
        if "factory" in held:  # a file must not decide what code runs
            raise DataError(
                f"{path} holds weights of {held['factory']}, a network of your own: make it, and "
                f"load_state_dict(safetensors.torch.load_file({str(path)!r}), strict=False)"
            )
        layers = tuple(getattr(described, one.pop("kind"))(**one) for one in held["layers"])
        network = Network(tuple(held["input_shape"]), held["outputs"], layers)
        module = build(network, held["dropout"])
        module.load_state_dict(state, strict=False)
    except FileNotFoundError as error:
        raise DataError(
            f"there is no checkpoint {path}: `paribus run STUDY --checkpoints` writes one per run"
        ) from error
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} is not a sound checkpoint: {error}") from error
    return module.eval()

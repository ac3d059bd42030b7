"""Trained networks in and out of safetensors files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import nn

from paribus.engines.torch import build, state_dict
from paribus.errors import DataError, StoreError
from paribus.models.build import AnyNetwork
from paribus.models.layers import Layer, Network
from paribus.models.own import OwnNetwork
from paribus.models.weights import Weights

_KINDS = {kind.__name__: kind for kind in get_args(Layer)}
"""What a file may ask for by its name."""


def save_model(path: Path, network: AnyNetwork, dropout: float, weights: Weights) -> None:
    """Write a trained network to a safetensors file, whole or not at all; else StoreError."""
    if isinstance(network, OwnNetwork):
        held: dict[str, Any] = {"factory": network.factory, "arguments": network.arguments}
        tensors = weights
    else:
        assert isinstance(network, Network)
        held = {
            "input_shape": network.input_shape,
            "outputs": network.outputs,
            "layers": [_written(layer) for layer in network.layers],
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
        layers = tuple(_read(one) for one in held["layers"])
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


def _written(layer: Layer) -> dict[str, Any]:
    """Return a layer as JSON-ready values; those within a residual block are lists of such."""
    values = {field.name: getattr(layer, field.name) for field in fields(layer)}
    inner = {
        name: [_written(one) for one in value]
        for name, value in values.items()
        if isinstance(value, tuple)
    }
    return {"kind": type(layer).__name__, **values, **inner}


def _read(written: Mapping[str, Any]) -> Layer:
    """Return the layer of such values."""
    values = {
        name: tuple(map(_read, value)) if isinstance(value, list) else value
        for name, value in written.items()
        if name != "kind"
    }
    made: Layer = _KINDS[written["kind"]](**values)
    return made

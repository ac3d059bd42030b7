"""JAX as its own users write it: pure functions of named parameters, Optax, a jitted train step."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from paribus.engines.base import Task
from paribus.engines.inputs import Inputs
from paribus.models import layers as described
from paribus.models.layers import Flatten, Layer, Network
from paribus.models.own import torch_seed
from paribus.models.weights import Weights, initial_weights
from paribus.study.config import TrainConfig

Arrays = dict[str, Array]

_ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}
_EPSILON, _MOMENTUM = 1e-5, 0.1  # of batch normalisation
_FULL = lax.Precision.HIGHEST  # a GPU would take TF32 for fp32 otherwise
_TEST_ROWS = 1000  # per pass


class State(NamedTuple):
    """What a train step turns into its successor; `total` is the loss of all rows in an epoch."""

    parameters: Arrays
    statistics: Arrays
    optimizer: Any
    steps: Array
    total: Array


class JaxLearner:
    """One network trained by JAX: see `base.Learner`.

    The data lies on the device, images with their channels last; batches are taken by index within
    the jitted step, and nothing waits for the device within an epoch. A step is compiled once for
    every size of batch.
    """

    def __init__(self, task: Task, inputs: Inputs):
        """Build the network with its initial weights, and place the data on the device."""
        train, network = task.config.train, task.network
        assert isinstance(network, Network)
        self.batch_size = train.batch_size
        weights = initial_weights(network, task.config.model.init, task.seed, task.block)
        self.device = _device(task.engine.device)
        with jax.default_device(self.device):
            parameters = {name: jnp.asarray(array) for name, array in weights.items()}
            rule = optimizer(train)
            state = State(
                parameters,
                initial_statistics(network),
                rule.init(parameters),
                jnp.zeros((), jnp.int32),
                jnp.zeros(()),
            )
            seed = torch_seed(task.seed, "dropout", task.block) % 2**32
            dropout_key = jax.random.key(seed)
        self.state, self.key = jax.device_put((state, dropout_key), self.device)
        self.x = {part: self._placed(_channels_last(network, x)) for part, x in inputs.x.items()}
        self.y = {part: self._placed(y) for part, y in inputs.y.items()}

        kind = train.loss or ""
        dropout = task.config.model.dropout

        def mean_loss(
            parameters: Arrays, statistics: Arrays, key: Array, x: Array, y: Array
        ) -> tuple[Array, Arrays]:
            outputs, statistics = apply(
                network.layers, parameters, statistics, x, key, dropout=dropout
            )
            return loss(kind, outputs, y), statistics

        def graded(state: State, key: Array, x: Array, y: Array, rows: Array) -> Any:
            key = jax.random.fold_in(key, state.steps)
            return jax.value_and_grad(mean_loss, has_aux=True)(
                state.parameters, state.statistics, key, x[rows], y[rows]
            )

        def step(state: State, key: Array, x: Array, y: Array, rows: Array) -> State:
            (value, statistics), gradients = graded(state, key, x, y, rows)
            updates, held = rule.update(gradients, state.optimizer, state.parameters)
            parameters = optax.apply_updates(state.parameters, updates)
            total = state.total + value * len(rows)
            return State(parameters, statistics, held, state.steps + 1, total)

        def outputs(state: State, x: Array, rows: Array) -> Array:
            return apply(network.layers, state.parameters, state.statistics, x[rows])[0]

        # A loop over steps, as users write it: `lax.scan` over an epoch takes 0.2 to 0.7 of its
        # time for dense networks on a CPU, but eleven times as long for convolutions.
        self._step = jax.jit(step, donate_argnums=0)
        self._graded = jax.jit(graded)
        self._outputs = jax.jit(outputs)

    def epoch(self, order: np.ndarray) -> float:
        """See `base.Learner`."""
        x, y = self.x["train"], self.y["train"]
        state = self.state._replace(total=self._placed(np.float32(0)))
        order = order.astype(np.int32)
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            state = self._step(state, self.key, x, y, rows)
        self.state = state
        return float(state.total) / len(order)  # waits for the device

    def outputs(self, part: str) -> np.ndarray:
        """See `base.Learner`."""
        x = self.x[part]
        rows = np.arange(len(x), dtype=np.int32)
        starts = range(0, len(x), _TEST_ROWS)
        found = [self._outputs(self.state, x, rows[i : i + _TEST_ROWS]) for i in starts]
        return np.concatenate(jax.device_get(found))

    def gradients(self, rows: np.ndarray) -> tuple[float, Weights]:
        """See `base.Learner`."""
        x, y = self.x["train"], self.y["train"]
        (value, _), found = self._graded(self.state, self.key, x, y, rows.astype(np.int32))
        return float(value), _copies(found)

    def weights(self) -> Weights:
        """See `base.Learner`."""
        return _copies(self.state.parameters | self.state.statistics)

    def gpu_memory(self) -> dict[str, float]:
        """Return the bytes that JAX holds on a GPU, now and at most; nothing on a CPU."""
        if self.device.platform == "cpu":
            return {}
        found = self.device.memory_stats()
        return {"gpu_allocated": found["bytes_in_use"], "gpu_peak": found["peak_bytes_in_use"]}

    def _placed(self, array: Any) -> Array:
        placed: Array = jax.device_put(array, self.device)
        return placed


def _device(name: str) -> Any:
    """Return a device, by its name; a process that asks for the CPU first stays on it."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if name == "cpu":
        config: Any = jax.config
        config.update("jax_platforms", "cpu")  # it would take memory of a GPU otherwise
    return jax.devices(name)[0]


def optimizer(train: TrainConfig) -> Any:
    """Return the optimizer of a configuration, with the arithmetic that PyTorch documents."""
    rate, decay = train.learning_rate, train.weight_decay
    momentum = train.momentum or None
    if train.optimizer == "adamw":
        return optax.adamw(rate, train.beta1, train.beta2, train.epsilon, weight_decay=decay)
    if train.optimizer == "adam":
        rule = optax.adam(rate, train.beta1, train.beta2, train.epsilon)
    elif train.optimizer == "rmsprop":
        rule = optax.rmsprop(
            rate, train.smoothing, train.epsilon, eps_in_sqrt=False, momentum=momentum
        )
    else:
        rule = optax.sgd(rate, momentum, train.nesterov)
    return optax.chain(optax.add_decayed_weights(decay), rule) if decay else rule


def initial_statistics(network: Network) -> Arrays:
    """Return the running means and variances of batch normalisation before any batch, by name."""
    held: Arrays = {}
    for place, layer in network.places().items():
        if isinstance(layer, described.BatchNorm):
            held[f"{place}.running_mean"] = jnp.zeros(layer.features)
            held[f"{place}.running_var"] = jnp.ones(layer.features)
    return held


def apply(
    layers: Iterable[Layer],
    parameters: Arrays,
    statistics: Arrays,
    x: Array,
    key: Array | None = None,
    *,
    dropout: float = 0.0,
    within: str = "",
) -> tuple[Array, Arrays]:
    """Return the outputs of layers and the statistics after them; a key means training mode."""
    for index, layer in enumerate(layers):
        place = f"{within}{index}"
        match layer:
            case described.Flatten():
                x = (x if x.ndim == 2 else jnp.moveaxis(x, -1, 1)).reshape(len(x), -1)
            case described.Dense():
                product = jnp.dot(x, parameters[f"{place}.weight"], precision=_FULL)
                x = product + parameters[f"{place}.bias"]
            case described.Conv(_, _, _, stride, padding, bias):
                x = lax.conv_general_dilated(
                    x,
                    parameters[f"{place}.weight"],
                    (stride, stride),
                    [(padding, padding)] * 2,
                    dimension_numbers=("NHWC", "OIHW", "NHWC"),
                    precision=_FULL,
                )
                x = x + parameters[f"{place}.bias"] if bias else x
            case described.MaxPool(size, _, padding):
                window, strides = (1, size, size, 1), (1, layer.step, layer.step, 1)
                around = [(0, 0), (padding, padding), (padding, padding), (0, 0)]
                x = lax.reduce_window(x, -jnp.inf, lax.max, window, strides, around)
            case described.AveragePool():
                x = x.mean((1, 2))
            case described.Activation(function):
                x = _ACTIVATIONS[function](x)
            case described.BatchNorm():
                x, statistics = _normalise(place, parameters, statistics, x, key is not None)
            case described.Dropout():
                if key is not None and dropout:
                    own = jax.random.fold_in(key, zlib.crc32(place.encode()))
                    kept = jax.random.bernoulli(own, 1 - dropout, x.shape)
                    x = jnp.where(kept, x / (1 - dropout), 0)
            case described.Residual(body, shortcut):
                inner = partial(apply, parameters=parameters, key=key, dropout=dropout)
                y, statistics = inner(body, statistics=statistics, x=x, within=f"{place}.body.")
                x, statistics = inner(
                    shortcut, statistics=statistics, x=x, within=f"{place}.shortcut."
                )
                x = jax.nn.relu(y + x)
    return x, statistics


def _normalise(
    place: str, parameters: Arrays, statistics: Arrays, x: Array, training: bool
) -> tuple[Array, Arrays]:
    """Normalise the last axis, by the batch in training and by the statistics otherwise."""
    mean, var = statistics[f"{place}.running_mean"], statistics[f"{place}.running_var"]
    if training:
        count = x.size // x.shape[-1]
        axes = tuple(range(x.ndim - 1))
        of_batch = x.mean(axes), x.var(axes)
        unbiased = of_batch[1] * (count / (count - 1))
        statistics = statistics | {
            f"{place}.running_mean": (1 - _MOMENTUM) * mean + _MOMENTUM * of_batch[0],
            f"{place}.running_var": (1 - _MOMENTUM) * var + _MOMENTUM * unbiased,
        }
        mean, var = of_batch
    x = (x - mean) * lax.rsqrt(var + _EPSILON)
    return x * parameters[f"{place}.weight"] + parameters[f"{place}.bias"], statistics


def loss(kind: str, outputs: Array, y: Array) -> Array:
    """Return the mean loss of outputs [rows, outputs] for class codes or numbers [rows]."""
    if kind == "mse":
        count = outputs.shape[1]
        wanted = y[:, None] if count == 1 else jax.nn.one_hot(y, count)
        return jnp.square(outputs - wanted).mean()
    if kind == "softmax-cross-entropy":
        outputs = jax.nn.softmax(outputs)
    of_rows: Array = optax.softmax_cross_entropy_with_integer_labels(outputs, y)
    return of_rows.mean()


def _channels_last(network: Network, x: np.ndarray) -> np.ndarray:
    """Turn images as convolutions take them here; flatten what is flattened first."""
    if isinstance(network.layers[0], Flatten):
        return x.reshape(len(x), -1)
    return np.moveaxis(x, 1, -1) if x.ndim == 4 else x


def _copies(arrays: Arrays) -> Weights:
    return {name: np.array(array) for name, array in arrays.items()}

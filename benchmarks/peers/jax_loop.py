"""JAX by hand: a jitted train step, called for every batch of rows.

By the training loops of https://docs.jax.dev/en/latest/notebooks/neural_network_with_tfds_data.html
and https://optax.readthedocs.io/en/latest/getting_started.html.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from benchmarks.peers.jax_vmap import Params, initial
from benchmarks.timing import Stopwatch, Timing
from benchmarks.workloads import Workload, arrays
from paribus.data import Dataset

PACKAGES = ("jax", "jaxlib", "optax")


def forward(params: Params, x: jax.Array) -> jax.Array:
    """Return the outputs for images [batch, height, width, 1]."""
    for layer in params[:-1]:
        if layer["weight"].ndim == 4:
            x = lax.conv_general_dilated(
                x, layer["weight"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = jax.nn.relu(x + layer["bias"])
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        else:
            x = jax.nn.relu(x.reshape(len(x), -1) @ layer["weight"] + layer["bias"])
    return x.reshape(len(x), -1) @ params[-1]["weight"] + params[-1]["bias"]


def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train one model."""
    images, labels = map(jnp.asarray, arrays(data))
    images = images.reshape(len(images), workload.side, workload.side, 1)
    params = initial(workload, jax.random.key(0))
    optimizer = getattr(optax, workload.optimizer)(workload.learning_rate)
    state = optimizer.init(params)

    def loss(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(forward(params, x), y).mean()

    @jax.jit
    def step(params: Params, state: Any, rows: jax.Array) -> tuple[Params, Any, jax.Array]:
        value, gradients = jax.value_and_grad(loss)(params, images[rows], labels[rows])
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    rng = np.random.default_rng(0)
    watch, mean = Stopwatch(), 0.0
    for _ in range(epochs):
        watch.start()
        order = rng.permutation(len(images))
        losses = []
        for start in range(0, len(order), workload.batch):
            params, state, value = step(params, state, order[start : start + workload.batch])
            losses.append(value)
        mean = float(jnp.stack(losses).mean())  # waits until the epoch is done
        watch.stop()
    return Timing(watch.seconds, 1, mean)

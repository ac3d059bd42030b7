"""JAX by hand: `vmap` over members and `lax.scan` over batches, one compiled program per epoch.

By https://docs.jax.dev/en/latest/automatic-vectorization.html, `jax.lax.scan` and `donate_argnums`
of the same documentation, with Optax for the optimizer (https://optax.readthedocs.io).
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from benchmarks.timing import Stopwatch, Timing
from benchmarks.workloads import CLASSES, STACK, Workload, arrays
from paribus.data import Dataset

PACKAGES = ("jax", "jaxlib", "optax")
Params = list[dict[str, jax.Array]]
KERNEL = 5


def initial(workload: Workload, key: jax.Array) -> Params:
    """Return one member's weights and biases, uniform on ±1/√fan_in."""
    shapes: list[tuple[int, ...]] = []
    channels, side = 1, workload.side
    for wider in workload.channels:
        shapes.append((KERNEL, KERNEL, channels, wider))
        channels, side = wider, (side - KERNEL + 1) // 2
    widths = [channels * side * side, *workload.hidden, CLASSES]
    shapes += itertools.pairwise(widths)
    params = []
    for shape, layer in zip(shapes, jax.random.split(key, len(shapes)), strict=True):
        limit = 1 / math.sqrt(math.prod(shape[:-1]))
        a, b = jax.random.split(layer)
        params.append(
            {
                "weight": jax.random.uniform(a, shape, minval=-limit, maxval=limit),
                "bias": jax.random.uniform(b, shape[-1:], minval=-limit, maxval=limit),
            }
        )
    return params


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return a convolution as one matrix product over patches.

    Under `vmap` over kernels it becomes a batched product; `lax.conv_general_dilated` becomes a
    grouped convolution there, which is far slower on a CPU.
    """
    side = x.shape[1] - KERNEL + 1
    shifts = [(i, j) for i in range(KERNEL) for j in range(KERNEL)]
    patches = jnp.concatenate([x[:, i : i + side, j : j + side] for i, j in shifts], axis=-1)
    return patches @ kernel.reshape(-1, kernel.shape[-1])


def loss(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return one member's mean loss on a batch of images [batch, height, width, 1]."""
    for layer in params:
        if layer["weight"].ndim == 4:
            x = jax.nn.relu(convolve(x, layer["weight"]) + layer["bias"])
            batch, side, _, channels = x.shape
            x = x.reshape(batch, side // 2, 2, side // 2, 2, channels).max((2, 4))
        else:
            x = x.reshape(len(x), -1) @ layer["weight"] + layer["bias"]
            x = x if layer is params[-1] else jax.nn.relu(x)
    return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()


def train(workload: Workload, data: Dataset, epochs: int, arms: int = 1) -> Timing:
    """Train a stack of [block, arm] members; the arms of a block share its batches."""
    blocks = STACK // arms
    images, labels = map(jnp.asarray, arrays(data))
    images = images.reshape(len(images), workload.side, workload.side, 1)
    keys = jax.random.split(jax.random.key(0), (blocks, arms))
    params = jax.vmap(jax.vmap(lambda key: initial(workload, key)))(keys)
    optimizer = getattr(optax, workload.optimizer)(workload.learning_rate)
    state = optimizer.init(params)  # element-wise: over the stack as over one member
    per_arm = jax.vmap(jax.value_and_grad(loss), in_axes=(0, None, None))
    gradients = jax.vmap(per_arm)

    def step(carry: Any, rows: jax.Array) -> tuple[Any, jax.Array]:
        params, state = carry
        losses, found = gradients(params, images[rows], labels[rows])
        updates, state = optimizer.update(found, state, params)
        return (optax.apply_updates(params, updates), state), losses.mean() * rows.shape[1]

    def epoch(params: Params, state: Any, order: jax.Array) -> tuple[Params, Any, jax.Array]:
        whole = order.shape[1] // workload.batch * workload.batch
        batches = order[:, :whole].reshape(blocks, -1, workload.batch).swapaxes(0, 1)
        carry, sums = lax.scan(step, (params, state), batches)
        total = sums.sum()
        if whole < order.shape[1]:  # the short batch at the end
            carry, last = step(carry, order[:, whole:])
            total += last
        return *carry, total / order.shape[1]

    run = jax.jit(epoch, donate_argnums=(0, 1))
    rng = np.random.default_rng(0)
    watch, loss_mean = Stopwatch(), 0.0
    for _ in range(epochs):
        watch.start()
        order = np.stack([rng.permutation(len(images)) for _ in range(blocks)])
        params, state, mean = run(params, state, order.astype(np.int32))
        loss_mean = float(mean)  # waits until the epoch is done
        watch.stop()
    return Timing(watch.seconds, blocks * arms, loss_mean)

"""How long a training step takes: overhead, FLOPs over a rate, bytes over a bandwidth.

The roofline's numbers (Williams et al., 2009) as a sum, with overhead: fitted to a few measured
steps, the model predicts others. Its times are predictions, not measurements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Annotated, TypeVar

import numpy as np
from pydantic import Field

from paribus.models.build import AnyNetwork
from paribus.models.layers import Conv, Dense, Flatten, Layer, Network, Residual, output_shape
from paribus.study.config import TrainConfig

Size = TypeVar("Size")

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]

_BYTES = 4  # of a number
_TESTED = 1000  # rows per pass


@dataclass(frozen=True)
class Work:
    """What one step costs on paper, all members of a stack together.

    `layers` are those that compute something. `edges` are FLOPs over the smallest side of their
    matrix product: thin products have more of them for the same FLOPs. `weights` are the bytes
    moved of weights, gradients and the optimizer's state, `activations` those of what layers put
    out. `extra` members are those of a stack beyond the first.
    """

    layers: float
    extra: float
    flops: float
    edges: float
    weights: float
    activations: float


@dataclass(frozen=True)
class CostModel:
    """Seconds of a step: its overhead, and what each part of its `Work` takes; none below 0.

    A byte of weights beyond `cache`, the bytes that the processor keeps near, takes longer.
    """

    step: Amount
    layer: Amount
    member: Amount
    flop: Amount
    edge: Amount
    weight_byte: Amount
    activation_byte: Amount
    byte_beyond: Amount
    cache: Amount

    def seconds(self, work: Work) -> float:
        """Return how long a step of this work takes."""
        return float(np.dot(_row(work, self.cache), astuple(self)[:-1]))


_COEFFICIENTS = len(fields(CostModel)) - 1


def fit(works: Sequence[Work], seconds: Sequence[float], cache: float) -> CostModel:
    """Return the model whose relative errors over measured steps are least, in least squares.

    Raises ValueError where there are fewer steps than coefficients, or times that are not above 0.
    """
    from scipy.optimize import nnls

    measured = np.asarray(seconds, float)
    if len(works) != len(measured):
        raise ValueError(f"{len(works)} works do not go with {len(measured)} times")
    if len(works) < _COEFFICIENTS:
        raise ValueError(f"a fit needs {_COEFFICIENTS} steps or more (got {len(works)})")
    if not (np.isfinite(measured).all() and (measured > 0).all()):
        raise ValueError("times must be numbers above 0")
    rows = np.array([_row(work, cache) for work in works]) / measured[:, None]
    scale = rows.max(0)  # columns of one size: FLOPs are many, layers few
    scale[scale == 0] = 1
    found, _ = nnls(rows / scale, np.ones(len(rows)))
    return CostModel(*[*(found / scale).tolist(), float(cache)])


def overtakes(
    a: CostModel, b: CostModel, work: Callable[[Size], Work], sizes: Iterable[Size]
) -> Size | None:
    """Return the first of ascending sizes from which on b is faster than a; None if it never is."""
    first = None
    for size in sizes:
        one = work(size)
        if b.seconds(one) >= a.seconds(one):
            first = None
        elif first is None:
            first = size
    return first


def step_work(network: AnyNetwork, rows: int, train: TrainConfig, members: int = 1) -> Work:
    """Return the work of training on a batch of so many rows."""
    return Work(
        _layers(network),
        members - 1,
        members * rows * network.training_flops(),
        members * 3 * _edges(network, rows),
        members * network.parameters * _BYTES * _moved(train),
        members * network.activations() * rows * _BYTES * 3,
    )


def evaluation_work(network: AnyNetwork, rows: int, members: int = 1) -> Work:
    """Return the work of testing on a batch of so many rows: a forward pass."""
    return Work(
        _layers(network) / 3,
        0,
        members * rows * network.flops(),
        members * _edges(network, rows),
        members * network.parameters * _BYTES,
        members * network.activations() * rows * _BYTES,
    )


def epoch_seconds(
    model: CostModel, network: AnyNetwork, rows: int, train: TrainConfig, members: int = 1
) -> float:
    """Return how long an epoch of training on so many rows takes, the short last batch included."""
    full, left = divmod(rows, train.batch_size)
    seconds = full * model.seconds(step_work(network, train.batch_size, train, members))
    return seconds + (model.seconds(step_work(network, left, train, members)) if left else 0.0)


def evaluation_seconds(model: CostModel, network: AnyNetwork, rows: int, members: int = 1) -> float:
    """Return how long testing on so many rows takes."""
    full, left = divmod(rows, _TESTED)
    seconds = full * model.seconds(evaluation_work(network, _TESTED, members))
    return seconds + (model.seconds(evaluation_work(network, left, members)) if left else 0.0)


def _row(work: Work, cache: float) -> tuple[float, ...]:
    return (1.0, *astuple(work), max(0.0, work.weights - cache))


def _moved(train: TrainConfig) -> int:
    """Return how many numbers a step moves for every weight.

    The weight is read forwards and backwards, its gradient written and read; the rest is the
    optimizer's: weight and state, read and written. RMSprop, which is not fused, moves more.
    """
    momentum = train.momentum > 0
    match train.optimizer:
        case "sgd":
            return 8 if momentum else 6
        case "rmsprop":
            return 20 if momentum else 16
        case _:
            return 10


def _layers(network: AnyNetwork) -> float:
    if isinstance(network, Network):
        idle = (Flatten, Residual)
        return sum(not isinstance(layer, idle) for layer in network.places().values())
    return network.depth


def _edges(network: AnyNetwork, rows: int) -> float:
    """Return the FLOPs of a forward pass, each product's over its smallest side."""
    if not isinstance(network, Network):  # whose products are not known: as thin as the batch
        return float(network.flops())
    return sum(
        2.0 * m * k * n / min(m, k, n)
        for m, k, n in _products(network.layers, network.input_shape, rows)
    )


def _products(
    layers: Sequence[Layer], shape: tuple[int, ...], rows: int
) -> Iterator[tuple[int, int, int]]:
    """Yield the sides of every matrix product; a convolution is one over all its places."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from _products(layer.body, shape, rows)
            yield from _products(layer.shortcut, shape, rows)
        shape = output_shape(layer, shape)
        match layer:
            case Dense(inputs, outputs):
                yield rows, inputs, outputs
            case Conv(inputs, outputs, kernel):
                yield rows * math.prod(shape[1:]), inputs * kernel * kernel, outputs

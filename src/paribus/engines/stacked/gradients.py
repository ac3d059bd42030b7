"""What gradients and activations are like during training: norms, inactive units, noise.

They are measured on a probe: rows drawn from the training part once for each block, in batches, in
training mode. Nothing that the training keeps or draws is touched.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from paribus.engines.base import Task
from paribus.engines.stacked.batches import Batches, DropoutMasks
from paribus.engines.stacked.layers import forward
from paribus.engines.stacked.metrics import Pass
from paribus.engines.stacked.model import LayeredModel, Model
from paribus.models.layers import Activation, Conv, Dense, Network
from paribus.study.rows import PROBE_BATCH, PROBE_ROWS
from paribus.study.seeds import generator

_FLAT = 0.01
"""Share of a function's steepest slope below which a unit is inactive."""

Gradients = Callable[[Tensor, Mapping[int, Tensor]], tuple[Pass, Mapping[str, Tensor]]]
"""Returns the gradients of a batch by name, as `Stack.gradients` does."""


class Probe:
    """Rows of each block on which its members are measured, the same after every epoch."""

    def __init__(
        self, tasks: Sequence[Task], batches: Batches, dropout: DropoutMasks, model: Model
    ):
        """Draw the rows: up to 20 batches of 100. Raises ValueError for an own network."""
        network = tasks[0].network
        if not isinstance(model, LayeredModel) or not isinstance(network, Network):
            raise ValueError("gradients are not measured for a network of your own")
        self.batches, self.dropout, self.model = batches, dropout, model
        layers = network.layers
        self.weights = [f"{i}.weight" for i, x in enumerate(layers) if isinstance(x, Dense | Conv)]
        self.functions = [
            (i, x.function) for i, x in enumerate(layers) if isinstance(x, Activation)
        ]
        rows = batches.rows["train"].expand(len(batches.blocks), -1).cpu().numpy()
        count = min(PROBE_ROWS, rows.shape[1]) // PROBE_BATCH * PROBE_BATCH
        drawn = [
            generator(batches.seed, "gradient probe", block).permutation(own)[:count]
            for block, own in zip(batches.blocks, rows, strict=True)
        ]
        self.rows = torch.from_numpy(np.stack(drawn)).to(batches.device)

    def measure(self, gradients: Gradients) -> dict[str, np.ndarray]:
        """Return what is measured by name, float64 [member] each.

        `gradient_norm_1`, … are Euclidean norms of the mean gradient of each layer's weights;
        `inactive_1`, … shares of the activations of each hidden layer whose slope is below 1 % of
        the function's steepest (those of a linear layer never are). `inactive_share` is the mean
        over the hidden layers, nan without any; `gradient_ratio` the first norm over the last;
        `gradient_noise` that of `noise_scale`, with biases and batch normalisation.
        """
        total: dict[str, Tensor] = {}
        small: list[Tensor] = []
        inactive: list[Tensor] = []
        with _left_alone(self.model):
            for number, rows in enumerate(torch.split(self.rows, PROBE_BATCH, 1)):
                masks = self.dropout.draw("gradient probe", number, PROBE_BATCH)
                _, found = gradients(rows, masks)
                small.append(_total(map(_squares, found.values())))
                for name, gradient in found.items():
                    total[name] = total[name].add_(gradient) if number else gradient.clone()
                inactive.append(self._inactive(rows, masks))
        count = len(small)
        large = {name: _squares(gradient) / count**2 for name, gradient in total.items()}
        norms = [large[name].sqrt() for name in self.weights]
        hidden = _total(inactive) / count  # [hidden layer, member]
        measured = {f"gradient_norm_{i}": norm for i, norm in enumerate(norms, 1)}
        measured |= {f"inactive_{i}": share for i, share in enumerate(hidden, 1)}
        measured["gradient_ratio"] = norms[0] / norms[-1]
        nothing = torch.full_like(norms[0], torch.nan)
        measured["inactive_share"] = _total(hidden) / len(hidden) if len(hidden) else nothing
        trace, square = noise(_total(small) / count, _total(large.values()), PROBE_BATCH, count)
        measured["gradient_noise"] = torch.where(square > 0, trace / square, torch.nan)
        return {name: values.cpu().numpy() for name, values in measured.items()}

    @torch.no_grad()
    def _inactive(self, rows: Tensor, masks: Mapping[int, Tensor]) -> Tensor:
        """Return the share of inactive units of a batch, float64 [hidden layer, member]."""
        hidden = len(self.weights) - 1
        shares = torch.zeros(hidden, self.batches.members, dtype=torch.float64, device=rows.device)
        inputs = self.batches.each(self.batches.gather(rows)[0])
        for place, (index, function) in enumerate(self.functions):
            y = forward(
                self.model.layers[: index + 1],
                self.model.parameters,
                self.model.statistics,
                inputs,
                training=True,
                masks=masks,
                dtype=self.model.dtype,
            ).flatten(1)
            shares[place] = (_slope(function, y) < _FLAT).sum(1).double() / y.shape[1]
        return shares


def noise(small: Tensor, large: Tensor, rows: int, batches: int) -> tuple[Tensor, Tensor]:
    """Return unbiased estimates of tr Σ, the variance of a row's gradient, and of |G|².

    `small` is the mean squared norm of the gradients of so many `batches` of so many `rows`,
    `large` that of their mean; tr Σ / |G|² is the simple noise scale (McCandlish et al., 2018).
    """
    square = (batches * large - small) / (batches - 1)
    trace = (small - large) * rows * batches / (batches - 1)
    return trace, square


def _slope(function: str, y: Tensor) -> Tensor:
    """Return the slope of a function where it has the value y, as a share of its steepest."""
    match function:
        case "relu":
            return (y > 0).float()
        case "tanh":
            return 1 - y * y
        case "sigmoid":
            return 4 * y * (1 - y)
        case _:
            raise ValueError(f"unknown activation {function}")


def _squares(stacked: Tensor) -> Tensor:
    """Return the sum of squares of each member, float64 [member]."""
    if stacked.device.type != "cpu":
        return stacked.double().square().flatten(1).sum(1)
    # One by one, in one layout: else the order of a sum goes by the rest of the stack.
    return torch.stack([own.contiguous().double().square().sum() for own in stacked])


def _total(parts: Iterable[Tensor]) -> Tensor:
    """Return the sum in the order of the parts, whatever their shape."""
    return functools.reduce(torch.add, parts)


@contextmanager
def _left_alone(model: Model) -> Iterator[None]:
    """Put back the statistics and random states that passes in training mode move."""
    before = {name: t.clone() for name, t in model.statistics.items()}
    random = model.random
    try:
        yield
    finally:
        for name, statistic in model.statistics.items():
            statistic.copy_(before[name])
        model.random = random

"""The layers of a network, described without any framework: shapes, parameters, FLOPs.

Every engine builds its own network from this description. Parameters are named by the layer's
place, as in `torch.nn.Sequential`: "1.weight", and "4.body.0.weight" within a residual block. Dense
weights are held as [in, out], convolution kernels as [out, in, height, width].
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Flatten:
    """Any shape to one axis of features."""


@dataclass(frozen=True)
class Dense:
    """A fully connected layer."""

    inputs: int
    outputs: int


@dataclass(frozen=True)
class Conv:
    """A square convolution; `padding` zeros are put on every side."""

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True


@dataclass(frozen=True)
class MaxPool:
    """Max-pooling over squares of `size`, incomplete squares dropped; stride `size` if not set."""

    size: int
    stride: int = 0
    padding: int = 0

    @property
    def step(self) -> int:
        """The stride."""
        return self.stride or self.size


@dataclass(frozen=True)
class AveragePool:
    """The mean of each channel over the whole image, as one axis of features."""


@dataclass(frozen=True)
class Activation:
    """An element-wise function: relu, tanh or sigmoid."""

    function: str


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation over features or channels (Ioffe and Szegedy, 2015).

    Epsilon 1e-5 and momentum 0.1, as PyTorch's default; the running variance is the unbiased one.
    """

    features: int


@dataclass(frozen=True)
class Dropout:
    """Inverted dropout (Srivastava et al., 2014); the rate belongs to the run, not the shape."""


@dataclass(frozen=True)
class Residual:
    """A chain of layers with a way around it: relu(body(x) + shortcut(x)) (He et al., 2016).

    An empty shortcut hands its input on as it is.
    """

    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


Layer = Flatten | Dense | Conv | MaxPool | AveragePool | Activation | BatchNorm | Dropout | Residual


@dataclass(frozen=True)
class Network:
    """A chain of layers from inputs of `input_shape` to `outputs` numbers."""

    input_shape: Shape
    outputs: int
    layers: tuple[Layer, ...]

    def parameter_shapes(self) -> dict[str, Shape]:
        """Return the shape of every trainable parameter by its name, in order."""
        shapes: dict[str, Shape] = {}
        for place, layer in self.places().items():
            match layer:
                case Dense(inputs, outputs):
                    shapes[f"{place}.weight"] = (inputs, outputs)
                    shapes[f"{place}.bias"] = (outputs,)
                case Conv(inputs, outputs, kernel):
                    shapes[f"{place}.weight"] = (outputs, inputs, kernel, kernel)
                    if layer.bias:
                        shapes[f"{place}.bias"] = (outputs,)
                case BatchNorm(features):
                    shapes[f"{place}.weight"] = (features,)
                    shapes[f"{place}.bias"] = (features,)
        return shapes

    def places(self) -> dict[str, Layer]:
        """Return every layer by its place, those within residual blocks after their block."""
        return dict(_places(self.layers))

    @property
    def depth(self) -> int:
        """The number of layers, those within residual blocks counted too."""
        return len(self.places())

    @property
    def normalises_batches(self) -> bool:
        """Whether it has batch normalisation."""
        return any(isinstance(layer, BatchNorm) for layer in self.places().values())

    @property
    def is_chain(self) -> bool:
        """Whether it has no residual blocks: what the stacked engine can train."""
        return not any(isinstance(layer, Residual) for layer in self.layers)

    def one_by_one(self, device: str) -> str:
        """Return why its runs are trained one by one on a device: nothing, they are stacked."""
        return ""

    @property
    def parameters(self) -> int:
        """The number of trainable parameters."""
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def flops(self) -> int:
        """Return the floating-point operations of one sample's forward pass (matrix work only)."""
        return sum(size.flops for size in self._sizes())

    def training_flops(self) -> int:
        """Return those of one sample's forward and backward pass.

        A backward pass costs a layer twice its forward pass, for the gradients of its weights and
        of its inputs; the inputs of the first layer need none.
        """
        by_layer = [size.flops for size in self._sizes() if size.flops]
        return 3 * sum(by_layer) - by_layer[0]

    def activations(self) -> int:
        """Return the numbers that all layers together put out for one sample."""
        return sum(size.numbers for size in self._sizes())

    def _sizes(self) -> list[_Size]:
        return list(_sizes(self.layers, self.input_shape))

    @property
    def dropout_shapes(self) -> Mapping[int, int]:
        """The number of units that each dropout layer acts on, by the layer's place."""
        shapes, shape = {}, self.input_shape
        for index, layer in enumerate(self.layers):
            shape = output_shape(layer, shape)
            if isinstance(layer, Dropout):
                shapes[index] = math.prod(shape)
        return shapes

    def summary(self) -> str:
        """Return the widths from input to output: 784-500-10, or conv parts before them.

        A function that the outputs go through stands behind them.
        """
        spatial: list[str] = []
        widths: list[int] = []
        for layer in self.layers:
            match layer:
                case Conv(_, outputs, kernel):
                    spatial.append(f"conv {outputs} of {kernel}×{kernel}")
                case Residual(body):
                    channels = next(x.outputs for x in body if isinstance(x, Conv))
                    spatial.append(f"block of {channels}")
                case MaxPool(size):
                    spatial.append(f"pool {size}")
                case Dense(inputs, outputs):
                    widths += [outputs] if widths else [inputs, outputs]
        last = self.layers[-1]
        bounds = [last.function] if isinstance(last, Activation) else []
        return ", ".join([*spatial, "-".join(map(str, widths)), *bounds])


def _places(layers: Sequence[Layer], prefix: str = "") -> Iterator[tuple[str, Layer]]:
    for index, layer in enumerate(layers):
        yield f"{prefix}{index}", layer
        if isinstance(layer, Residual):
            yield from _places(layer.body, f"{prefix}{index}.body.")
            yield from _places(layer.shortcut, f"{prefix}{index}.shortcut.")


class _Size(NamedTuple):
    """What one layer computes and puts out for one sample."""

    flops: int
    numbers: int


def _sizes(layers: Sequence[Layer], shape: Shape) -> Iterator[_Size]:
    """Yield the size of every layer, those within residual blocks before their block."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from _sizes(layer.body, shape)
            yield from _sizes(layer.shortcut, shape)
        shape = output_shape(layer, shape)
        flops = 0
        match layer:
            case Dense(inputs, outputs):
                flops = 2 * inputs * outputs
            case Conv(inputs, _, kernel):
                flops = 2 * inputs * kernel * kernel * math.prod(shape)
        yield _Size(flops, math.prod(shape))


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """Return the shape that a layer makes of an input shape (without the batch axis)."""
    match layer:
        case Flatten():
            return (math.prod(shape),)
        case Dense(_, outputs):
            return (outputs,)
        case Conv(_, outputs, kernel, stride, padding):
            return (outputs, *((n + 2 * padding - kernel) // stride + 1 for n in shape[1:]))
        case MaxPool(size, _, padding):
            return (shape[0], *((n + 2 * padding - size) // layer.step + 1 for n in shape[1:]))
        case AveragePool():
            return shape[:1]
        case Residual(body):
            for inner in body:
                shape = output_shape(inner, shape)
            return shape
        case _:
            return shape

"""The layers of a network, described without any framework: shapes, parameters, FLOPs.

Every engine builds its own network from this description. Parameters are named by the layer's
place, as in `torch.nn.Sequential`: "1.weight". Dense weights are held as [in, out], convolution
kernels as [out, in, height, width].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

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
    """A square convolution, stride 1, no padding."""

    inputs: int
    outputs: int
    kernel: int


@dataclass(frozen=True)
class MaxPool:
    """Max-pooling over squares of `size`, stride `size`, incomplete squares dropped."""

    size: int


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


Layer = Flatten | Dense | Conv | MaxPool | Activation | BatchNorm | Dropout


@dataclass(frozen=True)
class Network:
    """A chain of layers from inputs of `input_shape` to `outputs` numbers."""

    input_shape: Shape
    outputs: int
    layers: tuple[Layer, ...]

    def parameter_shapes(self) -> dict[str, Shape]:
        """Return the shape of every trainable parameter by its name, in order."""
        shapes: dict[str, Shape] = {}
        for index, layer in enumerate(self.layers):
            match layer:
                case Dense(inputs, outputs):
                    shapes[f"{index}.weight"] = (inputs, outputs)
                    shapes[f"{index}.bias"] = (outputs,)
                case Conv(inputs, outputs, kernel):
                    shapes[f"{index}.weight"] = (outputs, inputs, kernel, kernel)
                    shapes[f"{index}.bias"] = (outputs,)
                case BatchNorm(features):
                    shapes[f"{index}.weight"] = (features,)
                    shapes[f"{index}.bias"] = (features,)
        return shapes

    @property
    def depth(self) -> int:
        """The number of layers."""
        return len(self.layers)

    @property
    def normalises_batches(self) -> bool:
        """Whether it has batch normalisation."""
        return any(isinstance(layer, BatchNorm) for layer in self.layers)

    def one_by_one(self, device: str) -> str:
        """Return why its runs are trained one by one on a device: nothing, they are stacked."""
        return ""

    @property
    def parameters(self) -> int:
        """The number of trainable parameters."""
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def flops(self) -> int:
        """Return the floating-point operations of one sample's forward pass (matrix work only)."""
        return sum(self._flops_by_layer())

    def training_flops(self) -> int:
        """Return those of one sample's forward and backward pass.

        A backward pass costs a layer twice its forward pass, for the gradients of its weights and
        of its inputs; the inputs of the first layer need none.
        """
        by_layer = self._flops_by_layer()
        return 3 * sum(by_layer) - by_layer[0]

    def _flops_by_layer(self) -> list[int]:
        """Return the operations of each dense and convolution layer, in order."""
        found, shape = [], self.input_shape
        for layer in self.layers:
            shape = output_shape(layer, shape)
            match layer:
                case Dense(inputs, outputs):
                    found.append(2 * inputs * outputs)
                case Conv(inputs, outputs, kernel):
                    found.append(2 * inputs * kernel * kernel * math.prod(shape))
        return found

    def activations(self) -> int:
        """Return the numbers that all layers together put out for one sample."""
        total, shape = 0, self.input_shape
        for layer in self.layers:
            shape = output_shape(layer, shape)
            total += math.prod(shape)
        return total

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
        """Return the widths from input to output: 784-500-10, or conv parts before them."""
        spatial: list[str] = []
        widths: list[int] = []
        for layer in self.layers:
            match layer:
                case Conv(_, outputs, kernel):
                    spatial.append(f"conv {outputs} of {kernel}×{kernel}")
                case MaxPool(size):
                    spatial.append(f"pool {size}")
                case Dense(inputs, outputs):
                    widths += [outputs] if widths else [inputs, outputs]
        return ", ".join([*spatial, "-".join(map(str, widths))])


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """Return the shape that a layer makes of an input shape (without the batch axis)."""
    match layer:
        case Flatten():
            return (math.prod(shape),)
        case Dense(_, outputs):
            return (outputs,)
        case Conv(_, outputs, kernel):
            return (outputs, shape[1] - kernel + 1, shape[2] - kernel + 1)
        case MaxPool(size):
            return (shape[0], shape[1] // size, shape[2] // size)
        case _:
            return shape

"""PyTorch as its own users write it: an `nn.Module`, `torch.optim` and a loop over batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paribus.engines.base import Task
from paribus.engines.inputs import Inputs
from paribus.models import layers as described
from paribus.models.layers import Layer, Network
from paribus.models.own import OwnNetwork, torch_seed
from paribus.models.weights import Weights, initial_weights
from paribus.study.config import TrainConfig

_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
_TEST_ROWS = 1000  # per pass


class TorchLearner:
    """One network trained by PyTorch: see `base.Learner`.

    The data lies on the device, batches are taken by index, and nothing waits for the device
    within an epoch: the loop of PyTorch's own tuning guide.
    """

    def __init__(self, task: Task, inputs: Inputs):
        """Build the network with its initial weights, and place the data on the device."""
        train, self.network = task.config.train, task.network
        self.device = torch.device(task.engine.device)
        torch.set_flush_denormal(True)
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = train.precision == "tf32"
            torch.backends.cudnn.allow_tf32 = train.precision == "tf32"
        self.bf16 = train.precision == "bf16"
        if isinstance(task.network, OwnNetwork):
            self.module = task.network.make(task.seed, task.block)
        else:
            assert isinstance(task.network, Network)
            self.module = build(task.network, task.config.model.dropout)
            weights = initial_weights(task.network, task.config.model.init, task.seed, task.block)
            self.module.load_state_dict(state_dict(task.network, weights), strict=False)
        self.module.to(self.device)
        torch.manual_seed(torch_seed(task.seed, "dropout", task.block))
        self.optimizer = optimizer(train, self.module.parameters())
        self.batch_size, self.kind = train.batch_size, train.loss
        self.x = {part: torch.from_numpy(x).to(self.device) for part, x in inputs.x.items()}
        self.y = {part: torch.from_numpy(y).to(self.device) for part, y in inputs.y.items()}

    def epoch(self, order: np.ndarray) -> float:
        """See `base.Learner`."""
        x, y = self.x["train"], self.y["train"]
        self.module.train()
        total = torch.zeros((), device=self.device)
        for rows in torch.split(torch.from_numpy(order).to(self.device), self.batch_size):
            loss = self._loss(x[rows], y[rows])
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            self.optimizer.step()
            total += loss.detach() * len(rows)
        return total.item() / len(order)  # waits for the device

    @torch.no_grad()
    def outputs(self, part: str) -> np.ndarray:
        """See `base.Learner`."""
        self.module.eval()
        found = [self._outputs(x) for x in torch.split(self.x[part], _TEST_ROWS)]
        return torch.cat(found).cpu().numpy()

    def gradients(self, rows: np.ndarray) -> tuple[float, Weights]:
        """See `base.Learner`."""
        self.module.train()
        kept = {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        at = torch.from_numpy(rows).to(self.device)
        loss = self._loss(self.x["train"][at], self.y["train"][at])
        names, parameters = zip(*self.module.named_parameters(), strict=True)
        found = dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))
        for name, buffer in self.module.named_buffers():  # batch normalisation has moved its own
            buffer.copy_(kept[name])
        return loss.item(), self._named(found)

    def weights(self) -> Weights:
        """See `base.Learner`."""
        held: dict[str, Tensor] = dict(self.module.named_parameters())
        held |= {n: t for n, t in self.module.named_buffers() if "running" in n}
        return self._named(held)

    def gpu_memory(self) -> dict[str, float]:
        """See `base.Learner`; `gpu_reserved` is what PyTorch keeps for itself, used or not."""
        if self.device.type != "cuda":
            return {}
        found = {
            "gpu_allocated": float(torch.cuda.memory_allocated()),
            "gpu_reserved": float(torch.cuda.memory_reserved()),
            "gpu_peak": float(torch.cuda.max_memory_allocated()),
        }
        torch.cuda.reset_peak_memory_stats()
        return found

    def _outputs(self, x: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            outputs: Tensor = self.module(x)
        return outputs.float()

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        outputs = self._outputs(x)
        if self.kind == "mse":
            wanted = y if outputs.shape[1] == 1 else F.one_hot(y, outputs.shape[1])
            return F.mse_loss(outputs, wanted.view_as(outputs).float())
        if self.kind == "softmax-cross-entropy":
            outputs = torch.softmax(outputs, 1)
        return F.cross_entropy(outputs, y)

    def _named(self, tensors: Mapping[str, Tensor]) -> Weights:
        if isinstance(self.network, Network):
            return arrays(self.network, tensors)
        return {name: t.detach().cpu().numpy().copy() for name, t in tensors.items()}


def optimizer(train: TrainConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimizer of a configuration, fused where PyTorch has it so."""
    rate, decay = train.learning_rate, train.weight_decay
    if train.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, rate, train.momentum, 0, decay, train.nesterov, fused=True
        )
    if train.optimizer == "rmsprop":
        return torch.optim.RMSprop(
            parameters, rate, train.smoothing, train.epsilon, decay, train.momentum
        )
    kind = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
    betas = train.beta1, train.beta2
    return kind(parameters, rate, betas, train.epsilon, decay, fused=True)


class ResidualBlock(nn.Module):
    """relu(body(x) + shortcut(x))."""

    def __init__(self, body: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's outputs."""
        return F.relu(self.body(x) + self.shortcut(x))


def build(network: Network, dropout: float = 0.0) -> nn.Sequential:
    """Return a network as an `nn.Sequential`, with PyTorch's own initial weights."""
    return _sequential(network.layers, dropout, channels=len(network.input_shape) == 3)


def _sequential(layers: Iterable[Layer], dropout: float, channels: bool) -> nn.Sequential:
    parts: list[nn.Module] = []
    for layer in layers:
        match layer:
            case described.Flatten():
                parts.append(nn.Flatten())
                channels = False
            case described.Dense(inputs, outputs):
                parts.append(nn.Linear(inputs, outputs))
            case described.Conv(inputs, outputs, kernel, stride, padding, bias):
                parts.append(nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias))
            case described.MaxPool(size, _, padding):
                parts.append(nn.MaxPool2d(size, layer.step, padding))
            case described.AveragePool():
                parts.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
                channels = False
            case described.Activation(function):
                parts.append(_ACTIVATIONS[function]())
            case described.BatchNorm(features):
                norm = nn.BatchNorm2d if channels else nn.BatchNorm1d
                parts.append(norm(features))
            case described.Dropout():
                parts.append(nn.Dropout(dropout))
            case described.Residual(body, shortcut):
                inner = (_sequential(one, dropout, channels) for one in (body, shortcut))
                parts.append(ResidualBlock(*inner))
    return nn.Sequential(*parts)


def state_dict(network: Network, weights: Weights) -> dict[str, Tensor]:
    """Return weights as the `state_dict` of the module that `build` makes.

    Dense weights are [in, out] here and [out, in] there; absent running statistics are left out.
    """
    return {name: torch.from_numpy(array) for name, array in _turned(network, weights).items()}


def arrays(network: Network, tensors: Mapping[str, Tensor]) -> Weights:
    """Return tensors by the names of that `state_dict` as weights."""
    found = {name: t.detach().cpu().numpy().copy() for name, t in tensors.items()}
    return _turned(network, found)


def _turned(network: Network, weights: Weights) -> Weights:
    """Transpose dense weights; copies throughout."""
    places, turned = network.places(), {}
    for name, array in weights.items():
        place, _, what = name.rpartition(".")
        dense = what == "weight" and isinstance(places[place], described.Dense)
        turned[name] = np.ascontiguousarray(array.T if dense else array)
    return turned

"""The networks of a stack's members, as one: described layer by layer, or the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from paribus.engines.base import Task
from paribus.engines.stacked import shared
from paribus.engines.stacked.batches import Batches
from paribus.engines.stacked.layers import forward
from paribus.models.layers import BatchNorm, Dense, Flatten, Network
from paribus.models.own import OwnNetwork, torch_seed
from paribus.models.weights import initial_weights


class Model(Protocol):
    """What a stack needs of the networks of its members.

    `parameters` are the leaves that gradients are taken of, [member, …] by name; `statistics` what
    else a network keeps, updated in place when training; `random` the states of the generators
    that it draws from, where it does.
    """

    parameters: dict[str, Tensor]
    random: list[Tensor]

    @property
    def statistics(self) -> Mapping[str, Tensor]:
        """What is kept besides the parameters, [member, …] by name."""
        ...

    def outputs(self, x: Tensor, masks: Mapping[int, Tensor], *, training: bool) -> Tensor:
        """Return the outputs, fp32 [member, batch, outputs], of inputs [block, batch, …]."""
        ...


def model(tasks: Sequence[Task], batches: Batches, device: torch.device) -> Model:
    """Return the networks of tasks that share one description, with their initial weights."""
    network = tasks[0].network
    bf16 = tasks[0].config.train.precision == "bf16"
    dtype = torch.bfloat16 if bf16 else torch.float32
    if isinstance(network, OwnNetwork):
        if network.one_by_one(device.type):
            if len(tasks) > 1:
                raise ValueError(f"{network.summary()} is trained one by one (got {len(tasks)})")
            return PlainModel(tasks[0], network, dtype, device)
        return FunctionalModel(tasks, batches, network, dtype, device)
    assert isinstance(network, Network)  # a surface has no stack: see `walk`
    return LayeredModel(tasks, batches, network, dtype, device)


class LayeredModel:
    """Networks that are described layer by layer, in the project's own stacked layers."""

    def __init__(
        self,
        tasks: Sequence[Task],
        batches: Batches,
        network: Network,
        dtype: torch.dtype,
        device: torch.device,
    ):
        """Draw the initial weights and place them on the device."""
        self.layers = list(enumerate(network.layers))
        self.batches = batches
        self.dtype = dtype  # of products, not of weights
        self.random: list[Tensor] = []
        initial = [
            initial_weights(network, task.config.model.init, task.seed, task.block)
            for task in tasks
        ]
        stacked = {n: torch.from_numpy(np.stack([w[n] for w in initial])) for n in initial[0]}
        self.first = self._wide_first()
        if self.first is not None:
            name = f"{self.first}.weight"
            stacked[name] = shared.transposed(stacked[name])
        self.parameters = {n: t.to(device).requires_grad_() for n, t in stacked.items()}
        self.statistics: dict[str, Tensor] = {}
        for index, layer in enumerate(network.layers):
            if isinstance(layer, BatchNorm):
                shape = (len(tasks), layer.features)
                self.statistics[f"{index}.running_mean"] = torch.zeros(shape, device=device)
                self.statistics[f"{index}.running_var"] = torch.ones(shape, device=device)

    def outputs(self, x: Tensor, masks: Mapping[int, Tensor], *, training: bool) -> Tensor:
        """See `Model`."""
        layers = self.layers
        per_block = x.shape[:2] == (len(self.batches.counts), self.batches.size)
        if self.first is not None and training and per_block:
            weight, bias = (self.parameters[f"{self.first}.{n}"] for n in ("weight", "bias"))
            x = shared.wide(x.flatten(2), weight, bias, self.batches.counts)
            layers = layers[self.first + 1 :]
        else:
            x = self.batches.each(x)
        return forward(
            layers,
            self.parameters,
            self.statistics,
            x,
            training=training,
            masks=masks,
            dtype=self.dtype,
        )

    def _wide_first(self) -> int | None:
        """Return the index of a first dense layer that members of a block had better share."""
        dense = next((i for i, layer in self.layers if not isinstance(layer, Flatten)), None)
        layer = None if dense is None else self.layers[dense][1]
        on_cpu = self.batches.device.type == "cpu"
        if not (isinstance(layer, Dense) and on_cpu and self.dtype == torch.float32):
            return None
        shape = (self.batches.size, layer.inputs, layer.outputs)
        return dense if shared.pays(*shape, self.batches.counts) else None


class FunctionalModel:
    """The user's modules, batched by `torch.func`: they keep nothing and draw nothing."""

    def __init__(
        self,
        tasks: Sequence[Task],
        batches: Batches,
        network: OwnNetwork,
        dtype: torch.dtype,
        device: torch.device,
    ):
        """Make a module for every member and stack their parameters."""
        modules = [network.make(task.seed, task.block) for task in tasks]
        stacked, _ = stack_module_state(modules)
        self.parameters = {n: t.detach().to(device).requires_grad_() for n, t in stacked.items()}
        self.statistics: dict[str, Tensor] = {}
        self.random: list[Tensor] = []
        self.module = modules[0].to(device)
        self.batches = batches
        self.dtype = dtype

    def outputs(self, x: Tensor, masks: Mapping[int, Tensor], *, training: bool) -> Tensor:
        """See `Model`."""
        self.module.train(training)
        with _autocast(x.device, self.dtype):
            run = vmap(lambda parameters, inputs: functional_call(self.module, parameters, inputs))
            y: Tensor = run(self.parameters, self.batches.each(x))
        return y.float()


class PlainModel:
    """One module of the user's, run as it is; its random numbers come from a stream of its own."""

    def __init__(self, task: Task, network: OwnNetwork, dtype: torch.dtype, device: torch.device):
        """Make the module."""
        self.module = network.make(task.seed, task.block).to(device)
        self.dtype = dtype
        for p in self.module.parameters():
            p.data = p.data.contiguous()  # the kernels of the optimizers read plain strides
        # Stacks of one, which share their memory with the module's own tensors.
        self.parameters = {
            name: p.detach().unsqueeze(0).requires_grad_()
            for name, p in self.module.named_parameters()
            if p.requires_grad
        }
        seed = torch_seed(task.seed, "own draws", task.block)
        self.generators = [torch.default_generator]
        if device.type == "cuda":
            self.generators.append(torch.cuda.default_generators[torch.cuda.current_device()])
        self.random = [
            torch.Generator(generator.device).manual_seed(seed).get_state()
            for generator in self.generators
        ]

    @property
    def statistics(self) -> Mapping[str, Tensor]:
        """See `Model`: buffers and frozen parameters."""
        frozen = {n: p for n, p in self.module.named_parameters() if not p.requires_grad}
        held: dict[str, Tensor] = {**frozen, **dict(self.module.named_buffers())}
        return {name: tensor.detach().unsqueeze(0) for name, tensor in held.items()}

    def outputs(self, x: Tensor, masks: Mapping[int, Tensor], *, training: bool) -> Tensor:
        """See `Model`."""
        self.module.train(training)
        own = {name: stacked[0] for name, stacked in self.parameters.items()}
        with self._own_random(), _autocast(x.device, self.dtype):
            y: Tensor = functional_call(self.module, own, (x[0],))
        return y.float().unsqueeze(0)

    @contextmanager
    def _own_random(self) -> Iterator[None]:
        """Let PyTorch's global generators go on where this run left them, and put them back."""
        outside = [generator.get_state() for generator in self.generators]
        for generator, state in zip(self.generators, self.random, strict=True):
            generator.set_state(state)
        try:
            yield
        finally:
            self.random = [generator.get_state() for generator in self.generators]
            for generator, state in zip(self.generators, outside, strict=True):
                generator.set_state(state)


def _autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    return torch.autocast(device.type, dtype, enabled=dtype == torch.bfloat16)

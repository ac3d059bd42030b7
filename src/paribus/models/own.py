"""The user's own network: a factory of `nn.Module`s, named as package.module:factory or given.

Importing runs the user's code, and only where a study names it.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paribus.errors import RunError, nearest
from paribus.models.fingerprint import of_module
from paribus.models.given import HERE, Given
from paribus.models.layers import Shape
from paribus.study.seeds import stream

if TYPE_CHECKING:
    from torch import Tensor, nn

_ROWS = 4  # that a network is tried with
_CLOSE = 1e-4  # how close stacked results must come to plain ones, relative


@dataclass(frozen=True)
class OwnNetwork:
    """What is known of a user's network after it has been tried once.

    `fingerprint` is a hash of the source that it is written in. `unstackable` says why
    `torch.func` cannot train several as one; empty where it can. `given` is what no import finds.
    """

    factory: str
    arguments: str  # JSON
    outputs: int
    fingerprint: str
    parameters: int
    depth: int  # modules that have none in them
    forward_flops: int  # of one sample
    activation_count: int  # of one sample
    convolutional: bool
    normalises_batches: bool
    unstackable: str
    given: Given | None = None

    @property
    def dropout_shapes(self) -> Mapping[int, int]:
        """Nothing: it draws its own dropout."""
        return {}

    def flops(self) -> int:
        """Return the floating-point operations of one sample's forward pass."""
        return self.forward_flops

    def training_flops(self) -> int:
        """Return those of one sample's forward and backward pass."""
        return 3 * self.forward_flops

    def activations(self) -> int:
        """Return the numbers that all its modules together put out for one sample."""
        return self.activation_count

    def summary(self) -> str:
        """Return its name with its arguments."""
        given = ", ".join(f"{k}={v}" for k, v in json.loads(self.arguments).items())
        name = self.factory.removeprefix(HERE)
        return f"{name}({given})" if given else name

    def one_by_one(self, device: str) -> str:
        """Return why its runs are trained one by one on a device, or nothing."""
        if self.convolutional and device == "cpu" and not self.unstackable:
            return "convolutions are faster one by one on a CPU"
        return self.unstackable

    def make(self, seed: int, block: int) -> nn.Module:
        """Return the module of a block, with the initial weights that it draws for that block."""
        factory = self.given.factory() if self.given else _import(self.factory)
        made: nn.Module = _seeded(factory, json.loads(self.arguments), seed, block)
        if not self.given and of_module(self.factory, made) != self.fingerprint:
            raise RunError(
                f"{self.factory} was edited after the study had been laid out: run it again, from "
                f"a new Python process"
            )
        return made


def own_network(
    factory: str,
    arguments: Mapping[str, Any],
    input_shape: Shape,
    outputs: int,
    given: Given | None = None,
) -> OwnNetwork:
    """Import a factory, or take what was given, try what it makes, and return what is known of it.

    It is called with `arguments` and must return a module that turns float32
    [batch, *input_shape] into [batch, outputs]. Raises ValueError with what does not fit.
    """
    written = json.dumps(arguments, sort_keys=True)
    return _tried(factory, written, tuple(input_shape), outputs, given)


@cache
def _tried(
    factory: str, arguments: str, input_shape: Shape, outputs: int, given: Given | None
) -> OwnNetwork:
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    make = given.factory() if given else _import(factory)
    try:
        module = _seeded(make, json.loads(arguments), seed=0, block=0)
    except Exception as error:  # whatever the user's code raises
        raise ValueError(f"model.factory {factory} failed: {_said(error)}") from error
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"model.factory {factory} must return a torch.nn.Module (got {type(module).__name__})"
        )
    parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
    if not parameters:
        raise ValueError(f"model.factory {factory} makes a network without anything to train")
    leaves = [m for m in module.modules() if not list(m.children())]
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(_ROWS, *input_shape, generator=generator)
    put_out: list[int] = []

    def count(_: nn.Module, __: object, y: object) -> None:
        put_out.append(y.numel() if isinstance(y, torch.Tensor) else 0)

    hooks = [leaf.register_forward_hook(count) for leaf in leaves]
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.no_grad(), torch.random.fork_rng(devices=[]):
            y = module(x)
    except Exception as error:
        raise ValueError(
            f"model.factory {factory} makes a network that does not take inputs of "
            f"{list(x.shape)}: {_said(error)}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    got = list(y.shape) if isinstance(y, torch.Tensor) else type(y).__name__
    if got != [_ROWS, outputs]:
        raise ValueError(
            f"model.factory {factory} must make a network with outputs [batch, {outputs}] "
            f"(got {got} for a batch of {_ROWS})"
        )
    return OwnNetwork(
        factory=factory,
        arguments=arguments,
        outputs=outputs,
        fingerprint=given.fingerprint if given else of_module(factory, module),
        parameters=parameters,
        depth=len(leaves),
        forward_flops=counter.get_total_flops() // _ROWS,
        activation_count=max(outputs, sum(put_out) // _ROWS),
        convolutional=any(isinstance(leaf, nn.modules.conv._ConvNd) for leaf in leaves),
        normalises_batches=any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in leaves),
        unstackable=_why_unstackable(make, json.loads(arguments), x),
        given=given,
    )


def _import(factory: str) -> Callable[..., Any]:
    """Return a factory; ValueError with what is missing."""
    place, _, name = factory.partition(":")
    if factory.startswith(HERE):
        raise ValueError(
            f"model.factory {factory} was given in Python, by a notebook or a script: give "
            f"paribus.Study the same {name} again, or write it in a file and name that"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that it hides nothing
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name != place.partition(".")[0]:
            raise ValueError(f"model.factory {factory}: {_said(error)}") from error
        raise ValueError(
            f"model.factory {factory}: there is no module {place} in {here} or among what is "
            f"installed"
        ) from error
    except Exception as error:
        raise ValueError(f"model.factory {factory} cannot be imported: {_said(error)}") from error
    found = getattr(module, name, None)
    if not callable(found):
        offered = [n for n, one in vars(module).items() if callable(one)]
        raise ValueError(
            f"model.factory {factory}: {place} has no function or class {name}"
            f"{nearest(name, offered)}"
        )
    return found  # type: ignore[no-any-return]


def _seeded(make: Callable[..., Any], arguments: dict[str, Any], seed: int, block: int) -> Any:
    """Call a factory with PyTorch's generator at the place for a block, and put it back."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(torch_seed(seed, "own weights", block))
        return make(**arguments)


def torch_seed(seed: int, purpose: str, block: int) -> int:
    """Return a seed for a generator of PyTorch from the stream of a purpose."""
    return int(stream(seed, purpose, block).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _why_unstackable(make: Callable[..., Any], arguments: dict[str, Any], x: Tensor) -> str:
    """Take outputs and gradients of two, plainly and as one stack: why must they stay apart?"""
    import torch
    from torch.func import functional_call, stack_module_state, vmap

    modules = [_seeded(make, arguments, 0, block) for block in range(2)]
    for part in modules[0].modules():
        for kept, _ in part.named_buffers(recurse=False):
            return f"{type(part).__name__} keeps the buffer {kept}"
    frozen = next((n for n, p in modules[0].named_parameters() if not p.requires_grad), None)
    if frozen is not None:
        return f"the parameter {frozen} is frozen"
    template = _seeded(make, arguments, 0, 0)
    stacked, _ = stack_module_state(modules)
    names = list(stacked)
    inputs = torch.stack([x, 1 - x])
    for training in (True, True, False):
        for module in (*modules, template):
            module.train(training)
        try:
            run = vmap(lambda parameters, own: functional_call(template, parameters, (own,)))
            outputs = run(stacked, inputs)
            found = torch.autograd.grad(
                outputs.square().sum(), [stacked[n] for n in names], materialize_grads=True
            )
        except Exception as error:
            if "randomness" in str(error):
                return "it draws random numbers of its own"
            return f"torch.func cannot batch it: {_said(error)}"
        with torch.random.fork_rng(devices=[]):
            plain = [module(own) for module, own in zip(modules, inputs, strict=True)]
        for member, (module, y) in enumerate(zip(modules, plain, strict=True)):
            leaves = dict(module.named_parameters())
            expected = torch.autograd.grad(
                y.square().sum(), [leaves[n] for n in names], materialize_grads=True
            )
            ours = [outputs[member].detach(), *(g[member] for g in found)]
            if not _alike(ours, [y.detach(), *expected]):
                return "stacked it gives other numbers than alone"
    return ""


def _alike(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> bool:
    """Compare tensor by tensor; a gradient that is zero but for rounding may differ by that."""
    rounding = 1e-2 * max(float(b.norm()) for b in theirs)
    return all(
        float((a - b).norm()) <= _CLOSE * max(float(b.norm()), rounding)
        for a, b in zip(ours, theirs, strict=True)
    )


def _said(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0].partition(". ")[0]
    return f"{type(error).__name__}: {first[:200]}"

"""One wide product for the first layers of arms that see the same batch.

Members of one block read the same inputs: their products [batch, in] x [in, out] become one,
[batch, in] x [in, members · out], and the batch is not copied for each. Whether that is faster
depends on the machine and the shape, and whether it is the same bit for bit on the kernels that are
chosen for it: both are tried once for each shape, and what fails either stays apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

_LARGEST = 1e8  # operations of one member's product: above, it fills a core by itself
_FASTER = 0.85  # share of the time that the wide product may take
_ROUNDS = 5

Counts = tuple[int, ...]
"""How many members each block has; members are in the order of their blocks."""


def wide(x: Tensor, weight: Tensor, bias: Tensor, counts: Counts) -> Tensor:
    """Return x @ weight + bias, [member, batch, out], in one product per block.

    `x` is [block, batch, in] and needs no gradient; `weight` [member, in, out] as `transposed`
    lays it out, `bias` [member, out].
    """
    return _Wide.apply(x, weight.transpose(1, 2), bias, counts)  # type: ignore[no-any-return,no-untyped-call]


def transposed(weight: Tensor) -> Tensor:
    """Return the same weights [member, in, out], with those of an output side by side."""
    return weight.transpose(1, 2).contiguous().transpose(1, 2)


class _Wide(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, counts: Counts) -> Tensor:
        ctx.save_for_backward(x)
        ctx.counts, ctx.shape = counts, weight.shape
        y = x.new_empty(len(weight), x.shape[1], weight.shape[1])
        by_block = zip(x, *(torch.split(t, list(counts)) for t in (weight, bias, y)), strict=True)
        for rows, weights, biases, out in by_block:
            product = torch.addmm(biases.flatten(), rows, weights.flatten(0, 1).t())
            out.copy_(product.view(len(rows), *biases.shape).transpose(0, 1))
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor, None]:
        (x,), (gradient,) = ctx.saved_tensors, gradients
        of_weight = x.new_empty(ctx.shape)
        by_block = zip(
            x, *(torch.split(t, list(ctx.counts)) for t in (gradient, of_weight)), strict=True
        )
        for rows, above, out in by_block:
            side_by_side = above.transpose(0, 1).flatten(1)
            torch.mm(side_by_side.t(), rows, out=out.view(-1, rows.shape[1]))
        return None, of_weight, gradient.sum(1), None


@cache
def pays(batch: int, inputs: int, outputs: int, counts: Counts) -> bool:
    """Return whether the wide product is faster on this thread, and the same bit for bit."""
    if max(counts) == 1 or 2 * batch * inputs * outputs > _LARGEST:
        return False
    if inputs * outputs % 64:  # an optimizer's vector loop would end on other elements
        return False
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    members, scale = sum(counts), inputs**-0.5
    x = normal(len(counts), batch, inputs)
    of_member = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    above = normal(members, batch, outputs)
    weight = (normal(members, inputs, outputs) * scale).requires_grad_()
    turned = transposed(weight.detach()).requires_grad_()
    bias = normal(members, outputs).requires_grad_()

    def apart() -> tuple[Tensor, ...]:
        y = torch.baddbmm(bias.unsqueeze(1), x.index_select(0, of_member), weight)
        return y, *torch.autograd.grad(y, (weight, bias), above)

    def together() -> tuple[Tensor, ...]:
        y = wide(x, turned, bias, counts)
        return y, *torch.autograd.grad(y, (turned, bias), above)

    if not all(torch.equal(a, b) for a, b in zip(apart(), together(), strict=True)):
        return False
    times = [(_seconds(apart), _seconds(together)) for _ in range(_ROUNDS)]
    one_by_one, at_once = (min(each) for each in zip(*times, strict=True))
    return bool(at_once < _FASTER * one_by_one)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

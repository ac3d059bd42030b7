"""A training step captured once as a CUDA graph: one launch in place of hundreds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")

Step = Callable[[Tensor, Mapping[int, Tensor]], Result]
"""Takes the rows of a batch and dropout masks; changes tensors in place, waits for nothing."""

WARM_UP = 3
"""Steps that are taken one operation at a time first, so that all libraries are set up."""


class GraphedStep(Generic[Result]):
    """A step that is replayed on batches of one shape.

    What it returns is overwritten by the next replay.
    """

    def __init__(self, step: Step[Result], rows: Tensor, masks: Mapping[int, Tensor]):
        """Capture the step; it is not taken yet."""
        self.rows = rows.clone()
        self.masks = {layer: mask.clone() for layer, mask in masks.items()}
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.result = step(self.rows, self.masks)

    def __call__(self, rows: Tensor, masks: Mapping[int, Tensor]) -> Result:
        """Take the step on a batch."""
        self.rows.copy_(rows)
        for layer, mask in masks.items():
            self.masks[layer].copy_(mask)
        self.graph.replay()
        return self.result


@contextmanager
def side_stream() -> Iterator[None]:
    """Run what is inside on a stream of its own, as steps before a capture have to be."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)

"""The stacked engine: tasks in, records out."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from paribus.data import Dataset
from paribus.engines.base import EpochDone, Record, Task
from paribus.engines.laps import Laps
from paribus.engines.stacked.stack import Stack
from paribus.engines.stacked.walk import Walks
from paribus.models.surfaces import SurfaceModel


class StackedEngine:
    """Trains tasks of one shape signature as one stack, on "cpu" or "cuda".

    Bit-for-bit sameness on a CPU needs a process prepared by `arithmetic.one_thread`.
    """

    def __init__(self, device: str = "cpu", laps: Laps | None = None):
        self.device = torch.device(device)
        self.laps = laps

    def train(
        self, tasks: list[Task], dataset: Dataset, *, keep_weights: bool, epoch_done: EpochDone
    ) -> Iterator[Record]:
        """Train the tasks together and yield one record for each.

        A stack that does not fit into memory is halved, as often as it takes: the runs come out
        the same.
        """
        if isinstance(tasks[0].network, SurfaceModel):
            yield from Walks(tasks, self.device).train(epoch_done)
            return
        left = {task.key: task for task in tasks}
        if self.device.type == "cuda":  # full fp32, as on a CPU, unless the study asks for less
            tf32 = tasks[0].config.train.precision == "tf32"
            torch.backends.cuda.matmul.allow_tf32 = tf32
            torch.backends.cudnn.allow_tf32 = tf32
            torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        try:
            stack = Stack(tasks, dataset, self.device, self.laps)
            for record in stack.train(keep_weights, epoch_done):
                del left[record.key]
                yield record
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error) or len(left) < 2:
                raise
        # Only here has the failed stack been let go, so that its memory is free again.
        remaining = list(left.values())
        middle = len(remaining) // 2
        for half in (remaining[:middle], remaining[middle:]):
            if half:
                yield from self.train(
                    half, dataset, keep_weights=keep_weights, epoch_done=epoch_done
                )


def _out_of_memory(error: BaseException) -> bool:
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    said = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return known or any(words in str(error) for words in said)

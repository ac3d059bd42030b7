"""Settings under which a member's numbers do not depend on the rest of its stack.

On a CPU three things would make them depend on it: threads that share a sum, MKL kernels chosen by
the alignment of an array, and vector loops whose scalar remainder falls on other elements. The
first is settled here, the second by the environment of the process (`workers.environment`). For the
third, this package uses only operations whose vector and scalar forms agree bit for bit on whole
stacks (exact arithmetic, tanh, sums over the batch, softmax row by row), and calls the others
(optimizers, convolutions) member by member.
"""

from __future__ import annotations

import torch


def one_thread() -> None:
    """Prepare this process for stacked training: one thread, denormal numbers as zero."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)

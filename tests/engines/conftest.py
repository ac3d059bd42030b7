"""Engines are tested as a worker process runs them: one thread, denormal numbers as zero."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from paribus.engines.stacked.arithmetic import one_thread


@pytest.fixture(autouse=True)
def as_in_a_worker() -> Iterator[None]:
    threads = torch.get_num_threads()
    one_thread()
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)

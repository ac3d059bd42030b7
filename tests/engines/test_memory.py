"""A stack that does not fit into memory is halved, and gives the same runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from paribus.engines.stacked.arithmetic import one_thread
from paribus.engines.stacked.engine import StackedEngine
from tests.engines.tasks import tasks_of

one_thread()
tasks, dataset = tasks_of(
    model={"hidden": [2000]},
    train={"epochs": 1, "batch_size": 500},
    factors={"train.learning_rate": [0.001 * (i + 1) for i in range(64)]},
    seeds=1,
)
engine = StackedEngine("cpu")


def train(tasks):
    records = engine.train(tasks, dataset, keep_weights=False, epoch_done=lambda runs: None)
    return {record.key: record.metrics for record in records}


wanted = train(tasks[-1:])
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 400 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found = train(tasks)
assert len(found) == 64, len(found)
assert all(found[key] == metrics for key, metrics in wanted.items())
from paribus.engines.stacked.stack import Stack
try:
    Stack(tasks, dataset, torch.device("cpu")).train(False, lambda runs: None).__next__()
except (RuntimeError, MemoryError) as error:
    print("too large in one piece")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory with RLIMIT_AS")
def test_a_stack_that_is_too_large_is_halved_until_it_fits() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "too large in one piece"

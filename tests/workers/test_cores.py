"""Workers get a core each."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from paribus.workers import cores


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


linux = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")


@linux
def test_a_worker_is_kept_on_one_core_of_those_that_are_ours(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "_quota", lambda: math.inf)
    cores.pin(sleeper.pid, 0, workers=len(cores.cores()))
    assert os.sched_getaffinity(sleeper.pid) == {cores.cores()[0]}


@linux
def test_more_workers_than_cores_or_a_quota_are_left_to_the_system(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    cores.pin(sleeper.pid, 0, workers=len(cores.cores()) + 1)
    assert os.sched_getaffinity(sleeper.pid) == os.sched_getaffinity(0)
    monkeypatch.setattr(cores, "_quota", lambda: 1.5)
    cores.pin(sleeper.pid, 0, workers=len(cores.cores()))
    assert os.sched_getaffinity(sleeper.pid) == os.sched_getaffinity(0)


@pytest.mark.parametrize(("quota", "allowed"), [(math.inf, 4), (2.5, 2), (0.5, 1), (64, 4)])
def test_a_quota_bounds_the_cores(
    quota: float, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "_quota", lambda: quota)
    monkeypatch.setattr(cores, "cores", lambda: (0, 2, 4, 6))
    assert cores.available_cores() == allowed

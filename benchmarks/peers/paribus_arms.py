"""Paribus, arms of a study: as `paribus`, where 4 members share each batch."""

from __future__ import annotations

from benchmarks.peers import paribus
from benchmarks.timing import Timing
from benchmarks.workloads import Workload
from paribus.data import Dataset

PACKAGES = paribus.PACKAGES


def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train a stack of models of 4 arms."""
    return paribus.train(workload, data, epochs, arms=4)

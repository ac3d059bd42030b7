"""JAX by hand, arms of a study: as `jax_vmap`, where 4 members share each batch."""

from __future__ import annotations

from benchmarks.peers import jax_vmap
from benchmarks.timing import Timing
from benchmarks.workloads import Workload
from paribus.data import Dataset

PACKAGES = jax_vmap.PACKAGES


def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train a stack of models of 4 arms."""
    return jax_vmap.train(workload, data, epochs, arms=4)

"""kill -9 of Ray workers while a study is trained on a cluster that was started for it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.torture import kills
from benchmarks.torture.row import Row
from benchmarks.torture.trial import Reference
from paribus.environment import version_of


def torture(folder: Path, reference: Reference, rounds: int, seed: int) -> list[Row]:
    """Kill processes of Ray that train a stack, as often as there are rounds."""
    fault = "kill -9 of a Ray worker"
    if version_of("ray") is None:
        return [Row(fault, skipped="needs Ray: pip install 'paribus[ray]'")]
    return [kills.workers(folder, reference, rounds, seed, fault, "ray::stack", ("--on", "ray"))]

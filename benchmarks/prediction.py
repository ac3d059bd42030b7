"""How far off a machine's cost models are: `python -m benchmarks.prediction`, about a minute.

Writes docs/prediction.md: steps of random networks that the models were not fitted to, predicted
and measured. Best when nothing else runs; what did is told.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from paribus.clock.calibration import FITTED, RANGES, calibrate, held_out
from paribus.clock.machine_profile import Calibrated, MachineProfile
from paribus.screen import bars, machines

PAGE = Path(__file__).parent.parent / "docs" / "prediction.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=30, help="networks held out (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="that they are drawn by (default: 1)")
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args()
    with bars.measuring() as told:
        profile = calibrate(held=held_out(given.n, given.seed), told=told)
    given.out.write_text("\n".join(page(profile, given.seed)) + "\n")
    machines.show_machine(profile, given.out, None)


def page(profile: MachineProfile, seed: int) -> Iterator[str]:
    """Yield the lines of the page."""
    ranges = ", ".join(f"{name} {low} to {high}" for name, (low, high) in RANGES.items())
    versions = ", ".join(f"{name} {version}" for name, version in profile.versions.items())
    yield "# How good the predictions of time are"
    yield ""
    yield (
        "`paribus machine` fits, for each engine, overhead + FLOPs / rate + bytes / bandwidth to "
        f"{len(FITTED)} measured training steps. Here the models are held against steps of random "
        f"multilayer perceptrons that they were not fitted to ({ranges}; log-uniform, seed "
        f"{seed}; Adam, fp32). Other kinds of networks were not held against them."
    )
    yield ""
    yield f"Machine: {profile.machine}. Measured {profile.date}. Versions: {versions}."
    yield "Made by `python -m benchmarks.prediction`."
    yield ""
    yield "| engine | device | threads | n | median error | 90th percentile | worst | machine |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"
    for one in profile.models:
        errors = [held.error for held in one.held_out]
        yield (
            f"| {one.engine} | {one.device} | {one.threads} | {len(errors)} | {one.error:.0%} | "
            f"{np.quantile(errors, 0.9):.0%} | {one.worst:.0%} | {one.busy or 'quiet'} |"
        )
    for one in profile.models:
        yield from _table(one)


def _table(one: Calibrated) -> Iterator[str]:
    yield ""
    yield f"## {one.engine} on {one.device}"
    yield ""
    yield "| network | measured, ms | predicted, ms | error |"
    yield "| --- | ---: | ---: | ---: |"
    for held in one.held_out:
        yield (
            f"| {held.network} | {held.measured * 1e3:.2f} | {held.predicted * 1e3:.2f} | "
            f"{held.predicted / held.measured - 1:+.0%} |"
        )


if __name__ == "__main__":
    main()

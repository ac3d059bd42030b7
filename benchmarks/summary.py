"""From single measurements to medians, ratios and the distance from the floor."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy.stats import t as student

from benchmarks.workloads import Workload

FEWEST_FOR_INTERVAL = 3


@dataclass(frozen=True)
class Ratio:
    """A peer's time over the reference's, round by round.

    low, high: of the 95 % t interval of the mean log ratio; None for fewer than three rounds.
    """

    median: float
    least: float
    most: float
    low: float | None
    high: float | None


def ratio(of: Sequence[float], to: Sequence[float]) -> Ratio:
    """Return the ratio of paired measurements, one pair per round."""
    ratios = [a / b for a, b in zip(of, to, strict=True)]
    low = high = None
    if len(ratios) >= FEWEST_FOR_INTERVAL:
        logs = [math.log(one) for one in ratios]
        error = statistics.stdev(logs) / math.sqrt(len(logs))
        reach = float(student.ppf(0.975, len(logs) - 1)) * error
        low, high = (math.exp(statistics.mean(logs) + sign * reach) for sign in (-1, 1))
    return Ratio(statistics.median(ratios), min(ratios), max(ratios), low, high)


def summarise(
    runs: Sequence[Mapping[str, Any]],
    workloads: Sequence[Workload],
    rates: Sequence[float],
    reference: str,
) -> list[dict[str, Any]]:
    """Return one entry per workload: its floor, and one row per peer, fastest first.

    runs: what the peers printed, each with its `round`, and an `error` where one failed. rates:
    FLOP/s of the machine's matrix products, one per round. Rounds are paired with those of the
    reference; a peer without a pair has no ratio.
    """
    found = []
    for workload in workloads:
        own = [run for run in runs if run["workload"] == workload.name]
        peers = list(dict.fromkeys(run["peer"] for run in own))
        by_round = {peer: _by_round(own, peer) for peer in peers}
        rows = []
        for peer, seconds in by_round.items():
            if not seconds:
                continue
            done = [run for run in own if run["peer"] == peer and "error" not in run]
            paired = sorted(seconds.keys() & by_round.get(reference, {}).keys())
            base = [by_round[reference][number] for number in paired]
            distances = [s * rates[number] / workload.flops for number, s in seconds.items()]
            rows.append(
                {
                    "peer": peer,
                    "seconds": statistics.median(seconds.values()),
                    "ratio": asdict(ratio([seconds[n] for n in paired], base)) if paired else None,
                    "floor_distance": statistics.median(distances),
                    "first_epoch_seconds": statistics.median(
                        run["first_epoch_seconds"] for run in done
                    ),
                    "members": done[0]["members"],
                    "final_training_loss": statistics.median(
                        run["final_training_loss"] for run in done
                    ),
                    "rounds": len(done),
                    "epochs": sum(len(run["seconds_per_epoch_and_model"]) for run in done),
                }
            )
        failures = {run["peer"]: run["error"] for run in own if "error" in run}
        found.append(
            {
                "workload": workload.name,
                "summary": workload.summary,
                "flops": workload.flops,
                "floor_seconds": workload.flops / statistics.median(rates),
                "peers": sorted(rows, key=lambda row: row["seconds"]),
                "failures": failures,
            }
        )
    return found


def _by_round(runs: Sequence[Mapping[str, Any]], peer: str) -> dict[int, float]:
    """Return a peer's median seconds per epoch and model in each round that it finished."""
    return {
        run["round"]: statistics.median(run["seconds_per_epoch_and_model"])
        for run in runs
        if run["peer"] == peer and "error" not in run
    }

"""The benchmark as a page of Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

QUIET = 10.0
"""Per cent of the processor that others may use just before a measurement."""

HEAD = (
    "| peer | s per epoch and model | over {reference} | {interval} | over the floor "
    "| models at once | first epoch, s | training loss | rounds × epochs |"
)


def markdown(result: Mapping[str, Any]) -> str:
    """Return the page for what `python -m benchmarks` measured."""
    machine, busy = result["machine"], result["busy"]
    rates = result["product_rates"]
    versions = ", ".join(f"{name} {number}" for name, number in sorted(result["versions"].items()))
    lines = [
        "# Speed of training, side by side",
        "",
        f"`{result['command']}`, {result['date']}"
        + (", **a quick try, not a measurement**" if result["quick"] else "")
        + ".",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}. Before the first round the load was {busy['load']:.2f} and the "
        f"processor {busy['cpu_percent']:.0f} % busy; {_disturbed(result)}. Matrix products (fp32, "
        f"one thread on every core): {statistics.median(rates) / 1e9:.0f} GFLOP/s, "
        f"{min(rates) / 1e9:.0f} to "
        f"{max(rates) / 1e9:.0f} over the rounds.",
        "",
        f"Rounds: {result['rounds']}{_stopped(result)}. In each, every peer trains every workload "
        f"in a process of its own, in random order (seed {result['seed']}), for the epochs in the "
        "last column after a first one, which is left out. Seconds are medians over epochs, then "
        f"over rounds; ratios are taken within rounds, with {_interval(result)}. Only training is "
        "timed. The floor is the time that the matrix products of an epoch alone would take at the "
        "machine's rate. The training loss is the mean over the last epoch.",
        "",
        versions + ".",
    ]
    for one in result["workloads"]:
        lines += ["", *_workload(one, result)]
    return "\n".join(lines) + "\n"


def _workload(one: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    lines = [
        f"## {one['workload']}",
        "",
        f"{one['summary']}. {one['flops'] / 1e9:.3g} GFLOP per epoch; the floor is "
        f"{one['floor_seconds']:.3g} s.",
        "",
        HEAD.format(
            reference=result["reference"],
            interval="95 % interval" if _has_intervals(result) else "range",
        ),
        "|" + " --- |" * (HEAD.count("|") - 1),
    ]
    for row in one["peers"]:
        found = row["ratio"]
        times, reach = ("–", "–") if found is None else (f"{found['median']:.2f} ×", _reach(found))
        lines.append(
            f"| {row['peer']} | {row['seconds']:.4g} | {times} | {reach} "
            f"| {row['floor_distance']:.1f} × | {row['members']} "
            f"| {row['first_epoch_seconds']:.2g} | {row['final_training_loss']:.4f} "
            f"| {row['rounds']} × {row['epochs'] // row['rounds']} |"
        )
    if one["failures"]:
        lines += ["", "Without a result in at least one round:", ""]
        lines += [f"- {peer}: {reason}" for peer, reason in one["failures"].items()]
    return lines


def _disturbed(result: Mapping[str, Any]) -> str:
    """Say before how many of the measurements something else kept the processor busy."""
    shares = [run["busy"]["cpu_percent"] for run in result["runs"]]
    count = sum(share > QUIET for share in shares)
    return f"before {count} of {len(shares)} measurements it was more than {QUIET:.0f} % busy"


def _stopped(result: Mapping[str, Any]) -> str:
    """Say where the measurement was stopped before its end."""
    in_first = sum(run["round"] == 0 for run in result["runs"])
    planned, got = in_first * result["rounds"], len(result["runs"])
    return f", stopped after {got} of {planned} measurements" if got < planned else ""


def _has_intervals(result: Mapping[str, Any]) -> bool:
    rows = [row["ratio"] for one in result["workloads"] for row in one["peers"]]
    return any(ratio is not None and ratio["low"] is not None for ratio in rows)


def _interval(result: Mapping[str, Any]) -> str:
    if _has_intervals(result):
        return "the 95 % t interval of the mean log ratio"
    return "their least and largest value, because there are too few rounds for an interval"


def _reach(ratio: Mapping[str, Any]) -> str:
    if ratio["least"] == ratio["most"]:
        return "–"
    if ratio["low"] is None:
        return f"{ratio['least']:.2f} to {ratio['most']:.2f}"
    return f"{ratio['low']:.2f} to {ratio['high']:.2f}"

"""Every peer on every workload, interleaved: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import json
import random
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.peers import PEERS
from benchmarks.report import markdown
from benchmarks.summary import summarise
from benchmarks.workloads import WORKLOADS, Workload

ROOT = Path(__file__).resolve().parents[1]
QUICK_ROWS = 500


def main() -> None:
    """Measure, then write JSON and beside it a page of Markdown."""
    args = _arguments()
    chosen = [WORKLOADS[name] for name in args.workloads]
    if args.quick:
        chosen = [workload.shortened(QUICK_ROWS) for workload in chosen]
    order = random.Random(args.seed)
    result: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "machine": machine.describe(),
        "busy": machine.busy(),
        "rounds": args.rounds,
        "epochs": args.epochs,
        "seed": args.seed,
        "quick": args.quick,
        "reference": args.reference,
        "product_rates": [],
        "runs": [],
    }
    for number in range(args.rounds):
        result["product_rates"].append(machine.product_rate())
        for workload in order.sample(chosen, len(chosen)):
            peers = [p for p in args.peers if workload.peers is None or p in workload.peers]
            for peer in order.sample(peers, len(peers)):
                before = machine.busy()
                run = measure(peer, workload, args.epochs, args.quick, args.limit)
                result["runs"].append(run | {"round": number, "busy": before})
                _say(f"round {number + 1} of {args.rounds}: {_outcome(run)}")
                _write(result, chosen, args.out)  # each time, so that no measurement is lost
    _say(f"{args.out} and {args.out.with_suffix('.md')} are written")


def measure(
    peer: str, workload: Workload, epochs: int, quick: bool, limit: float
) -> dict[str, Any]:
    """Return what a peer prints for a workload, or why it prints nothing, as `error`."""
    command = [sys.executable, "-m", "benchmarks.peers", peer, workload.name]
    command += ["--epochs", str(epochs), "--json"]
    if quick:
        command += ["--rows", str(QUICK_ROWS)]
    failed = {"peer": peer, "workload": workload.name}
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return failed | {"error": f"not finished after {limit:.0f} s"}
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return failed | {"error": words[-1]}
    return dict(json.loads(done.stdout))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--workloads", type=_some(tuple(WORKLOADS)), default=tuple(WORKLOADS))
    parser.add_argument("--peers", type=_some(PEERS), default=PEERS)
    parser.add_argument("--reference", choices=PEERS, default="paribus", help="divides the others")
    parser.add_argument("--rounds", type=_positive, default=3)
    parser.add_argument("--epochs", type=_positive, default=3, help="steady ones, after a first")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the peers")
    parser.add_argument("--limit", type=float, default=900, help="seconds for one process")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_ROWS} rows only: does it all work?"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks.json")
    return parser.parse_args()


def _some(allowed: Sequence[str]) -> Any:
    def names(text: str) -> tuple[str, ...]:
        chosen = tuple(text.split(","))
        if unknown := [name for name in chosen if name not in allowed]:
            raise argparse.ArgumentTypeError(
                f"{', '.join(unknown)} not known; choose from {', '.join(allowed)}"
            )
        return chosen

    return names


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1 (got {text})")
    return int(text)


def _outcome(run: dict[str, Any]) -> str:
    what = f"{run['peer']}, {run['workload']}"
    if "error" in run:
        return f"{what}: no result: {run['error']}"
    seconds = ", ".join(f"{one:.4g}" for one in run["seconds_per_epoch_and_model"][:5])
    return f"{what}: {seconds} s"


def _write(result: dict[str, Any], workloads: Sequence[Workload], path: Path) -> None:
    versions: dict[str, str] = {}
    for run in result["runs"]:
        versions |= run.get("versions", {})
    found = result | {
        "versions": versions,
        "workloads": summarise(
            result["runs"], workloads, result["product_rates"], result["reference"]
        ),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(markdown(found), encoding="utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

"""Train one workload with one peer: `python -m benchmarks.peers NAME WORKLOAD --json`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from importlib.metadata import version

from benchmarks.peers import PEERS
from benchmarks.timing import together
from benchmarks.workloads import WORKLOADS, dataset


def main() -> None:
    """Train, and print one line with the seconds per epoch and model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--epochs", type=int, default=3, help="steady ones, after a first one")
    parser.add_argument("--rows", type=int, help="train on the first so many rows only")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    args = parser.parse_args()
    if args.epochs < 1:
        parser.error(f"--epochs must be at least 1 (got {args.epochs})")
    workload = WORKLOADS[args.workload]
    if args.rows:
        workload = workload.shortened(args.rows)
    # What the libraries print must not end up beside the line of JSON.
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        try:
            peer = importlib.import_module(f"benchmarks.peers.{args.peer}")
        except ModuleNotFoundError as error:
            sys.exit(f"{error.name} is not installed: pip install 'paribus[bench]'")
        data, epochs = dataset(workload), 1 + args.epochs * workload.stretch
        whole = [workload] if hasattr(peer, "TRAINS_STUDIES") else workload.singles
        timing = together([peer.train(one, data, epochs) for one in whole])
        first, *steady = timing.epoch_seconds
        seconds = [one / timing.members for one in steady]
        found = {
            "peer": args.peer,
            "workload": workload.name,
            "rows": workload.rows,
            "seconds_per_epoch_and_model": seconds,
            "first_epoch_seconds": first,
            "members": timing.members,
            "final_training_loss": timing.final_loss,
            "versions": {name: version(name) for name in peer.PACKAGES}
            | {"python": platform.python_version()},
        }
        if args.json:
            print(json.dumps(found), file=answer)
        else:
            each = ", ".join(f"{one:.4g}" for one in seconds)
            print(f"{each} s per epoch and model; loss {timing.final_loss:.4f}", file=answer)


if __name__ == "__main__":
    main()

"""Many members on one GPU beside one model alone on it: `python -m benchmarks.gpu`.

Both have all data on the device and wait for it once per epoch; the solo loop takes PyTorch's fused
optimizer. The floor of a step is the time in which the device copies as many bytes as the weights,
gradients and moments of all members have: each read and written once.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from benchmarks.peers import _torch
from benchmarks.workloads import WORKLOADS, Workload, arrays, dataset
from paribus.data import Dataset
from paribus.engines.stacked.engine import StackedEngine
from paribus.run import Settings, lay_out
from paribus.study import spec
from paribus.study.plan import plan

SINGLE = [name for name, workload in WORKLOADS.items() if not workload.arms]
_STATE = 4  # weights, gradients, two moments


def main() -> None:
    """Measure in interleaved rounds and print, or write, one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--workload", choices=SINGLE, default="mlp-500")
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=2, help="steady ones, after a first one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=("fp32", "tf32", "bf16"), default="fp32")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    workload = WORKLOADS[args.workload]
    workload = replace(workload, rows=min(args.rows, workload.rows))
    data, device = dataset(workload), torch.device(args.device)
    solo, stacked = [], []
    for _ in range(args.rounds):
        solo += alone(workload, data, device, args.epochs, args.precision)
        seconds, members = together(
            workload, data, device, args.epochs, args.members, args.precision
        )
        stacked += seconds
    steps = -(-workload.rows // workload.batch)
    floor = workload.network.parameters * 4.0 * 2 * _STATE * steps / copy_rate(device)
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
        "torch": torch.__version__,
        "workload": workload.summary,
        "precision": args.precision,
        "members": members,
        "rounds": args.rounds,
        "solo_seconds_per_epoch": statistics.median(solo),
        "stacked_seconds_per_epoch_and_model": statistics.median(stacked),
        "ratio": statistics.median(solo) / statistics.median(stacked),
        "over_the_floor": statistics.median(stacked) / floor,
        "all": {"solo": solo, "stacked": stacked},
    }
    text = json.dumps(found, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")


def alone(
    workload: Workload, data: Dataset, device: torch.device, epochs: int, precision: str
) -> list[float]:
    """Return the seconds of each steady epoch of one model, trained by itself."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
    images, labels = (torch.from_numpy(one).to(device) for one in arrays(data))
    model = _torch.module(workload).to(device)
    optimizer = _torch.optimizer(workload, model.parameters(), fused=True)
    marks = []
    for _ in range(1 + epochs):
        for rows in torch.randperm(len(images), device=device).split(workload.batch):
            with bf16:
                loss = functional.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        marks.append(_now(device))
    return [b - a for a, b in itertools.pairwise(marks)]


def together(
    workload: Workload,
    data: Dataset,
    device: torch.device,
    epochs: int,
    members: int,
    precision: str,
) -> tuple[list[float], int]:
    """Return the seconds per model of each steady epoch of a study's first stack, and its size."""
    values: dict[str, Any] = {
        "question": f"How fast is {workload.name} on a GPU?",
        "data": {"source": workload.data},
        "model": workload.model.model_dump(mode="json"),
        "train": {
            "epochs": 1 + epochs,
            "batch_size": workload.batch,
            "optimizer": workload.optimizer,
            "learning_rate": workload.learning_rate,
            "precision": precision,
        },
        "seeds": members,
    }
    design = lay_out(spec.from_values(values), data, Settings(device=device.type))
    tasks = plan(design, (), 1).stacks[0]
    marks: list[float] = []

    def mark(_: int) -> None:
        marks.append(_now(device))

    for _ in StackedEngine(device.type).train(tasks, data, keep_weights=False, epoch_done=mark):
        pass
    return [(b - a) / len(tasks) for a, b in itertools.pairwise(marks)], len(tasks)


def copy_rate(device: torch.device) -> float:
    """Return the bytes per second that a large copy reads and writes."""
    source = torch.zeros(2**28 if device.type == "cuda" else 2**24, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(10):
        start = _now(device)
        target.copy_(source)
        seconds.append(_now(device) - start)
    return 2.0 * source.nbytes / statistics.median(seconds)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()

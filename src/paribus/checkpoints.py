"""Which checkpoint is which: those of a study by arm and seed, under names that people can read."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from paribus.errors import StoreError
from paribus.files import whole
from paribus.store.store import StoredStudy
from paribus.untrusted import file_name


@dataclass(frozen=True)
class Checkpoint:
    """The trained network of one run, and how it did."""

    arm: str
    seed: int
    metric: str  # test_accuracy, or test_rmse for regression
    value: float
    path: Path


def checkpoints(study: StoredStudy, folder: Path) -> list[Checkpoint]:
    """Return the checkpoints of a study that are in the folder of its store, by arm and seed.

    Raises StoreError where there is none.
    """
    names = [about["name"] for about in study.content["arms"]]
    found = []
    for run in study.runs:
        path = folder / f"{file_name(run.key)}.safetensors"
        if run.status == "done" and path.exists():
            metric = "test_accuracy" if "test_accuracy" in run.metrics else "test_rmse"
            value = run.metrics.get(metric, float("nan"))
            found.append(Checkpoint(names[run.arm], run.block, metric, value, path))
    if not found:
        raise StoreError(
            f"no trained network of {study.row.name} is in {folder}: `paribus run STUDY "
            f"--checkpoints` keeps them, and trains those again that were not kept"
        )
    return found


def checkpoint(study: StoredStudy, folder: Path, arm: str, seed: int) -> Path:
    """Return the checkpoint of one run; StoreError where there is no such arm, seed or file."""
    study.arm(arm)
    of_arm = {one.seed: one.path for one in checkpoints(study, folder) if one.arm == arm}
    if seed not in of_arm:
        there = f"those of seeds {', '.join(map(str, of_arm))} are there" if of_arm else "none is"
        raise StoreError(f"there is no checkpoint of {arm} with seed {seed}; {there}")
    return of_arm[seed]


def copy_to(folder: Path, kept: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Copy checkpoints as `<arm>-seed-<n>.safetensors`, and return them in their new place.

    Each is written whole or not at all, in place of what has its name; else StoreError.
    """
    stems = _stems([one.arm for one in kept])
    copied = [
        replace(one, path=folder / f"{stems[one.arm]}-seed-{one.seed}.safetensors") for one in kept
    ]
    for one, copy in zip(kept, copied, strict=True):
        with whole(copy.path, "the network") as unfinished:
            shutil.copyfile(one.path, unfinished)
    return copied


def _stems(arms: Sequence[str]) -> dict[str, str]:
    """Return a file name for each arm: safe on every system, and no two alike in any case."""
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for arm in dict.fromkeys(arms):
        plain = stem = file_name(arm)
        count = 1
        while stem.casefold() in taken:
            count += 1
            stem = f"{plain}-{count}"
        taken.add(stem.casefold())
        stems[arm] = stem
    return stems

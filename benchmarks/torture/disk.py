"""A disk that fills: a limit on the size of files, and a small file system of its own."""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.torture.row import Row
from benchmarks.torture.trial import Reference, Trial

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
_ROOM = 128 * 1024  # bytes that are made at most each time: some stacks, beside SQLite's own files
_PLENTY = 2**30


def torture(folder: Path, reference: Reference, rounds: int, seed: int) -> list[Row]:
    """Fill the disk in both ways, as often as there are rounds."""
    return [
        file_size(folder / "file", reference, rounds, seed),
        file_system(folder / "system", reference, rounds, seed),
    ]


def file_size(folder: Path, reference: Reference, rounds: int, seed: int) -> Row:
    """Let no file grow beyond a limit (RLIMIT_FSIZE), which is raised each time."""
    row = Row("a file that may not grow (RLIMIT_FSIZE)")
    if not shutil.which("prlimit"):
        row.skipped = "needs prlimit (util-linux)"
        return row
    trial, limit = Trial(folder, reference, row), 0

    def make(room: int) -> None:
        nonlocal limit
        limit = room + (trial.store.stat().st_size if trial.store.exists() else 0)

    _fill(trial, make, lambda: ("prlimit", f"--fsize={limit}"), rounds, seed)
    return row


def file_system(folder: Path, reference: Reference, rounds: int, seed: int) -> Row:
    """Keep the store on a file system that is full, and made larger each time (tmpfs)."""
    row, disk = Row("a full file system (tmpfs)"), folder / "disk"
    disk.mkdir(parents=True)
    if why := _own_mounts():
        row.skipped = why
        return row
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(disk)]
    done = subprocess.run([*mount, "-o", "size=4k"], capture_output=True, text=True)
    if done.returncode:
        row.skipped = f"tmpfs cannot be mounted: {done.stderr.strip()}"
        return row
    try:
        trial = Trial(folder, reference, row, disk / "store.sqlite")

        def make(room: int) -> None:
            used = shutil.disk_usage(disk).used
            subprocess.run([*mount, "-o", f"remount,size={used + room}"], check=True)

        _fill(trial, make, tuple, rounds, seed)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)
    return row


def _fill(
    trial: Trial,
    make: Callable[[int], None],
    inside: Callable[[], Sequence[str]],
    rounds: int,
    seed: int,
) -> None:
    """Run a study with too little room until it stops, make some, run it again, and so on."""
    row, draw = trial.row, random.Random(seed)
    while row.times < rounds or trial.known:
        make(draw.randrange(_ROOM) if row.times < rounds else _PLENTY)
        known = len(trial.known)
        with trial.run(inside=inside()) as command:
            code = command.ended(row)
            trial.resumed(command, "after a full disk", known)
            if code not in (0, 2):
                row.error(f"exit code {code}: {command.said[-500:]}")
            elif code == 2 and "full" not in command.said:
                row.error(f"it does not say that the disk is full: {command.said[-500:]}")
        row.times += code != 0
        make(_PLENTY)
        trial.check(f"after full disk {row.times}")
        if code == 0:
            row.count("studies finished")
            if not trial.complete:
                row.error(f"exit code 0 with {len(trial.known)} runs")
            trial.anew()


def _own_mounts() -> str:
    """Let this process mount what no other sees; return why it cannot, or nothing."""
    if sys.platform != "linux":
        return "needs Linux"
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS):
        return "needs root, to mount a file system"
    done = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True)
    return done.stderr.strip()

"""Many inputs of one kind through its door, and a row of the table of what became of them."""

from __future__ import annotations

import pickle
import re
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz import doors
from tests.fuzz.targets import FILES, SPECS, place, tried

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".fuzz"
FAULTS = ("tracebacks", "partial writes", "too slow", "too much memory")

Row = dict[str, Any]


def generated(name: str, count: int, start: int) -> Row:
    """Try `count` inputs of a target and return a row of the table."""
    target = next(one for one in (*SPECS, *FILES) if one.name == name)
    found, began = Counter[str](), time.monotonic()

    @seed(start)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def each(one: Any) -> None:
        found["inputs"] += 1
        try:
            found["accepted" if tried(target, folder, one) else "refused"] += 1
        except doors.Fault as fault:
            found[fault.kind] += 1
            _keep(target.name, found[fault.kind], fault, one)

    with place() as folder:
        each()
    return _row(target.name, found, time.monotonic() - began)


def guided(target: str, seconds: int) -> Row:
    """Let atheris look for inputs that reach new code, and return a row of the table."""
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "tests.fuzz.with_atheris", target, str(seconds), "counts"]
        path = f"{ROOT / 'src'}:{ROOT}"
        done = subprocess.run(
            words, cwd=folder, env={"PYTHONPATH": path}, capture_output=True, text=True
        )
        counts = Path(folder) / "counts"
        if not counts.exists():
            raise SystemExit(f"atheris does not run here:\n{done.stderr[-2000:]}")
        accepted, refused, _ = struct.unpack("<3q", counts.read_bytes())
        found = Counter(accepted=accepted, refused=refused, inputs=accepted + refused)
        for crash in Path(folder).glob("*-*"):
            if crash.is_file():
                kind = "tracebacks" if crash.name.startswith("crash") else "too slow"
                found[kind] += 1
                found["inputs"] += 1
                _keep(f"guided {target}", found[kind], done.stderr[-5000:], crash.read_bytes())
    covered = re.findall(r"cov: (\d+)", done.stderr)
    return {**_row(f"{target}, guided", found, time.monotonic() - began), "edges": int(covered[-1])}


def _row(name: str, found: Counter[str], seconds: float) -> Row:
    counts = {what: found[what] for what in ("inputs", "accepted", "refused", *FAULTS)}
    return {"what": name, **counts, "seconds": round(seconds)}


def _keep(name: str, number: int, why: object, given: object) -> None:
    KEPT.mkdir(exist_ok=True)
    stem = f"{name.replace(' ', '-')}-{number}"
    (KEPT / f"{stem}.txt").write_text(f"{why}", errors="replace")
    try:
        (KEPT / f"{stem}.pickle").write_bytes(pickle.dumps(given))
    except Exception as error:
        (KEPT / f"{stem}.txt").write_text(f"{why}\nnot kept: {error}", errors="replace")

"""The results as JSON, and as a section of docs/reliability.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.torture.row import Row
from paribus.environment import environment

_BEGIN, _END = "<!-- torture -->", "<!-- /torture -->"
_HEAD = "# Reliability\n\nWhat Paribus was put through, and what became of it.\n"

_PROMISES = """\
## Torture

What the command line promises, whatever ends it:

- A run that is in the store is never lost, never changed and never computed twice; a run that was
  being trained when something was killed is trained again.
- The same command goes on, and in the end there is what the undisturbed study gives, bit for bit.
- SIGTERM and Ctrl-C keep every stack that had finished, and end with exit code 130.
- No process outlives its driver (with `--on ray` it may take a minute after kill -9: Ray's own).
- Two drivers on one store share the work.
- A full disk is said (exit code 2); with room made, the same command goes on.
- Runs that lack memory fail with a reason, and the others go on.
- A clock that jumps changes neither results nor the order of studies.
- What is read from a damaged store is right, or an error says that it is damaged; `paribus doctor
  --store FILE --restore` restores it.
"""


def record(rows: Sequence[Row], command: str, seed: int, seconds: float) -> dict[str, Any]:
    """Return what was found, and where."""
    return {
        "command": command,
        "seed": seed,
        "seconds": round(seconds),
        "machine": machine.describe(),
        "versions": dict(environment("stacked", "cpu")),
        "rows": [asdict(row) for row in rows],
    }


def write(found: Mapping[str, Any], page: Path) -> None:
    """Write the JSON beside the page, and the page's section; what stands around it stays."""
    beside = page.with_suffix(".json")
    kept = json.loads(beside.read_text("utf-8")) if beside.exists() else {}
    beside.write_text(json.dumps({**kept, "torture": found}, indent=1) + "\n", "utf-8")
    text = page.read_text("utf-8") if page.exists() else _HEAD
    if _BEGIN not in text:
        text = f"{text.rstrip()}\n\n{_BEGIN}\n{_END}\n"
    before, rest = text.split(_BEGIN)
    page.write_text(f"{before}{_BEGIN}\n{section(found)}{_END}{rest.split(_END)[1]}", "utf-8")


def section(found: Mapping[str, Any]) -> str:
    """Return the section on what was found."""
    where, versions = found["machine"], found["versions"]
    names = ("Paribus", "PyTorch", "NumPy", "Python")
    lines = [
        _PROMISES,
        f"`{found['command']}` (seed {found['seed']}, {found['seconds'] / 60:.0f} min) on "
        f"{where['processor']}, {where['cores']} cores, {where['memory_gb']} GB, "
        f"{where['system']}; {', '.join(f'{name} {versions[name]}' for name in names)}:",
        "",
        "| fault | times | runs lost | changed | computed twice | errors | orphans |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    skipped, said = [], []
    for row in found["rows"]:
        if row["skipped"]:
            skipped.append(f"Not tried: {row['fault']} ({row['skipped']}).")
            continue
        counts = ("times", "lost", "changed", "twice", "errors", "orphans")
        lines.append(f"| {row['fault']} | {' | '.join(f'{row[one]:,}' for one in counts)} |")
        if row["said"]:
            said.append(f"- {row['fault']}: {_plain(row['said'][0])}")
    if skipped:
        lines += ["", *skipped]
    if said:
        lines += ["", "The first of what was found, each:", "", *said]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "/").replace("<", "&lt;")[:300]

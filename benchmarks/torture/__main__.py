"""Torture the command line: `python -m benchmarks.torture`."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.torture import clocks, damage, disk, drivers, kills, memory, page, ray, signals
from benchmarks.torture.row import Row
from benchmarks.torture.trial import Reference, undisturbed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"

Part = Callable[[Path, Reference, int, int], list[Row]]
PARTS: dict[str, tuple[Part, float]] = {  # with its share of the rounds
    "kills": (kills.torture, 1),
    "signals": (signals.torture, 0.1),
    "drivers": (drivers.torture, 1),
    "disk": (disk.torture, 0.05),
    "memory": (memory.torture, 0.03),
    "clocks": (clocks.torture, 0.2),
    "damage": (damage.torture, 0.1),
    "ray": (ray.torture, 0.05),
}


def main() -> None:
    """Make every fault so many times, and write what was found; exit code 1 if a promise broke."""
    args = _arguments()
    start, rows = time.monotonic(), list[Row]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _say(f"seed {args.seed}; the undisturbed study first")
        reference = undisturbed(folder, times=3)
        for part in args.only:
            torture, share = PARTS[part]
            began = time.monotonic()
            made = torture(folder / part, reference, max(1, round(args.rounds * share)), args.seed)
            _say(f"{part}: {time.monotonic() - began:.0f} s")
            for row in made:
                _say(f"  {_told(row)}")
            rows += made
    command = shlex.join(["python", "-m", "benchmarks.torture", *sys.argv[1:]])
    found = page.record(rows, command, args.seed, time.monotonic() - start)
    if args.no_write:
        print(page.section(found))
    else:
        page.write(found, args.out)
        _say(f"{args.out} is written")
    sys.exit(not all(row.sound for row in rows))


def _told(row: Row) -> str:
    if row.skipped:
        return f"{row.fault}: not tried, {row.skipped}"
    counts = f"{row.lost} lost, {row.changed} changed, {row.twice} twice, {row.errors} errors"
    lines = [f"{row.fault}: {row.times} times: {counts}, {row.orphans} orphans"]
    lines += [f"    {what}: {number}" for what, number in row.facts.items()]
    return "\n".join(lines + [f"    ! {said}" for said in row.said])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description=__doc__)
    parser.add_argument("--only", type=_parts, default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=200, help="kills; other faults in proportion")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the damage")
    parser.add_argument("--no-write", action="store_true", help="print the section alone")
    parser.add_argument("--out", type=Path, default=PAGE)
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown)} not known; choose from {', '.join(PARTS)}"
        )
    return names


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

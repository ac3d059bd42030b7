"""`make fuzz`: many generated inputs through every door, and a table of what became of them.

    python -m tests.fuzz [--specs 10000] [--files 5000] [--seconds 120] [--seed 0]

The table is printed and written to docs/fuzzing.json and docs/reliability.md. Inputs that broke a
promise are kept in .fuzz/. Exit code 1 if there is one.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

from tests.fuzz import doors
from tests.fuzz.campaign import FAULTS, ROOT, Row, generated, guided
from tests.fuzz.files import ALLOWED
from tests.fuzz.targets import FILES, SPECS

GUIDED = {"spec": 1.0, "idx": 0.5, "npz": 0.5}  # shares of the seconds for the guided ones


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table, with a sum below the generated ones."""
    columns = ["what", "inputs", "accepted", "refused", *FAULTS, "seconds"]
    lines = [columns, ["---", *["--:"] * (len(columns) - 1)]]
    for row in rows:
        lines.append([f"{row[c]:,}" if isinstance(row[c], int) else row[c] for c in columns])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(results: dict[str, Any]) -> str:
    """Return the section of docs/reliability.md."""
    rows = results["rows"]
    broken = sum(row[kind] for row in rows for kind in FAULTS)
    tried_ = sum(row["inputs"] for row in rows)
    edges = ", ".join(
        f"{row['edges']:,} of {row['what'].partition(',')[0]}" for row in rows if "edges" in row
    )
    return f"""## Fuzzing

`make fuzz` makes inputs from sound ones (the built-in studies, tables, arrays, a store): what they
say is dropped, repeated, retyped and nested, files are cut short, and their bytes flipped,
inserted and moved. Among them are YAML and archives that unpack to far more than they are, heads
that promise arrays of terabytes, pickles in arrays, and stores with views, triggers and wrong types
in their columns. Each goes through the doors that people use: a study is read and planned, a data
set is read and split, a store is listed and analysed, all by the functions behind the commands.
Some stores go through the commands themselves. A file may unpack to {ALLOWED / 1e6:.0f} MB here,
so that small bombs are bombs; elsewhere to a quarter of the memory that is free.

Either it works, or it is refused with a message. A *traceback* is any other exception, a message
that is empty, longer than {doors.LONGEST:,} characters or has control characters in it; a *partial
write* is any file in the working folder that is new or has changed; *too slow* is more than
{doors.SECONDS} s of the processor, and *too much memory* {doors.MEGABYTES:,} MB more than before,
for one input.

{table(rows)}

{tried_:,} inputs, {broken:,} broken promises ({results["when"]}, Python {results["python"]}, seed
{results["seed"]}). The guided rows are by [atheris](https://github.com/google/atheris), which keeps
inputs that reach new code of the reader and goes on from them; it reached these numbers of edges:
{edges}.
"""


def main() -> int:
    """Fuzz, write the table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--specs", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=120, help="of each guided target, at most")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    jobs: list[tuple[Any, ...]] = []
    for targets, count in ((SPECS, asked.specs), (FILES, asked.files)):
        jobs += [(generated, one.name, round(count * one.share), asked.seed) for one in targets]
    if sys.platform == "linux":
        jobs += [(guided, name, int(asked.seconds * share)) for name, share in GUIDED.items()]
    # One process per job: what one has done to memory is not another's.
    with ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=1) as pool:
        begun = [pool.submit(*job) for job in jobs]
        for done in as_completed(begun):
            print(json.dumps(done.result()), flush=True)
    rows = [done.result() for done in begun]
    results = {
        "when": datetime.now(UTC).date().isoformat(),
        "python": sys.version.split()[0],
        "seed": asked.seed,
        "rows": rows,
    }
    print(table(rows))
    (ROOT / "docs" / "fuzzing.json").write_text(json.dumps(results, indent=1) + "\n")
    page = ROOT / "docs" / "reliability.md"
    text = page.read_text("utf-8")
    start, end = "<!-- fuzz -->\n", "<!-- /fuzz -->"
    before, _, rest = text.partition(start)
    page.write_text(f"{before}{start}\n{section(results)}\n{end}{rest.partition(end)[2]}", "utf-8")
    return int(any(row[kind] for row in rows for kind in FAULTS))


if __name__ == "__main__":
    sys.exit(main())

"""Are the clock lane's verdicts right? `python -m benchmarks.clock`, about half an hour.

Each study has an arm, its twin, which does exactly the same, and one with 1.25 times the work. The
twin ought to come out equivalent at ±5 %, the third arm worse. Then a study is measured beside a
program that uses a core all the time: it ought to say so, and claim nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from paribus.data import load
from paribus.findings import Analysis
from paribus.report import wording
from paribus.run import Settings, lay_out, run_study
from paribus.study.spec import from_values

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 8
SEEDS, BUSY_SEEDS = 10, 6


def main() -> None:
    """Measure, print as it goes, and write a page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clock", description=__doc__)
    parser.add_argument("--studies", type=int, default=10)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "clock.md")
    args = parser.parse_args()
    quiet = [_told(study(number)) for number in range(args.studies)]
    with burning():
        busy = study(args.studies, BUSY_SEEDS)
    args.out.write_text(_page(quiet, busy), encoding="utf-8")


def study(number: int, seeds: int = SEEDS) -> Analysis:
    """Return what a study with that root of random numbers finds."""
    own = {
        "arm": {"model.arguments.rounds": ROUNDS, "model.arguments.name": "arm"},
        "twin": {"model.arguments.rounds": ROUNDS, "model.arguments.name": "twin"},
        "more work": {"model.arguments.rounds": ROUNDS * 5 // 4, "model.arguments.name": "more"},
    }
    values = {
        "question": "Is the clock right?",
        "data": "digits",
        "model": {"kind": "module", "factory": "benchmarks.nets:Repeated"},
        "train": {"epochs": 10, "batch_size": 128, "optimizer": "sgd", "threads": 1},
        "factors": {"work": own},
        "seeds": seeds,
        "seed": number,
        "outcome": "seconds_per_epoch",
        "margin": 0.05,
        "also": {"fastest_epoch_seconds": 0.05},
    }
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder) / "store.sqlite", device="cpu")
        return run_study(lay_out(from_values(values), load("digits"), settings), settings)


@contextmanager
def burning() -> Iterator[None]:
    """Use a core all the time."""
    process = multiprocessing.Process(target=_burn, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _burn() -> None:
    while True:
        pass


def _told(found: Analysis) -> Analysis:
    print(found.answer, flush=True)
    return found


def _page(quiet: list[Analysis], busy: Analysis) -> str:
    failed = sum(arm.failed for one in quiet for arm in one.arms)
    lines = [
        "# Are the clock lane's verdicts right?",
        "",
        f"{len(quiet)} studies of three arms with {SEEDS} seeds each: an arm, its twin, and one "
        "with 1.25 times the work; one thread, margin 5 %. "
        f"{quiet[0].environment['processor']}, PyTorch {quiet[0].environment['PyTorch']}. "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC. "
        f"Made by `python -m benchmarks.clock --studies {len(quiet)}`.",
        "",
        f"{failed} of {3 * SEEDS * len(quiet)} measurements did not count, because the machine was "
        "busy or the processor throttled.",
    ]
    for judged in (quiet, [one.secondary[0] for one in quiet]):
        lines += ["", f"## By {judged[0].outcome.label}", ""]
        lines += [
            f"- {what}: {_counts(Counter(one.contrasts[i].verdict for one in judged))}."
            for i, what in enumerate(("Twin against arm", "More work against arm"))
        ]
        lines += ["", "| study | twin against arm | verdict | more work against arm | verdict |"]
        lines.append("| ---: | ---: | --- | ---: | --- |")
        for number, one in enumerate(judged):
            cells = [
                cell
                for contrast in one.contrasts
                for cell in (wording.difference(one.outcome, contrast), contrast.verdict)
            ]
            lines.append(f"| {number} | {' | '.join(cells)} |")
    lines += ["", "## Beside a program that uses a core all the time", "", f"> {busy.answer}", ""]
    return "\n".join(lines)


def _counts(verdicts: Counter[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())


if __name__ == "__main__":
    main()

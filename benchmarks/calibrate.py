"""How often the verdicts are wrong, by simulation: `python -m benchmarks.calibrate`.

Every simulated study has a baseline and three arms, and is judged by the very functions that judge
real ones. Where there is no effect, all arms draw from one distribution; at the edge of the margin,
the three arms lie exactly one margin above the baseline. The table goes into docs/statistics.md.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from paribus import Study
from paribus.environment import cpu_model
from paribus.stats.power import (
    detectable,
    equivalence_power,
    power,
    seeds_for_equivalence,
    seeds_needed,
)
from paribus.stats.sequential import looks
from paribus.stats.verdicts import Judged, Looks, judge, judge_in_looks

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"
ARMS = 3  # beside the baseline
MARGIN = 3.0  # in units of the outcomes
MARGIN_IN_LOOKS = 1.0  # where looks would find the larger at once, and never ask for equivalence
CHUNK = 1000
MOST = 30

DESIGNS = {
    "6 seeds": Looks((6,)),
    "10 seeds": Looks((10,)),
    "30 seeds": Looks((30,)),
    f"auto, looks after {', '.join(map(str, looks(MOST)))}": Looks(looks(MOST), planned=True),
    "10 seeds, extended to 20 and 30": Looks((10, 20, 30)),
}


def distributions(pool: np.ndarray) -> dict[str, Callable[[np.random.Generator, int], np.ndarray]]:
    """Return what draws outcomes [seed, arm] of standard deviation 1 (t with 3 df: √3)."""
    shape = ARMS + 1
    return {
        "normal": lambda rng, n: rng.normal(size=(n, shape)),
        "skewed (exponential)": lambda rng, n: rng.exponential(size=(n, shape)),
        "heavy-tailed (t, 3 df)": lambda rng, n: rng.standard_t(3, size=(n, shape)),
        "resampled from real runs": lambda rng, n: rng.choice(pool, size=(n, shape)),
    }


def real_outcomes(seeds: int) -> np.ndarray:
    """Return test accuracies of real runs of one arm, shifted and scaled to mean 0 and sd 1."""
    study = Study(
        "How much does chance alone change the test accuracy?",
        data="digits",
        model={"hidden": [32]},
        train={"epochs": 5, "batch_size": 32},
        seeds=seeds,
    )
    with tempfile.TemporaryDirectory() as folder:
        arms = study.run(store=Path(folder) / "store.sqlite").analysis.arms
    values = np.array(list(arms[0].values.values()))
    return np.asarray((values - values.mean()) / values.std(ddof=1))


@dataclass
class Tally:
    """What came of simulated studies; adds up."""

    studies: int = 0
    false_difference: int = 0  # studies with any better or worse where there is none
    false_equivalence: int = 0  # studies with any equivalent at the edge of the margin
    intervals: int = 0
    covering: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            *(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True))
        )


def judged(outcomes: np.ndarray, design: Looks, margin: float | None) -> list[Judged]:
    """Judge a study's outcomes [seed, arm], the baseline first, as `paribus.analysis` does."""
    differences = (outcomes[:, 1:] - outcomes[:, :1]).T
    if len(design.seeds) == 1:
        return judge(list(differences), margin, True)
    pairs = [dict(enumerate(one)) for one in differences.tolist()]
    return judge_in_looks(pairs, [len(design.seeds)] * ARMS, design, margin, True)


def simulate(task: tuple[str, str, int, int, np.ndarray]) -> tuple[str, str, Tally]:
    """Simulate studies of one distribution and design."""
    name, design_name, seed, count, pool = task
    design, draw = DESIGNS[design_name], distributions(pool)[name]
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(name), len(design_name)]))
    tally = Tally(studies=count)
    margin = MARGIN if len(design.seeds) == 1 else MARGIN_IN_LOOKS
    shift = np.array([0.0] + [margin] * ARMS)
    for _ in range(count):
        outcomes = draw(rng, design.seeds[-1])
        none = judged(outcomes, design, None)
        tally.false_difference += any(one.verdict in ("better", "worse") for one in none)
        tally.intervals += ARMS
        tally.covering += sum(one.paired.low <= 0 <= one.paired.high for one in none)
        edge = judged(outcomes + shift, design, margin)
        tally.false_equivalence += any(one.verdict == "equivalent" for one in edge)
    return name, design_name, tally


def powers(studies: int) -> list[str]:
    """Return rows on planned against simulated power, normal differences of sd 1, one contrast."""
    rng, rows = np.random.default_rng(11), []

    def share(n: int, difference: float, margin: float | None, verdict: str) -> float:
        draws = rng.normal(difference, 1, (studies, n))
        return float(np.mean([judge([d], margin, True)[0].verdict == verdict for d in draws]))

    for n in (6, 10, 30):
        difference = detectable(n, 1, 0.05)
        rows.append(
            (f"difference that {n} seeds detect", n, 0.8, share(n, difference, None, "better"))
        )
    for size in (0.5, 1.0):
        n = seeds_needed(1, size, 0.05) or 0
        planned = power(n, 1, size, 0.05)
        rows.append(
            (f"seeds for a difference of {size:g} sd", n, planned, share(n, size, None, "better"))
        )
        n = seeds_for_equivalence(1, size, 0.05) or 0
        planned = equivalence_power(n, 1, size, 0.05)
        rows.append(
            (
                f"seeds for equivalence within {size:g} sd",
                n,
                planned,
                share(n, 0, size, "equivalent"),
            )
        )
    return [
        f"| {what} | {n} | {p:.1%} | {got:.1%} |".replace("%", " %") for what, n, p, got in rows
    ]


def main() -> None:
    """Simulate everything and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibrate", description=__doc__)
    parser.add_argument("--studies", type=int, default=20_000, help="per row")
    parser.add_argument("--no-write", action="store_true", help="print the table alone")
    args = parser.parse_args()
    start = time.perf_counter()
    pool = real_outcomes(400)
    names = list(distributions(pool))
    chunks = math.ceil(args.studies / CHUNK)
    tasks = [
        (name, design, seed, CHUNK, pool)
        for name in names
        for design in DESIGNS
        for seed in range(chunks)
    ]
    found: dict[tuple[str, str], Tally] = defaultdict(Tally)
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        for name, design, tally in workers.map(simulate, tasks):
            found[name, design] += tally
    lines = [
        f"`python -m benchmarks.calibrate --studies {args.studies}`, "
        f"{datetime.now(UTC):%Y-%m-%d}, on {os.cpu_count()} cores of an {cpu_model()}: "
        f"{(time.perf_counter() - start) / 60:.0f} min.",
        "",
        "| outcomes | design | studies | false better or worse | false equivalent | coverage |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for (name, design), tally in found.items():
        shares = (
            tally.false_difference / tally.studies,
            tally.false_equivalence / tally.studies,
            tally.covering / tally.intervals,
        )
        told = " | ".join(f"{100 * share:.2f} %" for share in shares)
        lines.append(f"| {name} | {design} | {tally.studies:,} | {told} |")
    lines += [
        "",
        "| power | seeds | planned | simulated |",
        "| --- | ---: | ---: | ---: |",
        *powers(args.studies),
    ]
    table = "\n".join(lines)
    print(table)
    if not args.no_write:
        page = PAGE.read_text("utf-8")
        before, rest = page.split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    main()

"""Times by a size and by device or engine, and where one of them overtakes the first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from paribus.findings import Analysis, ArmSummary
from paribus.report import frames, wording
from paribus.stats.paired import mean_interval


@dataclass(frozen=True)
class Crossing:
    """A size at which a device or engine gets ahead of the first one, or falls behind it.

    Interpolated on log axes between the two measured sizes around it. `open` are those of the two
    at which the 95 % interval of the speed-up includes 1.
    """

    panel: str
    series: str
    size: float
    between: tuple[float, float]
    ahead: bool  # whether it is the faster one above this size
    open: tuple[float, ...]


@dataclass(frozen=True)
class Durations:
    """Times by size, a line per device or engine.

    `rows` has the columns panel (the levels of all further factors), series, size, seconds, low,
    high (95 % t interval of the mean), speed_up, speed_up_low, speed_up_high (geometric mean over
    the seeds of the time of the first series over that of this one, and its 95 % t interval, by
    logarithms; nan for the first series itself), and n.
    """

    size: str
    lines: str
    rows: pd.DataFrame
    series: list[str]  # the first is the one that speed-ups are against
    panels: list[str]  # in order
    all_panels: int
    crossings: list[Crossing]


def durations(analysis: Analysis) -> Durations | None:
    """Lay out the times by a size and by device or engine.

    The size is the factor with the most levels among those whose levels are all numbers above 0.
    None without such a factor, without devices or engines, or where no time is judged.
    """
    outcome, factors = analysis.outcome, analysis.factors
    lines = next((factor for factor in factors if factor in frames.MACHINES), None)
    sizes = {factor: of for factor, levels in factors.items() if (of := _numbers(levels))}
    if outcome.lane != "clock" or outcome.unit != "s" or lines is None or not sizes:
        return None
    along = max(sizes, key=lambda factor: len(sizes[factor]))
    first = factors[lines][0]
    by_levels = {tuple(arm.levels.items()): arm for arm in analysis.arms}
    rows = []
    for arm in analysis.arms:
        if not 0 < arm.mean < math.inf:
            continue
        others = [f"{f} {level}" for f, level in arm.levels.items() if f not in (along, lines)]
        reference = by_levels.get(tuple({**arm.levels, lines: first}.items()))
        low, high = (v if math.isfinite(v) else arm.mean for v in (arm.low, arm.high))
        rows.append(
            {
                "panel": wording.clean(" · ".join(others)),
                "series": wording.clean(arm.levels[lines]),
                "size": sizes[along][arm.levels[along]],
                "seconds": arm.mean,
                "low": max(low, arm.mean / 10),  # near zero there is no place on a log axis
                "high": high,
                **_speed_up(arm, reference),
                "n": len(arm.values),
            }
        )
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    panels = list(dict.fromkeys(frame["panel"]))
    kept = [panels[i] for i in frames.spread(len(panels), frames.MOST_PANELS)]
    frame = frame[frame["panel"].isin(kept)].sort_values("size", kind="stable")
    series = [wording.clean(level) for level in factors[lines]]
    frame = frame.reset_index(drop=True)
    found = list(_crossings(frame, kept, series))
    clean = wording.clean
    return Durations(clean(along), clean(lines), frame, series, kept, len(panels), found)


def _numbers(levels: Sequence[str]) -> Mapping[str, float]:
    """Return the levels of a factor as numbers; nothing where they are not all above 0."""
    try:
        found = {level: float(level) for level in levels}
    except ValueError:
        return {}
    return found if all(0 < size < math.inf for size in found.values()) else {}


def _speed_up(arm: ArmSummary, reference: ArmSummary | None) -> dict[str, float]:
    """Return how many times as fast an arm is as its reference, in the seeds of both."""
    names = ("speed_up", "speed_up_low", "speed_up_high")
    shared = arm.values.keys() & reference.values.keys() if reference else set()
    pairs = [(reference.values[b], arm.values[b]) for b in sorted(shared)] if reference else []
    logs = np.array([math.log(a / b) for a, b in pairs if a > 0 and b > 0])
    if arm is reference or not len(logs):
        return dict.fromkeys(names, math.nan)
    numbers = (float(logs.mean()), *mean_interval(logs, 0.0))
    return {name: math.exp(one) for name, one in zip(names, numbers, strict=True)}


def _crossings(rows: pd.DataFrame, panels: list[str], series: list[str]) -> Iterator[Crossing]:
    for panel, line in itertools.product(panels, series[1:]):
        own = rows[(rows["panel"] == panel) & (rows["series"] == line)]
        own = own[own["speed_up"].notna() & (own["speed_up"] != 1)]
        for (_, a), (_, b) in itertools.pairwise(own.iterrows()):
            start, end = math.log(a["speed_up"]), math.log(b["speed_up"])
            if start * end < 0:
                share = start / (start - end)
                size = math.exp((1 - share) * math.log(a["size"]) + share * math.log(b["size"]))
                unsure = [r["size"] for r in (a, b) if r["speed_up_low"] <= 1 <= r["speed_up_high"]]
                yield Crossing(panel, line, size, (a["size"], b["size"]), end > 0, tuple(unsure))

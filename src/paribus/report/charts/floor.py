"""How far each arm is from the least time that the machine could take for the same work."""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import pandas as pd

from paribus.findings import Analysis, ArmSummary, Floor
from paribus.report import frames, wording
from paribus.report.charts.looks import (
    INK,
    LETTER,
    WIDTH,
    Chart,
    finished,
    round_numbers,
    told_seeds,
)
from paribus.report.style import COLOURS
from paribus.report.wording import MOST_NAMED
from paribus.study.outcomes import OUTCOMES

_LABEL = 340  # arms stand with all their levels here: the widest label, in pixels
_RATES = ("product_rate", "copy_rate")
_SECONDS = OUTCOMES["seconds_per_epoch"]


def tabulated(analysis: Analysis) -> pd.DataFrame:
    """Return a row per arm with a known floor, in the order of the arms.

    Columns arm, times (the floor), seconds (per epoch), least, product_rate (FLOP/s), copy_rate
    (bytes/s): medians over the seeds; low and high, the least and the most times of a seed; n.
    """
    rows = []
    for arm in analysis.arms:
        floors = _known(arm)
        if not floors:
            continue
        times = [one.seconds / one.least for one in floors]
        medians = {
            name: float(np.median([getattr(one, name) for one in floors]))
            for name in Floor.__dataclass_fields__
        }
        rows.append(
            {"arm": arm.name, "times": float(np.median(times)), **medians}
            | {"low": min(times), "high": max(times), "n": len(times)}
        )
    columns = ["arm", "times", *Floor.__dataclass_fields__, "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def draw(analysis: Analysis) -> Chart | None:
    """How many times the floor an epoch took, on a log axis: a row per arm, a dot per seed.

    The floor is the time that the operations and bytes of an epoch need at the rates of a matrix
    product and of a copy that were measured beside each run. None where none is known.
    """
    rows = tabulated(analysis)
    if rows.empty:
        return None
    rows = rows.assign(
        floor=1.0,
        arm=[wording.clean(arm) for arm in rows["arm"]],
        figures=[f"{times}: {seconds} over {least}" for times, seconds, least in _told(rows)],
    )
    arms = list(rows["arm"])
    figures = round(LETTER * rows["figures"].str.len().max())
    width = WIDTH - 50 - min(_LABEL, round(LETTER * max(map(len, arms)))) - figures
    furthest, nearest = max(rows["high"].max(), 1.0), min(rows["low"].min(), 1.0)
    room = (furthest / nearest) ** 0.04
    scale = alt.Scale(type="log", nice=False, domain=[nearest / room, furthest * room])
    x = alt.X("times:Q", title="times the floor", scale=scale)
    x = x.axis(values=round_numbers([nearest, furthest]), format="~g")
    y = alt.Y("arm:N", sort=arms, title=None).axis(labelLimit=_LABEL, domain=False, ticks=False)
    floor = alt.X("floor:Q", scale=scale, title="times the floor")
    base = alt.Chart(rows).encode(y=y)
    dots = alt.Chart(_dots(analysis)).mark_point(filled=True, size=40, opacity=0.7)
    layers = alt.layer(
        alt.Chart(rows[:1]).mark_rule(color=INK, strokeWidth=1.4).encode(x=floor),
        base.mark_rule(strokeWidth=2.2, color=COLOURS[0], opacity=0.45).encode(
            x=floor, x2="times:Q"
        ),
        dots.encode(x=x, y=y, color=alt.value(COLOURS[0])),
        base.mark_tick(thickness=2.6, size=20, color=INK).encode(x=x),
        base.mark_text(align="left", color=INK).encode(x=alt.value(width + 10), text="figures:N"),
    ).properties(width=width, height=alt.Step(26))
    return finished(
        layers,
        "Time of an epoch against the floor of the machine",
        f"A dot per seed, a bar marks the median, {told_seeds(rows['n'])}; 1 is the floor",
    )


def _dots(analysis: Analysis) -> pd.DataFrame:
    """Return a row per run; of very many, the first seeds of each arm."""
    most = max(1, frames.MOST_ROWS // max(1, len(analysis.arms)))
    rows = [
        {"arm": wording.clean(arm.name), "times": one.seconds / one.least}
        for arm in analysis.arms
        for one in _known(arm)[:most]
    ]
    return pd.DataFrame(rows, columns=["arm", "times"])


def _known(arm: ArmSummary) -> list[Floor]:
    """Return the floors of an arm's runs that have a place on a log axis."""
    return [one for one in arm.floors.values() if one.seconds > 0 and 0 < one.least < math.inf]


def caption(analysis: Analysis) -> str:
    """Return what the floor is, at which rates, and which arms have none."""
    rows = tabulated(analysis)
    if rows.empty:
        return ""
    known = [one for arm in analysis.arms for one in _known(arm)]
    product, copied = (_span([getattr(one, rate) for one in known]) for rate in _RATES)
    drawn = set(rows["arm"])
    without = [arm.name for arm in analysis.arms if arm.name not in drawn]
    named = wording.listed(without[:MOST_NAMED])
    more = f" and {len(without) - MOST_NAMED} more" if len(without) > MOST_NAMED else ""
    unknown = f" Without a floor: {named}{more}." if without else ""
    return (
        "The floor is the longer of two times: that of the operations of an epoch at the rate of "
        f"a matrix product ({product} GFLOP/s), and that of its bytes at the rate of a copy "
        f"({copied} GB/s), both measured beside each run. What is above it is time that these two "
        f"do not account for.{unknown}"
    )


def _told(rows: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return of each arm how many times the floor, the time and the floor, as people read them."""
    numbers = rows[["times", "seconds", "least"]].to_numpy(float).tolist()
    return [
        (
            f"×{_SECONDS.show_bound(math.log(times))}",
            wording.told(_SECONDS, seconds),
            wording.told(_SECONDS, least),
        )
        for times, seconds, least in numbers
    ]


def _span(rates: list[float]) -> str:
    """Return the lowest and the highest of some rates, in 10⁹ per second."""
    low, high = (f"{float(f'{rate / 1e9:.3g}'):,g}" for rate in (min(rates), max(rates)))
    return low if low == high else f"{low} to {high}"


def alternative(analysis: Analysis) -> str:
    """Return how many times the floor each arm took, the first twelve one by one."""
    rows = tabulated(analysis)
    if rows.empty:
        return ""
    told = [
        f"{arm}: {times}, {seconds} where {least} is the least"
        for arm, (times, seconds, least) in zip(rows["arm"], _told(rows), strict=True)
    ]
    more = len(told) - MOST_NAMED
    rest = [f"{wording.counted(more, 'more arm')} in the chart"] if more > 0 else []
    return (
        f"Dot plot of the time of an epoch over the floor, {wording.counted(len(told), 'arm')}. "
        + wording.sentences([*told[:MOST_NAMED], *rest])
    )

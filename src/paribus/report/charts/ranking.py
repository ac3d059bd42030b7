"""Where each arm stands among all, and how likely it is to be the best."""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import pandas as pd

from paribus.findings import Analysis
from paribus.report import wording
from paribus.report.charts.looks import (
    FAINT,
    INK,
    WIDTH,
    Chart,
    finished,
    label_width,
    told_seeds,
)
from paribus.report.style import COLOURS
from paribus.report.wording import MOST_NAMED

_FEWEST_ARMS = 3  # of two, the contrast says it
_MOST_ARMS = 60  # that have a row
_LABEL = 400  # the widest name of an arm, in pixels
_CHANCE = 120  # what is written at the right, in pixels


def draw(analysis: Analysis) -> Chart | None:
    """Each arm's mean rank with its 95 % interval, and its chance to be the best; best first.

    None for fewer than three arms, and where the evidence has no ranking. Of more than 60 arms
    the best 60 are drawn.
    """
    rows = tabulated(analysis)
    if rows.empty:
        return None
    arms, names = len(analysis.evidence.standings), list(rows["arm"])
    width = round(WIDTH - label_width(names, _LABEL) - _CHANCE - 20)
    last = math.ceil(rows["high"].max())
    scale = alt.Scale(domain=[1, last], nice=False, padding=8)
    step = max(1, round(last / 10))
    x = alt.X("rank:Q", title="rank among all arms, 1 is the best", scale=scale).axis(
        values=sorted({1, *range(step, last + 1, step)}), format="d"
    )
    y = alt.Y("arm:N", sort=names, title=None).axis(
        labelLimit=_LABEL, domain=False, ticks=False, labelPadding=8
    )
    base = alt.Chart(rows).encode(y=y)
    right = base.encode(x=alt.value(width + _CHANCE - 20))
    heading = alt.Chart(pd.DataFrame({"text": ["chance to be the best"]}))
    chart = alt.layer(
        base.mark_rule(strokeWidth=2.2, color=COLOURS[0], opacity=0.55).encode(
            x=alt.X("low:Q", scale=scale), x2="high:Q"
        ),
        base.mark_point(filled=True, size=64, opacity=1, color=COLOURS[0]).encode(x=x),
        right.mark_text(align="right", color=INK).encode(text="chance:N"),
        heading.mark_text(align="right", baseline="bottom", color=FAINT, fontSize=11).encode(
            x=alt.value(width + _CHANCE - 20), y=alt.value(-4), text="text:N"
        ),
    ).properties(width=width, height=alt.Step(22 if len(rows) <= 30 else 17))
    seeds = told_seeds(pd.Series([analysis.evidence.seeds]))
    best = f"; the best {len(rows)} of {arms} arms" if len(rows) < arms else ""
    says = f"Mean rank and its 95 % interval, Bayesian bootstrap, {seeds}{best}"
    return finished(chart, "Ranking of the arms", says)


def tabulated(analysis: Analysis) -> pd.DataFrame:
    """Return a row per arm, the best first: arm, rank (mean), low, high, best, chance (written).

    Empty where the chart is None.
    """
    standings = analysis.evidence.standings
    rows = [
        {
            "arm": wording.clean(one.arm),
            "rank": one.mean_rank,
            "low": one.low,
            "high": one.high,
            "best": one.best,
            "chance": _chance(one.best),
        }
        for one in standings[:_MOST_ARMS]
        if np.isfinite([one.mean_rank, one.low, one.high, one.best]).all()
    ]
    return pd.DataFrame(rows if len(standings) >= _FEWEST_ARMS else [])


def _chance(share: float) -> str:
    """Return a share of draws in per cent; none is told to be impossible, or certain."""
    if share < 0.005:
        return "< 1 %"
    return "> 99 %" if share >= 0.995 else f"{100 * share:.0f} %"


def caption(analysis: Analysis) -> str:
    """Return how to read the ranking, and that it is no test."""
    standings, drawn = analysis.evidence.standings, tabulated(analysis)
    if drawn.empty:
        return ""
    part = (
        f" The best {len(drawn)} of {len(standings)} arms are drawn."
        if len(drawn) < len(standings)
        else ""
    )
    return (
        "Each draw of the bootstrap weighs the seeds anew and ranks the arms by their means. It "
        "describes these seeds and is not a test: the best of many equal arms looks good by "
        f"chance, and the best may be so by a difference that does not matter.{part}"
    )


def alternative(analysis: Analysis) -> str:
    """Return the ranks of the best arms, twelve at most."""
    rows = tabulated(analysis)
    if rows.empty:
        return ""
    told = [
        f"{one['arm']}: {wording.decimal(one['rank'], 1)} ({one['low']:g} to {one['high']:g}), "
        f"{one['chance']}"
        for one in rows.head(MOST_NAMED).to_dict("records")
    ]
    count = wording.counted(len(analysis.evidence.standings), "arm")
    return (
        f"Chart of the mean rank of {count}, 95 % interval and chance to be the best. "
        + wording.sentences(told)
    )

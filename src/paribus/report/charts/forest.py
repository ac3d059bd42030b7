"""The contrasts: differences, their intervals, the margin and the verdicts."""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import pandas as pd

from paribus.findings import Analysis, Contrast
from paribus.report import wording
from paribus.report.charts.looks import (
    INK,
    LABEL,
    LETTER,
    TWO_LINES,
    WIDTH,
    Chart,
    finished,
    round_numbers,
    told_seeds,
)
from paribus.report.style import COLOURS, VERDICTS
from paribus.report.wording import MOST_NAMED
from paribus.study.outcomes import Outcome


def draw(analysis: Analysis) -> Chart | None:
    """Each contrast's difference with its 95 % interval, zero, the margin, and the verdict.

    Ratios stand on a log scale, around one.
    """
    if not analysis.contrasts:
        return None
    outcome = analysis.outcome
    frame = contrast_rows(analysis)
    verdicts = [verdict for verdict in VERDICTS if verdict in set(frame["verdict"])]
    colour = alt.Color("verdict:N", legend=None).scale(
        domain=verdicts, range=[VERDICTS[verdict].colour for verdict in verdicts]
    )
    shape = alt.Shape("verdict:N", legend=None).scale(
        domain=verdicts, range=[VERDICTS[verdict].shape for verdict in verdicts]
    )
    low, high = ("worse", "better") if outcome.higher_is_better else ("better", "worse")
    unit = wording.labelled(f"difference in {outcome.label}", outcome.difference_unit)
    scale = alt.Scale(padding=14)
    if outcome.ratio:
        unit, scale = f"ratio of {outcome.label}", alt.Scale(type="log", nice=False, padding=14)
    # Em spaces, since SVG folds ordinary ones.
    title = f"← {low}\u2003\u2003{unit}\u2003\u2003{high} →"
    x = alt.X("difference:Q", title=title, scale=scale).axis(tickCount=7)
    if outcome.ratio:
        drawn = frame[["difference", "low", "high"]].to_numpy(float).ravel().tolist()
        x = x.axis(values=round_numbers([*drawn, 1.0]))
    y = alt.Y("label:N", sort=list(frame["label"]), title=None).axis(
        labelExpr=TWO_LINES, labelLimit=LABEL, domain=False, ticks=False, labelPadding=10
    )
    lines = [label.split("\n") for label in frame["label"]]
    label_width = min(LABEL, LETTER * max(len(line) for label in lines for line in label))
    figures_width = LETTER * frame["figures"].str.len().max() + 4
    width = max(240, round(WIDTH - label_width - figures_width - 140))
    rows = alt.Chart(frame)
    layers: list[alt.Chart] = []
    shaded = ""
    if analysis.margin is not None:
        edge = outcome.bound(analysis.margin)
        low_edge, high_edge = outcome.shown_difference(-edge), outcome.shown_difference(edge)
        band = alt.Chart(pd.DataFrame({"low": [low_edge], "high": [high_edge]}))
        between = {"x": alt.X("low:Q", scale=scale), "x2": "high:Q"}
        layers.append(band.mark_rect(color=COLOURS[0], opacity=0.13).encode(**between))
        shaded = f"; shaded: within {wording.within(outcome, analysis.margin)}, too small to matter"
    zero = alt.Chart(pd.DataFrame({"difference": [outcome.shown_difference(0.0)]}))
    layers += [
        zero.mark_rule(color=INK, strokeWidth=1).encode(x=x),
        rows.transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(strokeWidth=2.2)
        .encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=colour),
        rows.transform_filter("isValid(datum.difference)")
        .mark_point(filled=True, size=80, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape),
        rows.mark_text(align="left", color=INK).encode(
            x=alt.value(width + 14), y=y, text="figures:N"
        ),
        rows.mark_text(align="left", fontWeight="bold").encode(
            x=alt.value(width + 28 + figures_width), y=y, text="verdict:N", color=colour
        ),
    ]
    step = alt.Step(36 if any(len(label) > 1 for label in lines) else 26)
    chart = alt.layer(*layers).properties(width=width, height=step)
    mean = "Geometric mean" if outcome.ratio else "Mean"
    paired = told_seeds(pd.Series([contrast.n for contrast in analysis.contrasts]))
    return finished(
        chart,
        f"{wording.capitalised(wording.compared(outcome))}s, paired by seed",
        f"{mean} and {wording.interval_name(analysis)}, {paired}{shaded}",
    )


def contrast_rows(analysis: Analysis) -> pd.DataFrame:
    """Return a row per contrast: label, difference, low, high, figures, verdict; ratios as such.

    The figures are the difference and its interval as people read them; `label` has up to two
    lines and is unique.
    """
    outcome = analysis.outcome
    labels = [
        "\n".join(part for part in (c.varies, c.condition) if part) for c in analysis.contrasts
    ]
    if len(set(labels)) < len(labels):
        labels = [f"{c.arm}\nagainst {c.baseline}" for c in analysis.contrasts]
    frame = pd.DataFrame(
        {
            "label": [wording.clean(label) for label in labels],
            "difference": [c.difference for c in analysis.contrasts],
            "low": [c.low for c in analysis.contrasts],
            "high": [c.high for c in analysis.contrasts],
            "figures": [wording.difference(outcome, c) for c in analysis.contrasts],
            "verdict": [c.verdict for c in analysis.contrasts],
        }
    )
    numbers = ["difference", "low", "high"]
    shown = frame[numbers].astype(float).map(outcome.shown_difference)
    frame[numbers] = shown.where(np.isfinite(shown))
    return frame


def caption(analysis: Analysis) -> str:
    """Return how to read the forest plot."""
    better = "right" if analysis.outcome.higher_is_better else "left"
    margin = (
        ""
        if analysis.margin is None
        else " The shaded band is the margin, "
        f"{analysis.outcome.show_margin(analysis.margin)}: what lies inside it is too small to "
        "matter. The verdicts are corrected for the number of contrasts, the intervals are not."
    )
    ratio = analysis.outcome.ratio
    return (
        f"{'Geometric mean of the ratios' if ratio else 'Mean difference'} of the pairs of runs "
        f"that share a seed, with its {wording.interval_name(analysis)}; {better} of the line at "
        f"{'one' if ratio else 'zero'} the arm is better than its baseline.{margin}"
    )


def alternative(analysis: Analysis) -> str:
    """Return the contrasts in words, the first twelve one by one."""
    named = [_contrast(analysis.outcome, c) for c in analysis.contrasts[:MOST_NAMED]]
    more = len(analysis.contrasts) - len(named)
    rest = [f"{more} more stand in the table of contrasts"] if more else []
    return (
        f"Forest plot of {wording.counted(len(analysis.contrasts), 'contrast')}. "
        + wording.sentences([*named, *rest])
    )


def _contrast(outcome: Outcome, contrast: Contrast) -> str:
    about = ", ".join(part for part in (contrast.varies, contrast.condition) if part)
    if math.isnan(contrast.difference):
        return f"{about}: {contrast.verdict}"
    shown = f"{wording.signed(outcome, contrast.difference)} {outcome.difference_unit}".rstrip()
    low, high = wording.bound(outcome, contrast.low), wording.bound(outcome, contrast.high)
    interval = (
        ""
        if math.isnan(contrast.low)
        else f", {100 * contrast.confidence:g} % interval {low} to {high}"
    )
    return f"{about}: {shown}{interval}, {contrast.verdict}"

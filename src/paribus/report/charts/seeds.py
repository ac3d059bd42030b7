"""The final outcome of every run."""

from __future__ import annotations

import json
import math

import altair as alt
import pandas as pd

from paribus.findings import Analysis, ArmSummary
from paribus.report import frames, wording
from paribus.report.charts.looks import FAINT, INK, LABEL, LETTER, WIDTH, Chart, finished, look
from paribus.report.style import COLOURS
from paribus.study.outcomes import Outcome


def draw(analysis: Analysis) -> Chart | None:
    """The final outcome of every run, a dot each, one line per seed, a bar at each arm's mean.

    Arms that share a condition share a panel, and each panel has a scale of its own.
    """
    rows = tabulated(analysis)
    if not (rows["kind"] == "seed").any():
        return None
    plan = frames.layout(analysis)
    outcome = analysis.outcome
    series = [wording.clean(one) for one in plan.series]
    columns = 1 if len(plan.panels) <= 4 else 2
    prefix = wording.clean(f"{plan.factor} ") if plan.factor else ""
    scale = alt.Scale(zero=False, padding=8)
    if outcome.ratio and rows["value"].min() > 0:
        scale = alt.Scale(type="log", nice=False, padding=8)
    colour, _, shape = look(series)
    base = alt.Chart().encode(
        x=alt.X(
            "value:Q",
            title=wording.labelled(outcome.label, outcome.unit),
            scale=scale,
        ).axis(tickCount=8 // columns),
        y=alt.Y("series:N", sort=series, title=None).axis(
            labelLimit=LABEL, labelExpr=f"{json.dumps(prefix)} + datum.label"
        ),
    )

    def only(kind: str) -> alt.Chart:
        kept: alt.Chart = base.transform_filter(alt.datum.kind == kind)
        return kept

    dots = only("seed").mark_point(filled=True, size=46, opacity=0.8)
    nothing = only("nothing").mark_text(
        text="no finished run", color=FAINT, align="left", fontStyle="italic"
    )
    margin = 30 + min(LABEL, int(LETTER * (len(prefix) + max(map(len, series)))))
    width = WIDTH // columns - margin
    layers = alt.layer(
        only("seed")
        .mark_line(strokeWidth=0.7, color="#9aa1a9")
        .encode(detail="block:N", order="row:Q"),
        dots.encode(color=colour, shape=shape)
        if plan.factor
        else dots.encode(color=alt.value(COLOURS[0])),
        only("mean").mark_tick(thickness=2.6, size=22, color=INK),
        nothing.encode(x=alt.value(8)),
        data=rows,
    ).properties(width=width, height=alt.Step(26))
    heading = f"{wording.capitalised(outcome.label)} of every run"
    says = "A dot per seed, a line joins the runs of a seed, a bar marks the mean"
    if len(plan.panels) == 1:
        return finished(layers, heading, says)
    chart = (
        layers.facet(
            facet=alt.Facet(
                "panel:N", title=None, sort=[wording.clean(panel) for panel in plan.panels]
            ).header(labelLimit=width, labelAnchor="start"),
            columns=columns,
            spacing={"row": 14, "column": 20},
        )
        .resolve_scale(x="independent")
        .resolve_axis(y="independent")
    )
    return finished(chart, heading, f"{says}; each panel has its own scale")


def tabulated(analysis: Analysis) -> pd.DataFrame:
    """Return what the chart of seeds draws: arm, block, value (shown), kind, panel, series, row.

    The kind is seed (a finished run), mean (of an arm) or nothing (an arm without finished runs);
    `row` counts the series. Where arms × seeds would pass `MOST_ROWS`, the first seeds are kept,
    the same for all arms.
    """
    plan = frames.layout(analysis)
    blocks = sorted({block for arm in analysis.arms for block in arm.values})
    kept = set(blocks[: max(1, frames.MOST_ROWS // max(1, len(analysis.arms)) - 1)])
    rows: list[dict[str, object]] = []
    for arm in analysis.arms:
        panel, series = plan.place[arm.name]
        common: dict[str, object] = {
            "arm": arm.name,
            "panel": wording.clean(panel),
            "series": wording.clean(series),
            "row": plan.series.index(series),
        }
        scale = analysis.outcome.scale
        rows += [
            {**common, "kind": "seed", "block": block, "value": value * scale}
            for block, value in arm.values.items()
            if block in kept and math.isfinite(value * scale)
        ]
        if math.isfinite(arm.mean * scale):
            rows.append({**common, "kind": "mean", "value": arm.mean * scale})
        if not arm.values:
            rows.append({**common, "kind": "nothing"})
    columns = ["arm", "block", "value", "kind", "panel", "series", "row"]
    return pd.DataFrame(rows, columns=columns)


def caption(analysis: Analysis) -> str:
    """Return how to read the dots."""
    drawn = tabulated(analysis)["block"].nunique()
    ran = len({block for arm in analysis.arms for block in arm.values})
    part = f" The first {drawn} of {ran} seeds are drawn." if drawn < ran else ""
    shared = "from the same numbers and see the same batches"
    if analysis.ends:
        shared = "at the same place"
    return (
        f"Every dot is a finished run. Runs of one seed start {shared}, so that lines which lean "
        f"the same way speak for a real difference.{part}"
    )


def alternative(analysis: Analysis) -> str:
    """Return the arms with the highest and the lowest mean outcome."""
    outcome = analysis.outcome
    finished = sorted(
        (arm for arm in analysis.arms if not math.isnan(arm.mean)), key=lambda arm: arm.mean
    )
    runs = sum(len(arm.values) for arm in analysis.arms)
    intro = f"Dot plot of the {outcome.label} of {wording.counted(runs, 'run')}."
    if len(finished) < 2:
        return intro + "".join(f" Mean {_arm(outcome, arm)}." for arm in finished)
    return (
        f"{intro} Lowest mean {_arm(outcome, finished[0])}; highest {_arm(outcome, finished[-1])}."
    )


def _arm(outcome: Outcome, arm: ArmSummary) -> str:
    return f"{wording.told(outcome, arm.mean)} for {arm.name}"

"""The paths of runs on a surface."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from paribus.findings import Analysis, Ends
from paribus.report import paths, wording
from paribus.report.charts.looks import INK, WIDTH, Chart, finished
from paribus.report.style import COLOURS


def draw(analysis: Analysis, surface: str) -> Chart | None:
    """The paths of the first runs of every arm on a surface, over its contour lines.

    A ring is a place after one step, a dot the end; crosses are the global minima.
    """
    walked = paths.walked(analysis, surface)
    if walked.paths.empty:
        return None
    of_surface = paths.surfaces(analysis)[surface]
    columns = min(4, len(of_surface))
    size = min(300, (WIDTH - 60) // columns - 14)
    wide, high = (alt.Scale(domain=list(ends), nice=False) for ends in walked.surface.shown)
    minima = alt.Chart(pd.DataFrame(walked.surface.minima, columns=["x", "y"]))
    contours = alt.Chart(walked.contours)
    panels = []
    for number, one in enumerate(of_surface):
        y = alt.Y("y:Q", scale=high, title="y" if number % columns == 0 else None)
        place = {
            "x": alt.X("x:Q", scale=wide, title="x").axis(tickCount=5, grid=False),
            "y": y.axis(tickCount=5, grid=False),
        }
        rows = walked.paths[walked.paths["arm"] == one.arm]
        by_run = rows.groupby("block")
        dots = alt.Chart(by_run.head(1)), alt.Chart(by_run.tail(1))
        layers = alt.layer(
            contours.mark_line(strokeWidth=0.8, color="#b4bac1", clip=True).encode(
                **place, detail="line:N", order="order:Q"
            ),
            alt.Chart(rows)
            .mark_line(strokeWidth=1.1, opacity=0.75, color=COLOURS[0], clip=True)
            .encode(**place, detail="block:N", order="order:Q"),
            dots[0]
            .mark_point(size=26, strokeWidth=1.2, color=COLOURS[0], clip=True)
            .encode(**place),
            minima.mark_point(
                shape="cross", filled=True, size=70, opacity=1, color=INK, clip=True
            ).encode(**place),
            dots[1]
            .mark_point(filled=True, size=30, opacity=1, color=COLOURS[1], clip=True)
            .encode(**place),
        )
        title = alt.Title(wording.clean(one.others), fontSize=12, anchor="middle")
        panels.append(layers.properties(width=size, height=size, title=title))
    drawn = walked.paths["block"].nunique()
    return finished(
        alt.concat(*panels, columns=columns, spacing=14),
        f"Paths on {surface}",
        f"The first {drawn} starts, the same for all arms",
    )


def caption() -> str:
    """Return how to read the paths on a surface."""
    return (
        "A ring is where a run is after its first step, a dot where it ends; crosses are the "
        "global minima. Contour lines are drawn where shares of the area lie below them, not at "
        "equal differences of the value."
    )


def alternative(surface: str, ends: Sequence[Ends]) -> str:
    """Return where the runs of each arm end."""
    told = [
        f"{one.others}: "
        + ", ".join(f"{count} at {place}" for place, count in one.counts.items() if count)
        for one in ends
    ]
    return f"Paths of runs on {surface}, over its contour lines. {wording.sentences(told)}"

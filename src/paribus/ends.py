"""Where the runs of a study on surfaces end, from the paths that a store keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from paribus.findings import ArmSummary, Ends
from paribus.models.surfaces import NEAR, SURFACES
from paribus.report.wording import listed
from paribus.store.store import StoredStudy
from paribus.study.factors import phrase


def ends(
    content: Mapping[str, Any], arms: Sequence[ArmSummary], curves: pd.DataFrame
) -> tuple[Ends, ...]:
    """Return how many finished runs of each arm end at which minimum; none without a surface.

    `curves` as those of an analysis, of which the metrics x and y are the path.
    """
    surfaces = {about["name"]: about["settings"].get("model.surface") for about in content["arms"]}
    if not any(surfaces.values()):
        return ()
    path = curves[curves["metric"].isin(["x", "y"])]
    last = path.groupby(["arm", "block", "metric"], sort=False)["value"].last().unstack()
    found = []
    for arm in arms:
        surface = SURFACES[surfaces[arm.name]]
        count = Counter[str]()
        if arm.values:
            points = last.loc[arm.name].reindex(list(arm.values)).to_numpy()
            count.update(surface.place(x, y) for x, y in points)
        others = [phrase(f, level) for f, level in arm.levels.items() if level != surface.name]
        counts = {place: count[place] for place in surface.places}
        found.append(Ends(arm.name, surface.name, " · ".join(others) or arm.name, counts))
    return tuple(sorted(found, key=lambda one: list(SURFACES).index(one.surface)))


def where(found: Sequence[Ends]) -> Iterator[str]:
    """Say for each surface how many runs of each arm end at a global minimum."""
    for name, group in groupby(found, key=lambda one: one.surface):
        arms = list(group)
        told = [(_at_minimum(one), one.runs, one.others) for one in arms]
        close = f"within {NEAR:g} of a global minimum"
        if len({one.runs for one in arms}) == 1 and arms[0].runs:
            each = listed([f"{count} with {which}" for count, _, which in told])
            yield f"Of {arms[0].runs} runs each on {name}, {close} at the end: {each}."
        elif any(one.runs for one in arms):
            each = listed([f"{count} of {runs} with {which}" for count, runs, which in told])
            yield f"Of the runs on {name}, {close} at the end: {each}."


def never(study: StoredStudy) -> Iterator[str]:
    """Say how many runs count as all of their steps, because they never got to a minimum."""
    steps = [about["settings"]["train.epochs"] for about in study.content["arms"]]
    done = [run for run in study.runs if run.status == "done"]
    short = sum(run.metrics.get("steps_to_minimum", np.nan) >= steps[run.arm] for run in done)
    if short:
        yield (
            f"{short} of {len(done)} runs did not come within {NEAR:g} of a global minimum before "
            "their last step: they count as all of their steps, and would have taken more."
        )


def _at_minimum(one: Ends) -> int:
    return sum(one.counts[place] for place in SURFACES[one.surface].at_best)

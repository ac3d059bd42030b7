"""Which arm cross-validation chooses, and how it does on the test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paribus.findings import ArmSummary, Selected, Selection
from paribus.stats.paired import standard_error
from paribus.stats.selection import select
from paribus.store.store import StoredRun
from paribus.study.outcomes import OUTCOMES, Outcome


def selection(
    content: Mapping[str, Any],
    arms: Sequence[ArmSummary],
    runs: Sequence[StoredRun],
    outcome: Outcome,
    overlap: float,
) -> Selection | None:
    """Return the choice of a study that cross-validates; None of any other.

    Nothing is chosen before all runs are trained and each fold has had its turn, nor where fewer
    than two arms finished with every seed: a mean over fewer folds is no match for the others.
    """
    seeds = content["seeds"]
    if content.get("split") != "cross-validation" or seeds < content["folds"]:
        return None
    candidates = [place for place, arm in enumerate(arms) if len(arm.values) == seeds]
    if any(arm.missing for arm in arms) or len(candidates) < 2:
        return None
    errors = [
        standard_error(np.array(list(arms[place].values.values())), overlap) for place in candidates
    ]
    means = [arms[place].mean for place in candidates]
    best, simplest = select(means, errors, outcome.higher_is_better)
    tests = OUTCOMES[outcome.name.replace("validation", "test", 1)]

    def selected(candidate: int) -> Selected:
        place = candidates[candidate]
        tested = [run.metrics[tests.name] for run in runs if run.arm == place]
        return Selected(arms[place].name, means[candidate], float(np.mean(tested)))

    return Selection(selected(best), selected(simplest), errors[best], len(candidates), tests)

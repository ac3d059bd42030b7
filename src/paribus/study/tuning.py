"""Fair tuning: a study of the candidates, and the design with the best of them in each arm.

Pure: the candidates are trained and kept as any other study, with the same split and with blocks
that no verdict uses. Test rows never enter a choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

from paribus.study.candidates import Tune, candidates
from paribus.study.design import Arm, Design
from paribus.study.design import design as lay_out
from paribus.study.factors import Factor, Level
from paribus.study.spec import ConfoundName

FIRST_BLOCK = 1_000_000
"""Blocks of tuning runs count from here; a verdict's stay below it."""

HALF, UNTUNED = "half the budget", "untuned"
"""The alternatives to the chosen values: with fewer candidates, and as the controls have them."""

_CANDIDATE = "tuning candidate"


def awaits_tuning(design: Design) -> bool:
    """Return whether a study tunes and its values are not chosen yet."""
    return design.spec.tune is not None and not design.tuning


def search_design(design: Design) -> Design:
    """Return the study of all candidates of all arms, a candidate varying fastest.

    Raises SpecError where a candidate cannot be trained, or the outcome does not fit.
    """
    spec, tune = design.spec, _tune(design)
    levels = [Level(str(i + 1), point) for i, point in enumerate(candidates(tune, spec.seed))]
    measure = "accuracy" if design.dataset.task == "classification" else "rmse"
    search = spec.with_factor(
        Factor(_CANDIDATE, _CANDIDATE, tuple(levels)),
        name=f"{spec.name} (tuning)",
        question=f"Which values suit each arm? For: {spec.question}",
        reason=None,
        asks=[],
        seeds=tune.seeds,
        extends=[],
        outcome=tune.outcome or f"validation_{measure}",
        margin=None,
        baseline=[],
        contrasts="baseline",
        accept=list(get_args(ConfoundName)),  # it asks no question that could be confounded
        tune=None,
    )
    return replace(
        lay_out(search, design.dataset, design.engine, find=design.find), first_block=FIRST_BLOCK
    )


def tuned_design(
    design: Design, search: Design, outcomes: Sequence[Mapping[int, float]] | None
) -> Design:
    """Return a study with the chosen values in its arms, and the alternatives beside them.

    `outcomes` holds those of each arm of the search, block -> value of a finished run; without
    them the first two candidates stand in for what will be chosen.
    """
    points = [level.settings for level in search.spec.arms_differ_in[-1].levels]
    budget, arms = len(points), len(design.arms)

    def chosen(among: int) -> tuple[Arm, ...]:
        found = [
            choose(outcomes[arm * budget :][:among], search.outcome.higher_is_better)
            if outcomes is not None
            else int(among < budget)
            for arm in range(arms)
        ]
        values = [points[place] for place in found]
        return lay_out(design.spec, design.dataset, design.engine, values, design.find).arms

    alternatives = {HALF: chosen(budget // 2), UNTUNED: design.arms}
    return replace(
        design,
        arms=chosen(budget),
        alternatives={
            name: tuple(replace(arm, name=f"{arm.name} ({name})") for arm in values)
            for name, values in alternatives.items()
        },
        tuning=search.key,
    )


def choose(outcomes: Sequence[Mapping[int, float]], higher_is_better: bool) -> int:
    """Return the place of the candidate with the best mean outcome, the first one of equals.

    A candidate that lost a seed, by divergence, is chosen only where all did; then one of those
    that lost the fewest.
    """
    sign = 1 if higher_is_better else -1

    def merit(place: int) -> tuple[int, float]:
        values = outcomes[place].values()
        return len(values), sign * math.fsum(values) / len(values) if values else 0.0

    return max(range(len(outcomes)), key=merit)


def _tune(design: Design) -> Tune:
    assert design.spec.tune is not None
    return design.spec.tune

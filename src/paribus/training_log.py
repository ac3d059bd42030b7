"""What training would have printed, epoch by epoch and step by step, over the seeds of each arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

IMPROVEMENT = "improvement"
"""The mean training loss of the epoch before, less that of this one."""

QUANTITIES = (
    "train_loss",
    IMPROVEMENT,
    "train_accuracy",
    "train_rmse",
    "test_loss",
    "test_accuracy",
    "test_rmse",
)
"""What a log tells, in this order, where it was recorded; stored values."""

_OF_STEPS = {"step_mean_loss": "train_loss", "step_mean_accuracy": "train_accuracy"}


def training_log(curves: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """Return a row per epoch of each arm, after rows for the steps that were logged in it.

    Takes the curves by epoch and by step of `analysis.curve_table`. Columns arm, epoch, step (of
    steps in the epoch; none for the epoch itself), seeds, and the mean, lowest and highest value
    over the seeds of each of `QUANTITIES`: `train_loss`, `train_loss_low`, `train_loss_high`. A
    row of a step holds means over the steps since the last one that was logged. Values that are
    not finite are left out; `seeds` counts those with a finite training loss.
    """
    losses = curves[curves["metric"] == "train_loss"].sort_values(["arm", "block", "epoch"])
    with np.errstate(invalid="ignore"):
        fallen = -losses.groupby(["arm", "block"])["value"].diff()
    gained = losses.assign(metric=IMPROVEMENT, value=fallen)
    by_epoch = _over_seeds(pd.concat([curves, gained]), ["arm", "epoch"])
    logged = steps.assign(metric=steps["metric"].map(_OF_STEPS)).dropna(subset="metric")
    by_step = _over_seeds(logged, ["arm", "epoch", "step", "steps"])
    log = pd.concat([by_step, by_epoch], ignore_index=True) if len(by_step) else by_epoch
    order = {arm: place for place, arm in enumerate(dict.fromkeys(curves["arm"]))}
    for column in ("step", "steps"):
        log[column] = log[column].astype("Int64") if column in log else pd.array([pd.NA] * len(log))
    log = log.assign(place=log["arm"].map(order)).sort_values(["place", "epoch", "step"])
    quantities = [
        name
        for quantity in QUANTITIES
        for name in (quantity, f"{quantity}_low", f"{quantity}_high")
        if name in log
    ]
    kept: pd.DataFrame = log[["arm", "epoch", "step", "steps", "seeds", *quantities]]
    return kept.reset_index(drop=True)


def records(log: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a log as JSON-ready values: None where there is none."""
    values = log.astype(object).where(log.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in values.to_dict("records")]


def _over_seeds(curves: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return mean, low and high over the blocks of each metric, a row for each set of keys."""
    curves = curves.assign(value=curves["value"].astype(float))
    finite = curves[curves["metric"].isin(QUANTITIES) & np.isfinite(curves["value"])]
    grouped = finite.groupby([*keys, "metric"])["value"]
    wide = grouped.agg(["mean", "min", "max", "count"]).unstack("metric")
    found = {}
    for quantity in wide.columns.unique("metric"):
        found[quantity] = wide["mean", quantity]
        found[f"{quantity}_low"] = wide["min", quantity]
        found[f"{quantity}_high"] = wide["max", quantity]
    seeds = wide["count", "train_loss"] if "train_loss" in found else pd.Series(0, wide.index)
    return pd.DataFrame({"seeds": seeds.fillna(0).astype(int), **found}).reset_index()

"""The curves of a study as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from paribus.errors import StoreError
from paribus.store.store import Store, StoredStudy


def curve_table(store: Store, study: StoredStudy, *, per_step: bool = False) -> pd.DataFrame:
    """Return curves, long: arm, block, metric, epoch (counted from 1), value.

    With `per_step`, those that `train.log_every` asked for instead: epoch, step of that epoch, and
    steps, the number that it has.
    """
    arms = [about["name"] for about in study.content["arms"]]
    every = [about["settings"]["train.log_every"] for about in study.content["arms"]]
    wanted = any(every) or not per_step
    stored = list(store.curves(study.row.key)) if wanted else []
    epochs = {(arm, block): len(points) for arm, block, m, points in stored if m == "train_loss"}
    found = [one for one in stored if one[2].startswith("step_") == per_step]
    lengths = [len(points) for *_, points in found]
    per_curve = pd.DataFrame(
        {
            "arm": [arms[arm] for arm, *_ in found],
            "block": [block for _, block, *_ in found],
            "metric": [metric for _, _, metric, _ in found],
        }
    )
    curves = per_curve.loc[np.repeat(np.arange(len(found)), lengths)].reset_index(drop=True)
    places = [np.arange(n) for n in lengths]
    if per_step:
        about = study.content["arms"]
        for n, (arm, block, metric, _) in zip(lengths, found, strict=True):
            if not every[arm] or n < epochs.get((arm, block), n + 1):
                raise StoreError(f"{study.row.name}: {metric} has no points of each epoch")
        # Of an epoch that was cut short fewer steps were logged than of the others.
        logged = [
            about[arm]["steps_per_epoch"] // every[arm]
            if about[arm]["settings"].get("train.steps")
            else n // epochs[arm, block]
            for n, (arm, block, *_) in zip(lengths, found, strict=True)
        ]
        curves["epoch"] = _joined([p // n + 1 for p, n in zip(places, logged, strict=True)])
        places = [
            (p % n + 1) * every[arm] - 1
            for p, n, (arm, *_) in zip(places, logged, found, strict=True)
        ]
    curves["step" if per_step else "epoch"] = _joined(places) + 1
    if per_step:
        # A study that an older version declared tells no number: that of the last logged step.
        totals = [
            about[arm].get("steps_per_epoch", n * every[arm])
            for n, (arm, *_) in zip(logged, found, strict=True)
        ]
        curves["steps"] = np.repeat(np.array(totals, np.int64), lengths)
    curves["value"] = np.concatenate([np.empty(0), *(points for *_, points in found)])
    return curves


def _joined(counts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *counts])

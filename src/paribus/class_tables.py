"""What the runs of a study got right class by class, from the tables that a store keeps."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd

from paribus.errors import StoreError
from paribus.findings import ArmSummary
from paribus.store.store import Store, StoredStudy
from paribus.study.outcomes import Outcome

_MOST_DRAWN = 20  # classes of a confusion matrix that a reader can take in


def confusion(store: Store, study: StoredStudy, arm: str, part: str) -> pd.DataFrame:
    """Return the confusion matrix of an arm summed over its seeds: rows are true classes.

    Runs that diverged, failed or are missing are not in it. Raises StoreError where there is no
    such arm, or no run of it has a matrix.
    """
    matrix = _summed(store, study, study.arm(arm), part)
    if matrix is None:
        raise StoreError(
            f"no run of {arm} has a confusion matrix of its {part} rows: it is kept for up to 100 "
            f"classes, when a run finishes"
        )
    classes = _classes(study, len(matrix))
    return pd.DataFrame(matrix, pd.Index(classes, name="true"), pd.Index(classes, name="predicted"))


def best_and_worst(
    store: Store, study: StoredStudy, arms: Sequence[ArmSummary], outcome: Outcome
) -> pd.DataFrame:
    """Return the confusion matrices of the arms with the best and the worst mean, the best first.

    Columns arm, true, predicted, count: of the test rows, or of the validation rows where those
    are judged by, summed over the seeds; classes in their order. Nothing for more than 20 classes,
    for regression, and for outcomes that are not of rows, such as times.
    """
    classes = study.content.get("classes", ())
    if not outcome.part or not 0 < len(classes) <= _MOST_DRAWN:
        return pd.DataFrame()
    means = {index: arm.mean for index, arm in enumerate(arms) if math.isfinite(arm.mean)}
    ranked = sorted(means, key=means.__getitem__, reverse=outcome.higher_is_better)
    part = "validation" if outcome.part == "validation" else "test"
    found = []
    for index in dict.fromkeys((*ranked[:1], *ranked[-1:])):
        matrix = _summed(store, study, index, part)
        if matrix is not None:
            columns = {
                "arm": arms[index].name,
                "true": np.repeat(classes, len(classes)),
                "predicted": np.tile(classes, len(classes)),
                "count": matrix.ravel(),
            }
            found.append(pd.DataFrame(columns))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _summed(store: Store, study: StoredStudy, arm: int, part: str) -> np.ndarray | None:
    """Return the matrix [class, predicted] of an arm over its seeds; None where no run has one."""
    found = store.class_tables(study.row.key, f"{part}_confusion", arm)
    matrices = [cells for *_, cells in found]
    count = len(study.content.get("classes", ())) or (len(matrices[0]) if matrices else 0)
    if any(cells.shape != (count, count) or not np.isfinite(cells).all() for cells in matrices):
        raise StoreError(f"{study.row.name}: a confusion matrix is none of {count} classes")
    return np.sum(matrices, 0).astype(np.int64) if matrices else None


def recall(store: Store, study: StoredStudy, part: str) -> pd.DataFrame:
    """Return the recall of each class in each arm: arm, class, mean and sd over the seeds, n.

    Empty where no run has any; nan for a class without rows, and the sd of one seed.
    """
    by_arm: dict[int, list[np.ndarray]] = defaultdict(list)
    for arm, _, cells in store.class_tables(study.row.key, f"{part}_recall"):
        by_arm[arm].append(cells)
    parts = []
    for arm, seeds in by_arm.items():
        count = len(_classes(study, seeds[0].size))
        if any(cells.shape != (count,) for cells in seeds):
            raise StoreError(f"{study.row.name}: a table of recalls is none of {count} classes")
        table = np.stack(seeds)  # [seed, class]
        parts.append(
            pd.DataFrame(
                {
                    "arm": study.content["arms"][arm]["name"],
                    "class": _classes(study, table.shape[1]),
                    "mean": table.mean(0),
                    "sd": table.std(0, ddof=1) if len(table) > 1 else np.nan,
                    "n": len(table),
                }
            )
        )
    columns = ["arm", "class", "mean", "sd", "n"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _classes(study: StoredStudy, count: int) -> list[str]:
    """Return the names of the classes: their codes in a study declared before names were kept."""
    return study.content.get("classes") or [str(code) for code in range(count)]

"""What the runs of a study got right class by class, from the tables that a store keeps."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd

from paribus.errors import StoreError
from paribus.store.store import Store, StoredStudy


def confusion(store: Store, study: StoredStudy, arm: str, part: str) -> pd.DataFrame:
    """Return the confusion matrix of an arm summed over its seeds: rows are true classes.

    Runs that diverged, failed or are missing are not in it. Raises StoreError where there is no
    such arm, or no run of it has a matrix.
    """
    index = study.arm(arm)
    found = store.class_tables(study.row.key, f"{part}_confusion")
    matrices = [cells for of_arm, _, cells in found if of_arm == index]
    if not matrices:
        raise StoreError(
            f"no run of {arm} has a confusion matrix of its {part} rows: it is kept for up to 100 "
            f"classes, when a run finishes"
        )
    classes = _classes(study, len(matrices[0]))
    return pd.DataFrame(
        np.sum(matrices, 0).astype(np.int64),
        pd.Index(classes, name="true"),
        pd.Index(classes, name="predicted"),
    )


def recall(store: Store, study: StoredStudy, part: str) -> pd.DataFrame:
    """Return the recall of each class in each arm: arm, class, mean and sd over the seeds, n.

    Empty where no run has any; nan for a class without rows, and the sd of one seed.
    """
    by_arm: dict[int, list[np.ndarray]] = defaultdict(list)
    for arm, _, cells in store.class_tables(study.row.key, f"{part}_recall"):
        by_arm[arm].append(cells)
    parts = []
    for arm, seeds in by_arm.items():
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

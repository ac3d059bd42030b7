"""A study as a table: one row per run, with every setting and every final metric."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from paribus.errors import StoreError
from paribus.store.store import StoredStudy


def runs_frame(study: StoredStudy) -> pd.DataFrame:
    """Return one row per planned run: arm, seed, status, reason, levels, settings, metrics."""
    arms = study.content["arms"]
    rows: list[dict[str, Any]] = []
    for run in study.runs:
        about = arms[run.arm]
        settings = {path: _cell(value) for path, value in about["settings"].items()}
        rows.append(
            {
                "study": study.row.name,
                "arm": about["name"],
                "seed": run.block,
                "status": run.status or "not trained",
                "reason": run.reason,
                **about["levels"],
                **settings,
                "parameters": about["parameters"],
                **run.metrics,
                "finished": run.finished,
                "run": run.key,
            }
        )
    return pd.DataFrame(rows)


def write_frame(frame: pd.DataFrame, format: str, path: Path) -> None:
    """Write a table as csv or parquet, whole or not at all; StoreError where it cannot be."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if format == "parquet":
            frame.to_parquet(partial, index=False)
        else:
            frame.to_csv(partial, index=False)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written ({error.strerror or error}): name another with --out"
        ) from error


def _cell(value: Any) -> Any:
    """Return a setting as one cell: lists as text."""
    return str(value) if isinstance(value, list | dict) else value

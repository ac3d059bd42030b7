"""A study as a table: one row per run, with every setting and every final metric."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from paribus.files import whole
from paribus.store.store import StoredStudy

_FORMULA = re.compile("[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


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
    """Write a table as csv or parquet, whole or not at all; StoreError where it cannot be.

    A CSV file is made safe for spreadsheets, see `spreadsheet_safe`.
    """
    with whole(path, "the table") as unfinished:
        if format == "parquet":
            frame.to_parquet(unfinished, index=False)
        else:
            spreadsheet_safe(frame).to_csv(unfinished, index=False)


def spreadsheet_safe(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of which a spreadsheet takes no text for a formula.

    Text that begins with = + - @, also in full width, a tab or a line break gets an apostrophe in
    front, column names included; numbers, and text that is one, stay as they are.
    """

    def safe(cell: Any) -> Any:
        risky = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
        return f"'{cell}" if risky else cell

    made = frame.copy()
    for name in frame.select_dtypes(exclude=["number", "bool"]):
        made[name] = frame[name].map(safe)
    return made.rename(columns=safe)


def _cell(value: Any) -> Any:
    """Return a setting as one cell: lists as text."""
    return str(value) if isinstance(value, list | dict) else value

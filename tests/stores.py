"""Stores as they never come about by themselves."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from paribus.store.rows import insert, sealed, select

Metrics = dict[str, float]


def with_metrics(path: Path, change: Callable[[str, Metrics], Metrics]) -> None:
    """Give the runs of a store other metrics, as if they had been kept so: by key and metrics."""
    with closing(sqlite3.connect(path)) as db, db:
        for *cells, _ in db.execute(f"SELECT {select('runs')} FROM runs").fetchall():
            cells[4] = json.dumps(change(cells[1], json.loads(cells[4])))
            db.execute(insert("runs", "INSERT OR REPLACE"), sealed("runs", *cells))

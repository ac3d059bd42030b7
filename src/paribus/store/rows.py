"""A row of a store and its checksum, which is its last cell.

The checksum guards against what a disk, a copy or a program has changed, not against forgery.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

COLUMNS = {
    "studies": ("id", "key", "name", "question", "content", "asked", "planned"),
    "environments": ("key", "content"),
    "runs": (
        *("id", "key", "status", "reason", "metrics", "environment", "finished"),
        *("curves", "tables"),
    ),
    "curves": ("run", "metric", "points"),
    "class_tables": ("run", "name", "shape", "cells"),
    "design": ("study", "block", "arm", "run"),
    "proofs": ("study", "content"),
}
"""The tables with content, those that others refer to first; each ends with a column crc."""


def checksum(table: str, cells: Iterable[object]) -> int:
    """Return the CRC-32 of a row's cells, their types and the name of its table."""
    head, data = [table], [b""]
    for cell in cells:
        head.append(type(cell).__name__)
        data.append(cell if isinstance(cell, bytes) else str(cell).encode(errors="surrogatepass"))
    data[0] = " ".join(head).encode()
    return zlib.crc32(b"\0".join(data))


def sealed(table: str, *cells: object) -> tuple[object, ...]:
    """Return the cells of a row as they are stored: with their checksum."""
    return (*cells, checksum(table, cells))


def is_sound(table: str, row: Sequence[Any]) -> bool:
    """Return whether a row as it is stored has the checksum that it was written with."""
    return len(row) == len(COLUMNS[table]) + 1 and checksum(table, row[:-1]) == row[-1]


def insert(table: str, how: str = "INSERT") -> str:
    """Return the statement that stores a sealed row."""
    marks = ", ".join("?" * (len(COLUMNS[table]) + 1))
    return f"{how} INTO {table} VALUES ({marks})"


def select(table: str, alias: str = "") -> str:
    """Return the columns of a stored row, for a SELECT."""
    dot = f"{alias}." if alias else ""
    return ", ".join(f"{dot}{column}" for column in (*COLUMNS[table], "crc"))

"""How much a file may unpack to: what comes from elsewhere must fit into the memory that is free.

Sizes are looked at before anything is unpacked, as the file declares them; readers never read more
than was declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paribus.errors import DataError, ParibusError

MEMORY_SHARE = 0.25
"""Of the memory that is free, the share that a file may unpack to: a table is copied on its way."""

MOST_DEFLATE_SHRINKS = 1040
"""How many times larger what DEFLATE packs may be: its limit is 1032, the rest is for headers."""


def allowed() -> int:
    """Return the bytes that a file may unpack to now."""
    import psutil

    return int(psutil.virtual_memory().available * MEMORY_SHARE)


def check_size(label: object, size: int) -> None:
    """Raise DataError where `label`, which unpacks to so many bytes, is too large for now."""
    most = allowed()
    if size > most:
        shown = f"{size / 1e9:,.1f} GB" if size < 10**18 else "more than a billion GB"
        raise DataError(
            f"{label}: it would unpack to {shown}; {most / 1e9:,.1f} GB are allowed, a quarter of "
            "the memory that is free: close other programs, or keep fewer rows or columns"
        )


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a reader raises at a file of unknown content into DataError."""
    try:
        yield
    except ParibusError:
        raise
    except MemoryError as error:
        raise DataError(f"{path}: it does not fit into the memory that is free") from error
    except Exception as error:  # there is no end to what damaged files make libraries raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read as {what}: {reason}") from error

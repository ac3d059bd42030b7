"""The sound rows of a file, by its pages alone: SQLite's own trees may be damaged.

Every page that can be a leaf of a table is looked through for records whose checksum holds, so that
a damaged header, tree or table of contents hides nothing. The format is that of
https://sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

from paribus.store.rows import COLUMNS, is_sound
from paribus.store.schema import PAGE

_NO_LEAVES = (0x00, 0x02, 0x05, 0x0A)
"""How pages begin that hold no rows: overflow, and all of a tree but the leaves of a table."""

_WHOLE = PAGE - 35  # bytes of the largest record that a leaf keeps to itself
_LEAST = (PAGE - 12) * 32 // 255 - 23  # and the least that it keeps of a larger one
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # serial type -> bytes
_NAMED_BY_ROWID = [name for name, columns in COLUMNS.items() if columns[0] == "id"]


def sound_rows(path: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield table and row of every sound row in a file and its journal, whatever else is damaged.

    A row may come twice where a kill and a lost journal have left two pages with it.
    """
    with ExitStack() as stack:
        pages = _Pages(path, stack)
        for number in range(1, pages.count + 1):
            page = pages.read(number)
            start = 100 if number == 1 else 0  # behind the header of the file
            if len(page) == PAGE and page[start] not in _NO_LEAVES:
                yield from _rows(page, start, pages)


class _Pages:
    """The pages of a file, those in place of them that its journal has committed."""

    def __init__(self, path: Path, stack: ExitStack):
        self._file: BinaryIO | None = None
        self._journal: BinaryIO | None = None
        self._places: dict[int, int] = {}
        self.count = 0
        if path.exists():
            self._file = stack.enter_context(path.open("rb"))
            self.count = path.stat().st_size // PAGE
        journal = path.with_name(f"{path.name}-wal")
        if journal.exists():
            self._journal = stack.enter_context(journal.open("rb"))
            self._find_committed()
            self.count = max(self.count, *self._places, 0)

    def _find_committed(self) -> None:
        """Note where the last committed version of each page is."""
        assert self._journal is not None
        place, salts, open_ones = 32, None, dict[int, int]()
        while True:
            self._journal.seek(place)
            head = self._journal.read(24)
            if len(head) < 24 or (salts is not None and head[8:16] != salts):
                return
            salts = head[8:16]
            number, commits = struct.unpack(">II", head[:8])
            open_ones[number] = place + 24
            if commits:
                self._places |= open_ones
                open_ones = {}
            place += 24 + PAGE

    def read(self, number: int) -> bytes:
        """Return a page; one that the file is too short for is short or empty."""
        if number in self._places and self._journal is not None:
            self._journal.seek(self._places[number])
            return self._journal.read(PAGE)
        if self._file is None or number < 1:
            return b""
        self._file.seek((number - 1) * PAGE)
        return self._file.read(PAGE)


def _rows(page: bytes, start: int, pages: _Pages) -> Iterator[tuple[str, tuple[Any, ...]]]:
    (cells,) = struct.unpack_from(">H", page, start + 3)
    for index in range(min(cells, PAGE // 4)):
        with suppress(struct.error, IndexError, ValueError):  # whatever else a damaged one gives
            (place,) = struct.unpack_from(">H", page, start + 8 + 2 * index)
            row = _record(page, place, pages)
            for table, columns in COLUMNS.items():
                if len(row) == len(columns) + 2:
                    cells_of = row[:1] + row[2:] if table in _NAMED_BY_ROWID else row[1:]
                    if is_sound(table, cells_of):
                        yield table, cells_of
                        break


def _record(page: bytes, place: int, pages: _Pages) -> tuple[Any, ...]:
    """Return the rowid of the cell at a place, and the values of its record."""
    size, place = _varint(page, place)
    rowid, place = _varint(page, place)
    if size <= _WHOLE:
        record = page[place : place + size]
    else:
        kept = _LEAST + (size - _LEAST) % (PAGE - 4)
        kept = kept if kept <= _WHOLE else _LEAST
        record = page[place : place + kept] + _overflow(page, place + kept, size - kept, pages)
    if len(record) < size:
        raise ValueError("a record is cut short")
    return (rowid, *_values(record))


def _overflow(page: bytes, place: int, size: int, pages: _Pages) -> bytes:
    """Return the rest of a record, from the chain of pages that the number at a place begins."""
    if size > pages.count * PAGE:
        raise ValueError("a record larger than its file")
    parts = []
    (number,) = struct.unpack_from(">I", page, place)
    while size > 0:
        further = pages.read(number)
        (number,) = struct.unpack_from(">I", further)
        parts.append(further[4 : 4 + size])
        size -= PAGE - 4
    return b"".join(parts)


def _values(record: bytes) -> Iterator[Any]:
    """Yield the values of a record: None, int, str or bytes; ValueError for anything else."""
    end, place = _varint(record, 0)
    body = end
    while place < end:
        kind, place = _varint(record, place)
        if kind == 0:
            yield None
        elif kind in (8, 9):
            yield kind - 8
        elif size := _INTEGERS.get(kind):
            yield int.from_bytes(record[body : body + size], "big", signed=True)
            body += size
        elif kind >= 12:
            size = (kind - 12) // 2
            data = record[body : body + size]
            yield data.decode("utf-8") if kind % 2 else data
            body += size
        else:
            raise ValueError("a value of another type than ours")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return the number at a place, and the place behind it."""
    value = 0
    for _ in range(8):
        byte = data[place]
        place += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place
    return value << 8 | data[place], place + 1

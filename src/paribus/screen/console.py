"""The consoles, and what every command prints on them: tables, lines, JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from paribus.untrusted import clean, clean_json

_READABLE = 30  # columns that a sentence needs beside others


class _Console(Console):
    """A console that shows no control character of any text."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for part in super().render(renderable, options):
            yield part if part.control else Segment(clean(part.text), part.style)


class _Out(_Console):
    """One that ends quietly when nobody reads any more: `paribus show STUDY | head`."""

    def on_broken_pipe(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0)


out = _Out(highlight=False, markup=False)
err = _Console(stderr=True, highlight=False, markup=False)


def table(
    rows: Sequence[Mapping[str, Any]],
    right: Sequence[str] = (),
    wrap: str = "",
    console: Console = out,
) -> None:
    """Print rows of equal keys as a table: `right` aligns columns, `wrap` names one that gives.

    Where that one has too little room beside the others, it stands below each row.
    """
    cells = [
        {key: v if isinstance(v, Text) else Text(str(v)) for key, v in row.items()} for row in rows
    ]
    headings = [key for key in (rows[0] if rows else ()) if key != wrap]
    widths = {key: max(len(key), *(row[key].cell_len for row in cells)) for key in headings}
    below = bool(wrap) and console.width - sum(w + 2 for w in widths.values()) < _READABLE
    if not below:
        grid = _grid(list(rows[0]) if rows else [], right, wrap)
        for row in cells:
            grid.add_row(*row.values())
        console.print(grid)
        return
    for number, row in enumerate(cells):
        grid = _grid(headings, right, wrap, widths)
        grid.show_header = not number
        grid.add_row(*(row[heading] for heading in headings))
        console.print(grid)
        console.print(Padding(row[wrap], (0, 0, 0, 2)), style="dim")


def _grid(
    headings: Sequence[str],
    right: Sequence[str],
    wrap: str,
    widths: Mapping[str, int] = MappingProxyType({}),
) -> Table:
    grid = Table(box=None, header_style="dim", pad_edge=False)
    for heading in headings:
        grid.add_column(
            heading,
            justify="right" if heading in right else "left",
            no_wrap=heading != wrap,
            overflow="fold",
            width=widths.get(heading),
        )
    return grid


def lines(rows: Sequence[Mapping[str, Any]], right: Sequence[str] = ()) -> None:
    """Print rows as `table` does, each in one line however long: its last cell is to be copied."""
    cells = [list(map(str, rows[0])), *(list(map(str, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        line = "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(rows[0], row, widths, strict=True)
        )
        out.print(Text(line.rstrip(), style="" if number else "dim"), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print JSON that a program reads: no colour, no wrapping."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(clean_json(text) + "\n")

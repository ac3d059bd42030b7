"""The report as GitHub Markdown, with its charts as pictures beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from paribus.files import write_whole
from paribus.findings import Analysis
from paribus.report import wording
from paribus.report.charts import Figure
from paribus.report.document import (
    Block,
    Heading,
    Items,
    Listing,
    Paragraph,
    document,
    parted,
    picture_folder,
    pictures,
)
from paribus.report.tables import Column, Table

_ESCAPED = {
    **{sign: f"\\{sign}" for sign in "`*_[]|#~"},
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "\\": r"<span>\\</span>",  # apart, these two begin no formula
    "$": "<span>$</span>",
}
_OF_LISTS = re.compile(r"^( ?\d{0,9})([-+.)])(?=[-\s]|$)")  # and of rules, at the start


def write(analysis: Analysis, path: Path) -> Path:
    """Write the report to `path` and its charts to a folder beside it; return `path`.

    Raises StoreError where they cannot be written.
    """
    blocks = list(document(analysis))
    text = render(blocks, picture_folder(path).name)
    write_whole({path: text.encode()} | pictures(blocks, path, "svg"), "the report")
    return path


def render(blocks: Iterable[Block], folder: str) -> str:
    """Return blocks as Markdown that ends with a newline; `folder` is that of the pictures.

    Names and sentences are escaped: neither Markdown, nor HTML, nor formulas act in them.
    """
    numbers = iter(range(1, 10_000))
    return "\n\n".join(part for one in blocks for part in _parts(one, folder, numbers)) + "\n"


def _parts(block: Block, folder: str, numbers: Iterator[int]) -> Iterator[str]:
    """Yield what a block becomes, without the empty lines between."""
    match block:
        case Heading(text, level):
            yield f"{'#' * level} {escape(text)}"
        case Paragraph(text, strong):
            yield f"**{prose(text)}**" if strong else prose(text)
        case Items(texts):
            yield "\n".join(f"- {prose(text)}" for text in texts)
        case Listing(text, language):
            yield fenced(text, language)
        case Table():
            yield prose(block.caption)
            yield table(block)
        case Figure(name):
            yield f"![{escape(block.alternative)}]({quote(folder)}/{quote(name)}.svg)"
            yield f"**Figure {next(numbers)}.** {prose(block.caption)}"


def table(block: Table) -> str:
    """Return the lines of a table, without its caption."""
    lines = [
        [escape(column.heading) for column in block.columns],
        ["---:" if column.numeric else "---" for column in block.columns],
        *([_cell(column, cell) for column, cell in row] for row in block.rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(column: Column, cell: str) -> str:
    return f"**{escape(cell)}**" if column.verdicts and cell else escape(cell)


def fenced(text: str, language: str) -> str:
    """Return text as a block of code, with a fence that is longer than any within it."""
    text = wording.clean(text).strip("\n")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def prose(sentences: str) -> str:
    """Return sentences, escaped, with their code as such."""
    words = parted(sentences)
    words[::2] = map(escape, words[::2])
    words[1::2] = (f"`{' '.join(wording.clean(code).split())}`" for code in words[1::2])
    return "".join(words).strip()


def escape(words: str) -> str:
    """Return words, in a line, on which neither Markdown nor the HTML within it acts."""
    one_line = re.sub(r"\s+", " ", wording.clean(words))
    escaped = "".join(_ESCAPED.get(sign, sign) for sign in one_line)
    return _OF_LISTS.sub(r"\1\\\2", escaped)

"""The report as a LaTeX document, with its charts as PDF beside it.

The source is made for pdflatex and compiles with lualatex and xelatex too, and needs nothing but
article, booktabs and graphicx; a table can be pasted into a paper as it is. Signs and Greek letters
are written as commands. Other letters stand in the source as they are: pdflatex shows those that it
knows (Latin with its accents), Latin and Greek without accents it does not know, and the number of
any other ("U+4E2D"); lualatex and xelatex show those that their font has.
"""

from __future__ import annotations

import itertools
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

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

_MOST_ROWS = 30  # of a table on a page
_LONG = 40  # letters from which on the cells of a column are broken into lines
_UNBROKEN = 24  # letters after which a word without a space may be broken

_PREAMBLE = r"""% Compile with pdflatex; lualatex and xelatex do too.
\documentclass[a4paper]{article}
\ifdefined\pdfminorversion\pdfminorversion=7 \fi
\ifdefined\DeclareUnicodeCharacter
\usepackage[T1]{fontenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\fi
\usepackage{booktabs}
\usepackage{graphicx}
\setlength{\oddsidemargin}{0pt}
\setlength{\textwidth}{\dimexpr\paperwidth-2in\relax}
\setlength{\topmargin}{-0.4in}
\setlength{\textheight}{\dimexpr\paperheight-2.6in\relax}
\setlength{\emergencystretch}{3em}
\setlength{\belowcaptionskip}{4pt}
"""

_FALLBACK = r"""\ifdefined\DeclareUnicodeCharacter
\newcommand{\fallback}[3]{%
  \ifcsname u8:\detokenize{#1}\endcsname\else\DeclareUnicodeCharacter{#2}{#3}\fi}
"""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    **{sign: f"\\{sign}" for sign in "{}$&#%_"},
    **{sign: f"{{{sign}}}" for sign in "[]*"},  # else options of the command before them
    "−": r"\ensuremath{-}",
    "�": "?",
}

_SIGNS = {
    "±": "pm",
    "×": "times",
    "÷": "div",
    "≤": "leq",
    "≥": "geq",
    "≠": "neq",
    "≈": "approx",
    "∞": "infty",
    "∂": "partial",
    "∇": "nabla",
    "√": "surd",
    "∑": "sum",
    "∏": "prod",
    "∫": "int",
    "∈": "in",
    "←": "leftarrow",
    "→": "rightarrow",
    "↑": "uparrow",
    "↓": "downarrow",
    "↔": "leftrightarrow",
    "⇒": "Rightarrow",
    "µ": "mu",
}

_SMALL = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi o pi rho "
    "varsigma sigma tau upsilon varphi chi psi omega"
)
_CAPITALS = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
_SIGNS |= dict(zip("αβγδεζηθικλμνξοπρςστυφχψω", _SMALL.split(), strict=True))
_SIGNS |= dict(zip("ΓΔΘΛΞΠΣΥΦΨΩ", _CAPITALS.split(), strict=True))
del _SIGNS["ο"]
_ALIKE = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo")  # Greek letters without commands

_LIGATURES = "-,'"  # two of them in a row would become another sign


def write(analysis: Analysis, path: Path) -> Path:
    """Write the document to `path` and its charts to a folder beside it; return `path`.

    Raises StoreError where they cannot be written.
    """
    blocks = list(document(analysis))
    text = render(blocks, picture_folder(path).name)
    write_whole({path: text.encode()} | pictures(blocks, path, "pdf"), "the report")
    return path


def render(blocks: Iterable[Block], folder: str) -> str:
    """Return blocks as a document that compiles; `folder` is that of the pictures."""
    parts, before = list[str](), None
    for block in blocks:
        if isinstance(before, Figure) and isinstance(block, Heading):
            parts.append("\\clearpage")  # pictures stay within their section
        parts += _parts(block, folder)
        before = block
    body = "\n\n".join(parts)
    return f"{_PREAMBLE}{_fallbacks(body)}\n\\begin{{document}}\n\n{body}\n\n\\end{{document}}\n"


def _parts(block: Block, folder: str) -> Iterator[str]:
    match block:
        case Heading(text, 1):
            yield f"\\begin{{center}}\n{{\\LARGE {escape(text)}\\par}}\n\\end{{center}}"
        case Heading(text, level):
            yield f"\\{'sub' * (level - 2)}section{{{escape(text)}}}"
        case Paragraph(text, strong):
            yield f"\\noindent\\textbf{{{_prose(text)}}}" if strong else _prose(text)
        case Items(texts):
            items = "\n".join(f"\\item {_prose(text)}" for text in texts)
            yield f"\\begin{{itemize}}\n\\setlength{{\\itemsep}}{{0pt}}\n{items}\n\\end{{itemize}}"
        case Listing(text):
            yield _listing(text)
        case Table():
            yield from tables(block)
        case Figure(name):
            yield (
                "\\begin{figure}[!htbp]\n\\centering\n"
                "\\includegraphics[width=\\linewidth,height=0.8\\textheight,keepaspectratio]"
                f"{{{folder}/{name}.pdf}}\n\\caption[]{{{_prose(block.caption)}}}\n\\end{{figure}}"
            )


def tables(block: Table) -> Iterator[str]:
    """Yield a table in as many parts as it takes pages, each no wider than a line."""
    broken = [_is_broken(column) for column in block.columns]
    width = min(0.4, 0.9 / max(1, sum(broken)))
    layout = "".join(
        f"p{{{width:.2f}\\linewidth}}" if long else "r" if column.numeric else "l"
        for column, long in zip(block.columns, broken, strict=True)
    )
    heading = " & ".join(map(_heading, block.columns)) + " \\tabularnewline"
    rows = [
        _row(
            (
                "\\raggedright " if long else "\\bfseries " if column.verdicts else "",
                wording.minus(cell) if column.numeric else cell,
            )
            for long, (column, cell) in zip(broken, row, strict=True)
        )
        for row in block.rows
    ]
    for start in range(0, len(rows), _MOST_ROWS):
        caption = _prose(block.caption) if start == 0 else "(continued)"
        yield "\n".join(
            (
                "\\begin{table}[!htbp]",
                "\\centering\\setlength{\\tabcolsep}{4pt}",
                f"\\caption[]{{{caption}}}",
                "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
                f"\\begin{{tabular}}{{{layout}}}",
                "\\toprule",
                heading,
                "\\midrule",
                *rows[start : start + _MOST_ROWS],
                "\\bottomrule",
                "\\end{tabular}}",
                "\\end{table}",
            )
        )


def _is_broken(column: Column) -> bool:
    return not column.numeric and max(map(len, column.cells), default=0) > _LONG


def _heading(column: Column) -> str:
    """The heading of a column, in lines that are hardly wider than its cells."""
    wide = max(map(len, column.cells), default=0)
    lines = textwrap.wrap(column.heading, max(10, min(wide, _LONG)), break_on_hyphens=False) or [""]
    stacked = " \\\\ ".join(map(escape, lines))
    side = "r" if column.numeric else "l"
    return f"\\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{stacked}\\end{{tabular}}"


def _row(cells: Iterable[tuple[str, str]]) -> str:
    return " & ".join(command + escape(cell) for command, cell in cells) + " \\tabularnewline"


def _listing(text: str) -> str:
    """Return lines as they are, in a typewriter's letters, long ones broken."""
    lines = [_line(line) for line in wording.clean(text).expandtabs(4).splitlines()]
    return "{\\ttfamily\\small\\raggedright\n" + "\n".join(lines) + "\n}"


def _line(line: str) -> str:
    """A line whose spaces count: several in a row, or at the start, are kept."""
    first, *others = re.split("( +)", line)  # words and spaces in turn
    others[::2] = (" " if spaces == " " else "~" * len(spaces) for spaces in others[::2])
    others[1::2] = map(escape, others[1::2])
    words = "".join([escape(first), *others]).replace("'", "\\textquotesingle{}")
    return f"{words or '~'}\\par"


def _prose(sentences: str) -> str:
    """Return sentences with true minus signs and with their code in a typewriter's letters."""
    words = parted(sentences)
    words[::2] = (escape(wording.minus(one)) for one in words[::2])
    words[1::2] = (f"\\texttt{{{escape(code)}}}" for code in words[1::2])
    return "".join(words).strip()


def escape(words: str) -> str:
    """Return words as LaTeX that shows them in a line, whatever they are.

    Characters that cannot be seen are left out; spaces of every kind become one.
    """
    text = unicodedata.normalize("NFC", wording.clean(words))
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(map(_word, re.sub(r"\s+", " ", text).split(" ")))


def _word(word: str) -> str:
    parts = re.findall(f".{{1,{_UNBROKEN}}}", word)
    return "\\allowbreak{}".join(
        "".join(itertools.starmap(_escaped, itertools.pairwise(f" {part}"))) for part in parts
    )


def _escaped(before: str, sign: str) -> str:
    if before == sign and sign in _LIGATURES:
        return f"\\/{sign}"
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    if sign in _SIGNS:
        return f"\\ensuremath{{\\{_SIGNS[sign]}}}"
    if unicodedata.category(sign) in ("Co", "Cn"):  # no character, or nobody knows which
        return "?"
    return sign


def _fallbacks(body: str) -> str:
    """Declare for pdflatex what it shows instead of letters that it does not know."""
    lines = [
        f"\\fallback{{{sign}}}{{{ord(sign):04X}}}{{{_instead(sign)}}}\n"
        for sign in sorted({sign for sign in body if ord(sign) > 127})
    ]
    return f"{_FALLBACK}{''.join(lines)}\\fi\n" if lines else ""


def _instead(sign: str) -> str:
    """The sign without its accents, where that is Latin or Greek; else its number."""
    parts = unicodedata.normalize("NFKD", sign).translate(_ALIKE)
    plain = "".join(c for c in parts if not unicodedata.combining(c)).strip()
    if plain and all(c.isascii() or c in _SIGNS for c in plain):
        return escape(plain)
    return f"{{\\scriptsize U+{ord(sign):04X}\\,}}"

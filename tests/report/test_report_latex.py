"""The report as LaTeX: what is escaped, and that it compiles."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import made_up_analyses
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paribus.findings import Analysis
from paribus.report import latex
from paribus.report.document import Heading, Items, Listing, Paragraph, document
from paribus.report.tables import Column, Table

SPECIAL = "\\{}$&#%_^~<>|[]*`'\"-,!?=@/:;"
HOSTILE = [
    r"\input{/etc/passwd} \write18{ls} \end{document} %",
    r"\end{verbatim}\end{tabular}}}",
    "[1] * starts a row", "--- '' `` ,, << >> ?` !`", "^^41 # & $x$ _ ~", "a" * 300,
    "±0.2 −1 × ÷ ≤ ≥ η² ε α Ω µ → ∞", "Grüße, Łódź, naïve, Čeština, ĳ ŋ ħ", "中文 日本語 한국어",
    "русский Ελληνικά עברית العربية", "🙂 👩‍🔬 e\u0301 \u0301 ﬁ Ａ ① ⁵ ạ ẞ",
    "\u202e\ufeff\u200b\x00\x1b[2J\ud800",
    "\uffff\ufffe\ue000\U0010ffff ´ ¨ ˜ ¤ ¦ ©",
]  # fmt: skip


def group_depths(source: str) -> list[int]:
    """Walk LaTeX as TeX's eye does; fail at what is active outside a command we know."""
    depths, depth, place = [], 0, 0
    token = re.compile(
        r"\\(textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar|"
        r"textasciigrave|allowbreak)\{\}|\\[{}$&#%_/]|\\ensuremath\{(\\[A-Za-z]+|-)\}"
    )
    while place < len(source):
        found = token.match(source, place)
        if found:
            place = found.end()
            continue
        sign = source[place]
        assert sign not in "\\$&#%_^~`<>|\n", source[place : place + 20]
        depth += {"{": 1, "}": -1}.get(sign, 0)
        depths.append(depth)
        place += 1
    return depths


@given(st.text() | st.text(SPECIAL))
def test_any_text_is_balanced_and_nothing_in_it_acts(text: str) -> None:
    depths = group_depths(latex.escape(text))
    assert min(depths, default=0) >= 0
    assert not depths or depths[-1] == 0


@given(st.text(SPECIAL + "ab"))
def test_no_sign_joins_the_next_into_another(text: str) -> None:
    source = latex.escape(text)
    assert not re.search(r"--|''|,,|``|<<|>>|[?!]`", source)


def test_signs_letters_and_what_cannot_be_seen() -> None:
    assert latex.escape("50 % & more_of #1") == r"50 \% \& more\_of \#1"
    assert latex.escape("±0.2 [−1] η²") == (
        r"\ensuremath{\pm}0.2 {[}\ensuremath{-}1{]} \ensuremath{\eta}²"
    )
    assert latex.escape("Gru\u0308ße\u200b\n  b") == "Grüße b"
    assert latex.escape("--data") == r"-\/-data"
    assert latex.escape("\x1b\u202e\ue000") == "???"


def test_a_table_can_be_pasted_into_a_paper(study: Analysis) -> None:
    source = latex.render(document(study), "it-figures")
    table = source.split("\\begin{table}")[2].split("\\end{table}")[0]
    assert table.count("\\toprule") == table.count("\\midrule") == table.count("\\bottomrule") == 1
    (row,) = (line for line in table.splitlines() if " & sgd & " in line)
    assert row.startswith(
        r"batch norm yes against no & sgd & +14.42 {[}14.33, 14.52{]} & \bfseries better & 10 &"
    )
    assert row.endswith(r" \tabularnewline")
    assert r"\ensuremath{-}0.08" in table
    columns = re.findall(r"\\begin\{tabular\}\{(.*)\}", table)[0]
    assert all(line.count(" & ") == len(columns) - 1 for line in table.splitlines() if "&" in line)


def test_a_long_table_is_cut_into_pages() -> None:
    cells = tuple(f"row {number}" for number in range(200))
    parts = list(latex.tables(Table("t", "All.", (Column("h", False, cells),))))
    assert len(parts) == 7
    assert [part.count("row ") for part in parts] == [30] * 6 + [20]
    assert [part.count("(continued)") for part in parts] == [0] + [1] * 6


def test_lines_of_a_listing_keep_their_spaces() -> None:
    source = latex.render([Listing("a:\n  - 'b'   c\n\nd", "yaml")], "")
    assert [line for line in source.splitlines() if line.endswith(r"\par")] == [
        r"a:\par",
        r"~~- \textquotesingle{}b\textquotesingle{}~~~c\par",
        r"~\par",
        r"d\par",
    ]


@pytest.mark.usefixtures("two_charts")
def test_pictures_are_written_beside_it(tmp_path: Path) -> None:
    path = latex.write(made_up_analyses.pilot(), tmp_path / "50% of it.tex")
    (folder,) = tmp_path.glob("50-of-it-*-figures")
    source = path.read_text("utf-8")
    for picture in folder.iterdir():
        assert picture.read_bytes().startswith(b"%PDF")
        assert f"{{{folder.name}/{picture.name}}}" in source
    assert len(list(folder.iterdir())) == source.count("\\includegraphics")


def strange_texts(count: int) -> list[str]:
    """Texts of characters from all over Unicode, the same ones every time."""
    chance = random.Random(7)
    ends = (0x250, 0x3000, 0x11000, sys.maxunicode)
    return [
        "".join(chr(chance.randrange(chance.choice(ends))) for _ in range(8)) for _ in range(count)
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with charts, and with names that nobody would give."""
    texts = (*HOSTILE, *strange_texts(200))
    study = replace(made_up_analyses.tuned(), question=HOSTILE[0], command=HOSTILE[1])
    path = latex.write(study, tmp_path_factory.mktemp("latex") / "report.tex")
    extra = [
        Heading(texts[0]),
        Items(texts),
        *(Paragraph(text) for text in HOSTILE),
        Listing("\n".join(texts), "yaml"),
        Table("t", texts[3], (Column("[h", False, texts), Column("*n", True, texts))),
    ]
    source = latex.render([*document(study), *extra], "report-figures")
    path.write_text(source, "utf-8")
    return path


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex", "xelatex"])
def test_it_compiles(engine: str, written: Path, tmp_path: Path) -> None:
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not on PATH")
    options = ("-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape")
    done = subprocess.run(
        [engine, *options, f"-output-directory={tmp_path}", written.name],
        cwd=written.parent,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")

"""A store whose every text is hostile, in every form that Paribus gives: nothing of it acts."""

from __future__ import annotations

import ast
import csv
import dataclasses
import io
import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import html5lib
import nbformat
import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt
from rich.text import Text
from typer.testing import CliRunner, Result

from paribus import display
from paribus.analysis import analyse
from paribus.cli import app
from paribus.data import from_frame
from paribus.errors import InputError
from paribus.findings import Analysis
from paribus.report import charts, html, latex, markdown, notebook, record
from paribus.report.charts.files import to_bytes
from paribus.report.document import document
from paribus.report.text import render_text
from paribus.run import Settings, foresee, make_plan
from paribus.screen import console, plans
from paribus.store.store import Store
from paribus.study.spec import load
from tests.security.conftest import HOSTILE, study_of, table

ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def found(hostile_store: Path) -> Analysis:
    with Store(hostile_store) as store:
        (row,) = store.studies()
        return analyse(store, row.key)


@pytest.fixture(scope="module")
def page(found: Analysis) -> str:
    return html.render(found)


@pytest.fixture(scope="module")
def figures(found: Analysis) -> list[charts.Figure]:
    return list(charts.every(found))


def run(store: Path, *arguments: str) -> Result:
    done = CliRunner().invoke(app, [*arguments, "--store", str(store)])
    assert done.exception is None, done.exception
    return done


# HTML


def elements(page: str) -> list[Any]:
    """Return the elements of a page as a browser builds them."""
    return list(html5lib.parse(page, namespaceHTMLElements=False).iter())


def check_inert(page: str) -> Counter[str]:
    """Assert that a page has no element and no attribute that acts; return its elements."""
    made = elements(page)
    names = Counter(str(one.tag).rpartition("}")[2] for one in made if isinstance(one.tag, str))
    acting = {"script", "img", "iframe", "object", "embed", "form", "base", "link", "foreignObject"}
    assert not acting & names.keys()
    for one in made:
        for name, value in one.attrib.items():
            plain = name.rpartition("}")[2].lower()
            assert not plain.startswith("on"), (one.tag, name)
            assert plain not in ("src", "srcset", "action", "formaction", "srcdoc"), one.tag
            if plain == "href":
                assert value.startswith("#"), value
            if plain in ("style", "fill", "stroke", "filter"):
                assert "url(" not in value
    assert not ACTIVE.search(page)
    return names


def test_a_page_holds_nothing_that_acts(page: str) -> None:
    names = check_inert(page)
    assert names["h1"] == names["title"] == names["main"] == names["style"] == 1
    assert names["svg"] == page.count("<svg") > 4  # each is ours
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 50  # and all is shown
    ET.fromstring(page)


def test_a_page_forbids_what_it_does_not_need(page: str, figures: list[Any]) -> None:
    for one in (page, to_bytes(figures[0], "html").decode()):
        head = elements(one)[1]
        policy = next(e for e in head if e.get("http-equiv") == "Content-Security-Policy")
        rules = dict(one.strip().split(" ", 1) for one in policy.get("content").split(";"))
        assert rules["default-src"] == "'none'"
        assert rules.keys() <= {"default-src", "style-src", "base-uri", "form-action"}
        before = list(head)[: list(head).index(policy)]
        assert {one.tag for one in before} <= {"meta"}


def test_charts_hold_nothing_that_acts(figures: list[charts.Figure]) -> None:
    for figure in figures:
        names = check_inert(to_bytes(figure, "html").decode())
        assert names["svg"] == names["figure"] == 1
        assert names["a"] == names["image"] == 0


def test_what_a_notebook_shows_holds_nothing_that_acts(
    found: Analysis, hostile_store: Path
) -> None:
    shown = [display.of_result(found)]
    laid_out = study_of(from_frame(table(), HOSTILE, name=HOSTILE))
    shown.append(display.of_study(laid_out.spec, laid_out.dataset))
    settings = Settings(hostile_store, workers=1)
    made = make_plan(laid_out, settings)
    shown.append(display.of_plan(dataclasses.replace(made, expected=foresee(laid_out, settings))))
    for one in shown:
        names = check_inert(one)
        assert names["style"] == 0
        assert "&lt;script&gt;" in one


# Markdown and notebooks


def check_words(text: str) -> None:
    """Assert that Markdown has no HTML, link or picture but ours."""
    parser = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table")
    for token in parser.parse(text):
        assert token.type != "html_block", token.content
        assert token.type != "hr"
        for inner in token.children or ():
            if inner.type == "html_inline":
                assert inner.content in ("<span>", "</span>")
            assert inner.type not in ("link_open",), inner.attrs
            if inner.type == "image":
                assert re.fullmatch(r"figures/[\w-]+\.svg", str(inner.attrs["src"]))
    assert not ACTIVE.search(text)
    assert "{{ 7" in text


def headings(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    return [token.tag for token in tokens if token.type == "heading_open"]


def test_markdown_is_words(found: Analysis, figures: list[charts.Figure]) -> None:
    text = markdown.render(document(found), "figures")
    check_words(text)
    assert headings(text).count("h1") == 1


CODE = re.compile(r"result\.(plot\.\w+\(('[\w.]+')?\)|arms|contrasts|runs\.head\(\))")


def test_a_notebook_runs_no_word_of_a_study(found: Analysis, tmp_path: Path) -> None:
    made = notebook.render(found, tmp_path, tmp_path / "store.sqlite")
    nbformat.validate(made)
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    loading, *others = code
    assert all(CODE.fullmatch(one) for one in others), others
    assert len(others) > 5
    ast.parse(loading)
    assert f"Result.load('{found.key[:12]}', store='store.sqlite')" in loading
    for cell in made.cells:
        if cell.cell_type == "markdown" and "{{ 7" in cell.source:
            check_words(cell.source)
    assert len([cell for cell in made.cells if cell.source.startswith(("%", "!"))]) == 0


def test_the_key_and_the_place_of_a_store_are_no_code(found: Analysis, tmp_path: Path) -> None:
    hostile = dataclasses.replace(found, key="');import os\n%x")
    made = notebook.render(hostile, tmp_path, tmp_path / "a'); import os #" / "s.sqlite")
    loading = next(cell.source for cell in made.cells if cell.cell_type == "code")
    imports = [one for one in ast.walk(ast.parse(loading)) if isinstance(one, ast.Import)]
    assert [alias.name for one in imports for alias in one.names] == ["altair"]
    assert not any(line.startswith(("%", "!")) for line in loading.splitlines())


# LaTeX


def test_latex_has_no_command_of_a_study(found: Analysis) -> None:
    source = latex.render(document(found), "figures")
    assert not ACTIVE.search(source)
    body = source.partition("\\begin{document}")[2]
    for command in ("input", "write", "include", "href", "url", "csname", "catcode", "def"):
        assert not re.search(rf"\\{command}(?![a-z])", body), command
    assert "^^" not in body
    assert not re.search(r"(?<!\\)[$#]", body)
    comments = [line for line in body.splitlines() if re.search(r"(?<!\\)%", line)]
    assert all(line.endswith("{!}{%") for line in comments)
    assert body.count("\\end{document}") == 1
    plain = re.sub(r"\\[\\{}]", "", body)
    assert plain.count("{") == plain.count("}")


# Tables and JSON

FORMULA = re.compile("[=+@\t\r\n\uff1d-]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|", re.IGNORECASE)


def check_cells(text: str) -> None:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len({len(row) for row in rows}) == 1
    risky = [c for row in rows for c in row if FORMULA.match(c) and not NUMBER.fullmatch(c)]
    assert risky == []
    assert any(cell.startswith("'=HYPERLINK") for row in rows for cell in row)


@pytest.mark.parametrize("what", ["runs", "curves", "contrasts", "arms"])
def test_no_cell_of_an_exported_table_is_a_formula(
    hostile_store: Path, found: Analysis, tmp_path: Path, what: str
) -> None:
    out = tmp_path / "table.csv"
    run(hostile_store, "export", found.key, "--what", what, "--out", str(out))
    check_cells(out.read_bytes().decode())
    run(hostile_store, "export", found.key, "--what", what, "--out", str(tmp_path / "t.parquet"))
    assert len(pd.read_parquet(tmp_path / "t.parquet")) > 0


def test_no_cell_of_a_printed_log_is_a_formula(hostile_store: Path, found: Analysis) -> None:
    printed = run(hostile_store, "log", found.key, "--csv").stdout
    check_cells(printed)
    assert not ACTIVE.search(printed)


def test_a_record_means_what_it_said_without_control_characters(
    found: Analysis, tmp_path: Path
) -> None:
    text = record.write(found, tmp_path / "report.json").read_text("utf-8")
    assert not ACTIVE.search(text)
    assert json.loads(text)["question"] == HOSTILE
    assert set(json.loads(text)["factors"]) == set(found.factors)


# The terminal

COMMANDS = [
    ["list"],
    ["show", "KEY"],
    ["log", "KEY"],
    ["log", "KEY", "--seed", "0"],
    ["compare", "KEY", "KEY", "--with-store", "COPY"],
    ["chart", "KEY"],
    ["ask"],
    ["ask", "hyperlink"],
]


@pytest.mark.parametrize("json_", [False, True])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_prints_a_control_character(
    hostile_store: Path,
    found: Analysis,
    tmp_path: Path,
    command: list[str],
    json_: bool,
) -> None:
    copy = tmp_path / "copy.sqlite"
    shutil.copyfile(hostile_store, copy)
    places = {"KEY": found.key, "COPY": str(copy)}
    words = [places.get(word, word) for word in command]
    done = run(hostile_store, *words, *["--json"] * json_)
    printed = done.stdout + done.stderr
    assert not ACTIVE.search(printed)
    if json_:
        json.loads(done.stdout)
    elif "--seed" not in command:
        assert "[bold" in "".join(printed.split("\n"))  # as it is written, and not in bold


def test_a_terminal_is_sent_styles_of_ours_alone(
    found: Analysis, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = console._Console(
        force_terminal=True, color_system="truecolor", markup=False, highlight=False, width=120
    )
    render_text(found, terminal)
    terminal.print(HOSTILE)
    terminal.print(Text(HOSTILE))
    printed = capsys.readouterr().out
    assert "\x1b[" in printed
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    assert not ACTIVE.search(plain)
    assert not re.search(r"\x1b\[[0-9;]*m", HOSTILE.replace("\x1b[31m", ""))


def test_a_plan_and_its_warnings_print_no_control_character(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    laid_out = study_of(from_frame(table(), HOSTILE, name=HOSTILE))
    made = make_plan(laid_out, Settings(tmp_path / "s.sqlite", workers=1))
    plans.show_plan(made, foresee(laid_out, Settings(tmp_path / "s.sqlite")))
    plans.headline(made)
    console.print_json(plans.plan_record(made))
    printed = capsys.readouterr()
    assert "alert(1)" in printed.out
    assert "alert(1)" in printed.err
    assert not ACTIVE.search(printed.out + printed.err)


def test_errors_quote_without_control_characters(tmp_path: Path, hostile_store: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump({"question": "?", HOSTILE: HOSTILE, "model": HOSTILE}))
    with pytest.raises(InputError) as raised:
        load(str(file), {HOSTILE: HOSTILE})
    with pytest.raises(InputError) as unknown, Store(hostile_store) as store:
        store.study(HOSTILE + "!")
    for error in (raised.value, unknown.value):
        assert "alert(1)" in str(error)
        assert not ACTIVE.search(str(error))
        assert not any(ACTIVE.search(one) for one in error.problems)

"""The report as Markdown, read by a parser of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made_up_analyses
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from paribus.findings import Analysis
from paribus.report import charts, markdown, wording
from paribus.report.document import Heading, Listing, Paragraph, document, picture_folder
from paribus.report.tables import Column, Table
from paribus.study.confounds import Confound


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def shown(token: Token) -> str:
    """The words of a line; the spans that keep formulas from beginning are not seen."""
    parts = []
    for child in token.children or ():
        assert child.type in ("text", "text_special", "html_inline", "code_inline")
        if child.type == "html_inline":
            assert child.content in ("<span>", "</span>")
        else:
            parts.append(child.content)
    return "".join(parts)


def lines(text: str) -> list[str]:
    return [shown(token) for token in parsed(text) if token.type == "inline"]


@pytest.fixture(scope="module")
def text(study: Analysis) -> str:
    return markdown.render(document(study), "it-figures")


@pytest.fixture
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts take most of the time of a report."""
    monkeypatch.setattr(charts, "every", lambda analysis: iter(()))


def test_the_question_comes_first_then_the_answer_and_the_notes(text: str, study: Analysis) -> None:
    assert text.splitlines()[:5] == [
        f"# {study.question}",
        "",
        f"**{study.answer}**",
        "",
        f"- {study.notes[0]}",
    ]
    assert text.endswith("\n")


def test_it_has_the_sections_of_the_page(text: str) -> None:
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "Discussion",
        "Arms",
        "Contrasts",
        "What else the runs say",
        "How training went",
        "Architecture",
        "How this was done",
        "Environment",
        "Do it again",
    ]


def test_arms_and_contrasts_are_tabled(text: str) -> None:
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[0] == (
        "| optimizer | batch norm | test accuracy (%) | 95 % interval of the mean | n | status |"
    )
    assert rows[1] == "| --- | --- | ---: | ---: | ---: | --- |"
    assert rows[2] == "| sgd | no | 78.18 ± 0.12 | \\[78.09, 78.26\\] | 10 | complete |"
    (contrast,) = (row for row in rows if row.startswith("| batch norm yes against no | sgd |"))
    assert "| +14.42 \\[14.33, 14.52\\] | **better** | 10 |" in contrast


def test_each_figure_is_a_picture_with_an_alternative_and_a_caption(text: str) -> None:
    blocks = text.split("\n\n")
    pictures = [place for place, block in enumerate(blocks) if block.startswith("![")]
    assert len(pictures) == 6
    assert blocks[pictures[0]].startswith("![Forest plot of 4 contrasts. batch norm yes against no")
    assert blocks[pictures[0]].endswith("](it-figures/forest.svg)")
    for number, place in enumerate(pictures, 1):
        assert blocks[place + 1].startswith(f"**Figure {number}.** ")


def test_the_command_and_the_specification_close_it(text: str, study: Analysis) -> None:
    assert f"```shell\n{study.command}\n```" in text
    assert f"```yaml\n{study.spec}```" in text


@pytest.mark.usefixtures("without_charts")
def test_a_study_that_python_asked_has_no_command(study: Analysis) -> None:
    text = markdown.render(document(replace(study, command="")), "")
    assert "The study was asked in Python: save the specification below" in text
    assert "```shell" not in text


def test_reason_confounds_tuning_and_other_outcomes_are_told(study: Analysis) -> None:
    found = Confound("one-learning-rate", "It is one.", "It matters.", "Tune it.", accepted=False)
    study = replace(
        made_up_analyses.tuned(),
        reason="It keeps what enters a layer\n  on one scale.",
        confounds=(found, replace(found, name="no-shuffling", accepted=True)),
        secondary=(made_up_analyses.no_margin(),),
    )
    text = markdown.render(document(study), "")
    assert "## Why\n\nIt keeps what enters a layer on one scale.\n" in text
    assert "### one-learning-rate\n\nIt is one. It matters. Tune it.\n" in text
    assert "### no-shuffling, accepted by the study\n\nIt is one. It matters.\n" in text
    assert "Accepted by the study as meant: no-shuffling." in text
    assert "| batch norm no | learning rate | 0.05 | 0.05 | 0.001 |" in text
    assert "(/tuning-1.svg)" in text
    assert "## The same runs by other outcomes\n\n### Test accuracy\n" in text
    assert "no margin was declared" in text


@pytest.mark.usefixtures("without_charts")
@pytest.mark.parametrize("kind", ["pilot", "single_arm", "all_diverged", "regression", "clock"])
def test_every_kind_of_study_has_its_tables(kind: str) -> None:
    study = getattr(made_up_analyses, kind)()
    text = markdown.render(document(study), "")
    tables = [token for token in parsed(text) if token.type == "table_open"]
    assert len(tables) >= 2 + bool(study.contrasts)
    assert "nan" not in text


@given(st.text())
def test_any_text_is_shown_as_it_is_and_as_nothing_else(text: str) -> None:
    expected = " ".join(wording.clean(text).split())
    table = Table("t", "", (Column("h", False, (text, text)),))
    (line,) = lines(f"x {markdown.escape(text)} x")
    assert line.split() == f"x {expected} x".split()
    cells = lines(markdown.table(table))
    assert [" ".join(cell.split()) for cell in cells[1:]] == [expected, expected]


@given(st.text(), st.sampled_from([Heading, Paragraph]))
def test_any_text_stays_one_block(text: str, block: type[Heading] | type[Paragraph]) -> None:
    tokens = parsed(markdown.render([block(text.replace("`", "")), Paragraph("end")], ""))
    inline = [token for token in tokens if token.type == "inline"]
    kinds = {token.type for token in tokens} - {"inline"}
    assert kinds <= {"heading_open", "heading_close", "paragraph_open", "paragraph_close"}
    assert shown(inline[-1]) == "end"
    assert len(inline) <= 2


@given(st.text())
def test_a_listing_is_one_block_whatever_it_holds(text: str) -> None:
    (token,) = parsed(markdown.render([Listing(text, "yaml")], ""))
    assert token.type == "fence"
    assert token.info == "yaml"


def test_code_in_sentences_is_code_and_formulas_are_none() -> None:
    (line,) = (t for t in parsed(markdown.prose("Run `paribus run *x*`, $x$ and \\(y\\).")) if
               t.children)  # fmt: skip
    assert [c.content for c in line.children or () if c.type == "code_inline"] == [
        "paribus run *x*"
    ]
    assert shown(line) == "Run paribus run *x*, $x$ and \\(y\\)."
    assert "$x$" not in markdown.prose("$x$")
    assert "\\(" not in markdown.prose("\\(y\\)")


@pytest.mark.usefixtures("two_charts")
def test_pictures_are_written_beside_it(tmp_path: Path) -> None:
    study = made_up_analyses.pilot()
    path = tmp_path / "new" / "my-report.md"
    assert markdown.write(study, path) == path
    folder = tmp_path / "new" / "my-report-figures"
    assert sorted(path.parent.iterdir()) == sorted([folder, path])
    for picture in folder.iterdir():
        assert picture.read_bytes().startswith(b"<svg")
        assert f"](my-report-figures/{picture.name})" in path.read_text("utf-8")
    assert len(list(folder.iterdir())) == path.read_text("utf-8").count("![")


def test_reports_whose_names_are_no_file_names_keep_their_pictures_apart() -> None:
    folders = {picture_folder(Path(f"{name}.md")).name for name in ("优化", "动量", "plain")}
    assert len(folders) == 3
    assert "plain-figures" in folders
    assert all(folder.isascii() for folder in folders)

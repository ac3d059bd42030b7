"""Which form a report takes, charts and tables as files, and that files are whole or not there."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from paribus import InputError, Result, StoreError
from paribus.cli import app
from paribus.files import write_whole
from paribus.findings import Analysis
from paribus.report import charts, forms, notebook
from paribus.report.charts.files import FORMATS
from paribus.report.record import VERSION, to_record
from paribus.store.export import spreadsheet_safe, write_frame


@pytest.fixture(scope="module")
def result(store: Path) -> Result:
    return Result.load("tiny", store=store)


def paribus(store: Path, *arguments: str) -> str:
    """Return what a command prints, on a terminal that is wide enough."""
    done = CliRunner().invoke(app, [*arguments, "--store", str(store)], env={"COLUMNS": "300"})
    if done.exception:
        raise done.exception
    return done.output


def strict(text: str) -> dict[str, object]:
    def refused(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refused)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "asked", "form"),
    [
        ("x.html", None, "html"),
        ("a.b.MD", None, "md"),
        ("x.tex", None, "tex"),
        ("x.ipynb", None, "ipynb"),
        ("x.txt", "md", "md"),
        (None, "json", "json"),
        (None, None, "html"),
    ],
)
def test_the_suffix_or_the_format_chooses_the_form(
    name: str | None, asked: str | None, form: str
) -> None:
    assert forms.form_of(Path(name) if name else None, asked) == form


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("x.htm", None, r"suffix of x\.htm must be .*got htm.*did you mean html"),
        ("x", None, "got none"),
        ("x.html", "markdown", "--format must be html, md, tex, ipynb, json"),
    ],
)
def test_another_form_is_refused(name: str, asked: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        forms.form_of(Path(name), asked)


@pytest.mark.usefixtures("two_charts")
def test_a_result_writes_the_form_of_its_suffix(result: Result, tmp_path: Path) -> None:
    begins = {"html": "<!DOCTYPE", "md": "# Does dropout help?", "tex": "% Compile", "json": "{"}
    for form, beginning in begins.items():
        path = tmp_path / "new" / f"report.{form}"
        assert result.report(path) == path
        assert path.read_text("utf-8").startswith(beginning)


def test_what_a_notebook_lacks_is_named(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "find_spec", lambda name: None if name == "nbclient" else name)
    with pytest.raises(InputError, match=r"needs nbclient: pip install 'paribus\[notebook\]'"):
        result.report(tmp_path / "x.ipynb")
    assert list(tmp_path.iterdir()) == []


def test_without_a_file_a_report_goes_beside_the_page(store: Path) -> None:
    path = store.parent / "reports" / "tiny.json"
    assert paribus(store, "report", "tiny", "--format", "json") == f"Report: {path}\n"
    assert json.loads(path.read_text("utf-8"))["name"] == "tiny"


def test_the_record_is_what_show_prints_without_nan_and_with_a_version(
    result: Result, store: Path, tmp_path: Path
) -> None:
    text = result.report(tmp_path / "x.json").read_text("utf-8")
    record = strict(text)
    assert record == json.loads(json.dumps(to_record(result.analysis)))
    assert record["version"] == VERSION == 1
    known = {field.name for field in fields(Analysis)}
    assert set(record) <= known | {"version", "verdicts"}


@pytest.mark.usefixtures("two_charts")
def test_charts_are_listed_with_their_captions(result: Result, store: Path) -> None:
    listed = paribus(store, "chart", "tiny")
    rows = json.loads(paribus(store, "chart", "tiny", "--json"))
    assert [row["chart"] for row in rows] == ["forest", "loss-and-metric"]
    for figure, row in zip(charts.every(result.analysis), rows, strict=True):
        assert row["caption"] == figure.caption
        assert figure.name in listed
        assert figure.caption[:60] in listed


def test_a_chart_is_written_in_the_format_of_its_suffix(store: Path, tmp_path: Path) -> None:
    begins = {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF", "html": b"<!DOCTYPE", "json": b"{"}
    assert set(begins) == set(FORMATS)
    for suffix, beginning in begins.items():
        path = tmp_path / "new" / f"forest.{suffix}"
        assert str(path) in paribus(store, "chart", "tiny", "forest", "--out", str(path))
        assert path.read_bytes().startswith(beginning)
    assert b"<script" not in (tmp_path / "new" / "forest.html").read_bytes()
    large = tmp_path / "large.png"
    paribus(store, "chart", "tiny", "forest", "--out", str(large), "--scale", "4")
    widths = [
        int.from_bytes(path.read_bytes()[16:20])
        for path in (large, tmp_path / "new" / "forest.png")
    ]
    assert widths[0] == pytest.approx(2 * widths[1], abs=4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frost", "--out", "x.png"], r"no chart frost \(did you mean forest\?\); it has forest"),
        (["memory", "--out", "x.png"], "nothing to draw for the chart memory"),
        (["forest", "--out", "x.jpg"], r"png, svg, pdf, html, json \(got jpg\)"),
        (["forest"], "missing is --out FILE"),
        (["--out", "x.png"], "missing is NAME"),
    ],
)
def test_a_chart_that_cannot_be_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        paribus(store, "chart", "tiny", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("what", "rows", "columns"),
    [
        ("runs", 4, {"arm", "seed", "train.learning_rate", "test_accuracy"}),
        ("arms", 2, {"dropout", "name", "mean", "sd"}),
        ("contrasts", 1, {"arm", "baseline", "difference", "verdict"}),
        ("curves", None, {"arm", "block", "metric", "epoch", "value"}),
    ],
)
def test_tables_are_exported(
    store: Path, result: Result, tmp_path: Path, what: str, rows: int | None, columns: set[str]
) -> None:
    expected = rows or len(result.curves)
    for suffix, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        path = tmp_path / "new" / f"{what}.{suffix}"
        paribus(store, "export", "tiny", "--what", what, "--out", str(path))
        frame = read(path)
        assert len(frame) == expected
        assert columns <= set(frame.columns)


def test_another_table_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"got contrast\) \(did you mean contrasts"):
        paribus(store, "export", "tiny", "--what", "contrast", "--out", str(tmp_path / "x.csv"))


def test_no_text_becomes_a_formula_and_numbers_stay(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "=name": ["=1+1", "+a", "-b", "@c", "\td", "plain", "-0.5", "+1e-3", "a=b", "＝1"],
            "number": [-1.5, 2, 3, 4, 5, 6, 7, 8, 9, float("nan")],
        }
    )
    write_frame(frame, "csv", tmp_path / "x.csv")
    read = pd.read_csv(tmp_path / "x.csv", dtype=str)
    assert list(read["'=name"]) == [
        "'=1+1", "'+a", "'-b", "'@c", "'\td", "plain", "-0.5", "+1e-3", "a=b", "'＝1",
    ]  # fmt: skip
    assert read["number"][0] == "-1.5"
    assert list(spreadsheet_safe(frame)["number"].dropna()) == list(frame["number"].dropna())
    write_frame(frame, "parquet", tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), frame)


@pytest.mark.parametrize("when", [0, 1, 2])
def test_ctrl_c_leaves_what_was_there_and_no_half_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    path, folder = tmp_path / "x.md", tmp_path / "x-figures"
    path.write_text("before")
    written = Path.write_bytes
    left = iter(range(3))

    def interrupted(self: Path, data: bytes) -> int:
        if next(left) == when:
            written(self, data[:2])
            raise KeyboardInterrupt
        return written(self, data)

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole({path: b"text", folder / "a": b"picture", folder / "b": b"other"}, "the report")
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]
    assert path.read_text() == "before"


def test_a_table_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: pd.DataFrame, path: Path, index: bool) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_csv", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_frame(pd.DataFrame({"a": [1]}), "csv", tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []


def test_files_that_belong_together_are_written_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    contents = {tmp_path / "x.md": b"text", tmp_path / "taken" / "y.png": b"picture"}
    with pytest.raises(StoreError, match=r"cannot write the report .*y\.png"):
        write_whole(contents, "the report")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]

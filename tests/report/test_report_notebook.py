"""The report as a notebook, executed, and executed again elsewhere."""

from __future__ import annotations

import ast
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import made_up_analyses
import pytest

from paribus import Result, RunError
from paribus.report import charts, notebook
from paribus.report.plots import Plots

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")


@pytest.fixture(scope="module")
def written(store: Path) -> Path:
    path = store.parents[1] / "handed in" / "tiny.ipynb"
    path.parent.mkdir()
    (path.parent / "altair.py").write_text("raise ImportError('no library, but a file beside it')")
    with pytest.MonkeyPatch.context() as patch:  # charts take most of the time
        kinds = {name: charts.CHARTS[name] for name in ("forest", "loss-and-metric")}
        patch.setattr(charts, "CHARTS", kinds)
        return Result.load("tiny", store=store).report(path)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    read = nbformat.read(path, as_version=4)
    nbformat.validate(read)
    return [cell for cell in read.cells if cell.cell_type == "code"]


def test_it_is_executed_with_what_every_viewer_shows(written: Path, store: Path) -> None:
    cells = code_cells(written)
    sources = [cell.source for cell in cells]
    assert 'store="../.paribus/store.sqlite"' in sources[0].replace("'", '"')
    assert sources[1:] == [
        "result.plot.forest()",
        "result.arms",
        "result.contrasts",
        "result.plot.loss_and_metric()",
        "result.runs.head()",
    ]
    answer = Result.load("tiny", store=store).answer
    assert cells[0].outputs[0].text.strip() == answer
    for cell in cells[1:]:
        (output,) = cell.outputs
        assert output.output_type == "execute_result"
        drawn = cell.source.startswith("result.plot")
        assert ("image/png" if drawn else "text/html") in output.data
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_the_answer_and_the_words_of_the_verdicts_stand_in_it(written: Path) -> None:
    read = nbformat.read(written, as_version=4)
    words = [cell.source for cell in read.cells if cell.cell_type == "markdown"]
    assert words[0].startswith("# Does dropout help?\n\n**")
    assert any("- pilot: Too few paired seeds for any verdict." in one for one in words)
    assert any("question: Does dropout help?\n" in one and "```yaml\n" in one for one in words)


def test_a_copy_beside_a_copy_of_the_store_is_executed_again(
    written: Path, store: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "handed in" / "copy.ipynb"
    copy.parent.mkdir()
    shutil.copy(written, copy)
    (tmp_path / ".paribus").mkdir()
    shutil.copy(store, tmp_path / ".paribus")
    read = nbformat.read(copy, as_version=4)
    for cell in read.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    again = nbclient.NotebookClient(read, resources={"metadata": {"path": str(copy.parent)}})
    done = [cell for cell in again.execute().cells if cell.cell_type == "code"]
    for cell, before in zip(done, code_cells(written), strict=True):
        assert cell.outputs == before.outputs


def test_every_chart_of_a_report_is_drawn_by_a_method_of_the_result(tmp_path: Path) -> None:
    study = made_up_analyses.tuned()
    made = notebook.render(study, tmp_path, tmp_path / "store.sqlite")
    drawn = [cell.source for cell in made.cells if cell.source.startswith("result.plot.")]
    assert drawn[-2:] == [
        "result.plot.tuning('train.learning_rate')",
        "result.plot.tuning('model.activation')",
    ]
    assert len(drawn) == len(list(charts.every(study)))
    for source in drawn:
        eval(source, {"result": SimpleNamespace(plot=Plots(study))})
    for name in charts.CHARTS:
        assert hasattr(Plots, name.replace("-", "_"))


def test_names_are_neither_code_nor_markup(store: Path, tmp_path: Path) -> None:
    analysis = Result.load("tiny", store=store).analysis
    hostile = '<script>alert(1)</script>"); import os; ("'
    odd = replace(analysis, question=hostile, answer=hostile, notes=(hostile,))
    folder = tmp_path / 'it\'s "here"\n'
    made = notebook.render(odd, tmp_path, folder / "store.sqlite")
    for cell in made.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)
            assert "import os" not in cell.source
        else:
            assert "<script" not in cell.source
    (call,) = (n for n in ast.walk(ast.parse(made.cells[1].source)) if isinstance(n, ast.keyword)
               and n.arg == "store")  # fmt: skip
    assert isinstance(call.value, ast.Constant)
    assert call.value.value == 'it\'s "here"\n/store.sqlite'


def test_a_cell_that_fails_is_an_error_and_nothing_is_written(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "CHARTS", {})
    analysis = Result.load("tiny", store=store).analysis
    with pytest.raises(RunError, match=r"the notebook could not be executed .*there is no store"):
        notebook.write(analysis, tmp_path / "x.ipynb", tmp_path / "elsewhere.sqlite")
    assert list(tmp_path.iterdir()) == []

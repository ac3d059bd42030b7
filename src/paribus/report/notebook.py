"""The report as a Jupyter notebook, executed, that loads the study and draws its charts again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from paribus.errors import InputError, RunError
from paribus.files import write_whole
from paribus.findings import Analysis
from paribus.report import markdown, wording
from paribus.report.charts import Figure
from paribus.report.document import Heading, document
from paribus.report.tables import Table

if TYPE_CHECKING:
    from nbformat import NotebookNode

_NEEDED = ("nbformat", "nbclient", "ipykernel")
_SECONDS = 600  # for one cell
_OF_KEY = 12  # characters that name a study in its store

_LOAD = """\
import altair

from paribus import Result

altair.renderers.enable("png", scale_factor=1.5)  # pictures, which every viewer shows
result = Result.load({study!r}, store={store!r})
print(result.answer)"""


def write(analysis: Analysis, path: Path, store: Path) -> Path:
    """Write the notebook of a study that is in a store to `path`, executed; return `path`.

    It names the store by the path from its own folder, so that a copy of both, as far apart, can be
    executed again. Raises InputError where what executes notebooks is not installed, RunError
    where a cell fails, StoreError where the notebook cannot be written.
    """
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise InputError(
            f"a notebook needs {wording.listed(missing)}: pip install 'paribus[notebook]'"
        )
    import nbformat

    notebook = render(analysis, path.parent, store)
    executed = _executed(notebook, path.parent)
    write_whole({path: f"{nbformat.writes(executed)}\n".encode()}, "the report")
    return path


def render(analysis: Analysis, folder: Path, store: Path) -> NotebookNode:
    """Return the notebook as it goes into `folder`, not executed yet."""
    from nbformat import v4

    cells = list(_cells(analysis, _path_from(folder, store)))
    return v4.new_notebook(
        cells=[
            (v4.new_code_cell if code else v4.new_markdown_cell)(text, id=f"cell-{number}")
            for number, (code, text) in enumerate(cells, 1)
        ],
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )


def _cells(analysis: Analysis, store: str) -> Iterator[tuple[bool, str]]:
    """Yield whether a cell is code, and its text; sentences between code share a cell."""
    for code, pieces in groupby(_pieces(analysis, store), key=itemgetter(0)):
        texts = [text for _, text in pieces]
        for text in texts if code else ["\n\n".join(texts)]:
            yield code, text


def _pieces(analysis: Analysis, store: str) -> Iterator[tuple[bool, str]]:
    load = _LOAD.format(study=analysis.key[:_OF_KEY], store=store)
    frames = {"arms": "result.arms", "contrasts": "result.contrasts"}
    for block in document(analysis):
        section = isinstance(block, Heading) and block.level == 2
        if load and (section or isinstance(block, Figure)):
            yield True, load
            load = ""
        if isinstance(block, Figure):
            yield True, _drawing(analysis, block)
            yield False, markdown.prose(block.caption)
            continue
        yield False, markdown.render([block], "").strip()
        if isinstance(block, Table) and block.name in frames:  # not those of other outcomes
            yield True, frames.pop(block.name)
    yield False, "## Runs\n\nThe first of all runs, with every setting and every final metric."
    yield True, "result.runs.head()"


def _drawing(analysis: Analysis, figure: Figure) -> str:
    """The code that draws a chart again."""
    if figure.section == "ends":
        return f"result.plot.paths({figure.name!r})"
    if figure.section == "tuning" and analysis.tuning:
        settings = list(analysis.tuning.parameters)
        return f"result.plot.tuning({settings[int(figure.name.partition('-')[2]) - 1]!r})"
    return f"result.plot.{figure.name.replace('-', '_')}()"


def _path_from(folder: Path, store: Path) -> str:
    """Return the path of the store from a folder, or its own on another drive."""
    try:
        return Path(os.path.relpath(store.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return store.resolve().as_posix()


def _executed(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run every cell in a kernel of its own, in the folder of the notebook."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    folder.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook,
        timeout=_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        extra_arguments=[
            "--IPKernelApp.log_level=CRITICAL",  # else it warns of its own port
            "--IPKernelApp.ignore_cwd=True",  # a file beside the notebook is no library
        ],
    )
    try:
        with client.setup_kernel():  # which leaves Ctrl-C to us, as execute() does not
            for place, cell in enumerate(notebook.cells):
                client.execute_cell(cell, place)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        failed = isinstance(error, CellExecutionError)
        why = f"{error.ename}: {error.evalue}" if failed else str(error).strip().splitlines()[0]
        raise RunError(
            f"the notebook could not be executed ({wording.clean(why)}): its kernel, python3, must "
            "have this Paribus and be able to read the store"
        ) from error
    return notebook

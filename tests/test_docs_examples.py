"""Every Python example of the documentation runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if EXAMPLE.search(page.read_text())
]


def code_of(page: Path) -> str:
    """Return the examples of a page as one script; every line keeps its number."""
    text, script, end = page.read_text(), "", 0
    for example in EXAMPLE.finditer(text):
        script += "\n" * text.count("\n", end, example.start(1)) + example[1]
        end = example.end(1)
    return script


def what_readers_have() -> dict[str, Any]:
    iris = load_iris(as_frame=True).frame
    return {"frame": iris.assign(label=iris.pop("target").map({0: "a", 1: "b", 2: "c"}))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("paribus.workers.here.available_cores", lambda: 1)  # tests run side by side
    script = tmp_path / "examples.py"
    script.write_text(code_of(page))
    runpy.run_path(str(script), what_readers_have(), run_name="__main__")


def test_there_are_examples() -> None:
    assert {"README", "python"} <= {page.stem for page in PAGES}

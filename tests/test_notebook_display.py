"""What a notebook shows of a study, a plan, a result and a run that goes on."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from sklearn.datasets import load_iris

from paribus import Result, Study
from paribus.report.style import VERDICTS
from paribus.screen import bars, console
from tests.report import made_up_analyses

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def parsed(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(page)


def words(page: str) -> str:
    return " ".join(" ".join(parsed(page).itertext()).split())


def assert_harmless(page: str) -> None:
    """No script, no handler, nothing fetched, and no id that another cell may have."""
    for node in parsed(page).iter():
        assert node.tag.rpartition("}")[2] not in {"script", "img", "style", "link", "iframe"}
        for name in node.attrib:
            assert not name.startswith("on")
            assert name.rpartition("}")[2] not in {"id", "href", "src"}


def iris(**settings: Any) -> Study:
    frame = load_iris(as_frame=True).frame
    return Study(
        settings.pop("question", "Does dropout help?"),
        data=frame,
        target="target",
        **{"train": {"epochs": 2}, "factors": {"model.dropout": [0, 0.5]}, "seeds": 3} | settings,
    )


def test_a_result_shows_its_answer_its_tables_and_the_forest_plot() -> None:
    analysis = made_up_analyses.eight_arms()
    page = Result(analysis, Path("x"))._repr_html_()
    assert_harmless(page)
    told = words(page)
    assert told.index(analysis.question) < told.index(analysis.answer)
    arms, contrasts = list(parsed(page).iter("table"))
    assert len(list(arms.iter("tr"))) == 1 + len(analysis.arms)
    for contrast, row in zip(analysis.contrasts, list(contrasts.iter("tr"))[1:], strict=True):
        (badge,) = row.iter("span")
        assert badge.text == contrast.verdict
        assert VERDICTS[contrast.verdict].colour in badge.attrib["style"]
    (image,) = (node for node in parsed(page).iter("div") if node.attrib.get("role") == "img")
    assert image.attrib["aria-label"].startswith("Forest plot of 4 contrasts")
    assert image[0].tag.endswith("svg")
    assert "max-width:100%" in image[0].attrib["style"]
    assert not re.search(r"[^-]color:#1", page.partition("<svg")[0])  # ink is the notebook's


def test_of_many_arms_some_are_shown_and_the_rest_is_told() -> None:
    analysis = made_up_analyses.eight_arms()
    many = replace(analysis, arms=analysis.arms * 25, contrasts=analysis.contrasts * 50)
    page = Result(many, Path("x"))._repr_html_()
    assert "24 of 200 rows: result.arms has them all." in words(page)
    assert "24 of 200 rows: result.contrasts has them all." in words(page)
    assert "<svg" not in page
    assert len(page) < 100_000


@pytest.mark.parametrize(
    "analysis",
    [
        made_up_analyses.single_arm(),
        made_up_analyses.pilot(),
        made_up_analyses.all_diverged(),
        made_up_analyses.clock(),
    ],
    ids=["one arm", "pilot", "diverged", "clock"],
)
def test_a_result_is_shown_whatever_it_is(analysis: Any) -> None:
    page = Result(analysis, Path("x"))._repr_html_()
    assert_harmless(page)
    assert analysis.answer in words(page)


def test_hostile_names_are_text() -> None:
    analysis = made_up_analyses.made_up(
        {"f": (HOSTILE, "b")},
        lambda levels: 0.9,
        made_up_analyses.within("f"),
        question=HOSTILE,
        answer=HOSTILE,
        notes=(HOSTILE,),
    )
    study = iris(question=HOSTILE, factors={"f": {HOSTILE: {"train.beta1": 0.1}, "b": {}}})
    for shown in (Result(analysis, Path("x")), study, study.plan(store="none.sqlite")):
        page = shown._repr_html_()
        assert_harmless(page)
        assert HOSTILE in words(page)


def test_a_study_shows_what_differs_and_what_is_equal() -> None:
    study = iris(margin=0.02)
    assert_harmless(study._repr_html_())
    told = words(study._repr_html_())
    assert "2 arms × 3 seeds on DataFrame (150 rows, classification)" in told
    assert "judged by test accuracy; margin: 2 points" in told
    assert "model.dropout 0, 0.5" in told
    assert "train.epochs 2" in told
    assert "train.optimizer adam" in told.partition("at their defaults")[2]
    assert "train.smoothing" not in told  # does nothing for Adam
    assert repr(study) == "Study('Does dropout help?': 2 arms × 3 seeds, DataFrame)"


def test_a_plan_shows_what_would_run_and_what_may_confound_it(tmp_path: Path) -> None:
    study = iris(factors={"train.batch_size": [8, 64]}, margin=0.01)
    plan = study.plan(store=tmp_path / "s.sqlite", workers=1)
    assert_harmless(plan._repr_html_())
    told = words(plan._repr_html_())
    assert "2 arms × 3 seeds = 6 runs" in told
    assert "To train: 6 runs in 2 stacks on 1 worker" in told
    assert "May be confounded by unequal-steps." in told
    assert "How small a difference these seeds can find is told once three" in told
    study.run(store=tmp_path / "s.sqlite", workers=1, progress=False)
    told = words(study.plan(store=tmp_path / "s.sqlite")._repr_html_())
    assert "With 3 seeds, a difference of" in told
    assert "Nothing is left to train." in told


class Notebook:
    """Stands for IPython.display: notes what is shown, and what it is updated to."""

    def __init__(self) -> None:
        self.shown: list[list[dict[str, str]]] = []

    def display(self, data: dict[str, str], raw: bool, display_id: bool) -> SimpleNamespace:
        assert raw
        assert display_id
        pictures = [data]
        self.shown.append(pictures)
        return SimpleNamespace(update=lambda data, raw: pictures.append(data))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    notebook = Notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=notebook))
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    monkeypatch.setattr(console.err, "is_jupyter", True)
    return notebook


def test_a_run_shows_a_bar_that_is_updated_in_place(tmp_path: Path, notebook: Notebook) -> None:
    iris().run(store=tmp_path / "s.sqlite", workers=1)
    (pictures,) = notebook.shown
    assert pictures[0]["text/plain"].startswith("0/6 runs · 0/12 epochs")
    assert next(parsed(pictures[0]["text/html"]).iter("progress")).attrib["max"] == "12"
    assert re.fullmatch(r"6/6 runs, in \d+ s", pictures[-1]["text/plain"])
    for picture in pictures:
        assert_harmless(picture["text/html"])
    iris().run(store=tmp_path / "s.sqlite", workers=1)
    assert len(notebook.shown) == 1  # nothing was left to train


def test_a_run_that_is_stopped_says_how_far_it_came(
    tmp_path: Path, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = bars._Shown.watch

    def stop(self: Any, event: object) -> None:
        watch(self, event)
        if type(event).__name__ == "Record":
            raise KeyboardInterrupt

    study = iris(factors={"model.width": [4, 8]})  # a stack each
    with monkeypatch.context() as patched:
        patched.setattr(bars._Shown, "watch", stop)
        with pytest.raises(KeyboardInterrupt, match=r"\d of 6 runs are kept: the same call goes"):
            study.run(store=tmp_path / "s.sqlite", workers=1)
    assert re.fullmatch(r"1/6 runs, stopped after \d+ s", notebook.shown[0][-1]["text/plain"])
    result = study.run(store=tmp_path / "s.sqlite", workers=1)
    assert list(result.runs["status"].unique()) == ["done"]


CELLS = """
from torch import nn
import paribus
# in the next cell
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        return self.layers(x)
# in the next cell
study = paribus.Study("How good is it?", data="digits", model=Net, train={"epochs": 2}, seeds=2)
result = study.run(workers=1)
# in the next cell
result
# in the next cell
print(list(result.runs["status"]))
# in the next cell
result.plot.seeds()
"""


def test_a_class_of_a_cell_is_trained_in_a_kernel(tmp_path: Path) -> None:
    client = pytest.importorskip("nbclient")
    format = pytest.importorskip("nbformat.v4")
    pytest.importorskip("ipykernel")
    cells = [format.new_code_cell(cell) for cell in CELLS.split("# in the next cell\n")]
    notebook = format.new_notebook(cells=cells)
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=120, resources=resources).execute()
    (bar,), (shown,), (printed,), (drawn,) = (cell.outputs for cell in cells[2:])
    assert bar.data["text/plain"].startswith("2/2 runs, in")
    assert (
        "The mean test accuracy" in words(shown.data["text/html"]) or "%" in shown.data["text/html"]
    )
    assert printed.text == "['done', 'done']\n"
    assert set(drawn.data) == {"image/png", "text/plain"}  # and no script from elsewhere

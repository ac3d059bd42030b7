"""The studies that come with the package: short, in order on all data they name, and trainable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from paribus.clock.machine import DISTURBED
from paribus.data import Dataset
from paribus.data import load as load_data
from paribus.engines.base import Record, Task
from paribus.engines.choice import engine
from paribus.engines.laps import Laps
from paribus.environment import FRAMEWORKS, framework_version
from paribus.report.text import render_text
from paribus.run import Settings, lay_out, run_study
from paribus.store.store import Store
from paribus.study.conflicts import FEWEST_TIMED_EPOCHS
from paribus.study.confounds import find
from paribus.study.design import design
from paribus.study.engine import EngineId
from paribus.study.outcomes import OUTCOMES
from paribus.study.spec import Spec, as_written_names, builtin_names, load
from paribus.workers.local import LocalWorkers

ENGINE = EngineId("stacked", "1", "cpu")
STUDIES = [*builtin_names(), *as_written_names()]
OF_NO_REFERENCE = {"precision"}

FEWER: dict[str, dict[str, Any]] = {
    "frameworks": {"train.engine": ["torch", "jax"]},
    "gpu-payoff": {"train.device": ["cpu", "cuda"], "model.width": [4, 8]},
}
"""Factors for studies whose own would take long: every run that is timed starts a process."""


@cache
def stand_in(name: str) -> Dataset:
    """A data set that is embedded, or made-up images of the shape and number of those it has."""
    if name not in ("mnist", "fashion-mnist"):
        return load_data(name)
    return Dataset(
        name=name,
        task="classification",
        features=np.zeros((70_000, 1, 28, 28), np.uint8),
        targets=np.arange(70_000) % 10,
        classes=tuple("0123456789"),
        value_range=(0, 255),
        test_rows=np.arange(60_000, 70_000),
    )


def few_rows(name: str) -> Dataset:
    """The first rows of a data set; digits, large enough for ResNet-18, for images to download."""
    if name in ("mnist", "fashion-mnist"):
        digits = few_rows("digits")
        pixels = digits.features[:100].repeat(2, 2).repeat(2, 3)
        return replace(digits, name=name, features=pixels, targets=digits.targets[:100])
    whole = load_data(name)
    return replace(whole, features=whole.features[:400], targets=whole.targets[:400])


def named_with_data() -> list[tuple[str, str]]:
    """Every built-in study with each data set that it is written for."""
    specs = {name: load(name) for name in STUDIES}
    return [(n, data) for n, s in specs.items() for data in {s.data.source: 0, **s.presets}]


@pytest.mark.parametrize("name", STUDIES)
def test_it_is_short_and_says_where_its_question_comes_from(name: str) -> None:
    folder = resources.files("paribus") / "studies"
    folder = folder / "as_written" if name in as_written_names() else folder
    text = (folder / f"{name}.yaml").read_text("utf-8")
    spec = load(name)
    assert len(text.splitlines()) < 40
    assert all(asked.endswith("?") for asked in (spec.question, *spec.asks))
    if name not in OF_NO_REFERENCE:
        assert re.fullmatch("[A-E]", spec.reference or "")


@pytest.mark.parametrize(("name", "data"), named_with_data())
def test_it_is_in_order_and_accepts_what_it_means(name: str, data: str) -> None:
    spec = load(name, {"data.source": data})
    found = find(design(spec, stand_in(data), ENGINE))
    assert [one.name for one in found if not one.accepted] == []
    if not spec.tune:  # which may choose what confounds
        assert {one.name for one in found} == set(spec.accept)


@pytest.mark.parametrize("name", STUDIES)
def test_it_runs_to_its_end_and_answers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny(name)
    missing = [
        f"{package} is not installed"
        for framework in engines(spec)
        for package in FRAMEWORKS[framework].values()
        if framework_version(package) is None
    ]
    if missing:
        pytest.skip(", ".join(missing))
    monkeypatch.setattr(LocalWorkers, "run", train_here)
    monkeypatch.setattr("paribus.run._disturbed", lambda *_: [])  # nothing is measured twice
    settings = Settings(tmp_path / "store.sqlite", 1, "cpu", skip_unavailable=True)
    laid_out = lay_out(spec, few_rows(spec.data.source), settings)
    analysis = run_study(laid_out, settings)
    with Store(settings.store) as store:
        runs = store.study(analysis.key).runs
    disturbed = DISTURBED if laid_out.timed else "nothing"  # else it is no fault of the study
    assert runs
    assert all(run.status == "done" or run.reason.startswith(disturbed) for run in runs), {
        run.reason for run in runs
    }
    told = StringIO()
    render_text(analysis, Console(file=told, width=100))
    words = " ".join(told.getvalue().split())
    assert spec.question in words
    assert analysis.answer in words


def tiny(name: str) -> Spec:
    """A built-in study with the fewest epochs, one seed, and few levels where runs are timed."""
    spec = load(name)
    less: dict[str, Any] = {"seeds": 1, "train.epochs": 1}
    if spec.tune:
        less |= {"tune.budget": 2, "tune.seeds": 1}
    if spec.outcome and OUTCOMES[spec.outcome].lane == "clock":
        two = {key: first_two(levels) for key, levels in spec.factors.items()}
        less |= {"train.epochs": FEWEST_TIMED_EPOCHS, "train.threads": 1}
        less |= {"factors": FEWER.get(name, two)}
    elif any("train.epochs" in one.settings for f in spec.arms_differ_in for one in f.levels):
        del less["train.epochs"]
    return load(name, less)


def first_two(levels: list[Any] | dict[str, Any]) -> list[Any] | dict[str, Any]:
    return levels[:2] if isinstance(levels, list) else dict(list(levels.items())[:2])


def engines(spec: Spec) -> list[str]:
    """The engines that the arms of a study name."""
    levels = [level.settings for one in spec.arms_differ_in for level in one.levels]
    named = {spec.train.engine, *(level.get("train.engine") for level in levels)}
    return sorted(named - {None})


def train_here(
    self: LocalWorkers, stacks: Sequence[list[Task]], wanted: Callable[[list[Task]], list[Task]]
) -> Iterator[list[Record]]:
    """Train in this process: to start another takes longer than a tiny study."""
    for tasks in map(wanted, stacks):
        trained = engine(tasks[0].engine, Laps()).train(
            tasks, self.begin.dataset, keep_weights=False, epoch_done=lambda runs: None
        )
        yield list(trained)

"""The charts of a result from Python."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import made_up_analyses
import pytest

from paribus.errors import InputError
from paribus.findings import Analysis, Ends
from paribus.report.charts import CHARTS
from paribus.report.plots import Plots


def methods() -> dict[str, str]:
    return {
        name: inspect.getdoc(member) or ""
        for name, member in inspect.getmembers(Plots, inspect.isfunction)
        if not name.startswith("_")
    }


def test_every_kind_of_chart_has_a_method_that_explains_it() -> None:
    kinds = {name.replace("-", "_") for name in CHARTS}
    assert set(methods()) == kinds | {"tuning", "paths"}
    assert all(text.endswith(".") for text in methods().values())


def test_every_chart_that_a_study_has_is_drawn_and_named(study: Analysis) -> None:
    plots = Plots(study)
    listed = repr(plots)
    for name, kind in CHARTS.items():
        method, expected = getattr(plots, name.replace("-", "_")), kind.draw(study)
        if expected is not None:
            assert method().to_dict() == expected.to_dict(), name
            assert f"{name.replace('-', '_')}()" in listed
        else:
            assert f"{name.replace('-', '_')}()" not in listed


def test_a_chart_that_is_not_there_says_what_it_needs_and_what_is_there() -> None:
    alone = Plots(made_up_analyses.single_arm())
    with pytest.raises(InputError) as raised:
        alone.forest()
    assert "this study has no chart forest, which needs contrasts" in str(raised.value)
    assert "it has seeds(), metric()" in str(raised.value)
    with pytest.raises(InputError, match="no chart tuning, which needs tune: settings"):
        alone.tuning()
    with pytest.raises(InputError, match="no chart paths, which needs a surface"):
        alone.paths()
    with pytest.raises(InputError, match=r"log_every"):
        alone.steps()


def test_a_chart_is_written_as_a_file(study: Analysis, tmp_path: Path) -> None:
    for suffix, start in (("svg", b"<svg"), ("pdf", b"%PDF"), ("png", b"\x89PNG")):
        file = tmp_path / f"forest.{suffix}"
        Plots(study).forest().save(file)
        assert file.read_bytes().startswith(start)


def test_one_of_several_tuned_settings_is_named() -> None:
    plots = Plots(made_up_analyses.tuned())
    assert "learning rate" in str(plots.tuning("train.learning_rate").to_dict())
    assert "tuning()" in repr(plots)
    with pytest.raises(InputError, match=r"say which; there are train.learning_rate and model"):
        plots.tuning()
    with pytest.raises(InputError, match=r"no train.rate \(did you mean train.learning_rate\?\)"):
        plots.tuning("train.rate")


def test_one_of_several_surfaces_is_named() -> None:
    ends = tuple(
        Ends(arm.name, surface, arm.name, {}) for arm, surface in
        zip(made_up_analyses.two_arms().arms, ("saddle", "beale"), strict=True)
    )  # fmt: skip
    plots = Plots(replace(made_up_analyses.two_arms(), ends=ends))
    with pytest.raises(InputError, match="say which; there are saddle and beale"):
        plots.paths()

"""A study file that names code runs none of it unless the one who gives the command says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import paribus
from paribus.cli import app
from paribus.cli.options import command_again
from paribus.errors import SpecError
from paribus.models import own
from paribus.study.source import put
from paribus.study.spec import builtin_names, load
from tests.clock.test_machine_profile import MADE_UP

CODE = """\
from pathlib import Path
from torch import nn

Path("it-ran").touch()

def make(width=3):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, 10))
"""
ASKS = "question: Is it wide?\ntrain: {epochs: 1}\nseeds: 2\n"
WIDTHS = "factors: {model.arguments.width: [2, 3]}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with code that leaves a trace where it is imported; the current one."""
    (tmp_path / "theirs.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    own._tried.cache_clear()
    yield tmp_path
    sys.modules.pop("theirs", None)


def written(folder: Path, text: str) -> str:
    (folder / "study.yaml").write_text(ASKS + text)
    return str(folder / "study.yaml")


def paribus_(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


NAMED = {
    "as the model": ("model: theirs:make\n" + WIDTHS, "model.factory", 4),
    "in a section": ("model:\n  kind: module\n  factory: theirs:make\n", "model.factory", 6),
    "though unused": ("model: {kind: mlp, factory: theirs:make}\n", "model.factory", 4),
    "by levels": (
        "model: {kind: module}\nfactors:\n  model.factory:\n  - theirs:make\n  - os:system\n",
        "factors.model.factory[0]",
        7,
    ),
    "by named levels": (
        "model: {kind: module}\nfactors:\n  model.factory:\n    a: theirs:make\n    b: os:system\n",
        "factors.model.factory.a",
        7,
    ),
    "by sets of settings": (
        "factors:\n  nets:\n    a: {model.kind: mlp}\n"
        "    b: {model.kind: module, model.factory: theirs:make}\n",
        "factors.nets.b.model.factory",
        7,
    ),
    "by a preset": (
        "data: digits\npresets:\n  digits:\n    model.kind: module\n"
        "    model.factory: theirs:make\n",
        "model.factory",
        8,
    ),
    "by a tuning": (
        "data: {source: digits, validation: 0.2}\nmodel: {kind: module}\n" + WIDTHS + "tune:\n"
        "  parameters:\n    model.factory: [theirs:make, os:system]\n",
        "tune.parameters.model.factory[0]",
        9,
    ),
}


@pytest.mark.parametrize("way", NAMED)
def test_what_a_file_names_is_refused_before_it_is_imported(folder: Path, way: str) -> None:
    text, place, line = NAMED[way]
    study = written(folder, text)
    with pytest.raises(SpecError) as raised:
        paribus.Study.load(study)
    told = next(one for one in raised.value.problems if "would be imported" in one)
    assert told.startswith(f"{place}: theirs:make would be imported, and its code runs with all")
    assert "--allow-code" in told
    assert told.endswith(f" in {study}, line {line}")
    assert not (folder / "it-ran").exists()


def test_all_that_a_file_names_is_told_at_once_with_its_other_problems(folder: Path) -> None:
    levels = "factors:\n  model.factory: [theirs:make, theirs:other]\nmargin: -1\n"
    with pytest.raises(SpecError) as raised:
        load(written(folder, "model: {factory: theirs:third, kind: module}\n" + levels))
    told = raised.value.problems
    assert [one.rpartition(" ")[2] for one in told] == ["4", "6", "6", "7"]
    assert sum("would be imported" in one for one in told) == 3


@pytest.mark.parametrize(
    "arguments", [["run"], ["plan"], ["plan", "--machine", "machine.json"]], ids=" ".join
)
def test_a_command_imports_what_a_file_names_only_with_allow_code(
    folder: Path, arguments: list[str]
) -> None:
    written(folder, "model: theirs:make\n" + WIDTHS)
    MADE_UP.write(folder / "machine.json")
    before = sorted(folder.iterdir())
    done = paribus_(*arguments, "study.yaml")
    assert isinstance(done.exception, SpecError)
    assert str(done.exception).startswith("model.factory: theirs:make would be imported")
    assert str(done.exception).endswith("in study.yaml, line 4")
    assert done.output == ""
    assert sorted(folder.iterdir()) == before
    allowed = paribus_("plan", *arguments[1:], "study.yaml", "--allow-code")
    assert allowed.exit_code == 0
    assert (folder / "it-ran").exists()


NAMED_BY_THE_USER: list[dict[str, Any]] = [
    {"model": "theirs:make"},
    {"model.kind": "module", "model.factory": "theirs:make"},
    {"model.kind": "module", "factors.model.factory": ["theirs:make", "theirs:other"]},
    {"model.kind": "module", "factors": {"model.factory": ["theirs:make", "theirs:other"]}},
]


@pytest.mark.parametrize("overrides", NAMED_BY_THE_USER)
def test_what_the_user_names_is_taken(folder: Path, overrides: dict[str, Any]) -> None:
    load(written(folder, ""), overrides)


def test_what_the_user_names_stands_for_itself_alone(folder: Path) -> None:
    levels = "model: {kind: module}\nfactors: {model.factory: [theirs:make, theirs:other]}\n"
    study = written(folder, levels)
    with pytest.raises(SpecError, match=r"factors.model.factory\[1\]: theirs:other would be"):
        load(study, {"model.factory": "theirs:make"})
    study = written(folder, "model: theirs:make\n" + WIDTHS)
    with pytest.raises(SpecError, match="would be imported"):  # its arguments are not its name
        load(study, {"model.arguments.width": 5, "model.kind": "module", "factors": {}})
    replaced = load(study, {"model.factory": "mine:make"})
    assert replaced.model.factory == "mine:make"


def test_the_users_choice_of_data_names_no_code_of_a_preset(folder: Path) -> None:
    presets = "presets: {digits: {model.kind: module, model.factory: theirs:make}}\n"
    with pytest.raises(SpecError, match="theirs:make would be imported"):
        load(written(folder, presets), {"data.source": "digits"})


def test_in_python_it_is_named_by_the_program(folder: Path) -> None:
    study = written(folder, "model: theirs:make\n" + WIDTHS)
    assert paribus.Study.load(study, allow_code=True).spec.model.factory == "theirs:make"
    assert paribus.Study("Mine?", model="theirs:make").spec.model.factory == "theirs:make"
    assert not (folder / "it-ran").exists()  # not before it is planned
    with pytest.raises(SpecError, match="would be imported"):
        paribus.Study.load(study)


def test_no_built_in_study_names_code() -> None:
    for name in builtin_names():
        load(name)


def test_the_command_in_a_report_does_not_allow_code() -> None:
    told = command_again("study.yaml", {"model.factory": "theirs:make"})
    assert "--allow-code" not in told


PATHS = st.sampled_from(
    [
        *("model", "model.factory", "model.kind", "data.source", "presets", "tune.parameters"),
        *("factors.model.factory", "factors.nets", "factors.model.arguments.width"),
    ]
)
NAMES = st.sampled_from(["theirs:make", "os:system", "module", "mlp", "digits"])
LEVELS = st.one_of(NAMES, st.just({"model.factory": "theirs:make", "model.kind": "module"}))
VALUES = st.one_of(
    LEVELS,
    st.lists(LEVELS, min_size=2, max_size=2),
    st.dictionaries(st.sampled_from(["a", "b", "digits", "model.factory"]), LEVELS),
    st.just({"digits": {"model.factory": "theirs:make", "model.kind": "module"}}),
    st.just({"model.factory": ["theirs:make", "os:system"]}),
)


@given(st.lists(st.tuples(PATHS, VALUES), max_size=5))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_file_that_is_taken_names_code(folder: Path, said: list[tuple[str, Any]]) -> None:
    values: dict[str, Any] = {"question": "?", "seeds": 2}
    for path, value in said:
        try:
            put(values, path, value)
        except (TypeError, AttributeError):
            continue
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(values))
    try:
        taken = load(str(file))
    except SpecError:
        return
    levels = [level.settings for factor in taken.arms_differ_in for level in factor.levels]
    assert taken.model.factory is None
    assert not any("model.factory" in one for one in levels)
    assert not (taken.tune and "model.factory" in taken.tune.parameters)

"""A study of optimizers on surfaces, from its specification to its report."""

from __future__ import annotations

from pathlib import Path

import pytest

from paribus.data import load as load_data
from paribus.ends import where
from paribus.errors import InputError
from paribus.findings import Analysis, Ends
from paribus.report.html import render
from paribus.run import Settings, lay_out, make_plan, run_study
from paribus.screen import replies
from paribus.study.spec import from_values, load

SMALL = {
    "name": "small",
    "question": "Does momentum help?",
    "data": "plane",
    "model": {"kind": "surface"},
    "train": {"optimizer": "sgd", "epochs": 150, "learning_rate": 0.02},
    "factors": {"model.surface": ["double-well", "saddle"], "train.momentum": [0, 0.9]},
    "baseline": {"momentum": 0},
    "outcome": "steps_to_minimum",
    "margin": 10,
    "also": {"excess": 0.05},
    "seeds": 8,
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    settings = Settings(tmp_path_factory.mktemp("study") / "store.sqlite", workers=1)
    return run_study(lay_out(from_values(SMALL), load_data("plane"), settings), settings)


def test_momentum_carries_across_the_saddle_and_the_verdict_says_so(found: Analysis) -> None:
    by_surface = {one.condition: one for one in found.contrasts}
    saddle = by_surface["saddle"]
    assert (saddle.verdict, saddle.n) == ("better", 8)
    assert saddle.difference < -30
    assert "On " not in found.answer
    assert "best" not in found.answer  # arms on different surfaces do not compete
    assert not found.evidence.standings
    (excess,) = found.secondary
    assert excess.outcome.name == "excess"
    assert set(found.curves["metric"]) == {"excess", "x", "y"}


def test_runs_that_never_get_there_count_as_all_their_steps_and_it_is_said(found: Analysis) -> None:
    stuck = [arm for arm in found.arms if arm.levels["momentum"] == "0"]
    assert all(value == 150 for arm in stuck for value in arm.values.values())
    never = sum(value == 150 for arm in found.arms for value in arm.values.values())
    told = f"{never} of 32 runs did not come within 0.25 of a global minimum"
    assert any(note.startswith(told) for note in found.notes)
    assert "rows" not in " ".join(found.notes)


def test_arms_that_never_get_there_are_not_called_equivalent(tmp_path: Path) -> None:
    few = {
        **SMALL,
        "train": {**SMALL["train"], "epochs": 5},  # type: ignore[dict-item]
        "model": {"kind": "surface", "surface": "saddle"},
        "factors": {"train.momentum": [0, 0.1]},
    }
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    stuck = run_study(lay_out(from_values(few), load_data("plane"), settings), settings)
    (contrast,) = stuck.contrasts
    assert set(contrast.differences.values()) == {0}
    assert contrast.verdict == "inconclusive"
    assert contrast.seeds_needed is None


def test_what_it_was_measured_on_can_be_told(
    found: Analysis, capsys: pytest.CaptureFixture[str]
) -> None:
    replies.measured(found, [])
    assert "Measured on plane, " in capsys.readouterr().out


def test_ends_are_counted_by_minimum(found: Analysis) -> None:
    ends = {one.arm: one for one in found.ends}
    assert {one.runs for one in found.ends} == {8}
    saddle = ends["saddle · momentum 0.9"]
    assert saddle.others == "momentum 0.9"
    assert list(saddle.counts) == ["(0, 1)", "(0, -1)", "no minimum"]
    assert saddle.counts["(0, 1)"] + saddle.counts["(0, -1)"] == 8
    assert ends["saddle · momentum 0"].counts["no minimum"] == 8
    assert ends["double-well · momentum 0"].counts["a local minimum"] == 8
    assert found.remarks[0] == (
        "Of 8 runs each on saddle, within 0.25 of a global minimum at the end: 0 with momentum 0 "
        "and 8 with momentum 0.9."
    )


def test_unequal_numbers_of_finished_runs_are_told_one_by_one() -> None:
    ends = [
        Ends("a", "rosenbrock", "momentum 0", {"(1, 1)": 2, "no minimum": 1}),
        Ends("b", "rosenbrock", "momentum 0.9", {"(1, 1)": 1, "no minimum": 1}),
    ]
    assert list(where(ends)) == [
        "Of the runs on rosenbrock, within 0.25 of a global minimum at the end: 2 of 3 with "
        "momentum 0 and 1 of 2 with momentum 0.9."
    ]
    assert not list(where([Ends("a", "saddle", "momentum 0", {"(0, 1)": 0, "(0, -1)": 0})]))


def test_the_report_draws_the_paths_and_tells_formula_and_source(found: Analysis) -> None:
    page = render(found)
    assert 'id="figure-saddle"' in page
    assert 'id="figure-double-well"' in page
    assert 'id="figure-value"' in page
    assert "x²/2 + y⁴/4 - y²/2; Nesterov (2004)" in page
    assert "test rows" not in page
    assert "same batches" not in page


def test_the_runs_of_a_surface_are_one_stack(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "store.sqlite", workers=1)
    spec = load("surfaces")
    made = make_plan(lay_out(spec, load_data("plane"), settings), settings)
    assert [len(stack) for stack in made.stacks] == [4 * 40] * 6
    assert made.groups[0].label == "saddle, 300 steps"
    assert spec.blocks >= 30


def test_a_surface_has_no_checkpoints(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "store.sqlite", checkpoints=True)
    with pytest.raises(InputError, match="no network to keep"):
        lay_out(from_values(SMALL), load_data("plane"), settings)

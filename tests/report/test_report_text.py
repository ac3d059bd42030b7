import io
import subprocess
import sys
from dataclasses import replace

import made_up_analyses
import pytest
from rich.cells import cell_len
from rich.console import Console

from paribus.findings import Analysis
from paribus.report.text import render_text


def shown(study: Analysis, width: int = 80, **console: object) -> str:
    file = io.StringIO()
    render_text(study, Console(file=file, width=width, **console))  # type: ignore[arg-type]
    return file.getvalue()


def test_the_question_comes_first_and_the_answer_before_the_figures(study: Analysis) -> None:
    lines = shown(study).splitlines()
    assert lines[0] == study.question
    assert lines[2] == study.answer
    assert lines[-1] == study.notes[0]


def test_the_reason_comes_after_the_notes(study: Analysis) -> None:
    reason = "It keeps what enters a layer\n  on one scale."
    lines = shown(replace(study, reason=reason)).splitlines()
    assert lines[-3:] == [study.notes[0], "", "Why: It keeps what enters a layer on one scale."]
    assert "Why" not in shown(study)


def test_in_short_the_runs_say_nothing_besides() -> None:
    study = made_up_analyses.eight_arms()
    study = replace(study, remarks=("A remark.",), secondary=(study,))
    file = io.StringIO()
    render_text(study, Console(file=file, width=80), brief=True)
    assert "A remark." in shown(study)
    assert "A remark." not in file.getvalue()
    assert f"The same runs by test accuracy: {study.answer}" in " ".join(file.getvalue().split())
    assert file.getvalue().count("against no (points)") == 1
    assert study.notes[0] in file.getvalue()


def test_one_contrast_per_arm_makes_one_table(study: Analysis) -> None:
    lines = shown(study).splitlines()
    heading = next(line for line in lines if line.startswith("optimizer"))
    assert heading.split("  ")[-1].strip() in ("", "verdict")
    assert "against no (points)" in heading
    row = next(line for line in lines if line.startswith("sgd") and "yes" in line)
    assert "92.6" in row
    assert "+14.42 [14.33, 14.52]" in row
    assert row.rstrip().endswith("better")


def test_several_contrasts_per_arm_make_a_table_of_their_own() -> None:
    text = shown(made_up_analyses.regression())
    assert "comparison" in text
    assert "hidden layers 2 against 1" in text
    assert "test RMSE" in text


def test_arms_that_lost_runs_say_so() -> None:
    text = shown(made_up_analyses.all_diverged(), width=120)
    assert "diverged 3/10" in text
    assert "diverged 10/10" in text
    assert "not comparable" in text


def test_a_table_too_wide_for_the_terminal_becomes_two() -> None:
    study = made_up_analyses.all_diverged()
    assert "comparison" in shown(study, width=80)
    assert "comparison" not in shown(study, width=120)


def test_too_few_seeds_are_called_a_pilot() -> None:
    assert shown(made_up_analyses.pilot()).count("pilot") == 1


def test_a_study_of_one_arm_has_a_table_without_contrasts() -> None:
    text = shown(made_up_analyses.single_arm())
    assert "verdict" not in text
    assert "96.9" in text


@pytest.mark.parametrize("width", [24, 40, 80])
@pytest.mark.parametrize("kind", ["eight_arms", "all_diverged", "twenty_four_arms", "regression"])
def test_no_line_is_wider_than_the_terminal(kind: str, width: int) -> None:
    text = shown(getattr(made_up_analyses, kind)(), width)
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_only_a_terminal_gets_colours(study: Analysis) -> None:
    assert "\x1b" not in shown(study)
    assert "\x1b[1;32mbetter" in shown(study, force_terminal=True, color_system="standard")


def test_names_are_neither_markup_nor_escape_sequences(study: Analysis) -> None:
    hostile = replace(study, question="[bold]why[/bold] \x1b[2J", notes=("[/]",), contrasts=())
    text = shown(hostile)
    assert text.startswith("[bold]why[/bold] �[2J")
    assert "[/]" in text


def test_the_terminal_answer_does_not_wait_for_the_chart_library() -> None:
    code = "import sys, paribus.report.text; sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_was_chosen_is_a_line_per_arm_and_then_whether_the_verdicts_hold() -> None:
    study = made_up_analyses.tuned(made_up_analyses.eight_arms())
    lines = shown(study, width=200).splitlines()
    assert (
        "sgd · batch norm no: learning rate 0.05, activation tanh "
        "(with half the budget 0.05, tanh; untuned 0.001, relu)"
    ) in lines
    assert "With half the budget all 4 verdicts hold." in lines
    assert (
        "Untuned none of 4 verdicts holds; there sgd · batch norm yes against sgd · batch norm no "
        "not decided; momentum"
    ) in " ".join(lines)
    assert "; and 1 more." in " ".join(lines)


def test_no_verdict_is_said_to_hold_where_there_is_none() -> None:
    study = made_up_analyses.tuned(made_up_analyses.pilot())
    assert "There is no verdict yet that could hold" in " ".join(shown(study).split())

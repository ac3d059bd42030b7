from dataclasses import replace

import made_up_analyses

from paribus.findings import Analysis
from paribus.report.discussion import discussion
from paribus.study.confounds import Confound
from paribus.study.outcomes import OUTCOMES


def told(study: Analysis) -> dict[str, str]:
    return {passage.title: passage.text for passage in discussion(study)}


def test_what_was_found_how_sure_and_how_large_are_told_from_the_contrasts() -> None:
    study = made_up_analyses.two_arms()
    largest = max(study.contrasts, key=lambda one: abs(one.difference))
    text = told(study)
    assert f"{100 * largest.difference:+.2f}" in text["How large it is"]
    times = abs(largest.difference) / study.margin  # type: ignore[operator]
    assert f"{times:.3g} times the margin of 0.2 points" in text["How large it is"]
    assert f"from {100 * largest.low:.2f} to {100 * largest.high:.2f}" in text["How sure it is"]
    assert "The largest difference that is shown" in text["What was found"]


def test_open_verdicts_are_not_taken_for_no_difference() -> None:
    study = made_up_analyses.two_arms()
    undecided = tuple(
        replace(one, verdict="inconclusive", seeds_needed=23) for one in study.contrasts
    )
    text = told(replace(study, contrasts=undecided))
    assert "no sign that there is no difference" in text["What it may not be taken to mean"]
    assert "With 23 seeds it would be decided with 80 % chance, if" in text["What to ask next"]
    assert "largest difference" not in text["What was found"]


def test_a_test_that_disagrees_is_told() -> None:
    study = made_up_analyses.two_arms()
    doubted = tuple(replace(one, p_sign_flip=0.2) for one in study.contrasts)
    assert (
        "does not agree with the t-test (p = 0.200)"
        in told(replace(study, contrasts=doubted))["How sure it is"]
    )
    assert "does not agree" not in told(study)["How sure it is"]


def test_confounds_are_told_as_what_is_left_to_do() -> None:
    open_one = Confound("unequal-steps", "10 and 20 steps.", "It counts.", "Make them equal.")
    text = told(made_up_analyses.two_arms(confounds=(open_one,)))
    assert "It may be confounded by unequal-steps." in text["How sure it is"]
    assert "unequal-steps: Make them equal." in text["What to ask next"]


def test_every_kind_of_study_has_a_discussion_but_one_without_runs() -> None:
    for kind in ("regression", "clock", "pilot", "single_arm", "no_margin", "twenty_four_arms"):
        text = told(getattr(made_up_analyses, kind)())
        assert "What was found" in text
        assert "nan" not in " ".join(text.values())
    study = made_up_analyses.single_arm()
    nothing = replace(study, arms=tuple(replace(arm, values={}) for arm in study.arms))
    assert discussion(nothing) == ()


def test_ties_are_no_wins() -> None:
    study = made_up_analyses.two_arms()
    (one,) = study.contrasts
    differences = {block: 0.0 if block < 4 else 0.01 for block in range(10)}
    tied = replace(study, contrasts=(replace(one, verdict="better", differences=differences),))
    assert (
        "the better outcome in 6 of 10 seeds, and an equal one in 4."
        in told(tied)["How sure it is"]
    )


def test_wrong_answers_are_told_of_accuracies_alone() -> None:
    assert "In wrong answers" in told(made_up_analyses.two_arms())["How large it is"]
    study = made_up_analyses.two_arms()
    balanced = replace(study, outcome=OUTCOMES["test_balanced_accuracy"])
    assert "In wrong answers" not in told(balanced)["How large it is"]


def test_one_learning_rate_for_networks_of_unlike_size_is_asked_about() -> None:
    study = made_up_analyses.two_arms()
    controlled = replace(study, controls={"train.learning_rate": "0.001"})
    assert "its own tuned learning rate" in told(controlled)["What to ask next"]


def test_ratios_are_not_told_in_margins() -> None:
    assert "times the margin" not in told(made_up_analyses.clock())["How large it is"]

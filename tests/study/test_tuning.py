"""Tuning, laid out: the study of candidates, the choice, and what is filled in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.study.test_design import ENGINE, lay_out
from tests.study.test_spec import write

from paribus.data import load as load_data
from paribus.errors import SpecError
from paribus.study.confounds import find
from paribus.study.declaration import contrasts, declaration
from paribus.study.design import Design, design
from paribus.study.plan import plan
from paribus.study.spec import from_values, json_schema, load
from paribus.study.tuning import FIRST_BLOCK, awaits_tuning, choose, search_design, tuned_design
from paribus.workers.here import Here

RATE = {"train.learning_rate": {"low": 0.001, "high": 1, "scale": "log"}}
TUNED: dict = {
    "data": {"source": "digits", "validation": 0.25},
    "factors": {"train.optimizer": ["sgd", "adam"]},
    "tune": {"parameters": RATE, "budget": 4, "seeds": 2},
}


def values_of(design: Design, path: str = "learning_rate") -> list[float]:
    return [getattr(arm.config.train, path) for arm in design.trained_arms]


def outcomes(*means: list[float]) -> list[Mapping[int, float]]:
    """Two tuning seeds of each candidate, around its mean."""
    return [
        {FIRST_BLOCK: mean - 0.01, FIRST_BLOCK + 1: mean + 0.01} for arm in means for mean in arm
    ]


def laid_out(**changes: object) -> Design:
    return lay_out(**{"data": TUNED["data"], **TUNED, **changes})


def test_every_arm_tries_the_same_candidates_in_blocks_that_no_verdict_uses() -> None:
    study = laid_out()
    search = search_design(study)
    assert search.spec.name == "study (tuning)"
    assert search.outcome.name == "validation_accuracy"
    rates = values_of(search)
    assert rates[:4] == rates[4:]
    assert len(set(rates)) == 4
    assert [arm.levels["train.optimizer"] for arm in search.arms] == ["sgd"] * 4 + ["adam"] * 4
    assert {run.block for run in search.runs} == {FIRST_BLOCK, FIRST_BLOCK + 1}
    assert len({run.key for run in search.runs}) == 16
    assert not contrasts(search)
    assert all(one.accepted for one in find(search))
    assert awaits_tuning(study)
    assert not awaits_tuning(search)


def test_the_rows_are_those_of_the_verdict() -> None:
    study = laid_out()
    rows = [declaration(one, "")["data"] for one in (study, search_design(study))]
    assert rows[0] == rows[1]


def test_a_regression_is_tuned_by_its_rmse() -> None:
    study = laid_out(data={"source": "diabetes", "validation": 0.2})
    assert search_design(study).outcome.name == "validation_rmse"


def test_each_arm_gets_its_best_candidate_with_all_with_half_and_without() -> None:
    study = laid_out()
    search = search_design(study)
    tried = values_of(search)[:4]
    tuned = tuned_design(study, search, outcomes([0.1, 0.7, 0.9, 0.2], [0.8, 0.3, 0.1, 0.2]))
    assert values_of(tuned) == [tried[2], tried[0], tried[1], tried[0], 0.001, 0.001]
    assert [arm.name for arm in tuned.trained_arms] == [
        "sgd",
        "adam",
        "sgd (half the budget)",
        "adam (half the budget)",
        "sgd (untuned)",
        "adam (untuned)",
    ]
    assert not awaits_tuning(tuned)
    assert contrasts(tuned) == contrasts(study)
    assert {run.block for run in tuned.runs} == {0, 1, 2}


def test_equal_runs_are_trained_once() -> None:
    study = laid_out()
    search = search_design(study)
    tuned = tuned_design(study, search, outcomes([0.9, 0.7, 0.1, 0.2], [0.8, 0.3, 0.1, 0.2]))
    assert len(tuned.runs) == 18
    assert plan(tuned, set(), Here(1)).to_train == 12  # half of the budget chose the same
    untuned = {run.key for run in laid_out(tune=None).runs}
    assert untuned < {run.key for run in tuned.runs}


def test_until_it_is_tuned_the_first_candidates_stand_in() -> None:
    study = laid_out()
    search = search_design(study)
    tried = values_of(search)[:2]
    assert values_of(tuned_design(study, search, None)) == [
        *(tried[0], tried[0]),
        *(tried[1], tried[1]),
        *(0.001, 0.001),
    ]


def test_where_lower_is_better_the_lowest_is_chosen() -> None:
    assert choose([{0: 3.0}, {0: 1.0}, {0: 2.0}], higher_is_better=False) == 1
    assert choose([{0: 3.0}, {0: 1.0}, {0: 3.0}], higher_is_better=True) == 0  # of equals the first


def test_a_candidate_that_lost_a_seed_never_beats_one_that_did_not() -> None:
    assert choose([{0: 0.99}, {0: 0.2, 1: 0.3}, {}], higher_is_better=True) == 1
    assert choose([{}, {1: 0.3}, {}], higher_is_better=True) == 1
    assert choose([{}, {}], higher_is_better=True) == 0


def test_a_tuned_learning_rate_is_no_confound_and_no_control() -> None:
    def names(**values: object) -> list[str]:
        return [one.name for one in find(laid_out(**values))]

    assert "one-learning-rate" in names(tune=None)
    assert "one-learning-rate" not in names()
    assert "train.learning_rate" not in declaration(laid_out(), "")["controls"]


def test_a_size_and_an_argument_can_be_tuned() -> None:
    parameters = {"model.hidden": [[4], [9]], "train.batch_size": {"low": 8, "high": 9}}
    parameters["train.batch_size"]["whole"] = True  # type: ignore[index]
    search = search_design(laid_out(tune={"parameters": parameters, "budget": 8}))
    assert {arm.network.summary() for arm in search.arms} == {"64-4-10", "64-9-10"}
    assert {arm.config.train.batch_size for arm in search.arms} == {8, 9}


BAD = """\
question: Which is better?
data: {source: digits}
factors:
  train.optimizer: [sgd, adam]
tune:
  parameters:
    train.learning_rat: {low: 0.1, high: 1}
    train.weight_decay: {low: 0, high: 1, scale: log}
    train.epsilon: {low: 2, high: 1}
    train.optimizer: [sgd, adam]
    train.batch_size: {low: 8, high: 64}
  budget: 1
  outcome: test_accuracy
  sedes: 3
"""


def test_problems_of_tuning_come_with_all_others_each_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, BAD)
    with pytest.raises(SpecError) as raised:
        load(path)
    assert [problem.replace(f" in {path}", "") for problem in raised.value.problems] == [
        "tune needs data.validation above 0: rows to choose on that are neither trained on nor "
        "tested, 0.2 say, line 5",
        "tune.parameters.train.learning_rat: there is no such setting (did you mean "
        "train.learning_rate?), line 7",
        "tune.parameters.train.weight_decay must have a low above 0 on a log scale "
        "(got {low: 0, high: 1, scale: log}), line 8",
        "tune.parameters.train.epsilon must have a low below its high (got {low: 2, high: 1}), "
        "line 9",
        "tune.parameters.train.optimizer is what the factor train.optimizer sets: leave it out "
        "here, or there, line 10",
        "tune.parameters.train.batch_size takes whole numbers: add whole: true, line 11",
        "tune.budget must be at least 2 (got 1), line 12",
        "tune.outcome must be measured on validation rows, as validation_accuracy is (got "
        "test_accuracy), line 13",
        "tune.sedes is not a known setting (did you mean tune.seeds?), line 14",
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (5, "must be a range such as {low: 0.001, high: 1, scale: log}, or a list of values"),
        ([0.1], "must have at least 2 values to choose from"),
        ({"low": 1}, "train.learning_rate.high is missing"),
        ({"low": 0.5, "high": 1, "whole": True}, "must have whole ends where whole is true"),
        ({"low": 0, "high": 1}, "tune: train.learning_rate must be more than 0 (got 0)"),
        ([0.1, -1], "tune: train.learning_rate must be more than 0 (got -1)"),
        ({"low": "a", "high": 1}, "train.learning_rate.low must be a number (got a)"),
    ],
)
def test_values_that_cannot_be_tried_are_named(values: object, expected: str) -> None:
    with pytest.raises(SpecError) as raised:
        from_values(
            {"question": "?", **TUNED, "tune": {"parameters": {"train.learning_rate": values}}}
        )
    (problem,) = raised.value.problems
    assert expected in problem


def test_rows_that_choose_are_not_those_that_judge() -> None:
    with pytest.raises(SpecError, match="is measured on the rows that tune chooses by: use test_l"):
        from_values({"question": "?", **TUNED, "outcome": "validation_loss"})
    tune = {"parameters": {"data.test": {"low": 0.1, "high": 0.2}}}
    with pytest.raises(SpecError, match=r"data.test cannot be tuned, because all arms"):
        from_values({"question": "?", **TUNED, "tune": tune})


def test_what_does_nothing_in_an_arm_cannot_be_tuned(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "question: Which?\ndata: {source: digits, validation: 0.2}\n"
        "factors: {train.optimizer: [sgd, adam, rmsprop]}\n"
        "tune:\n  parameters:\n    train.momentum: {low: 0, high: 0.9}\n"
        "    train.smoothing: [0.9, 0.99]\n",
    )
    spec = load(path)
    with pytest.raises(SpecError) as raised:
        design(spec, load_data("digits"), ENGINE)
    assert raised.value.problems == [
        "tune.parameters.train.momentum does nothing for adam: tune what applies to every arm "
        f"in {path}, line 6",
        "tune.parameters.train.smoothing does nothing for sgd, adam: tune what applies to every "
        f"arm in {path}, line 7",
    ]


def test_the_schema_knows_tuning() -> None:
    definitions = json_schema()["$defs"]
    assert definitions["Tune"]["properties"]["budget"]["minimum"] == 2
    assert {"low", "high", "scale", "whole"} == set(definitions["Range"]["properties"])

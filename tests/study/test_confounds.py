"""Confounds: each is found where it is, and not where it is the question or nothing at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from tests.study.test_design import lay_out

from paribus.analysis import analyse
from paribus.errors import SpecError
from paribus.store.store import Store
from paribus.study.confounds import Confound, find
from paribus.study.declaration import declaration
from paribus.study.plan import plan
from paribus.study.spec import ConfoundName, load
from paribus.workers.here import Here

SGD = {"train.optimizer": "sgd"}
MOMENTUM = {**SGD, "train.momentum": 0.9}
ADAM = {"train.optimizer": "adam"}


def found(**values: object) -> dict[str, Confound]:
    confounds = find(lay_out(**values))
    names = {one.name: one for one in confounds}
    assert len(names) == len(confounds)
    assert names.keys() <= set(get_args(ConfoundName))
    return names


def levels(*settings: dict, name: str = "which") -> dict:
    """A factor with levels a, b, c of these settings."""
    return {name: dict(zip("abc", settings, strict=False))}


@pytest.mark.parametrize(
    ("factors", "told"),
    [
        (
            levels({"model.hidden": [9]}, {"model.hidden": [99], "train.epochs": 9}),
            "a and b of which in model.hidden ([9], [99]), train.epochs (5, 9).",
        ),
        (
            levels(SGD, {**ADAM, "train.weight_decay": 0.1}),
            "a and b of which in train.optimizer (sgd, adam), train.weight_decay (0, 0.1).",
        ),
        (
            levels({**ADAM, "train.beta1": 0.5}, {**ADAM, "train.learning_rate": 0.1}),
            "a and b of which in train.beta1 (0.5, 0.9), train.learning_rate (0.001, 0.1).",
        ),
        (  # found although dropout does nothing in the first arms
            {
                "model.hidden": [[], [9]],
                **levels({}, {"model.dropout": 0.5, "train.weight_decay": 0.1}),
            },
            "a and b of which in model.dropout (0, 0.5), train.weight_decay (0, 0.1).",
        ),
    ],
)
def test_levels_that_differ_in_several_settings_are_named_with_them(
    factors: dict, told: str
) -> None:
    what = found(factors=factors)["several-settings"].what
    assert what == f"Levels differ in more than one setting: {told}"


@pytest.mark.parametrize(
    "factors",
    [
        {"model.dropout": [0, 0.5], "train.epochs": [1, 2]},
        levels(SGD, MOMENTUM, {"train.optimizer": "rmsprop"}),
        levels({**MOMENTUM, "train.nesterov": True}, ADAM),  # adam has no momentum
        levels({**SGD, "train.learning_rate": 0.1}, {**ADAM, "train.learning_rate": 0.01}),
        levels({**SGD, "train.learning_rate": 0.1}, {**MOMENTUM, "train.learning_rate": 0.01}),
        levels({**SGD, "train.beta1": 0.5, "train.epochs": 2}, {**SGD, "train.epochs": 3}),
        levels({"model.dropout": 0, "train.epochs": 9}, {"model.dropout": 0.5, "train.epochs": 9}),
        levels({}, {"model.kind": "cnn", "model.conv": [{"channels": 4, "kernel": 3}]}),
        levels({"train.batch_size": 32}, {"train.batch_size": 64, "train.epochs": 10}),
    ],
    ids=[
        "two factors",
        "optimizers",
        "momentum and adam",
        "rates of optimizers",
        "rates with and without momentum",
        "what does nothing",
        "equal in both",
        "what only one has",
        "epochs that make steps equal",
    ],
)
def test_levels_of_one_setting_and_what_belongs_to_it_are_fair(factors: dict) -> None:
    assert "several-settings" not in found(factors=factors)


def test_unequal_steps_are_counted() -> None:
    # 1438 rows of digits are trained on: 45 batches of 32, 12 of 128
    what = found(factors={"train.batch_size": [32, 64, 128]})["unequal-steps"].what
    assert what.endswith("steps: 60 for batch size 128, 225 for batch size 32.")
    together = levels({**SGD, "train.epochs": 1}, {**ADAM, "train.epochs": 4})
    assert "45 for a, 180 for b" in found(factors=together)["unequal-steps"].what


@pytest.mark.parametrize(
    "factors",
    [
        {"train.epochs": [1, 10]},
        levels({"train.epochs": 1}, {"train.epochs": 9}),
        levels({"train.batch_size": 32}, {"train.batch_size": 64, "train.epochs": 10}),
        {"train.batch_size": [2000, 4000]},  # of 1438 rows: one step in an epoch
        {"model.dropout": [0, 0.5]},
    ],
)
def test_equal_steps_and_epochs_that_are_the_question_are_fair(factors: dict) -> None:
    assert "unequal-steps" not in found(factors=factors)


RARE = levels({}, {"data.subsample": {str(code): 0.1 for code in range(5)}})


def test_arms_that_are_tested_on_other_rows_are_named() -> None:
    """36 rows of a class are tested on, 4 of a rare one; rows to learn from alone are fair."""
    thinned = found(data={"source": "digits", "subsample_test": True}, factors=RARE)
    assert thinned["unequal-test-rows"].what.endswith("199 for b, 359 for a.")
    assert "unequal-test-rows" not in found(factors=RARE)


def test_unequal_parameters_are_counted_where_size_is_not_the_question() -> None:
    # 64·h + h + 10·h + 10
    factors = levels({"model.hidden": [10]}, {"model.hidden": [20], "model.dropout": 0.5})
    what = found(factors=factors)["unequal-parameters"].what
    assert what.endswith("parameters: 760 for a, 1,510 for b.")


@pytest.mark.parametrize(
    "factors",
    [
        {"model.hidden": [[10], [100]]},
        {"model.kind": ["mlp", "logistic"]},
        {"model.hidden": [[10], [100]], "train.learning_rate": [0.1, 0.01]},
        levels({"model.dropout": 0.5}, {"model.batch_norm": "after"}),
    ],
)
def test_a_size_that_is_the_question_and_batch_norm_are_fair(factors: dict) -> None:
    assert "unequal-parameters" not in found(factors=factors)


def test_one_learning_rate_for_several_optimizers_is_named() -> None:
    what = found(factors=levels(SGD, MOMENTUM, ADAM))["one-learning-rate"].what
    assert what.endswith("0.001 for sgd without momentum, sgd with momentum, adam.")
    assert "one-learning-rate" in found(factors={"train.optimizer": ["adam", "adamw"]})
    own = levels(
        {**SGD, "train.learning_rate": 0.1}, {**MOMENTUM, "train.learning_rate": 0.1}, ADAM
    )
    what = found(factors=own)["one-learning-rate"].what
    assert what.endswith("optimizers: 0.1 for sgd without momentum, sgd with momentum.")


@pytest.mark.parametrize(
    "factors",
    [
        {"model.dropout": [0, 0.5]},
        levels({**SGD, "train.learning_rate": 0.1}, ADAM),
        {"train.optimizer": ["sgd", "adam"], "train.learning_rate": [0.1, 0.01]},
        {"train.beta1": [0.5, 0.9]},
    ],
)
def test_a_learning_rate_for_each_optimizer_is_fair(factors: dict) -> None:
    assert "one-learning-rate" not in found(factors=factors)


def test_an_outcome_on_training_rows_is_named() -> None:
    one = found(outcome="train_loss")["training-outcome"]
    assert one.what == "The outcome, train_loss, is measured on the rows that are trained on."
    assert one.mend == "Use the outcome test_loss."
    assert not found(outcome="test_loss")


RATES = {"train.learning_rate": [0.1, 0.01, 0.001, 0.0001]}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"factors": RATES}, "4 levels of learning rate"),
        (
            {
                "factors": {**RATES, "model.dropout": [0, 0.5]},
                "baseline": {"train.learning_rate": 0.1},
            },
            "4 levels of learning rate",
        ),
        ({"factors": {"model.dropout": [0, 0.5, 0.7]}, "contrasts": "pairs"}, "all pairs of 3"),
    ],
)
def test_a_best_level_chosen_on_the_test_set_is_named(values: dict, told: str) -> None:
    one = found(**values)["test-set-chooses"]
    assert f"The test accuracy compares {told}" in one.what
    assert one.mend == (
        "Use data.split cross-validation, or the outcome validation_accuracy with "
        "data.validation above 0."
    )
    assert not found(**values, data={"source": "digits", "split": "cross-validation"})
    validated = {"source": "digits", "validation": 0.2}
    assert not found(**values, data=validated, outcome="validation_accuracy")


@pytest.mark.parametrize(
    "values",
    [
        {"factors": {"model.dropout": [0, 0.2, 0.4, 0.6]}},  # not a setting of training
        {"factors": {"train.optimizer": ["sgd", "rmsprop", "adam", "adamw"]}},  # not numbers
        {"factors": {"train.learning_rate": [0.1, 0.01, 0.001]}},
        {"factors": {"model.dropout": [0, 0.5]}, "contrasts": "pairs"},  # two arms
        {"factors": {**RATES, "model.dropout": [0, 0.5]}, "baseline": {"dropout": 0}},
    ],
)
def test_a_comparison_that_chooses_nothing_is_fair(values: dict) -> None:
    assert "test-set-chooses" not in found(**values)


@pytest.mark.parametrize(
    ("name", "path", "mistake", "right"),
    [
        ("training-mode-testing", "evaluate.mode", "training", "evaluation"),
        ("double-softmax", "train.loss", "softmax-cross-entropy", "cross-entropy"),
        ("no-shuffling", "train.shuffle", False, True),
    ],
)
def test_a_common_mistake_is_named_as_a_control_and_not_as_a_factor(
    name: str, path: str, mistake: object, right: object
) -> None:
    section, _, setting = path.partition(".")
    model = {"dropout": 0.5}
    assert path in found(model=model, **{section: {setting: mistake}})[name].what
    assert not found(model=model, **{section: {setting: right}})
    assert not found(model=model, factors={path: [right, mistake]})


def test_testing_in_training_mode_is_no_mistake_where_the_mode_does_nothing() -> None:
    assert not found(evaluate={"mode": "training"})
    some = {"model.batch_norm": ["none", "after"]}
    assert "training-mode-testing" in found(evaluate={"mode": "training"}, factors=some)


def test_every_name_that_can_be_accepted_is_that_of_a_check() -> None:
    seen = {
        *found(factors=levels({"model.hidden": [9]}, {"model.hidden": [99], "train.epochs": 9})),
        *found(factors={"train.optimizer": ["sgd", "adam"]}, outcome="train_loss"),
        *found(factors=RATES, train={"shuffle": False, "loss": "softmax-cross-entropy"}),
        *found(evaluate={"mode": "training"}, model={"dropout": 0.5}),
        *found(data={"source": "digits", "subsample_test": True}, factors=RARE),
    }
    assert seen == set(get_args(ConfoundName))


def test_what_is_accepted_stays_found_and_trains_no_run_again() -> None:
    plainly = lay_out(train={"shuffle": False})
    accepting = lay_out(train={"shuffle": False}, accept=["no-shuffling", "unequal-steps"])
    (one,) = find(accepting)
    assert (one.name, one.accepted) == ("no-shuffling", True)
    assert not find(plainly)[0].accepted
    assert accepting.runs == plainly.runs
    assert accepting.key != plainly.key  # the store keeps what each was declared with


def test_an_unknown_name_is_refused_with_the_nearest_and_its_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("question: ok?\naccept:\n  - no-shuffling\n  - one-learning-rat\n")
    with pytest.raises(SpecError) as raised:
        load(str(path))
    (problem,) = raised.value.problems
    assert problem.startswith("accept[1] must be one of several-settings, unequal-steps, ")
    assert problem.endswith(
        f"(got one-learning-rat; did you mean one-learning-rate?) in {path}, line 4"
    )


def test_a_plan_names_what_is_not_accepted() -> None:
    values = {"train": {"shuffle": False, "loss": "softmax-cross-entropy"}}
    made = plan(lay_out(**values, accept=["double-softmax"]), set(), Here(1))
    assert [one.name for one in made.confounds] == ["double-softmax", "no-shuffling"]
    assert repr(made).endswith("; may be confounded: no-shuffling)")


def test_the_store_keeps_confounds_and_an_older_one_has_none(tmp_path: Path) -> None:
    laid_out = lay_out(train={"shuffle": False})
    content = json.loads(json.dumps(declaration(laid_out, "")))
    older = {key: value for key, value in content.items() if key != "confounds"}
    runs = [(run.block, run.arm, run.key) for run in laid_out.runs]
    with Store(tmp_path / "s.sqlite", create=True) as store:
        store.add_study("aaaa", "new", "?", content, runs)
        store.add_study("bbbb", "old", "?", older, runs)
        new, old = analyse(store, "new"), analyse(store, "old")
    assert new.confounds == find(laid_out)
    assert "What may confound this: no-shuffling (see the report)." in new.notes
    assert old.confounds == ()
    assert not any("equal:" in note for note in old.notes)

"""A level chosen by cross-validation, and its score on the test rows."""

from __future__ import annotations

import math

import pytest

import paribus
from paribus.answer import choice
from paribus.findings import ArmSummary, Selection
from paribus.remarks import selected
from paribus.selection import selection
from paribus.store.store import StoredRun
from paribus.study.outcomes import OUTCOMES

ACCURACY = OUTCOMES["validation_accuracy"]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> paribus.Result:
    study = paribus.Study(
        "Which momentum?",
        data={"source": "diabetes", "split": "cross-validation", "folds": 3},
        model={"hidden": [8]},
        train={"epochs": 5, "optimizer": "sgd", "learning_rate": 0.01},
        factors={"train.momentum": [0.0, 0.5, 0.9]},
        seeds=4,
        margin=1.0,
    )
    store = tmp_path_factory.mktemp("cv") / "s.sqlite"
    return study.run(store=store, workers=1, progress=False)


def test_the_level_with_the_best_mean_on_the_folds_is_chosen(result: paribus.Result) -> None:
    assert result.analysis.outcome.name == "validation_rmse"
    found, runs = result.analysis.selection, result.runs
    assert found is not None
    of_arm = runs.groupby("arm")["validation_rmse"]
    means = of_arm.mean()
    assert (found.best.arm, found.best.validated) == (means.idxmin(), pytest.approx(means.min()))
    # Three folds: half as many rows validate as train, with 4 seeds in all.
    spread = of_arm.std()[found.best.arm] * math.sqrt(1 / 4 + result.analysis.overlap)
    assert result.analysis.overlap == pytest.approx(1 / 2, abs=0.01)
    assert found.standard_error == pytest.approx(spread)
    near = [arm for arm in runs["arm"].unique() if means[arm] <= means.min() + spread]
    assert found.simplest.arm == near[0]
    for one in (found.best, found.simplest):
        tested = runs[runs["arm"] == one.arm]["test_rmse"]
        assert one.tested == pytest.approx(tested.mean())
    assert (found.candidates, found.outcome.name) == (3, "test_rmse")


def test_the_choice_is_told_with_both_numbers(result: paribus.Result) -> None:
    found, analysis = result.analysis.selection, result.analysis
    assert found is not None
    best = found.best
    assert analysis.answer.startswith(
        f"Cross-validation chooses {best.arm} by its mean validation RMSE; its mean test RMSE is "
        f"{best.tested:.4f}. "
    )
    assert (
        f"for {best.arm} quote the test RMSE, {best.tested:.4f}, and not the validation RMSE, "
        f"{best.validated:.4f}."
    ) in analysis.remarks[0]
    assert "4 seeds are no multiple of 3 folds" in " ".join(analysis.notes)


def made_up(
    *outcomes: list[float | None], seeds: int = 4, folds: int = 2, split: str = "cross-validation"
) -> Selection | None:
    """Return the choice among arms of given outcomes, None where a run diverged, 4 seeds each."""
    arms, runs = [], []
    for place, values in enumerate(outcomes):
        kept = {block: value for block, value in enumerate(values) if value is not None}
        nothing = math.nan
        mean = sum(kept.values()) / len(kept) if kept else nothing
        name, lost, missing = "abc"[place], len(values) - len(kept), seeds - len(values)
        arms.append(
            ArmSummary(
                *(name, {}, kept, mean, nothing, nothing, nothing, lost, 0, missing, seeds),
                *((), 1, ""),
            )
        )
        for block, value in enumerate(values):
            metrics = {} if value is None else {"test_accuracy": value - 0.1}
            runs.append(StoredRun(place, block, f"{place}{block}", "done", "", metrics, None))
    content = {"split": split, "seeds": seeds, "folds": folds}
    return selection(content, arms, runs, ACCURACY, overlap=1.0)


LOW, MIDDLE, HIGH = [0.5, 0.6, 0.5, 0.6], [0.6, 0.7, 0.6, 0.7], [0.65, 0.75, 0.65, 0.75]


def test_the_first_within_one_standard_error_is_the_simplest() -> None:
    found = made_up(LOW, MIDDLE, HIGH)
    assert found is not None
    assert (found.best.arm, found.simplest.arm) == ("c", "b")
    sd = math.sqrt(4 * 0.05**2 / 3)
    assert found.standard_error == pytest.approx(sd * math.sqrt(1 / 4 + 1))  # 0.065
    assert found.best.tested == pytest.approx(0.6)
    assert choice(found, ACCURACY) == (
        "Cross-validation chooses c by its mean validation accuracy; its mean test accuracy is "
        "60.00 %."
    )
    optimistic, simpler = selected(found, ACCURACY)
    assert "The best of 3 arms tends to look a little too good" in optimistic
    assert (
        "quote the test accuracy, 60.00 %, and not the validation accuracy, 70.00 %" in optimistic
    )
    assert simpler == (
        "The simplest within one standard error of it (6.45 points), the first in the order of "
        "levels, is b: validation accuracy 65.00 %, test accuracy 55.00 % (Breiman et al., 1984)."
    )
    alone = made_up(LOW, HIGH)
    assert alone is not None
    assert (
        "No arm before it in the order of levels is within one standard error of it (6.45 "
        in (list(selected(alone, ACCURACY))[1])
    )


def test_an_arm_that_lost_a_seed_is_not_chosen() -> None:
    found = made_up(LOW, MIDDLE, [0.99, 0.99, 0.99, None])
    assert found is not None
    assert (found.best.arm, found.candidates) == ("b", 2)
    assert made_up(LOW, [0.9, None, 0.9, 0.9]) is None
    assert made_up([None] * 4, [None] * 4) is None


def test_nothing_is_chosen_before_every_fold_had_its_turn_nor_in_other_studies() -> None:
    assert made_up(LOW, HIGH) is not None
    assert made_up(LOW, HIGH, folds=5) is None
    assert made_up(LOW, HIGH[:3]) is None
    assert made_up(LOW) is None
    assert made_up(LOW, HIGH, split="kfold") is None

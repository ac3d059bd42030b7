"""What the runs say besides the contrasts, on made-up outcomes of which the answer is known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from paribus.evidence import evidence
from paribus.findings import ArmSummary, Evidence
from paribus.remarks import remarks
from paribus.study.outcomes import OUTCOMES

ACCURACY = OUTCOMES["test_accuracy"]
NORM = {"optimizer": ("sgd", "adam"), "batch norm": ("no", "yes")}
DRAW = np.random.default_rng(3)


def arms_of(
    factors: Mapping[str, Sequence[str]],
    expected: Callable[..., float],
    seeds: int = 10,
    lost: Callable[[Sequence[str], int], bool] = lambda levels, block: False,
) -> list[ArmSummary]:
    found = []
    for levels in itertools.product(*factors.values()):
        values = expected(*levels) + DRAW.normal(0, 0.001, seeds)
        kept = {b: float(v) for b, v in enumerate(values) if not lost(levels, b)}
        numbers = dict.fromkeys(("mean", "sd", "low", "high"), math.nan)
        found.append(
            ArmSummary(
                name=" · ".join(levels),
                levels=dict(zip(factors, levels, strict=True)),
                values=kept,
                diverged=seeds - len(kept),
                failed=0,
                missing=0,
                asked=seeds,
                reasons=(),
                parameters=1,
                architecture="",
                **numbers,
            )
        )
    return found


def curves_of(
    arms: Sequence[ArmSummary], loss: Callable[[str, np.ndarray], np.ndarray]
) -> pd.DataFrame:
    epochs = np.arange(1, 11)
    rows = [
        (arm.name, block, metric, epoch, value)
        for arm in arms
        for block in arm.values
        for metric, curve in (
            ("train_loss", 1 / epochs),
            ("validation_loss", loss(arm.name, epochs) + DRAW.normal(0, 0.001, 10)),
            ("test_accuracy", 1 - 1 / (1 + epochs)),
        )
        for epoch, value in zip(epochs, curve, strict=True)
    ]
    return pd.DataFrame(rows, columns=["arm", "block", "metric", "epoch", "value"])


NO_CURVES = pd.DataFrame({"arm": [], "block": [], "metric": [], "epoch": [], "value": []})


def found_in(
    arms: Sequence[ArmSummary],
    factors: Mapping[str, Sequence[str]],
    curves: pd.DataFrame = NO_CURVES,
    reach: float | None = None,
) -> tuple[Evidence, str]:
    reference = {factor: levels[0] for factor, levels in factors.items()}
    found = evidence(arms, factors, reference, ACCURACY, 0.01, reach, curves)
    return found, " ".join(remarks(found, ACCURACY, 0.01, reach))


def gains_with_sgd(optimizer: str, norm: str) -> float:
    return 0.7 + 0.2 * (optimizer == "adam") + 0.14 * (norm == "yes" and optimizer == "sgd")


def test_an_interaction_is_told_by_what_a_factor_makes_at_each_level_of_the_other() -> None:
    arms = arms_of(NORM, gains_with_sgd)
    found, words = found_in(arms, NORM)
    assert [one.factors for one in found.effects] == [
        ("optimizer",),
        ("batch norm",),
        ("optimizer", "batch norm"),
    ]
    assert "the effect of optimizer depends on batch norm (p < 0.001)" in words
    table = np.array([list(arm.values.values()) for arm in arms])  # [arm, seed]
    sizes = {one.at: one.difference for one in found.effects[2].simple}
    assert sizes["no"] == pytest.approx((table[2] - table[0]).mean())
    assert sizes["yes"] == pytest.approx((table[3] - table[1]).mean())
    (part,) = found.effects[2].parts
    d = table[3] - table[2] - (table[1] - table[0])
    assert part.difference == pytest.approx(d.mean())
    assert part.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue)


def test_no_interaction_is_not_said_to_be_shown_absent() -> None:
    _, words = found_in(arms_of(NORM, lambda optimizer, norm: 0.7 + 0.1 * (norm == "yes")), NORM)
    assert "Batch norm, averaged over all else, against no: yes +10." in words
    assert "depends on batch norm is not shown" in words
    assert "not to say that it does not" in words


def test_arms_are_compared_in_the_seeds_that_all_of_them_finished() -> None:
    arms = arms_of(NORM, gains_with_sgd, lost=lambda levels, block: block < 3 and "adam" in levels)
    found, _ = found_in(arms, NORM)
    assert found.seeds == 7
    assert all(one.df_error == 6 for one in found.effects)


@pytest.mark.parametrize("lost", [5, 10])
def test_too_few_seeds_show_nothing(lost: int) -> None:
    arms = arms_of(NORM, gains_with_sgd, lost=lambda levels, block: block < lost)
    found, words = found_in(arms, NORM)
    assert found == Evidence(10 - lost, 4)
    assert not words


def test_a_trend_over_numbers_tells_where_gains_stop_to_matter() -> None:
    widths = {"hidden": ("200", "50", "100", "400")}  # in any order
    height = {"50": 0.7, "100": 0.8, "200": 0.9, "400": 0.901}
    found, words = found_in(arms_of(widths, lambda width: height[width]), widths)
    (trend,) = found.trends
    assert trend.levels == ("50", "100", "200", "400")
    assert trend.enough == "200"
    assert "Test accuracy rises with hidden from 50 to 400" in words
    assert "from 200 on, no higher level gains 1 point or more" in words


def test_names_have_no_trend() -> None:
    names = {"activation": ("relu", "tanh", "sigmoid")}
    found, words = found_in(arms_of(names, lambda name: 0.7 + 0.05 * len(name)), names)
    assert not found.trends
    assert "trend" not in words


def test_the_ranking_needs_ten_seeds_and_puts_the_best_first() -> None:
    names = {"activation": ("relu", "tanh", "sigmoid")}
    expected = {"relu": 0.8, "tanh": 0.9, "sigmoid": 0.7}.__getitem__
    found, words = found_in(arms_of(names, expected), names)
    assert [one.arm for one in found.standings] == ["tanh", "relu", "sigmoid"]
    assert "Chance to have the best mean (Bayesian bootstrap, no test): tanh 100 %." in words
    fewer, _ = found_in(arms_of(names, expected, seeds=9), names)
    assert not fewer.standings


def test_overfitting_is_told_of_the_arm_whose_loss_turns() -> None:
    names = {"dropout": ("no", "yes")}
    arms = arms_of(names, lambda name: 0.8)

    def loss(name: str, epochs: np.ndarray) -> np.ndarray:
        return 1 / epochs + (0.05 * np.maximum(epochs - 4, 0) if name == "no" else 0)

    found, words = found_in(arms, names, curves_of(arms, loss), reach=0.85)
    turned, fell = found.learning
    assert (turned.turn, fell.turn) == (4, 10)
    assert turned.p_rise < 0.05 < fell.p_rise
    assert "Overfitting in no: the validation loss is lowest after epoch 4" in words
    assert "Overfitting in yes" not in words
    slope = np.polyfit(np.log2(np.arange(1, 11)), 1 / np.arange(1, 11), 1)[0]
    assert turned.train_slope[0] == pytest.approx(slope)
    # 1 - 1 / (1 + epoch) reaches 0.85 after epoch 6.
    assert "reaches 85.00 %, median: no 6 and yes 6." in words


def test_of_the_only_arm_it_is_told_how_much_losses_fall_and_where_they_turn() -> None:
    names = {"dropout": ("no",)}

    def told(loss: Callable[[str, np.ndarray], np.ndarray]) -> str:
        arms = arms_of(names, lambda name: 0.8)
        return found_in(arms, names, curves_of(arms, loss))[1]

    words = told(lambda name, epochs: 2 - 0.15 * np.log2(epochs))
    slope = np.polyfit(np.log2(np.arange(1, 11)), 1 / np.arange(1, 11), 1)[0]
    assert f"the training loss changes by {slope:+.4f} (95 % CI " in words
    assert "), the validation loss by -0.1" in words
    assert "lowest after epoch 10 of 10 (95 % interval 10 to 10); no overfitting is seen" in words
    words = told(lambda name, epochs: np.abs(epochs - 4.0))
    assert "lowest after epoch 4 of 10 (95 % interval 4 to 4) and rises by " in words
    assert "from there, overfitting (p < 0.001)." in words
    assert "every arm" not in words


def test_runs_that_diverged_are_left_out_of_the_curves() -> None:
    names = {"dropout": ("no", "yes")}
    arms = arms_of(names, lambda name: 0.8, lost=lambda levels, block: block < 6)
    curves = curves_of(arms, lambda name, epochs: 1 / epochs)
    found, _ = found_in(arms, names, curves)
    assert not found.learning  # four seeds are too few


def test_a_value_that_most_seeds_never_reach_is_never_reached() -> None:
    names = {"dropout": ("no", "yes")}
    arms = arms_of(names, lambda name: 0.8)
    curves = curves_of(arms, lambda name, epochs: 1 / epochs)
    lucky = (curves["block"] < 3) & (curves["metric"] == "test_accuracy")
    curves.loc[lucky, "value"] = 0.99
    found, words = found_in(arms, names, curves, reach=0.95)
    assert all(math.isinf(one.epochs_to_reach) for one in found.learning)
    assert "no never (in 3 of 10 seeds)" in words

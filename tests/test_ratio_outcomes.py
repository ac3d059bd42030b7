"""Times and other positive amounts are compared as ratios, from the stored runs to the answer."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paribus.analysis import analyse
from paribus.data import load
from paribus.engines.base import Record
from paribus.errors import SpecError
from paribus.findings import Analysis, Contrast
from paribus.prospect import prospect
from paribus.report import markdown
from paribus.report.document import document
from paribus.report.record import to_record
from paribus.screen.plans import foreseen
from paribus.stats.power import seeds_to_decide
from paribus.store.store import Store
from paribus.study.declaration import declaration
from paribus.study.design import EngineId, design
from paribus.study.outcomes import OUTCOMES
from paribus.study.spec import from_values

SECONDS = OUTCOMES["seconds_per_epoch"]
DRAW = np.random.default_rng(5)
NOISE = DRAW.normal(0, 0.01, (8, 20))  # [arm, seed]
SEED = DRAW.normal(0, 0.3, 20)  # what the arms of a seed share
ENGINE = {"engine": ("torch", "jax")}
CROSSED = {"device": ("cpu", "cuda"), "width": ("16", "2048")}


def times(*means: float, seeds: int = 10) -> list[list[float]]:
    """Times [arm][seed] in seconds, with noise in proportion."""
    return [
        (mean * np.exp(SEED[:seeds] + NOISE[arm, :seeds])).tolist()
        for arm, mean in enumerate(means)
    ]


def content_of(factors: Mapping[str, Sequence[str]], seeds: int, **changes: Any) -> dict[str, Any]:
    """What a store keeps of a study: each other level of the first factor against its first."""
    crossed = itertools.product(*factors.values())
    arms = [dict(zip(factors, levels, strict=True)) for levels in crossed]
    first, base = next((f, levels[0]) for f, levels in factors.items())
    return {
        "outcome": "seconds_per_epoch",
        "margin": 0.05,
        "seeds": seeds,
        "looks": {"seeds": [seeds], "planned": False},
        "factors": {f: list(levels) for f, levels in factors.items()},
        "arms": [
            {
                "name": " · ".join(levels.values()),
                "levels": levels,
                "settings": {"train.log_every": 0},
                "parameters": 1,
                "architecture": "",
            }
            for levels in arms
        ],
        "contrasts": [
            {
                "arm": index,
                "baseline": arms.index({**levels, first: base}),
                "varies": f"{levels[first]} against {base}",
                "condition": " · ".join(f"{f} {v}" for f, v in levels.items() if f != first),
            }
            for index, levels in enumerate(arms)
            if levels[first] != base
        ],
        "controls": {},
        "data": {"test rows": "360"},
        "engine": "torch",
        "command": "",
        "spec": "",
        **changes,
    }


def analysed(
    values: Sequence[Sequence[float]],
    factors: Mapping[str, Sequence[str]] = ENGINE,
    curves: Mapping[str, np.ndarray] | None = None,
    **changes: Any,
) -> Analysis:
    content = content_of(factors, len(values[0]), **changes)
    runs = [(block, arm) for arm, row in enumerate(values) for block in range(len(row))]
    with tempfile.TemporaryDirectory() as folder:
        with Store(Path(folder) / "s.sqlite", create=True) as store:
            store.add_study("k" * 32, "s", "?", content, ((b, a, f"{a}-{b}") for b, a in runs))
            for block, arm in runs:
                metrics = {content["outcome"]: values[arm][block]}
                record = Record(f"{arm}-{block}", "done", "", metrics, dict(curves or {}))
                store.add_record(record, {})
        with Store(Path(folder) / "s.sqlite") as store:
            return analyse(store, "s")


def contrast(values: Sequence[Sequence[float]], **changes: Any) -> Contrast:
    (found,) = analysed(values, **changes).contrasts
    return found


def test_a_ratio_is_the_paired_t_test_of_logarithms() -> None:
    torch, jax = times(2.0, 0.96)
    found = contrast([torch, jax])
    reference = stats.ttest_rel(np.log(jax), np.log(torch))
    interval = reference.confidence_interval(0.95)
    assert found.difference == pytest.approx(np.mean(np.log(jax) - np.log(torch)))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(reference.pvalue)
    assert (found.verdict, found.superiority) == ("better", 1.0)
    assert math.exp(found.difference) == pytest.approx(stats.gmean(jax) / stats.gmean(torch))


@pytest.mark.parametrize(
    "looks", [{"seeds": [10], "planned": False}, {"seeds": [6, 10], "planned": True}]
)
def test_equivalence_is_shown_between_one_over_the_margin_and_the_margin(looks: Any) -> None:
    torch, jax = times(2.0, 2.01)
    found = contrast([torch, jax], looks=looks)
    until = found.asked
    d = np.log(jax[:until]) - np.log(torch[:until])
    below = stats.ttest_1samp(d, math.log(1.05), alternative="less").pvalue
    above = stats.ttest_1samp(d, math.log(1 / 1.05), alternative="greater").pvalue
    p = found.looks[-1].p_equivalence if found.looks else found.p_equivalence
    assert p == pytest.approx(max(below, above))
    assert found.verdict == "equivalent"


def test_the_bounds_of_equivalence_are_equally_far_as_ratios() -> None:
    exactly = [1.0 + 0.1 * seed for seed in range(10)]

    def verdict(ratio: float) -> str:
        return contrast([exactly, [ratio * t for t in exactly]]).verdict

    assert [verdict(1.049), verdict(1 / 1.049)] == ["equivalent"] * 2
    assert [verdict(1.051), verdict(1 / 1.051)] == ["worse", "better"]


def test_more_of_a_rate_is_better() -> None:
    slow, fast = times(900, 1000)
    assert contrast([slow, fast], outcome="samples_per_second").verdict == "better"


amounts = st.lists(st.floats(1e-6, 1e5), min_size=7, max_size=7)


@settings(max_examples=15, deadline=None)
@given(amounts, amounts)
def test_swapping_arm_and_baseline_inverts_the_ratio(a: list[float], b: list[float]) -> None:
    one, other = contrast([a, b]), contrast([b, a])
    assert SECONDS.shown_difference(one.difference) == pytest.approx(
        1 / SECONDS.shown_difference(other.difference)
    )
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    opposite = {"better": "worse", "worse": "better"}
    assert one.verdict == opposite.get(other.verdict, other.verdict)


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(0.5, 2.0))
def test_the_unit_of_a_time_changes_no_contrast(unit: float, ratio: float) -> None:
    values = times(1.0, ratio)
    one, other = contrast(values), contrast([[unit * t for t in row] for row in values])
    assert (other.difference, other.low, other.high) == pytest.approx(
        (one.difference, one.low, one.high), abs=1e-9
    )
    assert other.p == pytest.approx(one.p, abs=1e-9)
    assert other.verdict == one.verdict


def test_what_is_not_above_zero_makes_no_pair() -> None:
    torch, jax = times(2.0, 1.0)
    torch[3], jax[5] = 0.0, -1.0
    study = analysed([torch, jax])
    (found,) = study.contrasts
    assert set(found.differences) == set(range(10)) - {3, 5}
    assert "in the 8 of 10 seeds in which both arms have a value above zero" in study.answer
    assert study.arms[0].mean == pytest.approx(np.mean(torch))  # the mean is of what was stored
    assert study.evidence.seeds == 8
    assert contrast([[0.0] * 10, jax]).verdict == "not comparable"


def test_the_answer_tells_ratios_and_holds_for_this_machine() -> None:
    study = analysed(times(2.0, 0.96))
    assert study.answer.startswith("Jax against torch: better (×0.4")
    (found,) = study.contrasts
    low, high = (f"{math.exp(bound):.3g}" for bound in (found.low, found.high))
    assert f", 95 % CI {low} to {high})" in study.answer
    notes = " ".join(study.notes)
    assert "It holds for this machine." in notes
    assert "rows" not in notes
    same = analysed(times(2.0, 2.01))
    assert same.answer == "Jax against torch: equivalent within 5 %."
    text = markdown.render(document(study), "figures")
    assert "| time per epoch (s) |" in text
    assert "| ratio, interval |" in text


def test_training_time_is_no_outcome_of_training_rows() -> None:
    study = analysed(times(2.0, 0.96), outcome="train_seconds", split="kfold", folds=3)
    assert not any("rows" in note for note in study.notes)


def test_a_margin_is_planned_for_as_a_ratio() -> None:
    content = content_of(ENGINE, 10)
    (spread,) = prospect(content, [], guess=0.02).spreads
    assert spread.seeds == seeds_to_decide(0.02, math.log(1.05), 0.05)


def test_an_interaction_is_a_ratio_of_ratios() -> None:
    values = times(0.03, 6.0, 0.03 * 0.31, 6.0 * 0.05)
    study = analysed(values, CROSSED)
    (effect,) = (one for one in study.evidence.effects if len(one.factors) == 2)
    logs = np.log(values)  # [arm, seed]
    d = logs[3] - logs[2] - (logs[1] - logs[0])
    assert effect.parts[0].difference == pytest.approx(d.mean())
    assert effect.parts[0].p == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
    small, large = (math.exp(d.mean()) for d in (logs[2] - logs[0], logs[3] - logs[1]))
    told = f"makes ×{small:.3f} with width 16 and ×{large:.4f} with width 2048: "
    assert f"Device cuda {told}the effect of device depends on width" in " ".join(study.remarks)


def test_levels_gain_by_ratios() -> None:
    widths = {"width": ("16", "32", "64", "128")}
    study = analysed(times(9.0, 3.0, 1.0, 0.99), widths)
    (trend,) = study.evidence.trends
    assert trend.enough == "64"
    assert "no higher level gains 5 % or more" in " ".join(study.remarks)


def test_the_chance_to_be_the_best_is_of_geometric_means() -> None:
    # a has the lower geometric mean, b the lower arithmetic one.
    a, b = [0.1, 10.0] * 6, [2.0, 2.0] * 6
    study = analysed([a, b, [50.0] * 12], {"engine": ("a", "b", "c")})
    assert study.evidence.standings[0].arm == "a"
    assert "best geometric mean" in " ".join(study.remarks)


def test_curves_of_the_loss_alone_are_no_trouble() -> None:
    curves = {"train_loss": np.array([1.0, 0.5, 0.3])}
    study = analysed(times(2.0, 0.96), curves=curves)
    assert set(study.curves["metric"]) == {"train_loss"}
    assert not study.evidence.learning


def test_a_record_says_that_differences_are_logarithms() -> None:
    record = to_record(analysed(times(2.0, 0.96)))
    assert record["outcome"]["ratio"] is True
    (found,) = record["contrasts"]
    assert found["difference"] == pytest.approx(math.log(0.48), abs=0.02)
    assert record["margin"] == 0.05


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.2449, "1.24"),
        (0.03118, "0.0312"),
        (615.2, "615"),
        (12345.6, "12346"),
        (9.996, "10.0"),
        (0.0000124, "0.0000124"),
        (0.0, "0"),
        (2.5e-9, "2.5e-09"),
    ],
)
def test_times_have_three_digits(value: float, shown: str) -> None:
    assert SECONDS.show(value) == shown


def test_memory_is_shown_in_megabytes() -> None:
    memory = OUTCOMES["peak_memory"]
    assert (memory.show(512_345_678), memory.show(48_200_000)) == ("512", "48.2")


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (1.2449, "1.24"),
        (0.48, "0.480"),
        (12.34, "12.3"),
        (1.003, "1.003"),
        (0.05123, "0.0512"),
        (1.0, "1.000"),
        (0.9512, "0.951"),
        (1234, "1234"),
    ],
)
def test_ratios_have_three_digits_or_three_decimals_near_one(ratio: float, shown: str) -> None:
    assert SECONDS.show_difference(math.log(ratio)) == f"×{shown}"
    assert SECONDS.show_bound(math.log(ratio)) == shown


def test_extreme_ratios_are_shown() -> None:
    assert SECONDS.show_difference(1e4) == "×inf"
    assert SECONDS.show_difference(-1e4) == "×0"


@given(st.floats(-1e6, 1e6))
def test_bounds_of_other_outcomes_are_shown_as_values_are(value: float) -> None:
    for outcome in OUTCOMES.values():
        if not outcome.ratio:
            assert outcome.show_bound(value) == outcome.show(value)
            assert outcome.comparable(value) == outcome.bound(value) == value
            assert outcome.shown_difference(value) == value * outcome.scale


def test_a_margin_is_in_per_cent() -> None:
    assert SECONDS.show_margin(0.05) == "5 %"
    assert SECONDS.show_size(SECONDS.bound(0.05)) == "5"


STUDY = {
    "question": "?",
    "data": "digits",
    "seeds": 10,
    "outcome": "train_seconds",
    "factors": {"train.optimizer": ["sgd", "adam"]},
}


def lay_out(**values: Any) -> Any:
    spec = from_values({**STUDY, **values})
    return design(spec, load(spec.data.source), EngineId("stacked", "1", "cpu"))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"margin": 5}, "margin must be less than 1 for train_seconds, where 0.05 is 5 % (got 5)"),
        ({"reach": 3}, "reach needs an outcome that has a value after every epoch: train_seconds"),
        (
            {
                "data": {"source": "digits", "validation": 0.2},
                "tune": {
                    "parameters": {"train.learning_rate": [0.1, 0.01]},
                    "outcome": "validation_loss",
                    "budget": 2,
                },
            },
            "outcome train_seconds does not go with tune",
        ),
    ],
    ids=["margin", "reach", "tune"],
)
def test_what_makes_no_sense_for_a_time_is_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError) as refused:
        lay_out(**values)
    assert problem in str(refused.value)


def test_a_time_depends_on_no_split_and_is_not_measured_on_training_rows() -> None:
    found = declaration(lay_out(data={"source": "digits", "split": "resampled"}), "")
    assert found["overlap"] == 0.0
    assert not [one for one in found["confounds"] if "rows that are trained on" in one["what"]]


def test_a_guess_is_the_spread_of_log_ratios() -> None:
    laid_out = lay_out(margin=0.05)
    expected = prospect(declaration(laid_out, ""), [], guess=0.02)
    told = " ".join(foreseen(expected, laid_out))
    size = 100 * math.expm1(expected.spreads[0].detectable)
    assert f"a difference of {size:.3g} % is found with 80 % chance" in told
    assert "(sd of the log ratios 0.02, a guess; " in told


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    values = times(2.0, 0.96)
    runs = [(block, arm) for arm in (0, 1) for block in range(10)]
    with Store(tmp_path / "s.sqlite", create=True) as store:
        content = content_of(ENGINE, 10)
        store.add_study("k" * 32, "s", "?", content, ((b, a, f"{a}-{b}") for b, a in runs))
        for block, arm in runs:
            measured = {"seconds_per_epoch": values[arm][block]} if block else {}
            store.add_record(Record(f"{arm}-{block}", "done", "", measured), {})
        study = analyse(store, "s")
    assert "The time per epoch of 2 runs was not measured." in study.notes
    assert study.contrasts[0].n == 9

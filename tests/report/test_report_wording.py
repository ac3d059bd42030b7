import math
import sys
import unicodedata
from dataclasses import replace

import made_up_analyses
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paribus.findings import Analysis
from paribus.report import wording
from paribus.study.outcomes import OUTCOMES

ACCURACY, LOSS = OUTCOMES["test_accuracy"], OUTCOMES["test_loss"]


def test_accuracy_is_shown_in_per_cent(study: Analysis) -> None:
    arm = replace(study.arms[0], mean=0.7824, sd=0.0041, low=0.7795, high=0.7853)
    assert wording.mean_and_sd(ACCURACY, arm) == "78.24 ± 0.41"
    assert wording.mean_interval(ACCURACY, arm) == "[77.95, 78.53]"


def test_a_single_run_has_a_mean_but_neither_deviation_nor_interval(study: Analysis) -> None:
    arm = replace(study.arms[0], mean=0.5, sd=math.nan, low=math.nan, high=math.nan)
    assert wording.mean_and_sd(ACCURACY, arm) == "50.00"
    assert wording.mean_interval(ACCURACY, arm) == "–"


def test_a_difference_has_its_sign_and_interval(study: Analysis) -> None:
    contrast = replace(study.contrasts[0], difference=0.1444, low=0.141, high=0.1478)
    assert wording.difference(ACCURACY, contrast) == "+14.44 [14.10, 14.78]"
    assert wording.difference(ACCURACY, replace(contrast, low=math.nan)) == "+14.44"
    assert wording.difference(ACCURACY, replace(contrast, difference=math.nan, low=math.nan)) == "–"


@pytest.mark.parametrize("value", [-1e-9, 0.0, -0.0, 1e-9])
def test_nothing_is_never_shown_as_minus_nothing(value: float) -> None:
    assert wording.number(ACCURACY, value) == "0.00"
    assert wording.signed(ACCURACY, value) == "0.00"


def test_an_enormous_loss_stays_short() -> None:
    assert wording.number(LOSS, 1e30) == "1e+30"
    assert wording.signed(LOSS, 1e30) == "+1e+30"
    assert wording.number(LOSS, math.inf) == "inf"


@pytest.mark.parametrize(
    ("p", "shown"),
    [(0.0, "<0.001"), (0.0009, "<0.001"), (0.0494, "0.049"), (1.0, "1.000"), (math.nan, "–")],
)
def test_p_values_have_three_decimals_and_a_floor(p: float, shown: str) -> None:
    assert wording.probability(p) == shown


def test_an_effect_size_without_spread_is_infinite() -> None:
    shown = [wording.decimal(value) for value in (math.inf, -math.inf, math.nan, -0.456, 1e9)]
    assert shown == ["∞", "-∞", "–", "-0.46", "1e+09"]


def test_the_status_counts_what_went_wrong_and_gives_the_reasons(study: Analysis) -> None:
    arm = replace(study.arms[0], diverged=3, missing=1, reasons=("loss not finite", "killed"))
    assert wording.status(arm) == (
        "diverged in 3 of 10 seeds, not trained yet in 1 of 10 seeds: loss not finite; killed"
    )
    assert wording.troubles(arm) == "diverged 3/10, missing 1/10"
    assert wording.status(study.arms[0]) == "complete"


@given(st.text(st.characters(), max_size=50))
def test_clean_text_can_be_encoded_and_moves_no_cursor(text: str) -> None:
    cleaned = wording.clean(text)
    cleaned.encode("utf-8")
    assert len(cleaned) == len(text)
    assert not set(cleaned) & {chr(code) for code in range(32)} - {"\n", "\t"}


def test_consecutive_numbers_are_a_span() -> None:
    assert wording.spans([8, 0, 1, 2, 3, 5, 7]) == "0 to 3, 5, 7 and 8"
    assert wording.spans([]) == ""


TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_every_control_character_and_surrogate_is_replaced_and_nothing_else() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    hidden = {c for c in every if unicodedata.category(c) in ("Cc", "Cs")} - {"\n", "\t"}
    hidden |= {c for c in every if unicodedata.bidirectional(c) in TURNING}
    shown = wording.clean(every)
    assert len(shown) == len(every)
    assert {c for c, s in zip(every, shown, strict=True) if c != s} == hidden
    assert set(shown) & hidden == set()


def test_large_values_have_few_decimals_and_small_ones_all() -> None:
    rmse = OUTCOMES["test_rmse"]
    arm = replace(made_up_analyses.regression().arms[0], mean=56740.5534, sd=486.631)
    assert wording.mean_and_sd(rmse, arm) == "56740.6 ± 486.6"
    assert [rmse.show(value) for value in (0.12345, 56.12345, 567.12345, 1e7, math.inf)] == [
        "0.1235",
        "56.1234",
        "567.123",
        "10000000",
        "inf",
    ]
    assert rmse.show_difference(-1616.7166) == "-1616.72"
    assert OUTCOMES["test_accuracy"].show(1.0) == "100.00"

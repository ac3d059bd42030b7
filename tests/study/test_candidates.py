"""Candidates: points of one Sobol sequence over what is declared."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from paribus.study.candidates import Range, Tune, candidates
from paribus.study.seeds import generator

RATE = {"low": 0.0001, "high": 1, "scale": "log"}


def tune(budget: int = 16, **parameters: object) -> Tune:
    named = {path.replace("__", "."): values for path, values in parameters.items()}
    return Tune.model_validate({"parameters": named, "budget": budget})


def test_candidates_are_points_of_scipys_scrambled_sobol_sequence() -> None:
    points = qmc.Sobol(2, scramble=True, seed=generator(5, "tuning")).random_base2(3)
    found = candidates(tune(8, train__learning_rate=RATE, model__dropout={"low": 0, "high": 1}), 5)
    rates = [one["train.learning_rate"] for one in found]
    np.testing.assert_allclose(rates, 10 ** (4 * points[:, 0] - 4), rtol=1e-3)
    np.testing.assert_allclose([one["model.dropout"] for one in found], points[:, 1], rtol=1e-3)


def test_a_smaller_budget_has_the_first_candidates_of_a_larger_one() -> None:
    whole = candidates(tune(16, train__learning_rate=RATE), 0)
    assert candidates(tune(8, train__learning_rate=RATE), 0) == whole[:8]
    assert candidates(tune(11, train__learning_rate=RATE), 0) == whole[:11]
    assert candidates(tune(16, train__learning_rate=RATE), 1) != whole


def test_sixteen_candidates_fall_one_into_each_sixteenth_of_a_log_scale() -> None:
    found = candidates(tune(16, train__learning_rate=RATE), 0)
    parts = [math.floor((math.log10(one["train.learning_rate"]) + 4) * 4) for one in found]
    assert sorted(parts) == list(range(16))


def test_whole_numbers_and_choices_have_equal_parts() -> None:
    sizes = {"low": 1, "high": 4, "whole": True}
    found = candidates(tune(32, train__batch_size=sizes, train__optimizer=["sgd", "adam"]), 0)
    drawn = [one["train.batch_size"] for one in found]
    assert all(isinstance(size, int) for size in drawn)
    assert {size: drawn.count(size) for size in (1, 2, 3, 4)} == dict.fromkeys((1, 2, 3, 4), 8)
    assert [one["train.optimizer"] for one in found].count("adam") == 16


@given(
    low=st.floats(1e-9, 1e9),
    factor=st.floats(1.001, 1e9),
    scale=st.sampled_from(["linear", "log"]),
    share=st.floats(0, 1, exclude_max=True),
)
def test_a_value_lies_in_its_range(low: float, factor: float, scale: str, share: float) -> None:
    values = Range.model_validate({"low": low, "high": low * factor, "scale": scale})
    assert low <= values.at(share) <= low * factor


@given(low=st.integers(1, 50), width=st.integers(1, 50), scale=st.sampled_from(["linear", "log"]))
def test_whole_numbers_reach_both_ends(low: int, width: int, scale: str) -> None:
    values = Range.model_validate({"low": low, "high": low + width, "scale": scale, "whole": True})
    assert values.at(0) == low
    assert values.at(1 - 1e-12) == low + width


def test_values_do_not_hang_on_the_last_bits_of_a_power() -> None:
    share = 0.123456789
    values, exact = Range.model_validate(RATE), 10 ** (4 * share - 4)
    assert values.at(share) == values.at(float(np.nextafter(share, 1))) != exact
    assert values.at(share) == pytest.approx(exact, rel=1e-3)

"""What a study can be expected to show, against statsmodels' power of the t-test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from paribus.errors import InputError
from paribus.prospect import prospect
from paribus.store.store import StoredRun

CONTENT = {
    "arms": [
        {"name": name, "levels": {"arm": name}, "parameters": 1, "architecture": ""}
        for name in ("a", "b", "c")
    ],
    "contrasts": [
        {"arm": arm, "baseline": 0, "varies": f"{name} against a", "condition": ""}
        for arm, name in ((1, "b"), (2, "c"))
    ],
    "outcome": "test_loss",
    "margin": 0.1,
    "seeds": 12,
    "looks": {"seeds": [12], "planned": False},
    "data": {"test rows": "100"},
}


def runs_with(*differences: list[float]) -> list[StoredRun]:
    """Runs of arm a at zero, and of the other arms at the differences from it."""
    return [
        StoredRun(arm, block, f"{arm}-{block}", "done", "", {"test_loss": value}, "")
        for arm, values in enumerate([[0.0] * max(map(len, differences)), *differences])
        for block, value in enumerate(values)
    ]


def test_the_spread_of_a_pilot_tells_what_can_be_found() -> None:
    b, c = [0.3, 0.1, 0.2, 0.4], [1.0, 3.0, 2.0]
    found = prospect(CONTENT, runs_with(b, c))
    least, most = found.spreads
    assert (least.contrast, most.contrast) == ("b against a", "c against a")
    assert (least.pilot, most.pilot) == (4, 3)
    assert least.sd == pytest.approx(np.std(b, ddof=1))
    power = TTestPower()
    effect = power.solve_power(nobs=12, alpha=0.025, power=0.8)
    assert least.detectable == pytest.approx(effect * least.sd, rel=1e-6)
    assert least.power == pytest.approx(power.power(0.1 / least.sd, 12, 0.025), abs=1e-8)
    assert least.seeds is not None
    assert power.power(0.1 / least.sd, least.seeds, 0.025) >= 0.8
    assert least.low < least.sd < least.high


@pytest.mark.parametrize("values", [[0.1, 0.2], [0.1, 0.1, 0.1]])
def test_two_seeds_or_seeds_that_agree_are_no_pilot(values: list[float]) -> None:
    assert not prospect(CONTENT, runs_with(values, values)).spreads


def test_a_guess_stands_for_every_contrast() -> None:
    (spread,) = prospect(CONTENT, [], guess=0.05).spreads
    assert (spread.sd, spread.pilot) == (0.05, 0)
    assert math.isnan(spread.low)
    assert prospect({**CONTENT, "margin": None}, [], guess=0.05).spreads[0].seeds is None


@pytest.mark.parametrize("guess", [0, math.inf, math.nan])
def test_a_guess_must_be_above_zero(guess: float) -> None:
    with pytest.raises(InputError, match="--sd must be a number above 0"):
        prospect(CONTENT, [], guess=guess)

"""Test surfaces against published minima and values, and against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from paribus.models.surfaces import LOCAL, NEAR, NOWHERE, SURFACES, Surface

EVERY = pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES.keys())


def slope(surface: Surface, x: float, y: float, h: float = 1e-5) -> tuple[float, float]:
    f = surface.value
    return (f(x + h, y) - f(x - h, y)) / (2 * h), (f(x, y + h) - f(x, y - h)) / (2 * h)


# Values at their global minima, as published; the double well's follows from its cubic.
LEAST = {"saddle": -0.25, "himmelblau": 0, "rosenbrock": 0, "beale": 0, "rastrigin": 0}

# Other values: Himmelblau's local maximum (181.617 at (-0.270845, -0.923039)); Rosenbrock's classic
# start (24.2); Beale at the origin (14.203125); Rastrigin at (1, 0), where it is 1.
KNOWN = [
    ("himmelblau", -0.270845, -0.923039, 181.616522),
    ("himmelblau", 0, 0, 170),
    ("rosenbrock", -1.2, 1, 24.2),
    ("beale", 0, 0, 14.203125),
    ("beale", 1, 1, 14.203125),
    ("rastrigin", 1, 0, 1),
    ("rastrigin", 0.5, 0.5, 40.5),
    ("saddle", 0, 0, 0),
    ("double-well", 1, 0, -0.15),
]


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_the_global_minima_have_the_published_value(name: str, least: float) -> None:
    surface = SURFACES[name]
    assert surface.least == pytest.approx(least, abs=1e-12)
    for minimum in surface.minima:
        assert surface.value(*minimum) == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize(("name", "x", "y", "value"), KNOWN)
def test_known_values(name: str, x: float, y: float, value: float) -> None:
    assert SURFACES[name].value(x, y) == pytest.approx(value, abs=1e-5)


@EVERY
def test_at_every_minimum_the_slope_is_zero_and_all_around_is_higher(surface: Surface) -> None:
    for x, y in (*surface.minima, *surface.local):
        assert slope(surface, x, y) == pytest.approx((0, 0), abs=1e-5)
        angles = np.linspace(0, 2 * math.pi, 60)
        around = surface.value(x + 0.02 * np.cos(angles), y + 0.02 * np.sin(angles))
        assert np.all(around > surface.value(x, y))


@EVERY
def test_nothing_shown_is_below_the_global_minima_nor_as_low_as_they_elsewhere(
    surface: Surface,
) -> None:
    x, y = np.meshgrid(*(np.linspace(*ends, 301) for ends in surface.shown))
    values = surface.value(x, y)
    assert values.min() > surface.least - 1e-12
    for x0, y0 in surface.local:
        assert surface.value(x0, y0) > surface.least + 0.1


@EVERY
def test_gradients_of_tensors_are_finite_differences(surface: Surface) -> None:
    rng = np.random.default_rng(0)
    points = surface.start(rng.random((20, 2)))
    x, y = (torch.tensor(points[:, i], requires_grad=True) for i in (0, 1))
    found = torch.autograd.grad(surface.value(x, y).sum(), (x, y))
    for i, point in enumerate(points):
        wanted = slope(surface, *point)
        assert [float(g[i]) for g in found] == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_the_saddle_point_has_no_slope_and_falls_along_y_alone() -> None:
    saddle = SURFACES["saddle"]
    assert slope(saddle, 0, 0) == pytest.approx((0, 0), abs=1e-12)
    assert saddle.value(0.1, 0) > 0 > saddle.value(0, 0.1)


@EVERY
def test_starts_fill_their_box_which_is_shown(surface: Surface) -> None:
    low, high = np.array(surface.starts).T
    np.testing.assert_allclose(surface.start(np.array([[0, 0], [1, 1]])), [low, high])
    for (a, b), (c, d) in zip(surface.starts, surface.shown, strict=True):
        assert c <= a < b <= d


def test_rastrigins_local_minima_are_the_other_wells() -> None:
    local = SURFACES["rastrigin"].local
    assert len(local) == 11**2 - 1
    nearest = min(local, key=lambda p: math.hypot(p[0] - 1, p[1]))
    assert nearest == pytest.approx((0.994959, 0), abs=1e-6)
    assert SURFACES["rastrigin"].value(*nearest) == pytest.approx(0.994959, abs=1e-6)


def test_places_are_named() -> None:
    himmelblau, well = SURFACES["himmelblau"], SURFACES["double-well"]
    assert himmelblau.place(3.1, 2.1) == "(3, 2)"
    assert himmelblau.place(3 + NEAR, 2) == "(3, 2)"
    assert himmelblau.place(3 + NEAR + 1e-6, 2) == NOWHERE
    assert himmelblau.places[1:] == ("(-2.81, 3.13)", "(-3.78, -3.28)", "(3.58, -1.85)", NOWHERE)
    assert well.place(*well.local[0]) == LOCAL
    assert well.place(0, 0) == NOWHERE


def test_arrival_is_the_first_step_near_a_global_minimum_and_all_steps_where_there_is_none() -> (
    None
):
    there, away = [1.0, 1.0], [0.0, 0.0]
    runs = [
        [away, there, away, away],
        [away, away, away, away],
        [there, there, there, there],
        [[math.inf, 0], [math.nan, math.nan], there, there],
    ]
    path = np.array(runs).transpose(1, 0, 2)
    assert SURFACES["rosenbrock"].arrival(path).tolist() == [2, 4, 1, 3]

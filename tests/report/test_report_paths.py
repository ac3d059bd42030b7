"""Contour lines against curves that are known, and what is drawn of a path."""

from __future__ import annotations

import numpy as np
import pytest

from paribus.models.surfaces import SURFACES
from paribus.report.frames import MOST_ROWS
from paribus.report.paths import _contours, _thinned, contour_lines

AXIS = np.linspace(-2, 2, 81)
X, Y = np.meshgrid(AXIS, AXIS)


def test_the_contour_of_a_bowl_is_a_closed_circle() -> None:
    (line,) = contour_lines(AXIS, AXIS, X**2 + Y**2, 1.0)
    np.testing.assert_array_equal(line[0], line[-1])
    np.testing.assert_allclose(np.hypot(*line.T), 1, atol=1e-3)
    # Neighbours on the line are neighbours on the grid: it is walked in order.
    steps = np.hypot(*np.diff(line, axis=0).T)
    assert steps.max() < 0.05 * 2**0.5
    assert steps.sum() == pytest.approx(2 * np.pi, rel=1e-3)


def test_the_contour_of_a_slope_is_a_line_from_edge_to_edge() -> None:
    (line,) = contour_lines(AXIS, AXIS, 2 * X + Y, 0.33)
    np.testing.assert_allclose(2 * line[:, 0] + line[:, 1], 0.33, atol=1e-12)
    assert sorted(line[[0, -1], 1]) == pytest.approx([-2, 2])


def test_two_hollows_have_two_contours_and_nothing_beyond_the_values_has_any() -> None:
    well = SURFACES["double-well"]
    z = well.value(X, Y)
    assert len(contour_lines(AXIS, AXIS, z, -0.1)) == 2
    assert contour_lines(AXIS, AXIS, z, z.max() + 1) == []


def test_a_chequered_cell_has_two_lines() -> None:
    z = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert len(contour_lines(np.arange(2.0), np.arange(2.0), z, 0.5)) == 2


@pytest.mark.parametrize("name", SURFACES)
def test_contours_are_few_enough_to_draw(name: str) -> None:
    rows = _contours(SURFACES[name])
    assert 100 < len(rows) <= MOST_ROWS


def test_a_path_keeps_its_ends_and_what_is_far_enough_apart() -> None:
    points = np.array([[0.0, 0], [0.1, 0], [1, 0], [1.2, 0], [2.1, 0], [2.15, 0]])
    assert _thinned(points, 0.5)[:, 0].tolist() == [0, 1, 2.1, 2.15]

"""What the charts of walks on a surface draw: contour lines, and the paths of some runs."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd

from paribus.findings import Analysis, Ends
from paribus.models.surfaces import SURFACES, Surface
from paribus.report.frames import MOST_ROWS

MOST_PATHS = 8
"""Runs that are drawn of an arm, the same starts for all arms."""

_GRID = 81  # points each way that contour lines are found between
_LEVELS = (0.02, 0.1, 0.3, 0.6)  # shares of the area shown that lie below a line
_APART = 0.004  # of the diagonal: points nearer to the one before are not drawn

Edge = tuple[int, int, int]  # axis along which it runs, row, column


def surfaces(analysis: Analysis) -> dict[str, list[Ends]]:
    """Return the surfaces of a study, each with what is known of its arms."""
    found: dict[str, list[Ends]] = defaultdict(list)
    for one in analysis.ends:
        found[one.surface].append(one)
    return dict(found)


@dataclass(frozen=True)
class Walked:
    """What a chart of one surface draws.

    `contours` has the columns line, order, x, y; `paths` has arm, block, order, x, y.
    """

    surface: Surface
    contours: pd.DataFrame
    paths: pd.DataFrame


def walked(analysis: Analysis, name: str) -> Walked:
    """Return the contours of a surface, and the first paths of the arms on it."""
    surface = SURFACES[name]
    names = {one.arm for one in analysis.ends if one.surface == name}
    arms = {arm.name: arm for arm in analysis.arms if arm.name in names}
    blocks = sorted({block for arm in arms.values() for block in arm.values})[:MOST_PATHS]
    curves = analysis.curves
    own = curves[
        curves["arm"].isin(arms) & curves["block"].isin(blocks) & curves["metric"].isin(["x", "y"])
    ]
    table = own.pivot(index=["arm", "block", "epoch"], columns="metric", values="value")
    runs = {
        (arm, block): table.loc[(arm, block), ["x", "y"]].to_numpy()
        for arm in arms
        for block in blocks
        if block in arms[arm].values
    }
    rows = [
        (arm, block, order, *point)
        for (arm, block), points in zip(runs, _light(list(runs.values()), surface), strict=True)
        for order, point in enumerate(points)
    ]
    paths = pd.DataFrame(rows, columns=["arm", "block", "order", "x", "y"])
    return Walked(surface, _contours(surface), paths)


def _contours(surface: Surface) -> pd.DataFrame:
    """Return contour lines at values below which given shares of the area shown lie."""
    x, y = (np.linspace(*ends, _GRID) for ends in surface.shown)
    z = surface.value(*np.meshgrid(x, y))
    lines = [line for level in np.quantile(z, _LEVELS) for line in contour_lines(x, y, z, level)]
    rows = [
        (number, order, *point)
        for number, line in enumerate(_light(lines, surface))
        for order, point in enumerate(line)
    ]
    return pd.DataFrame(rows, columns=["line", "order", "x", "y"])


def _light(lines: list[np.ndarray], surface: Surface) -> list[list[list[float]]]:
    """Return lines with so few of their points that all together are few enough to draw."""
    (left, right), (low, high) = surface.shown
    least = _APART * math.hypot(right - left, high - low)
    thinned = [_thinned(line, least) for line in lines]
    while sum(map(len, thinned)) > max(MOST_ROWS // 2, 2 * len(lines)):
        least *= 1.5
        thinned = [_thinned(line, least) for line in thinned]
    return [line.round(4).tolist() for line in thinned]


def _thinned(points: np.ndarray, least: float) -> np.ndarray:
    """Return the first and the last point, and those that are far enough from the one before."""
    kept = [points[0]]
    for point in points[1:-1]:
        if math.dist(point, kept[-1]) >= least:
            kept.append(point)
    return np.array([*kept, points[-1]])


def contour_lines(x: np.ndarray, y: np.ndarray, z: np.ndarray, level: float) -> list[np.ndarray]:
    """Return the lines [point, 2] along which z is `level`, by marching squares.

    `z` [row, column] are values at `y` [row] and `x` [column]; between them it is taken to be
    linear. A closed line ends where it starts.
    """
    above = z > level
    mixed = above[:-1, :-1] ^ above[1:, :-1] | above[:-1, 1:] ^ above[1:, 1:]
    mixed |= above[:-1, :-1] ^ above[:-1, 1:]
    beside: dict[Edge, list[Edge]] = defaultdict(list)
    for row, column in np.argwhere(mixed).tolist():
        around = ((0, row, column), (1, row, column + 1), (0, row + 1, column), (1, row, column))
        crossed = [edge for edge in around if above[_ends(edge)[0]] != above[_ends(edge)[1]]]
        for a, b in zip(crossed[::2], crossed[1::2], strict=True):
            beside[a].append(b)
            beside[b].append(a)

    def point(edge: Edge) -> tuple[float, float]:
        a, b = _ends(edge)
        share = (level - z[a]) / (z[b] - z[a])
        return x[a[1]] + share * (x[b[1]] - x[a[1]]), y[a[0]] + share * (y[b[0]] - y[a[0]])

    lines, seen = [], set[Edge]()
    for start in sorted(beside, key=lambda edge: len(beside[edge])):  # open lines from their ends
        line, here = list[Edge](), start
        while here not in seen:
            seen.add(here)
            line.append(here)
            here = next((edge for edge in beside[here] if edge not in seen), start)
        if line:
            closed = [start] * (len(beside[start]) == 2)
            lines.append(np.array([point(edge) for edge in (*line, *closed)]))
    return lines


def _ends(edge: Edge) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the grid points, (row, column), that an edge lies between."""
    axis, row, column = edge
    return (row, column), (row + axis, column + 1 - axis)

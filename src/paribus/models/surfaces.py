"""Two-dimensional test surfaces from the literature, on which optimizers can be watched.

A surface is written with operators alone, so that it takes numbers, NumPy arrays and tensors.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

NEAR = 0.25
"""Distance from a minimum within which a run is at it."""

Point = tuple[float, float]
Box = tuple[Point, Point]  # least and largest x, least and largest y


@dataclass(frozen=True)
class Surface:
    """A function of x and y to be minimised.

    `value` works element by element. `starts` is the box that runs start in, `shown` a larger one
    that holds all that is worth seeing; `minima` are the global ones, `local` the others.
    """

    name: str
    formula: str
    source: str
    value: Callable[[Any, Any], Any]
    starts: Box
    shown: Box
    minima: tuple[Point, ...]
    local: tuple[Point, ...] = ()

    @cached_property
    def least(self) -> float:
        """The value of the global minima."""
        return float(self.value(*self.minima[0]))

    def start(self, place: np.ndarray) -> np.ndarray:
        """Return the point of the starting box at a place in [0, 1]²."""
        low, high = np.array(self.starts).T
        point: np.ndarray = low + place * (high - low)
        return point

    def arrival(self, path: np.ndarray) -> np.ndarray:
        """Return the first step of paths [step, run, 2] that is at a global minimum, [run].

        Steps count from 1; a run that never gets there has the number of all steps.
        """
        at_minimum = self._distances(path, self.minima).min(-1) <= NEAR  # not so where it is nan
        first = np.argmax(at_minimum, 0) + 1
        found: np.ndarray = np.where(at_minimum.any(0), first, len(path))
        return found

    def place(self, x: float, y: float) -> str:
        """Return what a point is at: a global minimum, as '(3, 2)', a local one, or none."""
        point = np.array([x, y])
        for minimum in self.minima:
            if self._distances(point, (minimum,))[0] <= NEAR:
                return label(minimum)
        if self.local and self._distances(point, self.local).min() <= NEAR:
            return LOCAL
        return NOWHERE

    @property
    def at_best(self) -> tuple[str, ...]:
        """The places that are global minima."""
        return tuple(map(label, self.minima))

    @property
    def places(self) -> tuple[str, ...]:
        """All that `place` can return, global minima first."""
        return (*self.at_best, *([LOCAL] if self.local else []), NOWHERE)

    @staticmethod
    def _distances(points: np.ndarray, minima: tuple[Point, ...]) -> np.ndarray:
        apart = points[..., None, :] - np.array(minima)
        found: np.ndarray = np.hypot(apart[..., 0], apart[..., 1])
        return found


LOCAL, NOWHERE = "a local minimum", "no minimum"


def label(point: Point) -> str:
    """Return a point as '(3.58, -1.85)'."""
    return f"({', '.join(f'{round(number, 2):g}' for number in point)})"


def _saddle(x: Any, y: Any) -> Any:
    return x * x / 2 + y * y * y * y / 4 - y * y / 2


def _double_well(x: Any, y: Any) -> Any:
    return x * x * x * x / 4 - x * x / 2 + x / 10 + y * y / 2


def _himmelblau(x: Any, y: Any) -> Any:
    a, b = x * x + y - 11, x + y * y - 7
    return a * a + b * b


def _rosenbrock(x: Any, y: Any) -> Any:
    a, b = 1 - x, y - x * x
    return a * a + 100 * (b * b)


def _beale(x: Any, y: Any) -> Any:
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y
    return a * a + b * b + c * c


def _rastrigin(x: Any, y: Any) -> Any:
    return 20 + x * x + y * y - 10 * (_cos(2 * math.pi * x) + _cos(2 * math.pi * y))


def _cos(x: Any) -> Any:
    return x.cos() if hasattr(x, "cos") else np.cos(x)


def _double_well_minima() -> list[float]:
    """Return x where the slope x³ - x + 1/10 is zero and rises: the deeper minimum first."""
    roots = np.sort(np.roots([1, 0, -1, 0.1]).real)
    return [float(roots[0]), float(roots[2])]


def _rastrigin_minima() -> tuple[Point, ...]:
    """Return the 120 local minima within the usual box, near the whole numbers."""
    x = np.arange(-5, 6) * 0.995
    for _ in range(20):  # Newton's method on the slope
        slope = 2 * x + 20 * math.pi * np.sin(2 * math.pi * x)
        x = x - slope / (2 + 40 * math.pi**2 * np.cos(2 * math.pi * x))
    return tuple(p for p in itertools.product(x.tolist(), repeat=2) if math.hypot(*p) > NEAR)


SURFACES: Mapping[str, Surface] = {
    one.name: one
    for one in (
        Surface(
            "saddle",
            "x²/2 + y⁴/4 - y²/2",
            "Nesterov (2004); a saddle point at (0, 0)",
            _saddle,
            starts=((-1, 1), (-0.01, 0.01)),  # by the line from which descent never leaves
            shown=((-1.3, 1.3), (-1.6, 1.6)),
            minima=((0, 1), (0, -1)),
        ),
        Surface(
            "double-well",
            "x⁴/4 - x²/2 + x/10 + y²/2",
            "the potential of Duffing (1918), tilted so that one well is deeper",
            _double_well,
            starts=((1.5, 2.5), (-1, 1)),  # on the outer slope of the shallow well
            shown=((-2.5, 2.6), (-1.2, 1.2)),
            minima=((_double_well_minima()[0], 0),),
            local=((_double_well_minima()[1], 0),),
        ),
        Surface(
            "himmelblau",
            "(x² + y - 11)² + (x + y² - 7)²",
            "Himmelblau (1972)",
            _himmelblau,
            starts=((-5, 5), (-5, 5)),
            shown=((-5.5, 5.5), (-5.5, 5.5)),
            minima=(
                (3, 2),
                (-2.805118086952745, 3.131312518250573),
                (-3.779310253377747, -3.283185991286170),
                (3.584428340330492, -1.848126526964404),
            ),
        ),
        Surface(
            "rosenbrock",
            "(1 - x)² + 100 (y - x²)²",
            "Rosenbrock (1960)",
            _rosenbrock,
            starts=((-1.5, 1.5), (-0.5, 2)),
            shown=((-1.8, 1.8), (-1, 2.5)),
            minima=((1, 1),),
        ),
        Surface(
            "beale",
            "(1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)²",
            "Beale (1958)",
            _beale,
            starts=((0, 4), (-1, 1)),
            shown=((-0.5, 4.5), (-1.3, 1.3)),
            minima=((3, 0.5),),
        ),
        Surface(
            "rastrigin",
            "20 + x² + y² - 10 (cos 2πx + cos 2πy)",
            "Rastrigin (1974)",
            _rastrigin,
            starts=((-5.12, 5.12), (-5.12, 5.12)),
            shown=((-5.12, 5.12), (-5.12, 5.12)),
            minima=((0, 0),),
            local=_rastrigin_minima(),
        ),
    )
}


@dataclass(frozen=True)
class SurfaceModel:
    """A point on a surface in the place of a network: its coordinates are what is trained."""

    surface: str
    parameters: int = 2
    depth: int = 1
    normalises_batches: bool = False

    @property
    def dropout_shapes(self) -> Mapping[int, int]:
        """None: nothing is dropped."""
        return {}

    def one_by_one(self, device: str) -> str:
        """Return why its runs are trained one by one on a device: nothing, they are stacked."""
        return ""

    def flops(self) -> int:
        """Return about what one value costs."""
        return 20

    def training_flops(self) -> int:
        """Return about what a value and its gradient cost."""
        return 60

    def activations(self) -> int:
        """Return the numbers that it puts out."""
        return 1

    def summary(self) -> str:
        """Return the name of the surface."""
        return self.surface

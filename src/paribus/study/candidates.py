"""What a study tunes, over which ranges, and the candidates that every arm tries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from paribus.study.config import Number, Section, Switch, Text, Whole
from paribus.study.seeds import generator

_DIGITS = 4  # significant ones: the last bits of a power differ between machines, keys must not


class Range(Section):
    """The values of a parameter between two ends."""

    low: Number
    high: Number
    scale: Literal["linear", "log"] = "linear"
    whole: Switch = Field(False, description="whole numbers only, both ends included")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError("must have a low below its high")
        if self.scale == "log" and self.low <= 0:
            raise ValueError("must have a low above 0 on a log scale")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError("must have whole ends where whole is true")
        return self

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value, as a setting takes them."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    def at(self, share: float) -> float:
        """Return the value at a share, from 0 to below 1, of the way from low to high."""
        low, high = self.low, self.high + self.whole  # every whole number has an equal part
        if self.scale == "log":
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        lowest, highest = self.ends
        found = math.floor(value) if self.whole else float(f"{value:.{_DIGITS}g}")
        return min(max(found, lowest), highest)


def _several(values: list[Any]) -> list[Any]:
    if len(values) < 2:
        raise ValueError("must have at least 2 values to choose from")
    return values


def _not_empty(parameters: dict[str, Any]) -> dict[str, Any]:
    if not parameters:
        raise ValueError("must name a setting")
    return parameters


def _kind(written: Any) -> str | None:
    if isinstance(written, Mapping | Range):
        return "[range]"
    return "[choices]" if isinstance(written, list | tuple) else None


# A part of a place with a bracket in it is no setting: messages leave it out.
Values = Annotated[
    Annotated[Range, Tag("[range]")]
    | Annotated[list[Any], AfterValidator(_several), Tag("[choices]")],
    Discriminator(
        _kind,
        custom_error_type="values",
        custom_error_message="must be a range such as {low: 0.001, high: 1, scale: log}, or a "
        "list of values",
    ),
]


class Tune(Section):
    """Settings that are chosen for each arm by itself, with the same budget for every arm."""

    parameters: Annotated[dict[str, Values], AfterValidator(_not_empty)] = Field(
        description="dotted path -> a range, or a list of values to choose from"
    )
    budget: Whole = Field(16, ge=2, le=4096, description="candidates per arm")
    seeds: Whole = Field(3, ge=1, le=100_000, description="per candidate; not the verdict's")
    outcome: Text | None = Field(
        None, description="by default validation_accuracy or validation_rmse"
    )


def candidates(tune: Tune, seed: int) -> list[dict[str, Any]]:
    """Return the candidates of a study, path -> value each: the same for every arm.

    They are the first points of a scrambled Sobol sequence (Owen, 1998), so that fewer of them
    are the first ones of more: half of the budget is the first half.
    """
    # Half a second to import, and most studies tune nothing.
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(tune.parameters), scramble=True, seed=generator(seed, "tuning"))
    points: np.ndarray = sequence.random_base2((tune.budget - 1).bit_length())[: tune.budget]
    return [
        {
            path: _value(values, float(share))
            for (path, values), share in zip(tune.parameters.items(), point, strict=True)
        }
        for point in points
    ]


def _value(values: Range | list[Any], share: float) -> Any:
    return values.at(share) if isinstance(values, Range) else values[int(share * len(values))]

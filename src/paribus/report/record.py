"""An analysis as plain JSON values, for programs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from paribus.findings import Analysis

_LEFT_OUT = ("curves", "steps", "confusions", "secondary")  # tables of their own; records


def to_record(analysis: Analysis) -> dict[str, Any]:
    """Return the analysis as JSON-ready values; nan and infinity become None.

    Values are as stored (accuracy as a share); `outcome.scale` turns them into shown ones. Where
    `outcome.ratio` is true, differences and their bounds (`difference`, `differences`, `low` and
    `high` of contrasts, looks and effects) are of natural logarithms: the ratio is their
    exponential. The margin is as declared: 0.05 is a ratio from 1/1.05 to 1.05. Keys are the field
    names of `Analysis`, without its tables, and `verdicts`, a count of each.
    """
    record = {
        field.name: plain(getattr(analysis, field.name))
        for field in fields(analysis)
        if field.name not in _LEFT_OUT
    }
    record["secondary"] = [to_record(other) for other in analysis.secondary]
    record["verdicts"] = dict(Counter(contrast.verdict for contrast in analysis.contrasts))
    return record


def plain(value: Any) -> Any:
    """Return dataclasses, arrays and numbers as JSON-ready values; nan and infinity as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    return str(value)

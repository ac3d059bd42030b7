"""An analysis as plain JSON values, for programs."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paribus.files import write_whole
from paribus.findings import Analysis
from paribus.untrusted import clean_json

VERSION = 1
"""Of the form of a record: raised where a field is renamed, removed or given another meaning."""

_LEFT_OUT = ("curves", "steps", "confusions", "secondary")  # tables of their own; records


def write(analysis: Analysis, path: Path) -> Path:
    """Write the record as a JSON file, and return `path`; StoreError where it cannot be written."""
    text = json.dumps(to_record(analysis), indent=2, ensure_ascii=False, allow_nan=False)
    write_whole({path: f"{clean_json(text)}\n".encode()}, "the report")
    return path


def to_record(analysis: Analysis) -> dict[str, Any]:
    """Return the analysis as JSON-ready values; nan and infinity become None.

    Values are as stored (accuracy as a share); `outcome.scale` turns them into shown ones. Where
    `outcome.ratio` is true, differences and their bounds (`difference`, `differences`, `low` and
    `high` of contrasts, looks and effects) are of natural logarithms: the ratio is their
    exponential. The margin is as declared: 0.05 is a ratio from 1/1.05 to 1.05.

    `version` is that of this form, `VERSION`. All other keys are the field names of the dataclasses
    in `paribus.findings`, where each is explained, from `Analysis` down:

    - `name`, `key`, `question`, `reason`, `created`, `command`, `spec`: the study;
    - `answer`, `notes`, `remarks`: sentences;
    - `outcome`, `margin`, `seeds`, `overlap`, `looks`, `factors`: how it was judged;
    - `arms`: of each an `ArmSummary`, `contrasts`: a `Contrast`, `verdicts`: how many of each;
    - `evidence`, `tuning`, `selection`, `proofs`, `ends`, `confounds`: what else was found;
    - `controls`, `data`, `environment`: what was held equal, on what, and where;
    - `secondary`: such a record for every other declared outcome.

    The curves and steps are tables of their own: `paribus export --what curves`.
    """
    record: dict[str, Any] = {"version": VERSION}
    record |= {
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

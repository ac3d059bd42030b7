"""What a store says of a study, checked: whoever wrote it, an analysis finds what it counts on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from paribus.errors import StoreError
from paribus.store.store import StoredStudy
from paribus.study.outcomes import OUTCOMES
from paribus.study.problems import dotted

_ROWS = re.compile(r"[1-9][\d,]*( .*)?")  # "1,437 or 1,438"

Count = Annotated[int, Field(ge=0, le=10**18)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Layer(_Part):
    kind: str
    shape: list[Count]
    parameters: Count
    then: list[str]


class _Arm(_Part):
    name: str
    levels: dict[str, str]
    settings: dict[str, Any]
    parameters: Count
    architecture: str
    layers: list[_Layer] = []
    steps_per_epoch: Annotated[int, Field(ge=1)] = 1


class _Contrast(_Part):
    arm: Count
    baseline: Count
    varies: str
    condition: str


class _Confound(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    name: str
    what: str
    why: str
    mend: str
    accepted: bool = False


class _Looks(_Part):
    seeds: Annotated[list[Annotated[int, Field(ge=1, le=10**6)]], Field(min_length=1)]
    planned: bool


class _Tuning(_Part):
    study: str
    parameters: dict[str, Any]
    alternatives: list[str]


class _Content(_Part):
    """Those without a default are in every study, also of the first versions."""

    spec: str
    outcome: str
    margin: Annotated[Finite, Field(gt=0)] | None
    seeds: Annotated[int, Field(ge=1, le=10**6)]
    factors: dict[str, Annotated[list[str], Field(min_length=1)]]
    arms: Annotated[list[_Arm], Field(min_length=1)]
    contrasts: list[_Contrast]
    controls: dict[str, str]
    data: dict[str, str]
    engine: str
    command: str
    reason: str | None = None
    asks: list[str] = []
    also: dict[str, Annotated[Finite, Field(gt=0)]] = {}
    steps: bool = False
    defaults: str = ""
    unavailable: list[str] = []
    reach: Finite | None = None
    search: bool = False
    looks: _Looks | None = None
    reference: dict[str, str] | None = None
    confounds: list[_Confound] = []
    classes: list[str] = []
    split: str = "fixed"
    folds: Annotated[int, Field(ge=1, le=10**9)] = 1
    overlap: Annotated[Finite, Field(ge=0, le=10**9)] = 0.0
    tuning: _Tuning | None = None


def checked(study: StoredStudy) -> StoredStudy:
    """Return a study that is as Paribus writes it; StoreError with what is not."""
    try:
        content = _Content.model_validate(study.content)
        problems = [*_misfits(content), *_of_runs(study, len(content.arms))]
    except ValidationError as error:
        problems = [
            f"{dotted(one['loc'])}: {one['msg']}" for one in error.errors(include_url=False)
        ]
    if problems:
        raise StoreError(
            f"the study {study.row.name} ({study.row.key[:8]}) is not as Paribus writes it, so it "
            f"cannot be analysed: {'; '.join(problems[:5])}"
        )
    return study


def _misfits(content: _Content) -> Iterator[str]:
    """Say what does not go together."""
    arms = len(content.arms)
    for name in (content.outcome, *content.also):
        if name not in OUTCOMES:
            yield f"outcome {name} is not known"
        elif (part := OUTCOMES[name].part) and not _ROWS.fullmatch(
            content.data.get(f"{part.replace('train', 'training')} rows", "")
        ):
            yield f"data: the number of {part} rows is missing"
    if any(one.arm >= arms or one.baseline >= arms for one in content.contrasts):
        yield f"contrasts: there are only {arms} arms"
    if content.tuning and arms % (1 + len(content.tuning.alternatives)):
        yield f"tuning: {arms} arms are no multiple of what it chose among"
    reference = content.reference or {}
    if any(reference.get(name, own[0]) not in own for name, own in content.factors.items()):
        yield "reference: it names a level that there is not"
    if content.reference is not None and content.reference.keys() < content.factors.keys():
        yield "reference: it lacks a factor"
    if len({one.name for one in content.arms}) < arms:
        yield "arms: two have the same name"
    for one in content.arms:
        if any(one.levels.get(name) not in own for name, own in content.factors.items()):
            yield f"arm {one.name}: it has no level of each factor"
        for path, missing in (("train.epochs", 0), ("train.log_every", None)):
            if type(one.settings.get(path, missing)) is not int:
                yield f"arm {one.name}: {path} is no whole number"


def _of_runs(study: StoredStudy, arms: int) -> Iterator[str]:
    for run in study.runs:
        if not 0 <= run.arm < arms:
            yield f"run {run.key}: there are only {arms} arms"
        elif not isinstance(run.metrics, dict) or not all(map(_is_number, run.metrics.values())):
            yield f"run {run.key}: its metrics are no numbers"
    for about in study.environments:
        if not isinstance(about, dict) or not all(isinstance(one, str) for one in about.values()):
            yield "an environment is no list of versions"
    if not {run.arm for run in study.runs} >= set(range(arms)):
        yield "design: an arm has no runs"


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**1000)

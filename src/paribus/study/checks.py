"""What no single setting of a study can be checked for by itself: each finding is reported."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from paribus.errors import nearest
from paribus.models.given import HERE
from paribus.study.candidates import Range
from paribus.study.config import Config
from paribus.study.factors import Factor, level_label, read_factor
from paribus.study.outcomes import OUTCOMES
from paribus.study.problems import dotted, known_paths, plainest, sentence, show
from paribus.study.source import KeyPath, Source, put

_OF_AN_ARM = (
    "data.scaling",
    "data.class_weights",
    "data.subsample",
    "data.rows",
    "data.columns",
)
"""Settings of the data that leave the split alone, and may differ between the arms of a block."""

_FACTORY = "model.factory"
"""The one setting that names code."""

_OWN_SPLITS = ("resampled", "kfold", "cross-validation")
"""What `data.split` may be for seeds that do not share their split."""

_MOST_ARMS, _MOST_RUNS, _MOST_CONTRASTS = 10_000, 1_000_000, 100_000

Report = Callable[[str], None]


def check_together(
    source: Source, overrides: Mapping[str, Any], allow_code: bool, report: Report
) -> list[Factor]:
    """Report every problem of settings that do not go together, and return the factors."""
    factors = _check_factors(source, report)
    _check_size(source, factors, report)
    _check_overrides(overrides, factors, report)
    _check_judgement(source, factors, report)
    _check_split(source, report)
    _check_tuning(source, factors, report)
    if not allow_code:
        _check_code(source, factors, report)
    return factors


def _check_factors(source: Source, report: Report) -> list[Factor]:
    """Read every factor, and try each of its levels on the controls by itself."""
    written = source.values.get("factors")
    if not isinstance(written, dict):
        return []
    settings = known_paths(Config)
    factors: list[Factor] = []
    owner: dict[str, str] = {}
    for key, levels in written.items():
        place = source.where(("factors", key))
        is_setting = _is_setting(key, settings)
        if not is_setting and (("." in key and " " not in key) or isinstance(levels, list)):
            hint = nearest(key, settings)
            report(f"factors.{key}: there is no such setting{hint}{place}")
            continue
        try:
            factor = read_factor(key, levels, is_setting)
        except ValueError as error:
            report(f"factors.{key} {error}{place}")
            continue
        factors.append(factor)
        for index, level in enumerate(factor.levels):
            at: KeyPath = ("factors", key, index if isinstance(levels, list) else level.label)
            for path, value in level.settings.items():
                if not _is_setting(path, settings):
                    hint = nearest(path, settings)
                    report(
                        f"factors.{key}.{level.label}: there is no setting {path}{hint}"
                        f"{source.where((*at, path))}"
                    )
                    continue
                if path.startswith("data.") and path not in _OF_AN_ARM:
                    report(
                        f"factors.{key}: {path} cannot be a factor, because all arms of a block "
                        f"share their rows{place}"
                    )
                    continue
                if owner.setdefault(path, key) != key:
                    report(f"factors.{key} sets {path}, as {owner[path]} does already{place}")
                for one in _trial_problems(source, path, value):
                    report(f"factors: {sentence(one, settings, source, (*at, path))}")
    labels = [factor.label for factor in factors]
    return [Factor(f.key, f.key, f.levels) if labels.count(f.label) > 1 else f for f in factors]


def _check_size(source: Source, factors: Sequence[Factor], report: Report) -> None:
    """Check that the study is none whose runs could not even be listed."""
    arms = math.prod(len(factor.levels) for factor in factors)
    if arms > _MOST_ARMS:
        place = source.where(("factors",))
        report(f"factors make {show(arms)} arms; at most {_MOST_ARMS:,} are allowed{place}")
    values, tune = source.values, source.values.get("tune")
    seeds = (
        values.get("max_seeds", 30) if values.get("seeds") == "auto" else values.get("seeds", 10)
    )
    runs = {"seeds": arms * _whole(seeds)}
    if isinstance(tune, dict):
        runs["tune"] = arms * _whole(tune.get("budget", 16)) * _whole(tune.get("seeds", 3))
    for name, count in runs.items():
        if count > _MOST_RUNS >= count // arms:
            report(
                f"{name}: {show(arms)} arms make {show(count)} runs; at most {_MOST_RUNS:,} are "
                f"allowed{source.where((name,))}"
            )
    baselines = values.get("baseline")
    pairs = arms * (arms - 1) // 2 if values.get("contrasts") == "pairs" else arms
    contrasts = pairs * (len(baselines) if isinstance(baselines, list) else 1)
    if contrasts > _MOST_CONTRASTS:
        report(
            f"{show(arms)} arms make {show(contrasts)} contrasts; at most {_MOST_CONTRASTS:,} are "
            f"allowed{source.where(('contrasts',))}"
        )


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 1


def _is_setting(path: str, settings: Sequence[str]) -> bool:
    return path in settings or path.startswith("model.arguments.")


def _config_problems(values: dict[str, Any]) -> dict[KeyPath, Any]:
    try:
        Config.model_validate(values)
    except ValidationError as error:
        return {one["loc"]: one for one in plainest(error, values)}
    return {}


def _trial_problems(source: Source, path: str, value: Any) -> list[Any]:
    """Return what becomes wrong with the controls where one setting has another value."""
    base = {key: source.values[key] for key in Config.model_fields if key in source.values}
    already = _config_problems(base)
    trial = copy.deepcopy(base)
    put(trial, path, value)
    return [
        one
        for loc, one in _config_problems(trial).items()
        if loc not in already or ".".join(map(str, loc)).startswith(path)
    ]


def _check_overrides(
    overrides: Mapping[str, Any], factors: Sequence[Factor], report: Report
) -> None:
    """Refuse an override that every level of a factor would replace again."""
    for path in overrides:
        for factor in factors:
            if all(path in level.settings for level in factor.levels):
                report(
                    f"{path} is what the factor {factor.key} sets: override factors.{factor.key}"
                )


def _check_judgement(source: Source, factors: Sequence[Factor], report: Report) -> None:
    """Check that the outcome exists and that every baseline names factors and levels there are."""
    outcome = source.values.get("outcome")
    if isinstance(outcome, str) and outcome not in OUTCOMES:
        hint = nearest(outcome, list(OUTCOMES)) or f"; known are {', '.join(OUTCOMES)}"
        report(f"outcome {outcome} is not known{hint}{source.where(('outcome',))}")
    also = source.values.get("also")
    for name in also if isinstance(also, dict) else ():
        place = source.where(("also", name))
        if name == outcome:
            report(f"also: {name} is the outcome of the study already{place}")
        elif name not in OUTCOMES:
            hint = nearest(str(name), list(OUTCOMES)) or f"; known are {', '.join(OUTCOMES)}"
            report(f"also: {name} is not known{hint}{place}")
    if source.values.get("contrasts") == "steps" and len(factors) != 1:
        report(
            f"contrasts: steps needs exactly one factor, whose levels are steps (got "
            f"{len(factors)}){source.where(('contrasts',))}"
        )
    _check_seeds_and_looks(source.values, factors, source, report)
    given = source.values.get("baseline")
    complete = isinstance(source.values.get("factors", {}), dict) and len(factors) == len(
        source.values.get("factors", {})
    )
    for one in given if isinstance(given, list) else [given]:
        if not isinstance(one, dict) or not complete:
            continue
        for key, level in one.items():
            place = source.where(("baseline", key))
            factor = _factor_named(factors, str(key))
            if factor is None:
                names = [f.key for f in factors] + [f.label for f in factors]
                report(f"baseline: there is no factor {key}{nearest(str(key), names)}{place}")
            elif factor.level(level_label(level)) is None:
                labels = [lv.label for lv in factor.levels]
                report(
                    f"baseline: {key} has no level {show(level)} (its levels are "
                    f"{', '.join(labels)}){place}"
                )


def _check_seeds_and_looks(
    values: Mapping[str, Any],
    factors: Sequence[Factor],
    source: Source,
    report: Report,
) -> None:
    seeds, extends = values.get("seeds", 10), values.get("extends", [])
    if seeds == "auto" and not values.get("factors"):
        report(
            "seeds: auto needs factors: it stops when every contrast is decided, and one arm has "
            f"none{source.where(('seeds',))}"
        )
    if seeds != "auto" and "max_seeds" in values:
        report(f"max_seeds needs seeds: auto{source.where(('max_seeds',))}")
    if not extends or not isinstance(extends, list):
        return
    place = source.where(("extends",))
    if seeds == "auto":
        report(f"extends does not go with seeds: auto, whose looks are planned{place}")
    elif all(type(n) is int for n in (*extends, seeds)) and (
        [*extends, seeds] != sorted({*extends, seeds})
    ):
        report(f"extends must be increasing numbers below seeds (got {show(extends)}){place}")


def _check_split(source: Source, report: Report) -> None:
    """Check what goes with folds, and that a study with splits of its own is judged once."""
    values, data = source.values, source.values.get("data")
    if not isinstance(data, dict):
        return
    split = data.get("split", "fixed")
    if "folds" in data and split in ("fixed", "resampled"):
        place = source.where(("data", "folds"))
        report(f"data.folds needs data.split kfold or cross-validation (got {split}){place}")
    if split == "cross-validation" and data.get("validation"):
        report(
            "data.validation does not go with data.split cross-validation, whose folds are the "
            f"validation rows{source.where(('data', 'validation'))}"
        )
    looks = {"seeds": values.get("seeds") == "auto", "extends": bool(values.get("extends"))}
    for key, asked in looks.items():
        if asked and split in _OWN_SPLITS:
            report(
                f"{'seeds: auto' if key == 'seeds' else key} needs data.split fixed (got {split}): "
                f"splits share rows, and no levels are known for several looks at such seeds"
                f"{source.where((key,))}"
            )


def _check_tuning(source: Source, factors: Sequence[Factor], report: Report) -> None:
    """Check that there are rows to choose on, and that what is tuned can be, by every value."""
    tune = source.values.get("tune")
    if not isinstance(tune, dict):
        return
    data = source.values.get("data", {})
    split = data.get("split", "fixed") if isinstance(data, dict) else "fixed"
    if split == "cross-validation":
        report(
            "tune does not go with data.split cross-validation, which chooses among the arms "
            f"itself: make what is tuned a factor{source.where(('tune',))}"
        )
        return
    if isinstance(data, dict) and not data.get("validation"):
        place = source.where(("data", "validation") if "validation" in data else ("tune",))
        report(
            "tune needs data.validation above 0: rows to choose on that are neither trained on "
            f"nor tested, 0.2 say{place}"
        )
    if split in ("resampled", "kfold"):
        report(
            f"tune needs data.split fixed (got {split}): else the rows that it chooses by "
            f"are test rows of other seeds{source.where(('data', 'split'))}"
        )
    judged = source.values.get("outcome")
    if isinstance(judged, str) and judged.startswith("validation_"):
        report(
            f"outcome {judged} is measured on the rows that tune chooses by: use "
            f"{judged.replace('validation', 'test', 1)}{source.where(('outcome',))}"
        )
    outcome = tune.get("outcome")
    choosing = [name for name in OUTCOMES if name.startswith("validation_")]
    if isinstance(outcome, str) and outcome not in choosing:
        report(
            "tune.outcome must be measured on validation rows, as validation_accuracy is "
            f"(got {outcome}){source.where(('tune', 'outcome'))}"
        )
    parameters = tune.get("parameters")
    settings = known_paths(Config)
    for path, values in parameters.items() if isinstance(parameters, dict) else ():
        at: KeyPath = ("tune", "parameters", path)
        name, place = f"tune.parameters.{path}", source.where(at)
        owner = next((f for f in factors for level in f.levels if path in level.settings), None)
        if not _is_setting(path, settings):
            report(f"{name}: there is no such setting{nearest(path, settings)}{place}")
        elif path.startswith("data.") and path != "data.scaling":
            report(f"{name} cannot be tuned, because all arms of a block share their rows{place}")
        elif owner is not None:
            report(
                f"{name} is what the factor {owner.key} sets: leave it out here, or there{place}"
            )
        else:
            for value in _tried(values):
                for one in _trial_problems(source, path, value):
                    if one["type"] in ("int_type", "int_from_float") and isinstance(values, dict):
                        report(f"{name} takes whole numbers: add whole: true{place}")
                    else:
                        report(f"tune: {sentence(one, settings, source, at)}")


def _check_code(source: Source, factors: Sequence[Factor], report: Report) -> None:
    """Refuse code that the file names, and that no override does."""
    values = source.values
    named: list[tuple[KeyPath, Any]] = []
    if isinstance(model := values.get("model"), dict):
        named.append((("model", "factory"), model.get("factory")))
    for factor in factors:
        in_list = isinstance(values["factors"][factor.key], list)
        for index, level in enumerate(factor.levels):
            place: KeyPath = ("factors", factor.key, index if in_list else level.label)
            deeper = (_FACTORY,) if factor.key != _FACTORY else ()
            named.append(((*place, *deeper), level.settings.get(_FACTORY)))
    tune = values.get("tune")
    parameters = tune.get("parameters") if isinstance(tune, dict) else None
    tuned = parameters.get(_FACTORY) if isinstance(parameters, dict) else None
    for index, value in enumerate(tuned if isinstance(tuned, list) else ()):
        named.append((("tune", "parameters", _FACTORY, index), value))
    for path, value in named:
        if not isinstance(value, str) or value.startswith(HERE):  # which nothing imports
            continue
        if not source.is_overridden(path):
            report(
                f"{dotted(path)}: {show(value)} would be imported, and its code runs with all your "
                f"rights: read it, then give --allow-code (in Python allow_code=True), or name it "
                f"yourself with --set{source.where(path)}"
            )


def _tried(values: Any) -> Sequence[Any]:
    """Return the values of a parameter that are tried on the controls: the ends of a range."""
    if not isinstance(values, dict):
        return values if isinstance(values, list) else ()
    try:
        return Range.model_validate(values).ends
    except ValidationError:
        return ()


def _factor_named(factors: Sequence[Factor], name: str) -> Factor | None:
    return next((f for f in factors if name in (f.key, f.label)), None)

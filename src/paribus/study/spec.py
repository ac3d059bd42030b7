"""A study's specification: the question, the controls, the factors, and how it is judged.

Read from YAML, from a built-in study or from Python values; validated whole, so that every
problem is reported at once.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError

from paribus.errors import SpecError, nearest
from paribus.files import kind_of
from paribus.models.given import HERE, Given
from paribus.stats.sequential import looks
from paribus.study.candidates import Range, Tune
from paribus.study.config import Config, Number, Text, Whole
from paribus.study.factors import Factor, level_label, read_factor
from paribus.study.outcomes import OUTCOMES
from paribus.study.problems import dotted, known_paths, sentence, show
from paribus.study.source import KeyPath, Source, parse, plain, put, read

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

_MOST_PROBLEMS = 100

MOST_ARMS, MOST_RUNS, MOST_CONTRASTS = 10_000, 1_000_000, 100_000

Baseline = Annotated[dict[str, Any], Field(min_length=1)]
ConfoundName = Literal[
    "several-settings",
    "unequal-steps",
    "unequal-parameters",
    "unequal-test-rows",
    "one-learning-rate",
    "training-outcome",
    "test-set-chooses",
    "training-mode-testing",
    "double-softmax",
    "no-shuffling",
]
"""What a study may be warned of, and may accept (see study/confounds.py)."""


def _check_seeds(value: Any) -> Any:
    if value == "auto":
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number, or auto")
    if value < 1:
        raise ValueError("must be at least 1")
    if value > 100_000:
        raise ValueError("must be at most 100000")
    return value


class Spec(Config):
    """A whole study; the sections data, model, train and evaluate are its controls."""

    name: Text = Field("study", max_length=100, pattern=r"^\w[\w .+-]*$")
    question: Text = Field(min_length=1, description="what the study answers")
    reference: Text | None = Field(None, description="where the question comes from")
    reason: Text | None = Field(
        None, min_length=1, description="why the answer is as it is, in general: no measured number"
    )
    asks: list[Annotated[Text, Field(min_length=1)]] = Field(
        [], description="other wordings of the question, by which `paribus ask` finds the study"
    )
    factors: dict[str, list[Any] | dict[str, Any]] = Field(
        {}, description="what the arms differ in: dotted path -> levels, or name -> named levels"
    )
    seeds: Annotated[int | Literal["auto"], BeforeValidator(_check_seeds)] = Field(
        10,
        description="blocks: one run per arm and seed; auto trains more of them, look by look, "
        "until every contrast is decided",
    )
    max_seeds: Whole = Field(30, ge=7, le=2000, description="with `seeds: auto`, the most")
    extends: list[Annotated[Whole, Field(ge=1, le=100_000)]] = Field(
        [], description="fewer seeds, after which the study was judged before: see run --more"
    )
    seed: Whole = Field(0, ge=0, description="the root of all random numbers")
    outcome: Text | None = Field(None, description="by default test_accuracy or test_rmse")
    margin: Number | None = Field(None, gt=0, description="the smallest difference that matters")
    reach: Number | None = Field(
        None, description="a value of the outcome: the epochs until it is reached are told"
    )
    baseline: Baseline | list[Baseline] | None = Field(
        None,
        description="levels that others are compared with, at equal levels of all other factors; "
        "by default the first level of every factor",
    )
    also: dict[str, Annotated[Number, Field(gt=0)]] = Field(
        {},
        description="other outcomes that the same runs are judged by, each with its margin; each "
        "is a family of tests of its own",
    )
    contrasts: Literal["baseline", "pairs", "steps"] = Field(
        "baseline",
        description="compare arms with their baseline; or all pairs; or each level of one factor "
        "with the one before it, and the last with the first",
    )
    defaults: Literal["project", "framework"] = Field(
        "project",
        description="of what the study does not say: Paribus' own, the same for every engine, or "
        "those that users of each framework get (initial weights, epsilon, batch size, scaling)",
    )
    tune: Tune | None = Field(None, description="settings that are chosen for each arm by itself")
    accept: list[ConfoundName] = Field([], description="confounds that are meant, by their names")
    presets: dict[str, dict[str, Any]] = Field(
        {}, description="settings for particular data sets: name -> {dotted path: value}"
    )

    _factors: tuple[Factor, ...] = PrivateAttr(())
    _source: Source = PrivateAttr(default_factory=lambda: Source({}, "Study(...)"))
    _given: Mapping[str, Given] = PrivateAttr(default_factory=dict)

    @property
    def arms_differ_in(self) -> tuple[Factor, ...]:
        """The factors, read and checked."""
        return self._factors

    @property
    def given(self) -> Mapping[str, Given]:
        """The networks that were given in Python and that no import finds, by `model.factory`."""
        return self._given

    @property
    def blocks(self) -> int:
        """The number of seeds, the most where it is open."""
        return self.max_seeds if self.seeds == "auto" else self.seeds

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds after which the study is judged, the last being all of them."""
        return looks(self.max_seeds) if self.seeds == "auto" else (*self.extends, self.blocks)

    @property
    def baselines(self) -> list[dict[str, str]]:
        """Each baseline as factor key -> level label."""
        if self.baseline is None:
            return [{f.key: f.levels[0].label for f in self._factors}] if self._factors else []
        given = [self.baseline] if isinstance(self.baseline, dict) else self.baseline
        named = {name: f.key for f in self._factors for name in (f.label, f.key)}
        return [{named[key]: level_label(level) for key, level in one.items()} for one in given]

    def settings(self) -> dict[str, Any]:
        """Return the controls as nested plain values, without the levels of any arm."""
        return {name: getattr(self, name).model_dump(mode="json") for name in Config.model_fields}

    def says(self, path: str) -> bool:
        """Return whether a control was written in the study, or is there by default."""
        section, _, name = path.partition(".")
        written = self._source.values.get(section)
        return isinstance(written, Mapping) and written.get(name) is not None

    def to_yaml(self) -> str:
        """Return the specification as written, with presets and overrides applied."""
        written = {k: v for k, v in self._source.values.items() if k != "presets"}
        return yaml.safe_dump(plain(written), sort_keys=False, allow_unicode=True, width=90)

    def where(self, *path: str | int) -> str:
        """Return where a setting was written: ' in study.yaml, line 7'."""
        return self._source.where(path)

    def with_factor(self, factor: Factor, **changes: Any) -> Spec:
        """Return the study with one more factor, its last, and other settings, unchecked."""
        changed = self.model_copy(update=changes)
        changed._factors = (*self._factors, factor)
        return changed


_BUILT_IN = resources.files("paribus") / "studies"


def builtin_names() -> list[str]:
    """Return the names of the built-in studies."""
    return _names_in(_BUILT_IN)


def as_written_names() -> list[str]:
    """Return the names of the studies that run the reference notebooks as they were written."""
    return _names_in(_BUILT_IN / "as_written")


def _names_in(folder: Traversable) -> list[str]:
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name[-5:] == ".yaml")


def load(
    study: str, overrides: Mapping[str, Any] | None = None, *, allow_code: bool = False
) -> Spec:
    """Return the specification of a built-in study by its name, or of a YAML file by its path.

    `overrides` maps dotted paths to values that replace what is written. A network of the user's
    own that the file names, and no override, takes `allow_code`: to lay it out runs its code.
    Raises SpecError with every problem found.
    """
    builtin, as_written = builtin_names(), as_written_names()
    if study in (*builtin, *as_written):
        folder = _BUILT_IN if study in builtin else _BUILT_IN / "as_written"
        source = parse((folder / f"{study}.yaml").read_text("utf-8"), f"the built-in study {study}")
        source.values.setdefault("name", study)
    elif Path(study).suffix in (".yaml", ".yml") or kind_of(Path(study)) == "file":
        source = read(Path(study))
        source.values.setdefault(
            "name", re.sub(r"^[^\w]+|[^\w .+-]", "", Path(study).stem) or "study"
        )
    else:
        raise SpecError(
            f"{study} is neither a built-in study nor a file"
            f"{nearest(study, [*builtin, *as_written])}; "
            f"built-in are {', '.join(builtin)}"
        )
    return validate(source, overrides, allow_code)


def from_values(
    values: Mapping[str, Any],
    origin: str = "Study(...)",
    given: Mapping[str, Given] = MappingProxyType({}),
) -> Spec:
    """Return the specification made of plain Python values; SpecError with every problem.

    `given` holds the networks by the names that the values have for them: see `models.given.named`.
    """
    made_plain = plain(values)
    if not isinstance(made_plain, dict):
        raise SpecError(f"{origin} must hold settings by name (got {type(values).__name__})")
    spec = validate(Source(made_plain, origin), allow_code=True)  # their caller is a program
    spec._given = dict(given)
    return spec


def validate(
    source: Source, overrides: Mapping[str, Any] | None = None, allow_code: bool = False
) -> Spec:
    """Check a specification whole and return it; SpecError holds every problem, in their order.

    See `load` on `allow_code`.
    """
    source.values = copy.deepcopy(source.values)
    overrides = dict(overrides or {})
    _write_out(source.values)
    overrides = {path: plain(value) for path, value in overrides.items()}
    if isinstance(overrides.get("data"), str):
        overrides["data.source"] = overrides.pop("data")
    if overrides.get("seeds", "auto") != "auto":
        source.values.pop("max_seeds", None)  # of an open number of seeds
    problems: list[tuple[int, str]] = []  # line, text
    _apply_preset(source, overrides)
    for path, value in overrides.items():
        source.set(path, value)
    _write_out(source.values)
    known = [*known_paths(Spec), *known_paths(Tune, "tune."), *Config.model_fields]

    def report(text: str) -> None:
        line = text.rpartition(", line ")[2]
        problems.append((int(line) if line.isdigit() else 0, text))
        if len(problems) == _MOST_PROBLEMS:
            raise _Enough

    spec: Spec | None = None
    with suppress(_Enough):
        try:
            spec = Spec.model_validate(source.values)
        except ValidationError as error:
            for one in _plainest(error, source.values):
                report(sentence(one, known, source))
        factors = _check_factors(source, report)
        _check_size(source, factors, report)
        _check_overrides(overrides, factors, report)
        _check_judgement(source, factors, report)
        _check_split(source, report)
        _check_tuning(source, factors, report)
        if not allow_code:
            _check_code(source, factors, report)
    if problems or spec is None:
        in_order = sorted(problems, key=lambda problem: problem[0])
        raise SpecError(list(dict.fromkeys(text for _, text in in_order)))
    spec._factors = tuple(factors)
    spec._source = source
    return spec


class _Enough(Exception):
    """More problems are found than anybody reads; to look for the right spelling takes time."""


def _write_out(values: dict[str, Any]) -> None:
    """Write sections that are given by a name alone as sections."""
    if isinstance(data := values.get("data"), str):
        values["data"] = {"source": data}
    if isinstance(model := values.get("model"), str):
        own = {"kind": "module", "factory": model}
        values["model"] = own if ":" in model else {"kind": model}


def _apply_preset(source: Source, overrides: Mapping[str, Any]) -> None:
    data = source.values.get("data")
    name = overrides.get("data.source", data.get("source") if isinstance(data, dict) else None)
    presets = source.values.get("presets")
    preset = presets.get(name) if isinstance(presets, dict) and isinstance(name, str) else None
    for path, value in preset.items() if isinstance(preset, dict) else ():
        put(source.values, str(path), value)
        source.lines[tuple(str(path).split("."))] = source.lines.get(("presets", name, path), 0)


def _plainest(error: ValidationError, values: Any) -> list[Any]:
    """Return pydantic's findings in values without the branches of a union that nobody meant."""
    found: dict[KeyPath, Any] = {}
    for one in error.errors(include_url=False):
        loc = _written(one["loc"], values)
        one["loc"] = loc
        found.setdefault(loc, one)
    return list(found.values())


def _written(path: KeyPath, values: Any) -> KeyPath:
    """Return a path without pydantic's own parts, which have brackets; keys may have them too."""
    found: list[str | int] = []
    for part in path:
        is_key = isinstance(values, Mapping) and part in values
        if isinstance(part, str) and "[" in part and not is_key:
            continue
        found.append(part)
        is_index = isinstance(values, list) and isinstance(part, int) and part < len(values)
        values = values[part] if is_key or is_index else None
    return tuple(found)


def _check_factors(source: Source, report: Callable[[str], None]) -> list[Factor]:
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


def _check_size(source: Source, factors: Sequence[Factor], report: Callable[[str], None]) -> None:
    """Check that the study is none whose runs could not even be listed."""
    arms = math.prod(len(factor.levels) for factor in factors)
    if arms > MOST_ARMS:
        place = source.where(("factors",))
        report(f"factors make {show(arms)} arms; at most {MOST_ARMS:,} are allowed{place}")
    values, tune = source.values, source.values.get("tune")
    seeds = (
        values.get("max_seeds", 30) if values.get("seeds") == "auto" else values.get("seeds", 10)
    )
    runs = {"seeds": arms * _whole(seeds)}
    if isinstance(tune, dict):
        runs["tune"] = arms * _whole(tune.get("budget", 16)) * _whole(tune.get("seeds", 3))
    for name, count in runs.items():
        if count > MOST_RUNS >= count // arms:
            report(
                f"{name}: {show(arms)} arms make {show(count)} runs; at most {MOST_RUNS:,} are "
                f"allowed{source.where((name,))}"
            )
    baselines = values.get("baseline")
    pairs = arms * (arms - 1) // 2 if values.get("contrasts") == "pairs" else arms
    contrasts = pairs * (len(baselines) if isinstance(baselines, list) else 1)
    if contrasts > MOST_CONTRASTS:
        report(
            f"{show(arms)} arms make {show(contrasts)} contrasts; at most {MOST_CONTRASTS:,} are "
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
        return {one["loc"]: one for one in _plainest(error, values)}
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
    overrides: Mapping[str, Any], factors: Sequence[Factor], report: Callable[[str], None]
) -> None:
    """Refuse an override that every level of a factor would replace again."""
    for path in overrides:
        for factor in factors:
            if all(path in level.settings for level in factor.levels):
                report(
                    f"{path} is what the factor {factor.key} sets: override factors.{factor.key}"
                )


def _check_judgement(
    source: Source, factors: Sequence[Factor], report: Callable[[str], None]
) -> None:
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
    report: Callable[[str], None],
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


def _check_split(source: Source, report: Callable[[str], None]) -> None:
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


def _check_tuning(source: Source, factors: Sequence[Factor], report: Callable[[str], None]) -> None:
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


def _check_code(source: Source, factors: Sequence[Factor], report: Callable[[str], None]) -> None:
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


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of study files; a name may stand for the data or model section."""
    schema = Spec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Paribus study"
    for section in ("data", "model"):
        whole = schema["properties"][section]
        schema["properties"][section] = {"anyOf": [{"type": "string"}, whole]}
    return schema

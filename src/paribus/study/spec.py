"""A study's specification: the question, the controls, the factors, and how it is judged.

Read from YAML, from a built-in study or from Python values; validated whole, so that every
problem is reported at once.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
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
from paribus.models.given import Given
from paribus.stats.sequential import looks
from paribus.study.candidates import Tune
from paribus.study.checks import check_together
from paribus.study.config import Config, Number, Text, Whole
from paribus.study.factors import Factor, level_label
from paribus.study.problems import known_paths, plainest, sentence
from paribus.study.source import Source, parse, plain, put, read

_MOST_PROBLEMS = 100

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
            for one in plainest(error, source.values):
                report(sentence(one, known, source))
        factors = check_together(source, overrides, allow_code, report)
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


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of study files; a name may stand for the data or model section."""
    schema = Spec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Paribus study"
    for section in ("data", "model"):
        whole = schema["properties"][section]
        schema["properties"][section] = {"anyOf": [{"type": "string"}, whole]}
    return schema

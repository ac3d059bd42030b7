"""Where a study's specification comes from: YAML text that remembers its line numbers."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from paribus.errors import SpecError

KeyPath = tuple[str | int, ...]

_LONGEST = 250_000  # characters of a specification; those that come with Paribus have some thousand
_DEEPEST = 50  # sections in each other
_MOST_VALUES = 10_000
_MOST_BITS = 1024  # of a whole number


@dataclass
class Source:
    """A specification as it was written: plain values, and the line of each path.

    `values` is what the text says; `lines` maps a path of keys to its line, counted from 1;
    `origin` names the place in messages ("study.yaml", "Study(...)").
    """

    values: dict[str, Any]
    origin: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    overrides: set[KeyPath] = field(default_factory=set)

    def where(self, path: KeyPath) -> str:
        """Return ' in study.yaml, line 7' for a path or its nearest parent that has a line."""
        if any(given[: len(path)] == path for given in self.overrides):
            return " in an override"
        for end in range(len(path), 0, -1):
            if path[:end] in self.overrides:
                return " in an override"
            if path[:end] in self.lines:
                return f" in {self.origin}, line {self.lines[path[:end]]}"
        return f" in {self.origin}"

    def is_overridden(self, path: KeyPath) -> bool:
        """Return whether all that stands at a path was given in an override."""
        return any(path[:end] in self.overrides for end in range(1, len(path) + 1))

    def set(self, dotted: str, value: Any) -> None:
        """Replace the value at a dotted path, making the sections on the way."""
        put(self.values, dotted, value)
        head, _, rest = dotted.partition(".")
        named = head == "factors" and rest  # whose names are dotted paths themselves
        self.overrides.add((head, rest) if named else tuple(dotted.split(".")))


def put(values: dict[str, Any], dotted: str, value: Any) -> None:
    """Set `values` at a dotted path; a data set named by a plain word becomes a section."""
    *sections, last = dotted.split(".")
    if sections[:1] == ["factors"]:  # the names of factors are dotted paths themselves
        sections, last = ["factors"], dotted.removeprefix("factors.")
    for name in sections:
        inner = values.get(name)
        if name == "data" and isinstance(inner, str):
            inner = {"source": inner}
        values[name] = dict(inner) if isinstance(inner, Mapping) else {}
        values = values[name]
    values[last] = value


def plain(value: Any) -> Any:
    """Return a value made of what YAML can say: names as text, tuples and arrays as lists.

    Raises SpecError, with the place, for what YAML cannot say, for what is nested too deeply, as
    what holds itself is, and for more values than a study has.
    """
    return _plain(value, (), itertools.count())


def _plain(value: Any, at: KeyPath, counted: Iterator[int]) -> Any:
    if len(at) > _DEEPEST:
        raise SpecError(f"{_place(at[:3])} is nested too deeply, or holds itself")
    if next(counted) > _MOST_VALUES or math.prod(getattr(value, "shape", ())) > _MOST_VALUES:
        raise SpecError(f"{_place(at[:3])} has more than {_MOST_VALUES:,} values")
    if isinstance(value, Enum):
        return _plain(value.value, at, counted)
    if hasattr(value, "tolist"):
        return _plain(value.tolist(), at, counted)
    if isinstance(value, Mapping):
        named = ((_key(key), inner) for key, inner in value.items())
        return {key: _plain(inner, (*at, key), counted) for key, inner in named}
    if isinstance(value, list | tuple):
        return [_plain(inner, (*at, index), counted) for index, inner in enumerate(value)]
    if isinstance(value, str | Path):
        return str(value).encode("utf-8", "replace").decode()
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise SpecError(f"{_place(at)} is a number of more than 300 digits")
    if value is None or isinstance(value, bool | int | float):
        return value
    raise SpecError(
        f"{_place(at)} is a {type(value).__module__}.{type(value).__qualname__}; allowed are "
        "texts, numbers, true and false, lists, and sections of them"
    )


def _place(path: KeyPath) -> str:
    return ".".join(map(str, path)) or "the study"


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "yes" if key else "no"
    if isinstance(key, int) and key.bit_length() > _MOST_BITS:
        raise SpecError("a name is a number of more than 300 digits")
    return str(key).encode("utf-8", "replace").decode()


class _Loader(yaml.SafeLoader):
    """Safe YAML by the rules of YAML 1.2: `no` is a word, `1e-3` a number, no key twice.

    It makes texts, numbers, true, false, nothing, lists and mappings; other tags are refused.
    """


_REPLACED = (":bool", ":int", ":float", ":timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if not tag.endswith(_REPLACED)]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^(?:0|[-+]?[1-9][0-9]{0,18})$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)


_MADE = ("null", "bool", "int", "float", "str", "seq", "map")
_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag in {f"tag:yaml.org,2002:{name}" for name in _MADE}
}


# What PyYAML raises at text that it cannot build values of; its own errors are the smaller part.
_UNREADABLE = (
    yaml.YAMLError,
    RecursionError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
)


def parse_value(text: str) -> Any:
    """Return the value that a piece of YAML stands for, as `--set KEY=VALUE` takes it."""
    try:
        return plain(_built(text, {}, []))
    except _UNREADABLE as error:
        raise SpecError(f"{text!r} is not a value: {_reason(error)}") from error


def parse(text: str, origin: str) -> Source:
    """Read a specification from YAML text; SpecError with the line where it is broken."""
    lines: dict[KeyPath, int] = {}
    repeated: list[str] = []
    try:
        values = _built(text, lines, repeated)
    except _UNREADABLE as error:
        raise SpecError(f"{origin} is not valid YAML: {_reason(error)}") from error
    if repeated:
        raise SpecError([problem.format(origin=origin) for problem in repeated])
    if not isinstance(values, dict):
        raise SpecError(
            f"{origin} must hold settings such as 'question:' and 'factors:' "
            f"(got {'nothing' if values is None else type(values).__name__})"
        )
    return Source(plain(values), origin, lines)


def read(path: Path) -> Source:
    """Read a specification file; SpecError where it is missing or cannot be read as text."""
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST + 1).decode("utf-8")
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is not a text file (UTF-8): {error.reason}") from error
    return parse(text, str(path))


def _built(text: str, lines: dict[KeyPath, int], repeated: list[str]) -> Any:
    """Return the values of YAML text, after a look at their number and at what is given twice."""
    if len(text) > _LONGEST:
        raise yaml.YAMLError(f"it has more than {_LONGEST:,} characters")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _note_lines(node, (), lines, repeated)
        return None if repeated else loader.construct_document(node)
    finally:
        loader.dispose()


def _note_lines(
    node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], repeated: list[str]
) -> None:
    # Aliases can blow a short text up without bound: stop before the values are built.
    if len(path) > _DEEPEST or len(lines) > _MOST_VALUES:
        raise yaml.YAMLError(
            f"it is nested more than {_DEEPEST} deep, or has more than {_MOST_VALUES:,} values"
        )
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            inner = (*path, str(key.value))
            line = key.start_mark.line + 1
            if key.value in seen:
                name = ".".join(map(str, inner)).replace("{", "{{").replace("}", "}}")
                repeated.append(f"{name} is given twice in {{origin}}, line {line}")
            seen.add(key.value)
            lines[inner] = line
            _note_lines(value, inner, lines, repeated)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*path, index)] = value.start_mark.line + 1
            _note_lines(value, (*path, index), lines, repeated)


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return f"it is nested more than {_DEEPEST} deep"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem or error.context}, line {error.problem_mark.line + 1}"
    return " ".join(str(error).split()) or type(error).__name__

"""Turn what pydantic finds wrong into sentences: what, got, allowed, nearest, where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from paribus.errors import nearest
from paribus.study.source import KeyPath, Source

_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a section of settings",
    "model_type": "a section of settings",
    "model_attributes_type": "a section of settings",
}
_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as people write it: train.epochs, model.conv[0].kernel."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def known_paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return the dotted paths of all single settings of a model, sections walked through."""
    paths: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            paths += known_paths(kind, f"{prefix}{name}.")
        else:
            paths.append(prefix + name)
    return paths


def plainest(error: ValidationError, values: Any) -> list[Any]:
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


def sentence(error: ErrorDetails, known: Sequence[str], source: Source, at: KeyPath = ()) -> str:
    """Return one problem as a sentence; `at` is the place to mend where it is not the path."""
    path: KeyPath = tuple(error["loc"])
    name, got = dotted(path), show(error["input"])
    kind, context = error["type"], error.get("ctx", {})
    place = source.where(at or path)
    if kind == "extra_forbidden":
        return f"{name} is not a known setting{_nearest_setting(path, known)}{place}"
    if kind == "missing":
        return f"{name} is missing{place}"
    if kind == "literal_error":
        allowed = str(context["expected"]).replace("'", "")
        words = allowed.replace(" or ", ", ").split(", ")
        hint = nearest(got, words)
        return f"{name} must be one of {allowed} (got {got}{_inside(hint)}){place}"
    if kind in _LIMITS:
        words_, key = _LIMITS[kind]
        return f"{name} must be {words_} {context[key]:g} (got {got}){place}"
    if kind in _KINDS:
        return f"{name} must be {_KINDS[kind]} (got {got}){place}"
    if kind == "string_pattern_mismatch":
        return f"{name} must be made of letters, digits, spaces and _ . + - (got {got}){place}"
    text = error["msg"].removeprefix("Value error, ")
    return f"{name} {text} (got {got}){place}" if name else f"{text}{place}"


def show(value: Any) -> str:
    """Return a value as it would be written in YAML, shortened."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif value is None:
        text = "nothing"
    elif isinstance(value, float):
        text = f"{value:g}"
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{k}: {show(v)}" for k, v in value.items()) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(map(show, value)) + "]"
    elif isinstance(value, int) and abs(value) > 10**50:
        text = "a number of more than 50 digits"
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest_setting(path: KeyPath, known: Sequence[str]) -> str:
    """Look for the spelling among the neighbours first, then for the same word elsewhere."""
    if not path:
        return ""
    name, prefix = dotted(path), dotted(path[:-1])
    neighbours = [k for k in known if k.rpartition(".")[0] == prefix]
    found = nearest(name, neighbours) if neighbours else ""
    if not found:
        elsewhere = [k for k in known if k.rpartition(".")[2] == str(path[-1])]
        found = f" (did you mean {elsewhere[0]}?)" if elsewhere else nearest(name, known)
    return found


def _inside(hint: str) -> str:
    return f"; {hint[2:-1]}" if hint else ""

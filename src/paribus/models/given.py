"""A network that is given in Python: a class, or a function that makes one.

What another process can import goes by its name, as in a study file. What it cannot, because a
notebook or a script defines it, is sent to our own workers as code: it is never stored, and never
read from a file.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType
from typing import Any

from paribus.errors import SpecError
from paribus.models.fingerprint import importable, of_code

HERE = "__main__:"
"""What the name of a factory begins with that no import finds."""


@dataclass(frozen=True)
class Given:
    """A class or function that no import finds, as it was when the study was asked.

    `name` is what the specification calls it, `fingerprint` a hash of its source text and of what
    it uses. `make` is not sent along: the other side makes it from the `code`.
    """

    name: str
    fingerprint: str
    code: bytes = field(repr=False, compare=False)
    make: Callable[..., Any] | None = field(default=None, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[Given], tuple[str, str, bytes]]:
        return Given, (self.name, self.fingerprint, self.code)

    def factory(self) -> Callable[..., Any]:
        """Return the class or function."""
        return self.make or _unpacked(self)


@cache
def _unpacked(given: Given) -> Callable[..., Any]:
    made: Callable[..., Any] = pickle.loads(given.code)
    return made


def named(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Given]]:
    """Return the settings of a study with every network by its name, and those to be sent along.

    A class or function may be the `model` itself, its `factory`, or what a factor sets
    `model.factory` to. Raises SpecError for a network that is made already, and where there is no
    source text.
    """
    made, given = dict(settings), dict[str, Given]()
    model = made.get("model")
    if callable(model):
        made["model"] = {"kind": "module", "factory": _name(model, "model", given)}
    elif isinstance(model, Mapping) and callable(model.get("factory")):
        factory = _name(model["factory"], "model.factory", given)
        made["model"] = {"kind": "module", **model, "factory": factory}
    if isinstance(factors := made.get("factors"), Mapping):
        made["factors"] = {key: _levels(key, levels, given) for key, levels in factors.items()}
        if made["factors"].keys() & {"model.factory"}:
            made.setdefault("model", {"kind": "module"})
    return made, given


def _levels(key: Any, levels: Any, given: dict[str, Given]) -> Any:
    """Return the levels of a factor with every network by its name."""

    def level(value: Any) -> Any:
        if key == "model.factory" and callable(value):
            return _name(value, f"factors.{key}", given)
        if isinstance(value, Mapping) and callable(value.get("model.factory")):
            place = f"factors.{key}"
            return {**value, "model.factory": _name(value["model.factory"], place, given)}
        return value

    if isinstance(levels, Mapping):
        return {label: level(value) for label, value in levels.items()}
    given_some = isinstance(levels, list | tuple) and any(map(callable, levels))
    if key != "model.factory" or not given_some:
        return levels
    names = [level(value) for value in levels]
    short = [str(name).rpartition(":")[2] for name in names]
    return dict(zip(short, names, strict=True)) if len({*short}) == len(short) else names


def _name(made: Any, place: str, given: dict[str, Given]) -> str:
    """Return the name of a class or function, putting it into `given` where none finds it."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(made, torch.nn.Module):
        kind = type(made).__name__
        raise SpecError(
            f"{place} must be the class of a network, or a function that makes one (got a {kind} "
            f"that is made already): every seed needs initial weights of its own, so give "
            f"{kind} with its arguments in model.arguments, or put `lambda:` before {kind}(...)"
        )
    if not isinstance(made, type | FunctionType):
        raise SpecError(
            f"{place} must be a class or a function that makes a torch.nn.Module (got a "
            f"{type(made).__name__}): put `lambda:` before what makes it"
        )
    name = made.__qualname__.rpartition(".")[2].strip("<>")
    if importable(made) and made.__qualname__.isidentifier():
        return f"{made.__module__}:{name}"
    module = sys.modules.get(made.__module__)
    imported = made.__module__ != "__main__" and getattr(module, "__spec__", None) is not None
    if imported and hasattr(module, made.__qualname__):
        raise SpecError(
            f"{place}: {made.__module__} has been loaded again, and its {name} is another now: "
            f"import it anew"
        )
    one = Given(HERE + name, of_code(made), _code(made, place), made)
    while given.setdefault(one.name, one) != one:  # another of the same name
        one = Given(f"{one.name}_", one.fingerprint, one.code, made)
    return one.name


def _code(made: type | FunctionType, place: str) -> bytes:
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(made))
    except Exception as error:  # whatever a class of the user's raises
        raise SpecError(
            f"{place}: {made.__qualname__} cannot be sent to the processes that train "
            f"({type(error).__name__}: {error}): make what it uses within it"
        ) from error

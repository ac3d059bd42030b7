"""A hash of the code that makes a user's network: an edit of it makes new runs."""

from __future__ import annotations

import ast
import dis
import hashlib
import inspect
import json
import linecache
import sys
import sysconfig
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from paribus.errors import SpecError

if TYPE_CHECKING:
    from torch import nn

_KEPT_BY_PYTHON = {
    *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__firstlineno__"),
    *("__static_attributes__", "__annotations__", "__annotate__", "__annotate_func__"),
    *("__annotations_cache__", "__dataclass_fields__", "__dataclass_params__", "__match_args__"),
    *("__orig_bases__", "__parameters__", "__type_params__", "__abstractmethods__", "_abc_impl"),
    *("__slots__", "__hash__", "__new_member__", "__members__"),
}
"""What Python notes of a class, its place in a file among it: nothing that a network computes."""

_INSTALLED = {"site-packages", "dist-packages"}  # of other environments that this one looks into


def of_module(factory: str, module: nn.Module) -> str:
    """Hash the source files of a network that is imported, as far as names tell which they are.

    Those of the factory and of every class of a module in it, and those that their names were
    imported from; of installed packages only the factory's own.
    """
    place = factory.partition(":")[0]
    digest = hashlib.sha256()
    for name, file in _files({place, *(type(part).__module__ for part in module.modules())}, place):
        digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def of_code(made: type | FunctionType) -> str:
    """Hash a class or function that no import finds: its source text, and all that it uses.

    That is the text of its methods, of its bases, and of other such classes and functions; the
    values of globals, defaults and attributes; and the source files of the user's own modules.
    Raises SpecError where there is no source text.
    """
    used = _Used()
    used.visit(made.__qualname__, made)
    digest = hashlib.sha256(json.dumps(used.texts).encode())
    for name, file in _files(used.modules, ""):
        digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def own_files(modules: set[str]) -> list[tuple[str, Path]]:
    """Return the user's own source files, by the names of their modules, that modules draw on.

    Packages that they stand in are among them, and installed ones are not.
    """
    inner = {".".join(name.split(".")[:end]) for name in modules for end in range(1, 9)}
    return _files(modules | inner, "")


def importable(made: Any) -> bool:
    """Return whether another process gets a class or function by its module and its name."""
    place, name = getattr(made, "__module__", None), getattr(made, "__qualname__", None)
    module = sys.modules.get(place) if isinstance(place, str) else None
    if (
        place == "__main__"
        or not isinstance(name, str)
        or getattr(module, "__spec__", None) is None
    ):
        return False
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is made


class _Used:
    """What code uses: texts of code and of values by name, and the modules it takes others from."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.modules: set[str] = set()
        self._seen: dict[int, tuple[str, Any]] = {}  # by id, which a value that is held keeps

    def visit(self, name: str, value: Any) -> None:
        """Note a value, and all that it uses in turn."""
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            self.texts.append((name, repr(value)))
            return
        if id(value) in self._seen:  # another name for it: which one is part of the code
            self.texts.append((name, f"is {self._seen[id(value)][0]}"))
            return
        self._seen[id(value)] = name, value
        match value:
            case _ if inspect.ismodule(value):
                self.modules.add(value.__name__)
            case type() | FunctionType() if importable(value):
                self.modules.add(value.__module__)
                self.texts.append((name, f"{value.__module__}:{value.__qualname__}"))
            case type():
                self._visit_class(value)
            case FunctionType():
                self._visit_function(value)
            case staticmethod() | classmethod():
                self.visit(name, value.__func__)
            case MethodType():
                self._visit_all(name, enumerate((value.__func__, value.__self__)))
            case property():
                self._visit_all(name, enumerate((value.fget, value.fset, value.fdel)))
            case partial():
                self.visit(name, value.func)
                self._visit_all(name, [*enumerate(value.args), *value.keywords.items()])
            case Mapping():
                self._visit_all(name, value.items())
            case list() | tuple():
                self._visit_all(name, enumerate(value))
            case Set():
                self._visit_all(name, enumerate(sorted(value, key=repr)))
            case _ if not importable(type(value)) and hasattr(value, "__dict__"):
                self.visit(name, type(value))
                self._visit_all(name, vars(value).items())
            case _:
                self.texts.append((name, _pickled(name, value)))

    def _visit_all(self, name: str, items: Iterable[tuple[Any, Any]]) -> None:
        for key, value in items:
            self.visit(f"{name}[{key!r}]", value)

    def _visit_class(self, made: type) -> None:
        self.texts.append(
            (made.__qualname__, ", ".join(base.__qualname__ for base in made.__bases__))
        )
        for base in (*made.__bases__, type(made)):
            self.visit(base.__qualname__, base)
        for field in fields(made) if is_dataclass(made) else ():
            factory = field.default_factory
            self.visit(f"{made.__qualname__}.{field.name}", None if factory is MISSING else factory)
        for name, value in vars(made).items():
            function = getattr(value, "__func__", value)  # of a static method, __new__ say
            if isinstance(function, FunctionType) and _generated(function, made):
                continue
            if name not in _KEPT_BY_PYTHON:
                self.visit(f"{made.__qualname__}.{name}", value)

    def _visit_function(self, made: FunctionType) -> None:
        name = made.__qualname__
        self.texts.append((name, _text(made)))
        self.visit(f"{name} defaults", [made.__defaults__, made.__kwdefaults__, vars(made)])
        for used in dict.fromkeys(_globals_of(made.__code__)):
            if used in made.__globals__:
                self.visit(used, made.__globals__[used])
        for used, cell in zip(made.__code__.co_freevars, made.__closure__ or (), strict=True):
            try:
                self.visit(used, cell.cell_contents)
            except ValueError:  # nothing is in it yet
                continue


def _generated(function: FunctionType, made: type) -> bool:
    """Return whether a dataclass or a named tuple has made a method from the fields it has."""
    from_fields = is_dataclass(made) or hasattr(made, "_fields")
    return from_fields and inspect.unwrap(function).__code__.co_filename == "<string>"


def _globals_of(code: CodeType) -> Iterator[str]:
    """Yield the names of the globals that code reads, that of functions within it included."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant)


def _text(made: FunctionType) -> str:
    """Return the source text of a function; of a lambda no more than the lambda."""
    try:
        text = inspect.getsource(made.__code__)  # its own, also where it wraps another
    except (OSError, TypeError):
        raise SpecError(
            f"model: the source text of {made.__qualname__} is not to be had, so that nothing "
            f"would tell its runs from those of another version: write it in a file or in a "
            f"notebook's cell"
        ) from None
    code = made.__code__
    if code.co_name == "<lambda>":
        whole = "".join(linecache.getlines(code.co_filename))
        places = set(code.co_positions())
        for node in ast.walk(ast.parse(whole)):
            if isinstance(node, ast.Lambda):
                body = node.body
                place = (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset)
                if place in places:
                    return ast.get_source_segment(whole, node) or text
    return textwrap.dedent(text)


def _pickled(name: str, value: Any) -> str:
    """Return a hash of any other value: equal ones may have two, unlike ones never have one."""
    import cloudpickle

    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):  # which pickles anew each time
        return hashlib.sha256(f"{value.dtype} {value.tolist()}".encode()).hexdigest()
    try:
        return hashlib.sha256(cloudpickle.dumps(value)).hexdigest()
    except Exception as error:  # whatever its class raises
        raise SpecError(
            f"model: the network uses {name}, a {type(value).__name__}, which cannot be sent to "
            f"the processes that train ({type(error).__name__}): make it within the network"
        ) from error


def _files(names: set[str], place: str) -> list[tuple[str, Path]]:
    """Return the user's own source files among modules and those that their names come from."""
    left = set(names)
    files: dict[str, Path] = {}
    while left:
        name = left.pop()
        file = _source(name, place)
        if file is None or name in files:
            continue
        files[name] = file
        for value in vars(sys.modules[name]).values():
            origin = value.__name__ if inspect.ismodule(value) else _module_of(value)
            left |= {origin} - files.keys()
    return sorted(files.items())


def _module_of(value: object) -> str:
    """Return the name of the module that a function or class was made in; else nothing."""
    name = getattr(value, "__module__", None)
    return name if isinstance(name, str) else ""


def _source(name: str, place: str) -> Path | None:
    """Return the source file of a module if it is the user's own, and not the script that runs."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if name == "__main__" or not isinstance(file, str) or not file.endswith(".py"):
        return None
    installed = {sysconfig.get_path(one) for one in ("stdlib", "platstdlib", "purelib", "platlib")}
    beside = name.partition(".")[0] == place.partition(".")[0]
    path = Path(file)
    theirs = any(path.is_relative_to(folder) for folder in installed)
    theirs = theirs or not _INSTALLED.isdisjoint(path.parts)
    return path if path.is_file() and (beside or not theirs) else None

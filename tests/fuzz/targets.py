"""What is fuzzed: for every kind of input how it is made, and the door that it goes through."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st

from tests.fuzz import doors
from tests.fuzz.files import ALLOWED, KINDS, data_files, options
from tests.fuzz.specs import overrides, spec_bytes, spec_values
from tests.fuzz.stores import store_files

Door = Callable[[], object]

TABLE = "x,c,y\n" + "".join(f"{i},{'ab'[i % 2]},{'no' if i % 3 else 'yes'}\n" for i in range(60))


@dataclass(frozen=True)
class Target:
    """One kind of input: `door` lays it in a folder, and returns what reads it there."""

    name: str
    inputs: st.SearchStrategy[Any]
    door: Callable[[Path, Any], Door]
    share: float  # of the inputs of `make fuzz`


def _study_file(folder: Path, given: tuple[bytes, dict[str, Any]]) -> Door:
    path = folder / "study.yaml"
    path.write_bytes(given[0])
    (folder / "table.csv").write_text(TABLE)
    return lambda: doors.plan_of_file(path, given[1])


def _values(folder: Path, values: Any) -> Door:
    (folder / "table.csv").write_text(TABLE)
    return lambda: doors.plan_of_values(values)


def _data(folder: Path, given: tuple[tuple[str, bytes], dict[str, Any]]) -> Door:
    (name, content), how = given
    path = folder / name
    path.write_bytes(content)
    if path.suffix == ".idx":
        return lambda: doors.idx_file(path)
    return lambda: doors.data_file(path, **how)


def _store(folder: Path, content: bytes) -> Door:
    path = folder / "store.sqlite"
    path.write_bytes(content)
    return lambda: doors.store_file(path)


def _commands(folder: Path, given: tuple[bytes, int]) -> Door:
    content, which = given
    path = folder / "store.sqlite"
    path.write_bytes(content)
    words = [
        ["list"],
        ["list", "--json"],
        ["show", "small"],
        ["show", "small", "--json"],
        ["log", "small"],
        ["chart", "small"],
    ]
    return lambda: doors.command(*words[which], "--store", str(path))


SPECS = (
    Target("study files", st.tuples(spec_bytes(), st.just({}) | overrides()), _study_file, 0.7),
    Target("studies in Python", spec_values(only_python=True) | spec_values(), _values, 0.3),
)
FILES = (
    *(Target(f"{kind} files", st.tuples(data_files(kind), options), _data, 0.2) for kind in KINDS),
    Target("stores", store_files, _store, 0.16),
    Target("commands on stores", st.tuples(store_files, st.integers(0, 5)), _commands, 0.04),
)


@contextmanager
def place() -> Iterator[Path]:
    """Give a folder to work in, with little memory allowed, so that small bombs are bombs."""
    doors.quiet()
    with (
        TemporaryDirectory() as folder,
        patch("paribus.data.limits.allowed", lambda: ALLOWED),
    ):
        yield Path(folder)


def tried(target: Target, folder: Path, given: Any) -> bool:
    """Return whether an input is accepted; `doors.Fault` where a promise is broken."""
    for old in folder.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    return doors.tried(target.door(folder, given), folder)

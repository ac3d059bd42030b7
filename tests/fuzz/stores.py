"""Strategies over stores: a sound one, and what can happen to it."""

from __future__ import annotations

import copy
import functools
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import strategies as st

from paribus.data import load
from paribus.engines.base import Record
from paribus.run import Settings, lay_out
from paribus.store.store import Store
from paribus.study.declaration import declaration
from paribus.study.spec import from_values
from tests.fuzz.files import damaged
from tests.fuzz.specs import ODD, places, values

Draw = Callable[[st.SearchStrategy[Any]], Any]

STUDY = {
    "name": "small",
    "question": "Does a hidden layer help?",
    "data": "digits",
    "factors": {"model.hidden": {"none": [], "one": [8]}, "train.optimizer": ["sgd", "adam"]},
    "seeds": 7,
    "margin": 0.01,
    "also": {"test_log_loss": 0.05},
}


@functools.cache
def declared() -> tuple[str, dict[str, Any], list[tuple[int, int, str]]]:
    """Return a study's key, what a store keeps of it, and its runs."""
    design = lay_out(from_values(STUDY), load("digits"), Settings(Path("none"), device="cpu"))
    runs = [(run.block, run.arm, run.key) for run in design.runs]
    content = json.loads(json.dumps(declaration(design, "paribus run small")))
    return design.key, content, runs


def records() -> list[Record]:
    """Return a made-up record of every run but one, one of them of a run that diverged."""
    rng = np.random.default_rng(0)
    found = []
    for block, arm, key in declared()[2][:-1]:
        accuracy, loss = 0.9 + 0.02 * arm + 0.01 * rng.random(), rng.random()
        metrics = {"test_accuracy": accuracy, "test_log_loss": loss, "test_loss": loss}
        curves = {
            "train_loss": np.linspace(2, loss, 5),
            "test_loss": np.linspace(2, loss, 5),
            "test_accuracy": np.linspace(0.1, accuracy, 5),
        }
        tables = {"test_recall": rng.random(10), "test_confusion": np.eye(10) * 36}
        status: Any = "diverged" if (block, arm) == (3, 0) else "done"
        reason = "loss is not finite" if status == "diverged" else ""
        found.append(Record(key, status, reason, metrics, curves, None, tables))
    return found


def write(path: Path, content: Any, kept: list[Record], name: str = "small") -> None:
    """Write a store of one study through the doors that a run goes through."""
    key, _, runs = declared()
    with Store(path, create=True) as store:
        store.add_study(key, name, "Does it?", content, runs)
        for record in kept:
            store.add_record(record, {"Python": "3.11", "Paribus": "0"})


@functools.cache
def sound() -> bytes:
    """Return a store that nothing has happened to."""
    return _bytes(lambda path: write(path, declared()[1], records()))


def _bytes(make: Callable[[Path], None]) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        make(path)
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
        return path.read_bytes()


_ANY = ["NULL", "-1", "1e999", "''", "'x'", "x'00ff'", "'[]'", "'{}'", "'null'", "'[1'", "9e18"]
_ANY += [
    '\'{"test_accuracy": "high"}\'',
    "'{\"test_accuracy\": 1e999}'",
    "'\x1b[31m'",
    "zeroblob(7)",
]
_ANY += [
    "'[-1]'",
    "'[1000000000, 1000000000]'",
    "'[1.5]'",
    "'[10, -10]'",
    "'\"text\"'",
    "zeroblob(8)",
]
_COLUMNS = {
    "studies": ["key", "name", "question", "content", "asked"],
    "runs": ["key", "status", "reason", "metrics", "environment", "finished"],
    "curves": ["run", "metric", "points"],
    "design": ["study", "block", "arm", "run"],
    "class_tables": ["run", "name", "shape", "cells"],
    "environments": ["key", "content"],
    "proofs": ["study", "content"],
}


def _statement(draw: Draw) -> str:
    table = draw(st.sampled_from(sorted(_COLUMNS)))
    column = draw(st.sampled_from(_COLUMNS[table]))
    value, some = draw(st.sampled_from(_ANY)), draw(st.sampled_from(["1", "rowid % 3 = 1"]))
    some = "1" if table not in ("studies", "runs") else some
    return draw(
        st.sampled_from(
            [
                *[f"UPDATE {table} SET {column} = {value} WHERE {some}"] * 8,
                f"DELETE FROM {table} WHERE {some}",
                f"DROP TABLE {table}",
                f"ALTER TABLE {table} RENAME COLUMN {column} TO other",
                f"ALTER TABLE {table} RENAME TO {table}_; "
                f"CREATE VIEW {table} AS SELECT * FROM {table}_",
                f"ALTER TABLE {table} RENAME TO {table}_; CREATE VIEW {table} AS WITH RECURSIVE "
                f"n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
                f"CREATE TRIGGER t AFTER INSERT ON {table} BEGIN DELETE FROM {table}; END",
                f"ALTER TABLE {table} RENAME TO {table}_; CREATE TABLE {table} AS SELECT * FROM "
                f"{table}_",
                f"INSERT INTO {table} SELECT * FROM {table}",
                f"INSERT INTO proofs VALUES ((SELECT key FROM studies), {value})",
                f"PRAGMA user_version = {draw(st.sampled_from([-1, 0, 1, 2, 3, 99]))}",
                f"PRAGMA application_id = {draw(st.sampled_from([0, 1, -5]))}",
                "PRAGMA journal_mode = WAL",
                "PRAGMA auto_vacuum = 1; VACUUM",
                "PRAGMA encoding = 'UTF-16'; VACUUM",
                "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = 'CREATE TABLE x(y)'",
                "PRAGMA writable_schema = 1; UPDATE sqlite_master SET rootpage = 2",
                "CREATE TABLE other (a); INSERT INTO other VALUES (zeroblob(10000))",
            ]
        )
    )


def _with_statements(content: bytes, statements: list[str]) -> bytes:
    def make(path: Path) -> None:
        path.write_bytes(content)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for statement in statements:
                with suppress(sqlite3.Error):
                    db.executescript(statement)

    with suppress(sqlite3.Error):
        return _bytes(make)
    return content


@st.composite
def _other_content(draw: Draw) -> bytes:
    """Return a store whose study is declared as no study is, with sums that are right."""
    content: Any = copy.deepcopy(declared()[1])
    for _ in range(draw(st.integers(1, 3))):
        found = places(content)
        if not found:
            break
        container, key = draw(st.sampled_from(found))
        if draw(st.booleans()):
            container[key] = copy.deepcopy(draw(st.sampled_from(_JSON) | values.filter(_is_json)))
        else:
            del container[key]
    return _bytes(lambda path: write(path, content, records()))


@st.composite
def _other_records(draw: Draw) -> bytes:
    """Return a store whose runs have measured what no run measures."""
    kept = records()
    odd = [np.zeros(0), np.zeros(5000), np.full(5, np.nan), np.full(5, np.inf), np.array(3.0)]
    odd += [np.zeros((0, 0)), np.zeros((3, 4)), np.full((10, 10), -1e300), np.zeros((2, 2, 2))]
    numbers = [0, -1, 1e308, np.nan, np.inf, 10**400, "text", None, [], {"a": 1}, True, 1e-320]
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(kept) - 1))
        one = copy.deepcopy(kept[place])
        match draw(st.integers(0, 4)):
            case 0:
                name = draw(st.sampled_from(["test_accuracy", "test_log_loss", "drift", "\x1b"]))
                one.metrics[name] = draw(st.sampled_from(numbers))  # type: ignore[assignment]
            case 1:
                one.metrics.clear()
            case 2:
                name = draw(
                    st.sampled_from([*one.curves, "step_train_loss", "rss", "\0", "x" * 999])
                )
                one.curves[name] = draw(st.sampled_from(odd)).ravel()
            case 3:
                name = draw(st.sampled_from(["test_recall", "test_confusion", "validation_recall"]))
                one.tables[name] = draw(st.sampled_from(odd))
            case _:
                one = Record(one.key, "failed", draw(st.sampled_from(["", "\x1b[31m", "x" * 9999])))
        kept[place] = one
    return _bytes(lambda path: write(path, declared()[1], kept))


_JSON = [
    one for one in ODD if one is None or isinstance(one, bool | int | float | str | list | dict)
]
_JSON = [one for one in _JSON if one != 10**400]


def _is_json(value: Any) -> bool:
    with suppress(TypeError, ValueError):
        return bool(json.dumps(value))
    return False


@st.composite
def _foreign(draw: Draw) -> bytes:
    how = draw(st.integers(0, 4))
    if how == 0:
        return draw(st.binary(max_size=200))
    if how == 1:
        return sound()[:100] + draw(st.binary(max_size=9000))
    statement = draw(
        st.sampled_from(["CREATE TABLE a (b)", "CREATE TABLE studies (key)", "SELECT 1"])
    )
    return _with_statements(b"", [statement])


@st.composite
def _pages(draw: Draw) -> bytes:
    """Return a store with pages that have changed places, or were lost."""
    content = sound()
    size = 4096
    pages = [content[i : i + size] for i in range(0, len(content), size)]
    for _ in range(draw(st.integers(1, 3))):
        one, other = (draw(st.integers(0, len(pages) - 1)) for _ in "ab")
        lost = draw(st.sampled_from([None, bytes(size), b"\xff" * size]))
        if lost is None:
            pages[one], pages[other] = pages[other], pages[one]
        else:
            pages[max(one, 1)] = lost
    return b"".join(pages[: draw(st.sampled_from([None, None, len(pages) - 1, 1]))])


@st.composite
def _statements(draw: Draw) -> bytes:
    return _with_statements(sound(), [_statement(draw) for _ in range(draw(st.integers(1, 3)))])


@st.composite
def _broken(draw: Draw) -> bytes:
    content = damaged(draw, sound(), b"\0" * 5000)
    if draw(st.integers(0, 9)) == 0:
        content = sound() + draw(st.binary(min_size=1, max_size=5000))
    return content


store_files: st.SearchStrategy[bytes] = st.one_of(
    _broken(),
    _pages(),
    _statements(),
    _statements(),
    _other_content(),
    _other_records(),
    _foreign(),
)
"""The content of a file that is given for a store."""

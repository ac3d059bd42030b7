"""No name in a study or a store leads out of the folder that a file is written to or read from."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from paribus.checkpoints import Checkpoint, copy_to
from paribus.cli import app
from paribus.cli.options import report_path
from paribus.errors import StoreError
from paribus.report import charts
from paribus.run import Settings
from paribus.store.store import Store
from paribus.untrusted import file_name
from tests.report import made_up_analyses
from tests.security.conftest import write

NAMES = [
    "../../x",
    "/etc/x",
    "..",
    ".",
    "",
    "a\0b",
    "x" * 5000,
    "é" * 200,
    "CON",
    "nul.txt",
    "com1",
    "C:\\x",
    "\\\\host\\share",
    "-rf",
    "~root",
    "$HOME",
    "a\nb",
    ".bashrc",
    "file:///x",
    "x:y",
    "\ud800",
    "\u202egpj.exe",
]


def in_one_folder(name: str) -> None:
    """Assert that a name is one in its folder, on Linux as on Windows."""
    written = f"{name}.json"
    assert os.path.normpath(Path("folder") / written) == f"folder{os.sep}{written}"
    windows = PureWindowsPath("folder") / written
    assert windows.parts == ("folder", written)
    stem = name.partition(".")[0].upper()
    assert stem not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
    assert not name.startswith((".", "-", "~"))
    assert not set(name) & set('<>:"/\\|?*\0\n ')
    assert 1 <= len(os.fsencode(name)) <= 101


@given(st.text(st.characters(), max_size=300))
@example("con.")
@example("a" * 99 + ".é")
def test_any_text_becomes_the_name_of_one_file(text: str) -> None:
    in_one_folder(file_name(text))


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_become_names_of_one_file(name: str) -> None:
    in_one_folder(file_name(name))


@given(st.from_regex(r"\A[a-z0-9_]+([.+-]?[a-z0-9_]+)*\Z"))
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    if len(name) <= 100:
        assert file_name(name) in (name, f"_{name}")
    assert file_name(file_name(name)) == file_name(name)


@pytest.mark.parametrize("name", NAMES)
def test_reports_go_into_the_folder_of_reports(name: str, tmp_path: Path) -> None:
    one = replace(made_up_analyses.two_arms(), name=name, key=f"{name} key")
    first = report_path(one, tmp_path / "store.sqlite")
    assert first.parent == tmp_path / "reports"
    in_one_folder(first.stem)
    first.parent.mkdir()
    first.write_text("somebody's page")
    second = report_path(one, tmp_path / "store.sqlite")
    assert (second.parent, second != first) == (first.parent, True)
    in_one_folder(second.stem.replace(file_name(name), "x"))


def test_copies_of_networks_go_into_their_folder_and_none_replaces_another(tmp_path: Path) -> None:
    source = tmp_path / "kept.safetensors"
    source.write_bytes(b"weights")
    kept = [Checkpoint(name, 0, "test_accuracy", 0.5, source) for name in NAMES]
    copied = copy_to(tmp_path / "out", kept)
    assert {one.path.parent for one in copied} == {tmp_path / "out"}
    assert len({one.path.name.casefold() for one in copied}) == len(NAMES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.safetensors", "out"]
    assert len(list((tmp_path / "out").iterdir())) == len(NAMES)


def run(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--store", str(store)])


OF_A_STORE = {"store.sqlite", "store.sqlite-wal", "store.sqlite-shm"}


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    """Somebody's store, two folders down, whose study and runs have names that lead out of it."""
    path = tmp_path / "a" / "b" / "store.sqlite"
    return write(path, name="../../x", key="../../k", before="../../")


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_the_report_of_anybodys_store_stays_beside_it(
    merged: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "CHARTS", {"forest": charts.CHARTS["forest"]})
    done = run(merged, "report", "../../x", "--format", form)
    assert done.exception is None, done.exception
    beside = {path for path in tree(tmp_path) if not path.startswith("a/b/store.sqlite")}
    assert f"a/b/reports/x.{form}" in beside
    assert all(path.startswith("a/b/reports/x") for path in beside)


def test_runs_of_anybodys_store_name_no_file_elsewhere(merged: Path, tmp_path: Path) -> None:
    folder = Settings(merged).checkpoint_folder
    folder.mkdir()
    with Store(merged) as store:
        keys = [run.key for run in store.study("../../x").runs]
    assert len(keys) > 20
    for key in keys:
        (folder / f"{key}.safetensors").resolve().write_bytes(b"a secret elsewhere")
    done = run(merged, "checkpoints", "../../x", "--out", str(tmp_path / "out"))
    assert isinstance(done.exception, StoreError)
    assert "no trained network" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_store_runs_nothing_of_its_own(tmp_path: Path, hostile_store: Path) -> None:
    store = tmp_path / "store.sqlite"
    shutil.copyfile(hostile_store, store)
    with closing(sqlite3.connect(store)) as db, db:
        db.execute("ALTER TABLE environments RENAME TO held")
        db.execute("CREATE VIEW environments AS SELECT * FROM held WHERE load_extension('x') IS 1")
        (key,) = db.execute("SELECT key FROM studies").fetchone()
    done = run(store, "show", key)
    assert isinstance(done.exception, StoreError)
    assert tree(tmp_path) <= OF_A_STORE


def test_a_study_that_is_named_out_of_its_folder_can_be_shown(tmp_path: Path) -> None:
    store = write(tmp_path / "store.sqlite", name="../../../x", key="../k")
    done = run(store, "list", "--json")
    assert [row["study"] for row in json.loads(done.stdout)] == ["../../../x"]
    assert tree(tmp_path) <= OF_A_STORE

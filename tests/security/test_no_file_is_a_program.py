"""What Paribus reads is data: no pickle, no YAML tag, no checkpoint and no archive runs code."""

from __future__ import annotations

import ast
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import save_file

import paribus
from paribus.data.tables import read_table
from paribus.errors import DataError, SpecError
from paribus.study import source
from paribus.study.source import parse, parse_value
from paribus.study.spec import load

PACKAGE = Path(paribus.__file__).parent
MODULES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}

MAY_PICKLE = {
    "workers/messages.py",  # over pipes between our own processes
    "models/given.py",  # a network given in Python, from this process to its workers
    "models/fingerprint.py",  # writes, to hash what is written
}
MAY_IMPORT_BY_NAME = {
    "models/own.py",  # what a study names, once that was allowed
    "__init__.py",  # our own modules
}
MAY_TRUST_MARKUP = {"report/html.py", "report/links.py", "display.py"}
PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FORBIDDEN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "tempfile.mktemp"}
FORBIDDEN |= {"torch.load", "pd.read_pickle", "pd.eval", "pd.read_html", "yaml.unsafe_load"}
FORBIDDEN |= {"yaml.full_load", "yaml.load_all", "np.lib.format.read_array", "input"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keywords(call: ast.Call) -> dict[str, str]:
    return {one.arg or "": ast.unparse(one.value) for one in call.keywords}


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def test_only_the_named_modules_pickle() -> None:
    assert {name for name, tree in MODULES.items() if imported(tree) & PICKLES} == MAY_PICKLE


def test_nothing_is_loaded_or_run_that_could_be_a_program() -> None:
    found = [(name, called) for name, tree in MODULES.items() for called, _ in calls(tree)]
    assert len(found) > 1000
    assert [one for one in found if one[1] in FORBIDDEN] == []


def test_arrays_are_loaded_without_pickles_and_yaml_by_the_safe_loader() -> None:
    loaded, read = [], []
    for name, tree in MODULES.items():
        for called, call in calls(tree):
            if called in ("np.load", "numpy.load"):
                loaded.append((name, keywords(call).get("allow_pickle")))
            if called in ("yaml.load", "yaml.safe_load"):
                read.append((name, called, keywords(call).get("Loader")))
    assert loaded == [("data/tables.py", "False")]
    assert read == [("reference/notebooks.py", "yaml.safe_load", None)]  # a file of ours
    assert issubclass(source._Loader, yaml.SafeLoader)  # which reads all else


def test_only_a_study_that_was_allowed_names_what_is_imported() -> None:
    found = {
        name
        for name, tree in MODULES.items()
        for called, call in calls(tree)
        if called.endswith("import_module") and not isinstance(call.args[0], ast.Constant)
    }
    assert found == MAY_IMPORT_BY_NAME


def test_no_shell_is_started_and_no_file_here_shadows_a_library() -> None:
    for name, tree in MODULES.items():
        for _, call in calls(tree):
            assert keywords(call).get("shell", "False") == "False", name
        for node in ast.walk(tree):
            if isinstance(node, ast.List) and ast.unparse(node).startswith("[sys.executable"):
                assert ast.unparse(node).startswith("[sys.executable, '-P', '-m', 'paribus."), name


def test_markup_is_trusted_only_where_it_is_made() -> None:
    trusting = {
        name
        for name, tree in MODULES.items()
        for called, _ in calls(tree)
        if called in ("Markup", "markupsafe.Markup")
    }
    assert trusting == MAY_TRUST_MARKUP
    templates = [path.read_text("utf-8") for path in PACKAGE.rglob("*.j2")]
    assert len(templates) > 10
    for text in templates:
        assert "safe" not in text.replace("unsafe-inline", "").split()
        assert "autoescape" not in text
        assert "<script" not in text


class Hostile:
    """What leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Path]:
    left = tmp_path / "it-ran"
    pickle.loads(pickle.dumps(Hostile(left)))
    assert left.exists()  # it is hostile
    left.unlink()
    yield left
    assert not left.exists()


@pytest.mark.parametrize("hostile", ["X", "y", "both"])
def test_an_archive_of_pickled_objects_is_refused(
    trace: Path, tmp_path: Path, hostile: str
) -> None:
    objects = np.array([Hostile(trace)] * 4, dtype=object)
    arrays: dict[str, Any] = {"X": np.zeros((4, 2)), "y": np.arange(4)}
    for name in arrays.keys() if hostile == "both" else {hostile}:
        arrays[name] = objects
    np.savez(tmp_path / "hostile.npz", **arrays)
    with pytest.raises(DataError, match=r"hostile.npz: cannot be read as NPZ"):
        read_table(tmp_path / "hostile.npz", None)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_a_pickle_under_another_name_is_refused(trace: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"hostile{suffix}"
    file.write_bytes(pickle.dumps(Hostile(trace)))
    with pytest.raises(DataError):
        read_table(file, "label")


def test_no_checkpoint_is_a_program(trace: Path, tmp_path: Path) -> None:
    pickled, torches = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    pickled.write_bytes(pickle.dumps(Hostile(trace)))
    torch.save({"weights": Hostile(trace)}, torches)
    for file in (pickled, torches):
        with pytest.raises(DataError, match="is not a sound checkpoint"):
            paribus.load_model(file)


@pytest.mark.parametrize(
    "kind", ["Network", "dataclass", "NamedTuple", "output_shape", "__loader__", "Layer", "math"]
)
def test_a_checkpoint_chooses_among_layers_alone(tmp_path: Path, kind: str) -> None:
    held = {"input_shape": [2], "outputs": 1, "layers": [{"kind": kind}], "dropout": 0}
    about = {"format": "paribus-model-1", "network": json.dumps(held)}
    save_file({"0.weight": np.zeros((1, 2), np.float32)}, tmp_path / "m.safetensors", about)
    with pytest.raises(DataError, match=f"is not a sound checkpoint: '{kind}'"):
        paribus.load_model(tmp_path / "m.safetensors")


def test_a_checkpoint_names_no_code(trace: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "theirs.py").write_text(f"open({str(trace)!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    about = {"format": "paribus-model-1", "network": json.dumps({"factory": "theirs:make"})}
    save_file({"0.weight": np.zeros((1, 2), np.float32)}, tmp_path / "m.safetensors", about)
    with pytest.raises(DataError, match="holds weights of theirs:make"):
        paribus.load_model(tmp_path / "m.safetensors")


TAGS = [
    "!!python/object/apply:os.system ['touch {trace}']",
    "!!python/object/new:subprocess.Popen [['touch', '{trace}']]",
    "!!python/name:os.system",
    "!!python/module:theirs",
    "!!python/object/apply:pathlib.Path.touch ['{trace}']",
]


@pytest.mark.parametrize("tag", TAGS)
def test_no_tag_of_a_study_makes_an_object(trace: Path, tmp_path: Path, tag: str) -> None:
    text = f"question: {tag.format(trace=trace)}\n"
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(SpecError, match="could not determine a constructor for the tag"):
        load(str(tmp_path / "study.yaml"))
    with pytest.raises(SpecError):
        parse(text, "study.yaml")
    with pytest.raises(SpecError):
        parse_value(tag.format(trace=trace))

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paribus.data import REGISTRY, fetch, load, location, registry
from paribus.errors import DataError

EMBEDDED = ("digits", "breast-cancer", "diabetes")


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_data_set_is_what_the_registry_says(name):
    data = load(name)
    entry = REGISTRY[name]
    assert (data.name, data.task, data.rows, data.shape) == (
        name,
        entry.task,
        entry.rows,
        entry.shape,
    )
    assert data.test_rows is None
    assert entry.embedded
    assert fetch(name) == location(name)
    assert location(name).is_dir()


def test_digits_are_raw_pixels():
    data = load("digits")
    assert (data.features.dtype, data.value_range, data.outputs) == (np.uint8, (0, 16), 10)
    # The first row of the first digit, a zero.
    assert data.features[0, 0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert data.targets[:3].tolist() == [0, 1, 2]


def test_breast_cancer_names_its_classes_and_columns():
    data = load("breast-cancer")
    assert data.classes == ("malignant", "benign")
    assert np.bincount(data.targets).tolist() == [212, 357]
    assert data.columns[0] == "mean radius"
    assert data.features[0, 0] == np.float32(17.99)


def test_diabetes_is_unscaled_regression():
    data = load("diabetes")
    assert data.features[0, :2].tolist() == [59, 2]  # years, and sex as 1 or 2
    assert data.targets[0] == 151
    assert data.outputs == 1


@pytest.mark.parametrize("way", ["root", "environment", "cache"])
def test_mnist_is_found_in_a_given_folder(small_mnist, no_other_data, monkeypatch, way):
    root = small_mnist.parent
    if way == "environment":
        monkeypatch.setenv("PARIBUS_DATA", str(root))
    elif way == "cache":
        root.rename(no_other_data)
    data = load("mnist", root=root if way == "root" else None)
    assert (data.rows, data.shape, data.value_range) == (70_000, (1, 2, 2), (0, 255))
    assert data.test_rows.tolist() == list(range(60_000, 70_000))
    assert data.targets[60_000:60_003].tolist() == [0, 1, 2]
    assert data.classes == tuple("0123456789")


def test_a_file_with_another_checksum_is_refused(small_mnist):
    file = small_mnist / "t10k-labels-idx1-ubyte.gz"
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(b"something else")
    got = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(DataError) as caught:
        load("mnist", root=small_mnist.parent)
    assert str(caught.value) == (
        f"{file}: wrong checksum: expected SHA-256 {expected}, got {got}: "
        "the file is damaged or another one; replace it"
    )


def test_a_data_set_that_is_nowhere_is_downloaded_to_the_cache(
    small_mnist, mirror, no_other_data, monkeypatch
):
    entry = replace(registry.REGISTRY["mnist"], mirrors=(f"{mirror.url}/",))
    monkeypatch.setattr(registry, "REGISTRY", {**registry.REGISTRY, "mnist": entry})
    for file in small_mnist.iterdir():
        mirror.put(file.name, file.read_bytes())
    assert location("mnist") is None
    assert fetch("mnist") == no_other_data / "mnist" == location("mnist")
    assert len(mirror.seen) == 4
    assert load("mnist").rows == 70_000
    assert len(mirror.seen) == 4


def test_a_folder_that_lacks_a_file_is_passed_over(small_mnist, no_other_data):
    (small_mnist / "t10k-labels-idx1-ubyte.gz").unlink()
    assert location("mnist", small_mnist.parent) is None
    with pytest.raises(DataError, match="could not be fetched from any mirror") as caught:
        load("mnist", root=small_mnist.parent)
    assert str(no_other_data / "mnist") in str(caught.value)


def test_a_root_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        load("mnist", root=tmp_path / "nowhere")


@pytest.mark.parametrize("door", [load, fetch, location])
def test_an_unknown_name_is_told_with_the_nearest(door):
    with pytest.raises(DataError) as caught:
        door("mnsit")
    assert str(caught.value) == (
        "there is no data set named 'mnsit' (did you mean mnist?); allowed are digits, "
        "breast-cancer, diabetes, synthetic, plane, mnist, fashion-mnist, "
        "and the path of a .csv, .parquet or .npz file"
    )


def test_a_path_is_read(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("a,y\n1,u\n2,v\n3,u\n4,v\n")
    for source in (path, str(path)):
        assert load(source, target="y").name == "mine"


def test_a_path_that_does_not_exist_is_told_as_a_path():
    with pytest.raises(DataError, match=r"mine\.csv: there is no such file"):
        load("mine.csv", target="y")


def test_a_name_wins_over_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").write_text("a file")
    assert load("digits").rows == 1797


def test_options_of_tables_are_refused_for_names():
    with pytest.raises(DataError) as caught:
        load("digits", target="y", task="regression")
    assert caught.value.problems == [
        "data.target is 'y', but digits brings its own target: leave it out",
        "data.task is 'regression', but digits is for classification",
    ]


def test_importing_the_package_imports_nothing_heavy():
    heavy = "'pandas', 'sklearn', 'scipy', 'pooch', 'requests', 'rich', 'pyarrow', 'torch'"
    code = f"import sys, paribus.data; print([m for m in ({heavy}) if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


REAL = os.environ.get("PARIBUS_DATA")


@pytest.mark.skipif(REAL is None, reason="PARIBUS_DATA names no folder with the real files")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_files_are_what_the_registry_says(name):
    data = load(name, root=Path(str(REAL)))
    assert (data.rows, data.shape) == (REGISTRY[name].rows, REGISTRY[name].shape)
    assert np.bincount(data.targets[60_000:]).min() > 800
    if name == "mnist":
        assert data.targets[:5].tolist() == [5, 0, 4, 1, 9]
        assert data.features[:60_000].mean() / 255 == pytest.approx(0.1307, abs=1e-4)

"""Files that ask for more than there is, or are not what they say, are refused before."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from paribus.data import load
from paribus.data.idx import read_idx
from paribus.errors import DataError

ALLOWED = 1_000_000


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paribus.data.limits.allowed", lambda: ALLOWED)


def refused(path: Path, target: str | None = "y") -> str:
    with pytest.raises(DataError) as caught:
        load(path, target=target)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(f"{path}: ")


def npz(path: Path, packing: int = zipfile.ZIP_DEFLATED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def head(shape: str) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


X, Y = np.zeros((4, 2)), np.array([0, 1, 0, 1])
TOO_LARGE = "GB; 0.0 GB are allowed, a quarter of the memory that is free"


def test_an_archive_that_unpacks_to_much_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    path = npz(tmp_path / "bomb.npz", X=npy(np.zeros((10_000, 1000))), y=npy(Y))
    assert path.stat().st_size < ALLOWED
    assert f"it would unpack to 0.1 {TOO_LARGE}" in refused(path, None)


@pytest.mark.parametrize(
    "shape",
    [
        "(1000000000000, 3)",
        "(99999999999999999999999,)",
        "(-1, 3)",
        "(0, 1" + "0" * 19 + ")",
    ],
)
def test_an_array_whose_head_promises_more_than_is_there_is_refused(
    tmp_path: Path, shape: str
) -> None:
    said = refused(npz(tmp_path / "t.npz", X=head(shape) + bytes(64), y=npy(Y)), None)
    assert said.startswith("cannot be read as NPZ: X promises float64 of shape")


def test_an_array_without_rows_is_refused(tmp_path: Path) -> None:
    said = refused(npz(tmp_path / "t.npz", X=npy(np.array(3.0)), y=npy(Y)), None)
    assert said.startswith("X is float64 of shape (); allowed are numbers of shape")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_packed_as_numpy_never_does_is_refused(tmp_path: Path, packing: int) -> None:
    said = refused(npz(tmp_path / "t.npz", packing, X=npy(X), y=npy(Y)), None)
    assert said == "cannot be read as NPZ: X is packed in a way that numpy never does"


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz", X=npy(X), y=npy(Y))
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(mark) + flags] |= 1
    path.write_bytes(content)
    assert "is encrypted" in refused(path, None)


def test_a_pickle_in_an_archive_is_refused_and_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loaded:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (Path("loaded"),)

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "t.npz"
    np.savez(path, X=X, y=np.array([Loaded()] * 4, dtype=object))
    assert "allow_pickle=False" in refused(path, None)
    assert not Path("loaded").exists()


def test_a_small_gzipped_idx_file_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 2_000_000) + bytes(2_000_000)))
    with pytest.raises(DataError, match="it would unpack to"):
        read_idx(path)


@pytest.mark.parametrize(
    "columns",
    [
        {"x": np.zeros(200_000), "y": np.zeros(200_000)},
        {"x": pa.nulls(10_000_000), "y": pa.nulls(10_000_000)},
    ],
    ids=["zeros", "nothing"],
)
def test_a_parquet_file_of_many_rows_in_few_bytes_is_refused(tmp_path: Path, columns: dict) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table(columns), path)
    assert path.stat().st_size < ALLOWED
    assert TOO_LARGE in refused(path)


def test_a_long_text_that_a_parquet_file_has_once_is_read_once(tmp_path: Path) -> None:
    texts = pa.array(["x" * 50_000, "z"] * 1000)  # 50 MB if each row had its own
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"x": texts, "y": np.arange(2000) % 3}), path)
    assert load(path, target="y").features.shape == (2000, 2)


def test_text_that_is_numbers_is_still_numbers_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"x": ["1", "2", None, "4"], "y": [0, 1, 0, 1]}), path)
    found = load(path, target="y", missing="mean")
    np.testing.assert_array_equal(found.features[:, 0], [1, 2, np.nan, 4])


def test_nested_columns_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"x": [[1, 2], [3]], "y": [0, 1]}), path)
    assert refused(path).startswith("column x holds list<")


def test_categories_that_make_too_many_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"c{i % 150},{i % 2}\n" for i in range(3000)))
    assert TOO_LARGE in refused(path)


def test_a_table_larger_than_what_is_allowed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "1,2\n" * 300_000)
    assert TOO_LARGE in refused(path)


def test_many_columns_of_one_name_are_counted_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",".join(["y"] * 50_000) + "\n")
    assert refused(path) == "50000 columns are named y: rename or drop all but one"


@pytest.mark.parametrize("source", ["x" * 5000, "x" * 5000 + ".csv", "~no-such-user/t.csv", "a\0b"])
def test_a_name_that_no_file_can_have_is_no_file(source: str) -> None:
    with pytest.raises(DataError, match=r"no such file|no data set named"):
        load(source, target="y")

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paribus.data.idx import read_idx
from paribus.errors import DataError

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(folder: Path, content: bytes) -> Path:
    path = folder / "some-idx3-ubyte"
    path.write_bytes(content)
    return path


def refused(folder: Path, content: bytes) -> str:
    path = write(folder, content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: not a whole IDX file: ")
    return message


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
@in_one_folder
@given(
    array=st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=4, min_side=0, max_side=4))
    )
)
def test_every_type_and_shape_is_read_back(tmp_path, idx_bytes, wrap, array):
    got = read_idx(write(tmp_path, wrap(idx_bytes(array))))
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


@in_one_folder
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused(tmp_path, idx_bytes, data):
    for content in (idx_bytes(PIXELS), gzip.compress(idx_bytes(PIXELS))):
        cut = data.draw(st.integers(0, len(content) - 1))
        refused(tmp_path, content[:cut])


def test_a_truncated_file_says_how_much_is_there(tmp_path, idx_bytes):
    message = refused(tmp_path, idx_bytes(PIXELS)[:-4] + b"")
    assert "promises 24 bytes" not in message
    assert "it ends after 20 of 24 expected bytes" in message


def test_a_file_longer_than_its_header_says_is_refused(tmp_path, idx_bytes):
    assert "goes on after the 24 bytes" in refused(tmp_path, idx_bytes(PIXELS) + b"x")


def test_a_flipped_bit_in_a_gzipped_file_is_refused(tmp_path, idx_bytes):
    content = bytearray(gzip.compress(idx_bytes(np.arange(200, dtype=np.uint8))))
    content[len(content) // 2] ^= 1
    refused(tmp_path, bytes(content))


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"\0\0\x07\x01\0\0\0\0"])
def test_another_kind_of_file_is_refused(tmp_path, content):
    assert "not an IDX header" in refused(tmp_path, content)


@pytest.mark.parametrize("dimensions", [0, 5, 255])
def test_odd_numbers_of_dimensions_are_refused(tmp_path, dimensions):
    header = struct.pack(">HBB", 0, 8, dimensions)
    assert f"it has {dimensions} dimensions" in refused(tmp_path, header)


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_a_header_that_promises_more_than_the_file_can_hold_is_not_believed(tmp_path, wrap):
    header = struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    assert "more than it can hold" in refused(tmp_path, wrap(header + bytes(100)))


def test_a_small_file_that_inflates_to_much_is_read_no_further_than_promised(tmp_path, idx_bytes):
    bomb = gzip.compress(idx_bytes(PIXELS) + bytes(50_000_000))
    assert "goes on after" in refused(tmp_path, bomb)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="nowhere: cannot be read: No such file"):
        read_idx(tmp_path / "nowhere")

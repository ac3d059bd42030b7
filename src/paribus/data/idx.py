"""Read the IDX files of MNIST and its relatives."""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from paribus.data.dataset import Array
from paribus.data.limits import MOST_DEFLATE_SHRINKS, check_size
from paribus.errors import DataError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 4


def read_idx(path: Path) -> Array:
    """Return the array in an IDX file, gzipped or plain, in the machine's byte order.

    Never reads more than the header promises, nor believes a header that promises more than the
    file can hold. Raises DataError, naming the file, where it is missing or damaged.
    """
    try:
        check_size(path, path.stat().st_size)
        stored = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    gzipped = stored[:2] == b"\x1f\x8b"
    largest = len(stored) * (MOST_DEFLATE_SHRINKS if gzipped else 1)
    stream = io.BytesIO(stored)
    try:
        return _parse(path, cast(IO[bytes], gzip.open(stream)) if gzipped else stream, largest)
    except (ValueError, EOFError, OSError, struct.error, zlib.error) as error:
        raise DataError(f"{path}: not a whole IDX file: {error}: get the file again") from error


def _parse(path: Path, stream: IO[bytes], largest: int) -> Array:
    zeros, code, dimensions = struct.unpack(">HBB", _read(stream, 4))
    if zeros != 0 or code not in _TYPES:
        raise ValueError(f"it starts with {zeros:04x}{code:02x}{dimensions:02x}, not an IDX header")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise ValueError(f"it has {dimensions} dimensions; 1 to {_MOST_DIMENSIONS} are allowed")
    shape = struct.unpack(f">{dimensions}I", _read(stream, 4 * dimensions))
    dtype = np.dtype(_TYPES[code])
    size = math.prod(shape) * dtype.itemsize
    if size > largest:
        raise ValueError(f"its header promises {size:,} bytes, more than it can hold")
    check_size(path, size)
    values = np.frombuffer(_read(stream, size), dtype).reshape(shape)
    if stream.read(1):  # for a gzipped file this also checks its checksum
        raise ValueError(f"it goes on after the {size:,} bytes that its header promises")
    return values.astype(dtype.newbyteorder("="))


def _read(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise ValueError(f"it ends after {len(content):,} of {size:,} expected bytes")
    return content

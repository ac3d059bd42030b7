"""Strategies over data files: valid ones of every kind, and what can happen to them."""

from __future__ import annotations

import bz2
import decimal
import functools
import gzip
import io
import math
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

ALLOWED = 64_000_000
"""Bytes that a file may unpack to while it is tried: bombs of more are small enough to make."""

BOMB = 200_000_000

MARK = "pickle-was-loaded"


class _Loaded:
    """Something that leaves a file behind when its pickle is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(MARK),)


_ROWS = 24
_PLAIN = pd.DataFrame(
    {
        "x": np.linspace(-1, 1, _ROWS),
        "n": np.arange(_ROWS),
        "c": ["a", "b", "c"] * (_ROWS // 3),
        "y": ["no", "yes"] * (_ROWS // 2),
    }
)


@functools.cache
def tables() -> list[bytes]:
    """Return CSV files."""
    gaps = _PLAIN.mask(np.arange(_ROWS * 4).reshape(_ROWS, 4) % 7 == 0)
    written = [
        *(frame.to_csv(index=False) for frame in (_PLAIN, gaps, _PLAIN[:0], _PLAIN[["y"]])),
        _PLAIN.to_csv(),
        _PLAIN.to_csv(index=False, sep=";"),
        _PLAIN.to_csv(index=False, quoting=1, lineterminator="\r\n"),
        "x,y\n" + '"1\n2",a\n"3,4",b\n' * 5,
        "x,y\n" + "1,2,3\n4\n" * 5,
        "x,y\n" + "1e400,a\n-inf,b\nnan,a\n1e39,b\n" * 3,
        "x,y\n" + "1_000,a\n0x10,b\n१२,a\n" * 3,
        "x,y\n" + "\x1b[31m,a\n=1+1,b\n" * 3,
        "x,y\n" + '"' + "x" * 200_000,
        "x," + "y" * 200_000 + "\n1,2\n3,4\n",
        ",".join(f"c{i}" for i in range(3000)) + ",y\n" + ("1," * 3000 + "2\n") * 2,
        "," * 100_000 + "\n",
        ",".join(["y"] * 30_000) + "\n",
        "y,x\n" + "\n".join(f"{i},{'z' * i}" for i in range(300)),
        "x,y\n" + "True,1\nFalse,2\n" * 3,
        "x,y\n" + f"{10**400},1\n{2**70},2\n3,1\n" * 3,
        "x,y\n" + "1,0.1\n2,0.1\n" * 3,
        "x,y\n\n\n1,2\n" + "#,a\n" * 3,
    ]
    return [
        *(text.encode() for text in written),
        "\ufeff".encode() + written[0].encode(),
        written[0].encode("utf-16"),
        "naïve,y\n1,é\n2,è\n".encode("latin-1"),
        b"x,y\n1,\x00\n2,a\n",
    ]


@functools.cache
def parquets() -> list[bytes]:
    """Return Parquet files."""
    when = [datetime(2020, 1, 1 + i, tzinfo=UTC) for i in range(_ROWS)]
    odd: dict[str, Any] = {
        "list": pa.array([[1, 2], []] * (_ROWS // 2)),
        "struct": pa.array([{"a": 1, "b": None}] * _ROWS),
        "map": pa.array([[("k", 1)]] * _ROWS, pa.map_(pa.string(), pa.int64())),
        "decimal": pa.array([decimal.Decimal("1.23")] * _ROWS),
        "wide": pa.array([decimal.Decimal(10**70)] * _ROWS, pa.decimal256(75)),
        "time": pa.array(when),
        "day": pa.array([one.date() for one in when]),
        "clock": pa.array([one.time() for one in when]),
        "span": pa.array([5] * _ROWS, pa.duration("ns")),
        "words": pa.array(["u", "v"] * (_ROWS // 2)).dictionary_encode(),
        "numbers": pa.array([1.5, None] * (_ROWS // 2)).dictionary_encode(),
        "bytes": pa.array([b"\xff", b"\x00"] * (_ROWS // 2)),
        "none": pa.nulls(_ROWS),
        "half": pa.array(np.ones(_ROWS, np.float16)),
        "big": pa.array([2**64 - 1] * _ROWS, pa.uint64()),
        "flag": pa.array([True, None] * (_ROWS // 2)),
        "inf": pa.array([math.inf, 1.0] * (_ROWS // 2)),
        "text": pa.array(["1", "2", "x", None] * (_ROWS // 4), pa.large_string()),
    }
    y = pa.array(_PLAIN["y"])
    made = [pa.Table.from_pandas(_PLAIN), pa.table({"y": y}), pa.table({})]
    made += [pa.table({"x": column, "y": y}) for column in odd.values()]
    made += [pa.table({"x": pa.array(_PLAIN["n"]), "y": column}) for column in odd.values()]
    made += [pa.table({**odd, "y": y}), made[0].slice(0, 0)]
    made += [pa.Table.from_pandas(_PLAIN.set_index(["n", "c"]))]
    made += [made[0].replace_schema_metadata({b"pandas": b'{"columns": 3}'})]
    made += [made[0].replace_schema_metadata({b"pandas": b"\xff{"})]
    made += [pa.Table.from_arrays([y, y], names=["y", "y"])]
    many = 4_000_000  # which are a few bytes in the file
    bombs = [
        pa.table(
            {"x": np.zeros(many), "z": np.zeros(many), "w": np.zeros(many), "y": np.zeros(many)}
        ),
        pa.table({"x": pa.DictionaryArray.from_arrays(np.zeros(2000, np.int32), ["x" * 99_999])}),
        pa.table({"x": pa.array([[0.0] * 100_000] * 100), "y": np.zeros(100)}),
        pa.table({"x": pa.nulls(20_000_000), "y": pa.nulls(20_000_000)}),
    ]
    packed = ({"compression": "none"}, {"compression": "zstd"}, {"row_group_size": 5})
    content = []
    for place, table in enumerate([*made, *bombs]):
        buffer = io.BytesIO()
        options: Any = packed[place % 3] if place < len(made) else packed[1]
        pq.write_table(table, buffer, **options)
        content.append(buffer.getvalue())
    return content


def npy(array: np.ndarray) -> bytes:
    """Return an array as numpy writes it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _promising(shape: str, dtype: str = "<f8", more: str = "") -> bytes:
    """Return the head of an array of any shape, and nothing of what it promises."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, {more}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n"


@functools.cache
def arrays() -> list[bytes]:
    """Return .npy files, which are the members of NPZ files."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_ROWS, 3))
    y = np.arange(_ROWS) % 3
    holed = np.where(rng.random((_ROWS, 3)) < 0.2, math.nan, x)
    kinds = [
        "f2",
        "f4",
        ">f8",
        "g",
        "i1",
        ">i4",
        "u8",
        "?",
        "c16",
        "U3",
        "S3",
        "M8[D]",
        "m8[s]",
        "O",
    ]
    made = [x, y, y / 3, holed, x * math.inf, x[:0], x[:, :0], np.array(3.0), x[0], x[:, :1], x.T]
    made += [np.asfortranarray(x), np.repeat([["a", "b"]], 12), np.array(["\0", "\x1b"] * 12)]
    made += [np.zeros((_ROWS, 4, 4), np.uint8), np.zeros((_ROWS, 3, 4, 4), np.uint8)]
    made += [np.zeros((_ROWS, 2, 4, 4), np.uint8), np.zeros((_ROWS, 0, 4), np.uint8)]
    made += [np.zeros((_ROWS, 1, 1), np.uint8), np.zeros((_ROWS, 2, 2)), y[:, None], y[::-1]]
    made += [y.astype(kind) for kind in kinds[:-1]] + [x.astype(kind) for kind in kinds[:9]]
    made += [np.zeros(_ROWS, [("a", "f8"), ("b", "O")]), np.full(_ROWS, 2**63, np.uint64)]
    made += [np.full(_ROWS, _Loaded(), object), np.full((_ROWS, 3), _Loaded(), object)]
    made += [np.full(_ROWS, 1e300), np.array(["x" * 5000] * _ROWS), np.zeros((_ROWS, 3000))]
    heads = ["(24, 3)", "(10**9,)", "(1000000000000, 3)", "(-1, 3)", "(2**62, 8)", "()", "(24,"]
    heads += ["(" * 200 + ")" * 200, "(True, 3)", "(1.5,)", "'x'", "(99999999999999999999999,)"]
    heads += [
        "(0, 9999999999999999999)",
        "(24, " + "1, " * 100 + ")",
        "None",
        "(24, 3) if 1 else 2",
    ]
    promises = [_promising(shape) for shape in heads]
    promises += [
        _promising("(24,)", "|O"),
        _promising("(24,)", "<U999999999"),
        _promising("(9,)", "x"),
    ]
    promises += [
        _promising("(9,)", "<f8', 'a': '"),
        _promising("(24,)", "|V0"),
        _promising("(9,)", "<U0"),
    ]
    broken = [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00",
        b"PK\x05\x06" + bytes(18),
        pickle.dumps(_Loaded()),
    ]
    broken += [
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31),
        b"\x93NUMPY\x03\x00\x04\x00\x00\x00{\xff\xfe}",
    ]
    return [*map(npy, made), *promises, *broken]


@functools.cache
def _bomb() -> bytes:
    """Return a ZIP member of many zeros, an array by its head, packed to a thousandth."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        head = _promising(f"({BOMB // 8},)")
        archive.writestr("y.npy", head + bytes(BOMB))
        archive.writestr("X.npy", npy(np.zeros((_ROWS, 3))))
    return buffer.getvalue()


_X, _Y = np.random.default_rng(0).normal(size=(_ROWS, 3)), np.arange(_ROWS) % 3
SOUND_ARRAYS = [(_X, _Y), (_X, _Y / 3), (_X, _Y.astype("U3")), (_X > 0, _Y)]
SOUND_ARRAYS += [(_X.astype(np.float32), _Y.astype(bool)), ((9 * _X).astype(np.int8), _Y[:, None])]
SOUND_ARRAYS += [
    (np.full((_ROWS, 4, 4), 7, np.uint8), _Y),
    (np.ones((_ROWS, 3, 2, 2), np.uint8), _Y),
]

NAMES = ["X.npy", "y.npy", "features.npy", "targets.npy", "X", "y", "z.npy", "../X.npy", "/y.npy"]
NAMES += [
    "X.npy.npy",
    "a/b/X.npy",
    "..\\X.npy",
    "\x1b[31m.npy",
    "é.npy",
    "y\0.npy",
    "n" * 5000,
    " ",
]
_PACKING = [*[zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED] * 10, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@st.composite
def npz(draw: Draw) -> bytes:
    """Return an archive of arrays, most with the two that are needed."""
    if draw(st.integers(0, 40)) == 0:
        return _bomb()
    x, y = draw(st.sampled_from(SOUND_ARRAYS))
    pairs = [("X.npy", npy(x)), ("y.npy", npy(y))]
    for place in draw(st.sampled_from([(), (), (0,), (1,), (0, 1)])):
        pairs[place] = (pairs[place][0], draw(st.sampled_from(arrays())))
    if draw(st.integers(0, 3)) == 0:
        more = st.tuples(st.sampled_from(NAMES), st.sampled_from(arrays()))
        pairs = draw(st.permutations([*pairs, *draw(st.lists(more, max_size=3))]))
        pairs = pairs[draw(st.integers(0, 2)) :]
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in pairs:
            archive.writestr(name, content, draw(st.sampled_from(_PACKING)))
    return buffer.getvalue()


_IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


@st.composite
def idx(draw: Draw) -> bytes:
    """Return an IDX file, whose head may promise anything."""
    code = draw(st.sampled_from([*_IDX_CODES.values()] * 3 + [0, 7, 255]))
    sides = st.sampled_from([1, 2, 5, 28]) | st.sampled_from([0, 255, 2**31, 2**32 - 1])
    shape = draw(st.lists(sides, max_size=5))
    head = struct.pack(">HBB", draw(st.sampled_from([0] * 9 + [1])), code, len(shape))
    head += struct.pack(f">{len(shape)}I", *shape)
    sizes = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}
    size = math.prod(shape) * sizes.get(code, 1)
    size = size if size < 10_000 else draw(st.sampled_from([0, 100]))
    content = head + bytes(size)
    match draw(st.integers(0, 9)):
        case 0:
            return _inflating(head)
        case 1 | 2 | 3:
            return gzip.compress(content, mtime=0)
        case 4:
            return gzip.compress(content, mtime=0) + gzip.compress(b"more", mtime=0)
        case 5:
            return bz2.compress(content)
    return content


def _inflating(head: bytes) -> bytes:
    """Return a small gzipped file that is 20 MB when it is unpacked."""
    return gzip.compress(head, mtime=0) + _zeros()


@functools.cache
def _zeros() -> bytes:
    return gzip.compress(bytes(20_000_000), mtime=0)


def damaged(draw: Draw, content: bytes, other: bytes = b"") -> bytes:
    """Return a file cut short, with flipped, inserted, lost, repeated or foreign bytes."""
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        at = draw(st.integers(0, len(content)))
        # The beginning and the end of a file say where everything is.
        at = draw(st.sampled_from([at, min(at, 60), max(len(content) - at % 200, 0)]))
        size = draw(st.sampled_from([1, 2, 4, 8, 100, 4096]))
        part = content[at : at + size]
        match draw(st.integers(0, 7)):
            case 0:
                content = content[:at]
            case 1 | 2:
                flip = draw(st.integers(1, 255))
                content = content[:at] + bytes(b ^ flip for b in part[:1]) + content[at + 1 :]
            case 3:
                content = content[:at] + draw(st.binary(max_size=8)) + content[at:]
            case 4:
                content = content[:at] + content[at + size :]
            case 5:
                content = content[:at] + part + content[at:]
            case 6:
                fill = draw(st.sampled_from([b"\0", b"\xff", b"\x7f", b"9", b",", b'"', b"\n"]))
                content = content[:at] + fill * len(part) + content[at + size :]
            case 7:
                content = content[:at] + other[at : at + size] + content[at + size :]
    return content


Kind = str
KINDS: dict[Kind, st.SearchStrategy[bytes]] = {
    "csv": st.deferred(lambda: st.sampled_from(tables()[:1]) | st.sampled_from(tables())),
    "parquet": st.deferred(lambda: st.sampled_from(parquets()[:1]) | st.sampled_from(parquets())),
    "npz": npz(),
    "idx": idx(),
}


@st.composite
def data_files(draw: Draw, kind: Kind) -> tuple[str, bytes]:
    """Return the name and the content of a file of a kind, most of them damaged."""
    content = draw(KINDS[kind])
    if draw(st.booleans()):
        content = damaged(draw, content, draw(KINDS[kind]))
    suffix = kind
    if kind != "idx" and draw(st.integers(0, 12)) == 0:
        suffix = draw(st.sampled_from([*KINDS, "CSV", "gz", ""]))
    return f"data.{suffix}", content


options = st.fixed_dictionaries(
    {
        "target": st.sampled_from([*["y"] * 12, None, "x", "c", "n", "", "\x1b", "list"]),
        "missing": st.sampled_from(["error", "drop", "mean"]),
        "task": st.sampled_from([None, None, "classification", "regression"]),
    }
)
"""How a file is read."""

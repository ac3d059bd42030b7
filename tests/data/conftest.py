import gzip
import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from paribus.data import registry


@pytest.fixture(autouse=True)
def no_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the cache at an empty folder, so that no test sees or fills the user's own."""
    cache = tmp_path / "cache"
    monkeypatch.setattr("paribus.data.registry.cache_folder", lambda: cache)
    monkeypatch.delenv("PARIBUS_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return cache


@pytest.fixture
def idx_bytes() -> Callable[[np.ndarray], bytes]:
    def encode(array: np.ndarray) -> bytes:
        codes = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
        header = struct.pack(">HBB", 0, codes[array.dtype.str[1:]], array.ndim)
        sizes = struct.pack(f">{array.ndim}I", *array.shape)
        return header + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()

    return encode


@pytest.fixture
def small_mnist(tmp_path: Path, idx_bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the four files of a made-up MNIST, registered with their checksums."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "root" / "mnist"
    folder.mkdir(parents=True)
    sums = {}
    for part, rows in (("train", 60_000), ("t10k", 10_000)):
        arrays = {
            "images-idx3": rng.integers(0, 256, (rows, 2, 2), dtype=np.uint8),
            "labels-idx1": (np.arange(rows) % 10).astype(np.uint8),
        }
        for kind, array in arrays.items():
            name = f"{part}-{kind}-ubyte.gz"
            content = gzip.compress(idx_bytes(array), compresslevel=1, mtime=0)
            (folder / name).write_bytes(content)
            sums[name] = hashlib.sha256(content).hexdigest()
    entry = replace(registry.REGISTRY["mnist"], files=sums, mirrors=("http://127.0.0.1:9/",))
    monkeypatch.setattr(registry, "REGISTRY", {**registry.REGISTRY, "mnist": entry})
    return folder


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        if "/truncated/" not in self.path:
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"only this")
        return None


class Mirror:
    """A web server on this machine; `folder` is what it serves, `seen` what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=folder))
        self.seen: list[str] = []
        self.server.seen = self.seen  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def put(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    folder = tmp_path / "served"
    folder.mkdir()
    mirror = Mirror(folder)
    yield mirror
    mirror.server.shutdown()
    mirror.server.server_close()

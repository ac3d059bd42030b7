"""Coverage-guided fuzzing of one reader, for a number of seconds.

    python -m tests.fuzz.with_atheris spec|idx|npz SECONDS COUNTS

What a reader did with the inputs is counted in the file COUNTS (three int64: accepted, refused, and
most seconds for one in microseconds). An exception that is none of ours ends it, with the input in
`crash-…` in the working folder.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import mmap
import struct
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["paribus.study", "paribus.data", "yaml"]):
    import yaml  # noqa: F401

    from paribus.data.idx import read_idx
    from paribus.data.tables import read_table
    from paribus.study.source import parse
    from paribus.study.spec import from_values

from paribus.errors import ParibusError
from tests.fuzz.files import SOUND_ARRAYS, npy
from tests.fuzz.specs import POOL, SNIPPETS, TEXTS


def spec(content: bytes) -> None:
    """Read a study from YAML text and check it."""
    from_values(parse(content.decode("utf-8", "replace"), "study.yaml").values)


def _of_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    path = Path(name)

    def door(content: bytes) -> None:
        path.write_bytes(content)
        read(path)

    return door


TARGETS: dict[str, Callable[[bytes], None]] = {
    "spec": spec,
    "idx": _of_file("data.idx", read_idx),
    "npz": _of_file("data.npz", lambda path: read_table(path, None)),
}


def seeds(target: str) -> Iterator[bytes]:
    """Yield sound inputs to begin with."""
    if target == "spec":
        yield from (text.encode() for text in TEXTS)
    elif target == "idx":
        for code, size in {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}.items():
            for shape in ((3,), (2, 5), (2, 4, 4), (1, 1, 2, 2)):
                head = struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)
                content = head + bytes(range(200))[: size * math.prod(shape)]
                yield content
                yield gzip.compress(content, mtime=0)
    else:
        for x, y in SOUND_ARRAYS:
            for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                buffer = io.BytesIO()
                with zipfile.ZipFile(buffer, "w", packing) as archive:
                    archive.writestr("X.npy", npy(x[:6]))
                    archive.writestr("y.npy", npy(y[:6]))
                yield buffer.getvalue()


def words(target: str) -> list[str]:
    """Return pieces that inputs are made of."""
    if target != "spec":
        return []
    return [f"{path}: " for path in sorted(POOL)] + [one for one in SNIPPETS if len(one) < 40]


def main(target: str, seconds: int, counts: Path) -> None:
    """Fuzz a target; libFuzzer ends the process."""
    counts.write_bytes(bytes(24))
    with counts.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 24)
    door, tally = TARGETS[target], [0, 0, 0]

    def one_input(content: bytes) -> None:
        start = time.perf_counter()
        accepted = False
        with contextlib.suppress(ParibusError):
            door(content)
            accepted = True
        tally[0 if accepted else 1] += 1
        tally[2] = max(tally[2], int(1e6 * (time.perf_counter() - start)))
        memory[:] = struct.pack("<3q", *tally)

    folder = Path("corpus")
    folder.mkdir(exist_ok=True)
    for place, seed in enumerate(seeds(target)):
        (folder / f"seed-{place}").write_bytes(seed)
    if written := words(target):
        lines = [
            "".join(f"\\x{byte:02X}" for byte in one.encode("utf-8", "replace")) for one in written
        ]
        Path("words").write_text("".join(f'"{line}"\n' for line in lines))
    options = [f"-max_total_time={seconds}", "-print_final_stats=1", "-seed=1"]
    options += ["-dict=words"] if written else []
    options += ["-timeout=60", "-rss_limit_mb=3000", "-max_len=8192"]
    atheris.Setup(["fuzz", *options, str(folder)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))

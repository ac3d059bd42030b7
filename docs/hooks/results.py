"""Answer the built-in studies for the pages of the site: `make results`.

The answers are kept in `docs/results.sqlite.xz`, a packed store. What it has is not trained again;
without the file everything is.
"""

from __future__ import annotations

import lzma
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from paribus.store.store import Store
from paribus.study.outcomes import OUTCOMES
from paribus.study.spec import Spec, builtin_names, load

PACKED = Path(__file__).parents[1] / "results.sqlite.xz"


@contextmanager
def unpacked() -> Iterator[Path]:
    """Yield the path of the store, in a folder that is gone afterwards."""
    with TemporaryDirectory() as folder:
        store = Path(folder) / "results.sqlite"
        if PACKED.exists():
            store.write_bytes(lzma.decompress(PACKED.read_bytes()))
            Store(store, create=True).__exit__()  # migrated once, not at every look into it
        yield store


def left_out(spec: Spec) -> str:
    """Return why a study has no answer on the site; empty where it has one."""
    if "cuda" in spec.to_yaml():
        return "it compares a GPU with a CPU, so it needs a machine that has one"
    if spec.outcome and OUTCOMES[spec.outcome].lane == "clock":
        return (
            "it measures times, which hold for one machine alone and count only while nothing else "
            "runs on it"
        )
    return ""


def main(names: list[str]) -> None:
    """Run the studies, by default all, and keep what is finished whatever happens."""
    with unpacked() as store:
        try:
            for name in names or [one for one in builtin_names() if not left_out(load(one))]:
                command = [sys.executable, "-m", "paribus", "run", name, "--no-report"]
                subprocess.run([*command, "--store", store], check=True)
        finally:
            if store.exists():
                _pack(store)


def _pack(store: Path) -> None:
    """Write the packed store anew, whole or not at all."""
    compact, partial = store.with_suffix(".compact"), PACKED.with_suffix(".partial")
    with closing(sqlite3.connect(store)) as db:
        db.execute("VACUUM INTO ?", (str(compact),))
    partial.write_bytes(lzma.compress(compact.read_bytes()))
    os.replace(partial, PACKED)  # noqa: PTH105 (atomic on every system)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The public doors that hostile input comes through, and what must hold whatever comes."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from paribus.__main__ import main
from paribus.analysis import analyse
from paribus.data import Dataset, fit_scaling, load, split
from paribus.data.idx import read_idx
from paribus.errors import InputError, ParibusError
from paribus.report.record import to_record
from paribus.run import Settings, foresee, lay_out, make_plan
from paribus.store.store import Store
from paribus.study import spec as specs
from paribus.study.declaration import declaration

LONGEST = 20_000
"""Characters that a message may have."""

SECONDS = 20
"""Of the processor that one input may take: others may use the machine."""

MEGABYTES = 1500
"""That one input may add to the most memory that the process has had."""


class Fault(AssertionError):
    """A promise that is broken; `kind` is the column of the table that it counts in."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


def tried(door: Callable[[], object], folder: Path) -> bool:
    """Return whether a door accepts what it is given, or refuses it as it should; else Fault.

    Nothing in `folder`, which is the working folder, may be written.
    """
    before, most = _content(folder), _peak()
    try:
        with _in_time(), contextlib.chdir(folder):
            door()
        accepted = True
    except Fault:
        raise
    except ParibusError as error:
        _check_message(error)
        accepted = False
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        kind = "too slow" if isinstance(error, _TooSlow) else "tracebacks"
        raise Fault(kind, "".join(traceback.format_exception(error))[-3000:]) from error
    if (after := _content(folder)) != before:
        changed = sorted(set(after.items()) ^ set(before.items()))
        raise Fault("partial writes", f"files were written: {[name for name, _ in changed]}")
    if _peak() - most > MEGABYTES:
        raise Fault("too much memory", f"{_peak() - most:,.0f} MB more than before")
    return accepted


def plan_of_file(study: Path, overrides: Mapping[str, Any]) -> None:
    """Do what `paribus plan STUDY` does; the data sets that go by a name are small or cached."""
    _plan(specs.load(str(study), overrides))


def plan_of_values(values: dict[str, Any]) -> None:
    """Do what `Study(**values).plan()` does."""
    _plan(specs.from_values(values))


def _plan(spec: specs.Spec) -> None:
    data = spec.data
    dataset = _dataset(data.source, data.target, data.missing, data.task)
    again = specs.from_values(specs.parse(spec.to_yaml(), "again").values)
    if again.model_dump_json(exclude={"presets"}) != spec.model_dump_json(exclude={"presets"}):
        raise Fault("tracebacks", f"another study comes back from its YAML:\n{spec.to_yaml()}")
    settings = Settings(Path("none.sqlite"), workers=2, device="cpu", skip_unavailable=True)
    design = lay_out(spec, dataset, settings)
    plan = make_plan(design, settings)
    foresee(plan.design, settings)
    json.dumps(declaration(plan.design, ""))
    assert repr(plan)
    assert plan.design.key


@cache
def _dataset(source: str, *options: str | None) -> Dataset:
    if source not in ("mnist", "fashion-mnist") or any(one is not None for one in options[::2]):
        target, missing, task = options
        return load(source, target=target, missing=missing, task=task)  # type: ignore[arg-type]
    return Dataset(  # of their shape, but for the rows
        source,
        "classification",
        np.zeros((200, 1, 28, 28), np.uint8),
        np.arange(200) % 10,
        tuple("0123456789"),
        value_range=(0, 255),
        test_rows=np.arange(150, 200),
    )


def data_file(path: Path, target: str | None, missing: str, task: str | None) -> None:
    """Read a data set as a study does, and check what `Dataset` promises."""
    found = load(path, target=target, missing=missing, task=task)  # type: ignore[arg-type]
    assert found.rows > 0
    assert found.outputs > 0
    assert found.features.dtype in (np.uint8, np.float32)
    assert math.prod(found.features.shape) > 0, f"no inputs: {found.features.shape}"
    assert not np.isinf(found.features).any()
    assert missing == "mean" or not np.isnan(found.features).any()
    assert np.isfinite(found.targets).all()
    assert len(found.checksum) == 64
    if found.task == "classification":
        assert len(set(found.classes)) == len(found.classes) >= 2
    rng = np.random.default_rng(0)
    parts = split(found, test=0.2, validation=0.2, rng=rng)
    rows = np.concatenate([parts.train, parts.validation, parts.test])
    assert len(np.unique(rows)) == len(rows) == found.rows
    scaled = fit_scaling(found, parts.train, "standard").apply(found.features[:100])
    assert np.isfinite(scaled).all()


def idx_file(path: Path) -> None:
    """Read an IDX file."""
    found = read_idx(path)
    assert found.dtype.isnative
    assert found.nbytes <= 1040 * path.stat().st_size


def store_file(path: Path) -> None:
    """Read everything that a store has; what one study lacks does not hide the others."""
    refused: list[ParibusError] = []
    with Store(path) as store:
        for row in store.studies():
            try:
                study = store.study(row.key)
                for *_, points in store.curves(row.key):
                    assert points.ndim == 1
                for name in ("test_recall", "test_confusion"):
                    assert all(
                        cells.size < 10**6 for *_, cells in store.class_tables(row.key, name)
                    )
                store.runs((run.block, run.arm, run.key) for run in study.runs)
                json.dumps(to_record(analyse(store, row.key)))
            except ParibusError as error:
                refused.append(error)
    if refused:
        raise refused[0]


def command(*words: str) -> None:
    """Run the command line in this process: exit code 0, 1 or 2, and never a traceback."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["paribus", *words]
    term = signal.getsignal(signal.SIGTERM)
    with (
        patch.object(sys, "argv", argv),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as exit:
            code = exit.code or 0
        finally:
            signal.signal(signal.SIGTERM, term)
    said = err.getvalue()
    if "Traceback" in said or "internal error" in said or code not in (0, 1, 2):
        raise Fault("tracebacks", f"{argv}: exit code {code}: {said[-2000:]}")
    if code:
        raise InputError(said)


def _check_message(error: ParibusError) -> None:
    text = str(error)
    if not text.strip():
        raise Fault("tracebacks", f"{type(error).__name__} without a message")
    if len(text) > LONGEST:
        raise Fault("tracebacks", f"a message of {len(text):,} characters: {text[:500]}")
    odd = {one for one in text if not one.isprintable() and (ord(one) < 160 or _lone(one))}
    if odd - {"\n", "\t"}:
        raise Fault("tracebacks", f"{odd} in a message: {text[:500]!r}")


def _lone(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def _content(folder: Path) -> dict[str, bytes]:
    # What SQLite itself keeps beside a store while it is open is none of ours.
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith(("-wal", "-shm"))
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class _TooSlow(BaseException):
    """No handler of errors catches it."""


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _TooSlow(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGPROF, stop)
    # Again and again: what is raised while Python collects garbage is lost.
    signal.setitimer(signal.ITIMER_PROF, SECONDS, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def quiet() -> None:
    """Keep this process from downloading, and from more threads than it needs."""
    os.environ.update(OMP_NUM_THREADS="1", PARIBUS_DATA="")

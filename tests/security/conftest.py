"""A store that somebody else made, whose every free text tries to be more than text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paribus.data import Dataset, from_frame
from paribus.engines.base import Record
from paribus.store.store import Store
from paribus.study.declaration import declaration
from paribus.study.design import Design, EngineId, design
from paribus.study.spec import from_values

ATTEMPTS = (
    "=HYPERLINK(1)",  # first, so that a cell begins with it
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></svg><svg onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "--><!--",
    "]]>",
    "[x](javascript:alert(1)) ![x](http://evil.example/x.png)",
    "`code` ```",
    "| a | b |",
    "\n# heading\n\n- item\n\n---\n",
    "\\input{/etc/passwd}\\write18{id} $x$ %25 ^^5c #1 ~ & {",
    "{{ 7 * 7 }}{% raw %}",
    "[bold red]x[/] [link=http://evil.example]x[/link] :warning:",
    "\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\\x1b[2J\x1b[31m\x07\x08\x7f\x9b31m\0",
    "\u202eright to left\u2066",
    "%matplotlib\n!id\n%%bash",
)
HOSTILE = " ".join(ATTEMPTS)


def study_of(dataset: Dataset) -> Design:
    """Lay out a study of two factors whose names and levels are hostile."""
    levels = {f"{HOSTILE} {n}": {"model.dropout": n / 10} for n in (1, 2)}
    values = {
        "question": HOSTILE,
        "reason": HOSTILE,
        "asks": [HOSTILE],
        "data": {"source": HOSTILE, "target": HOSTILE},
        "factors": {
            f"{HOSTILE} of mine": levels,
            "train.learning_rate": {f"{HOSTILE} low": 0.1, f"{HOSTILE} high": 0.2},
        },
        "train": {"epochs": 2, "log_every": 1},
        "seeds": 6,
        "margin": 0.01,
        "reach": 0.9,
    }
    return design(from_values(values), dataset, EngineId("stacked", HOSTILE, "cpu"))


def table() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    classes = np.tile([f"{HOSTILE} one", f"{HOSTILE} two"], 30)
    return pd.DataFrame({f"{HOSTILE} x": generator.normal(size=60), HOSTILE: classes})


def records(laid_out: Design) -> list[Record]:
    """Return a record for each run, of which one failed and one diverged."""
    generator = np.random.default_rng(1)
    made = []
    for number, run in enumerate(laid_out.runs):
        accuracy = 0.8 + 0.05 * run.arm + generator.normal(0, 0.01)
        if number in (5, 10):
            made.append(Record(run.key, "failed" if number == 5 else "diverged", HOSTILE))
            continue
        losses = {name: generator.random(2) for name in ("train_loss", "test_loss")}
        metrics = {"test_accuracy": accuracy, **{name: ends[-1] for name, ends in losses.items()}}
        curves = {**losses, "test_accuracy": np.array([accuracy - 0.1, accuracy])}
        curves |= {"step_loss": generator.random(2)}
        tables = {"test_confusion": np.array([[5.0, 1], [2, 4]]), "test_recall": np.ones(2) / 2}
        made.append(Record(run.key, "done", "", metrics, curves, tables=tables))
    return made


def write(path: Path, name: str = HOSTILE, key: str = "", before: str = "") -> Path:
    """Write the store, with something before the key of every run."""
    laid_out = study_of(from_frame(table(), HOSTILE, name=HOSTILE))
    content = declaration(laid_out, f"paribus run {HOSTILE}")
    confound = {"name": HOSTILE, "what": HOSTILE, "why": HOSTILE, "mend": HOSTILE}
    content["confounds"] = [{**confound, "accepted": False}, {**confound, "accepted": True}]
    content["unavailable"] = [HOSTILE]
    content["controls"] = {**content["controls"], HOSTILE: HOSTILE}
    content["data"] = {**content["data"], HOSTILE: HOSTILE}
    runs = [(run.block, run.arm, before + run.key) for run in laid_out.runs]
    environment = {"python": HOSTILE, HOSTILE: HOSTILE}
    with Store(path, create=True) as store:
        store.add_study(key or laid_out.key, name, HOSTILE, content, runs)
        for record in records(laid_out):
            store.add_record(replace(record, key=before + record.key), environment)
    return path


@pytest.fixture(scope="session")
def hostile_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("hostile") / "store.sqlite")

"""The log of training, as people and programs read it; checkpoints by arm and seed."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

import paribus
from paribus.checkpoints import Checkpoint, copy_to
from paribus.cli import app
from paribus.data import fit_scaling
from paribus.report.log import render_log
from paribus.screen import console
from paribus.study.rows import split_rows
from paribus.training_log import training_log

STUDY = """\
question: Does the optimizer matter?
data: breast-cancer
model: {hidden: [8]}
train: {epochs: 3, batch_size: 50}
factors: {train.optimizer: [sgd, adam]}
seeds: 2
"""


@dataclass(frozen=True)
class Ran:
    """A small study that has run, and what its run printed."""

    store: Path
    study: paribus.Study
    printed: str

    @cached_property
    def result(self) -> paribus.Result:
        return self.study.run(store=self.store, workers=1, checkpoints=True, progress=False)

    def call(self, command: str, *arguments: str) -> str:
        asked = [command, "optimizer", "--store", str(self.store), *arguments]
        done = CliRunner().invoke(app, asked)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """A screen of 80 columns, whatever the tests are run in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console.out, "width", 80)
        yield


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("log")
    (folder / "optimizer.yaml").write_text(STUDY)
    store = folder / "s.sqlite"
    asked = ["run", str(folder / "optimizer.yaml"), "--log-every", "4", "--checkpoints"]
    asked += ["--store", str(store), "--workers", "1", "--no-report"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    study = paribus.Study.load(folder / "optimizer.yaml", train__log_every=4)
    return Ran(store, study, done.stdout)


def curves(rows: list[tuple[object, ...]], place: str = "epoch") -> pd.DataFrame:
    places = ["epoch", "step", "steps"] if place == "step" else ["epoch"]
    return pd.DataFrame(rows, columns=["arm", "block", "metric", *places, "value"])


def test_means_ranges_and_improvements_are_over_the_seeds_of_an_arm() -> None:
    by_epoch = curves(
        [("a", b, "train_loss", e, v) for b, e, v in
         [(0, 1, 5.0), (0, 2, 3.0), (1, 1, 4.0), (1, 2, 3.5), (2, 1, 6.0), (2, 2, math.inf)]]
        + [("a", b, "test_accuracy", 2, v) for b, v in [(0, 0.9), (1, 0.7), (2, math.nan)]]
    )  # fmt: skip
    by_step = curves(
        [("a", b, "step_mean_loss", 2, 10, 12, v) for b, v in [(0, 3.1), (1, 3.3)]]
        + [("a", 0, "step_loss", 2, 10, 12, 99.0)],
        "step",
    )
    first, step, last = training_log(by_epoch, by_step).to_dict("records")
    assert (first["epoch"], first["seeds"], first["train_loss"]) == (1, 3, 5.0)
    assert (first["train_loss_low"], first["train_loss_high"]) == (4.0, 6.0)
    assert math.isnan(first["improvement"])
    assert (step["epoch"], step["step"], step["steps"], step["seeds"]) == (2, 10, 12, 2)
    assert step["train_loss"] == pytest.approx(3.2)
    assert (last["seeds"], last["train_loss"]) == (2, 3.25)
    assert [last[f"improvement{end}"] for end in ("", "_low", "_high")] == [1.25, 0.5, 2.0]
    assert last["test_accuracy"] == pytest.approx(0.8)
    assert pd.isna(last["step"])


def test_a_log_without_any_finite_value_is_empty() -> None:
    nothing = curves([("a", 0, "train_loss", 1, math.nan)])
    assert training_log(nothing, curves([], "step")).empty


def test_a_run_prints_its_log_before_its_answer(ran: Ran) -> None:
    log, question, _ = ran.printed.partition("Does the optimizer matter?")
    assert question
    assert log.index("sgd · mean of 2 seeds") < log.index("adam · mean of 2 seeds")
    assert [line.split()[:2] for line in log.splitlines() if " 4/10 " in line] == [
        [f"{epoch}", "4/10"] for epoch in (1, 2, 3, 1, 2, 3)
    ]
    assert log.strip() == ran.call("log").strip()
    assert max(map(len, log.splitlines())) <= 80


def test_the_printed_figures_are_those_of_the_runs(ran: Ran) -> None:
    runs = ran.result.runs.query("arm == 'adam'")
    lines = ran.call("log", "--arm", "adam").splitlines()
    ends = [lines[-4 + row].split() for row in range(3)]
    loss, accuracy = runs["test_loss"], 100 * runs["test_accuracy"]
    for cells, of in zip(ends, ("mean", "min", "max"), strict=True):
        assert cells[-2:] == [f"{loss.agg(of):.4f}", f"{accuracy.agg(of):.2f}"]
    wide = Console(file=io.StringIO(), width=200)
    assert render_log(ran.result.log, wide) == ""
    shown = f"{accuracy.mean():.2f} [{accuracy.min():.2f}, {accuracy.max():.2f}]"
    assert shown in wide.file.getvalue()  # type: ignore[attr-defined]


def test_one_run_is_told_as_its_training_loop_would_have_told_it(ran: Ran) -> None:
    lines = ran.call("log", "--arm", "sgd", "--seed", "1").splitlines()
    steps = ran.result.steps.query("arm == 'sgd' and block == 1 and metric == 'step_loss'")
    assert [line for line in lines if "Step" in line] == [
        f"Epoch [{e}/3], Step [{s}/10], Loss: {value:.4f}"
        for e, s, value in zip(steps["epoch"], steps["step"], steps["value"], strict=True)
    ]
    by_epoch = [line for line in lines if "Step" not in line]
    assert "Improvement" not in by_epoch[0]
    losses = [float(found.group(1)) for line in by_epoch
              if (found := re.search(r"Training loss: ([\d.]+), ", line))]  # fmt: skip
    assert f"Improvement: {losses[1] - losses[2]:+.3f}"[:-1] in by_epoch[2]
    assert by_epoch[2].endswith(" %")


def test_programs_get_every_row(ran: Ran) -> None:
    table = pd.read_csv(io.StringIO(ran.call("log", "--csv")))
    records = json.loads(ran.call("log", "--json"))
    assert len(table) == len(records) == 2 * 3 * (2 + 1)
    assert records[2]["step"] is None
    assert records[0]["improvement"] is None
    expected = ran.result.log
    np.testing.assert_allclose(table["train_loss"], expected["train_loss"])
    of_one = pd.read_csv(io.StringIO(ran.call("log", "--csv", "--arm", "adam", "--seed", "0")))
    assert set(of_one["arm"]) == {"adam"}
    assert set(of_one["seeds"]) == {1}


def test_what_is_not_there_is_told(ran: Ran) -> None:
    with pytest.raises(paribus.StoreError, match=r"no arm adm \(did you mean adam\?\)"):
        ran.call("log", "--arm", "adm")
    with pytest.raises(paribus.InputError, match="no run of optimizer that you ask for"):
        ran.call("log", "--seed", "7")
    with pytest.raises(paribus.InputError, match="exclude each other"):
        ran.call("log", "--json", "--csv")


def test_a_long_log_is_thinned_with_its_ends_and_says_so() -> None:
    arms = [f"arm {number}" for number in range(1, 9)]
    by_epoch = curves([(a, 0, "train_loss", e, 1.0) for a in arms for e in range(1, 41)])
    by_step = curves(
        [(a, 0, "step_mean_loss", e, s, 600, 1.0)
         for a in arms for e in range(1, 41) for s in range(100, 601, 100)],
        "step",
    )  # fmt: skip
    log = training_log(by_epoch, by_step)
    console = Console(file=io.StringIO(), width=80)
    told = render_log(log, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert told == "6 of 8 arms, 4 of 40 epochs and 3 of 6 logged steps of an epoch"
    for seen in ("arm 1 ", "arm 8 ", " 1  100/600", "40  600/600"):
        assert seen in text
    assert len(text.splitlines()) < 130
    assert render_log(log, console, every_row=True) == ""
    assert console.file.getvalue().count("/600") == 8 * 40 * 6 + 6 * 4 * 3  # type: ignore[attr-defined]


def test_copied_checkpoints_have_readable_names_and_the_listed_accuracy(
    ran: Ran, tmp_path: Path
) -> None:
    listed = json.loads(ran.call("checkpoints", "--json", "--out", str(tmp_path / "networks")))
    names = sorted(path.name for path in (tmp_path / "networks").iterdir())
    assert names == [f"{arm}-seed-{seed}.safetensors" for arm in ("adam", "sgd") for seed in (0, 1)]
    dataset, spec = ran.study.dataset, ran.study.spec
    split = split_rows(dataset, spec.data, spec.seed)
    x = torch.from_numpy(fit_scaling(dataset, split.train, "standard").apply(dataset.features))
    for one in listed:
        with torch.no_grad():
            predicted = paribus.load_model(one["path"])(x[split.test]).argmax(1).numpy()
        assert np.mean(predicted == dataset.targets[split.test]) == pytest.approx(
            one["test_accuracy"]
        )
        kept = ran.result.checkpoint(one["arm"], one["seed"])
        assert kept.read_bytes() == Path(one["path"]).read_bytes()
    lines = ran.call("checkpoints").splitlines()
    assert len(lines) == 5
    assert all(line.endswith(".safetensors") for line in lines[1:])
    with pytest.raises(paribus.StoreError, match="no checkpoint of sgd with seed 9; those of"):
        ran.result.checkpoint("sgd", 9)


def test_file_names_are_safe_and_no_two_alike(tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_bytes(b"weights")
    arms = ["sgd · batch norm", "SGD/batch norm", "../..", "lr 0.1", "é" * 300]
    kept = [Checkpoint(arm, 0, "test_accuracy", 0.5, source) for arm in arms]
    paths = [one.path for one in copy_to(tmp_path / "out", kept)]
    assert [path.name.removesuffix("-seed-0.safetensors") for path in paths] == [
        "sgd-batch-norm",
        "SGD-batch-norm-2",
        "unnamed",
        "lr-0.1",
        "é" * 50,
    ]
    assert {path.parent for path in paths} == {tmp_path / "out"}
    assert all(path.read_bytes() == b"weights" for path in paths)
    assert len(list((tmp_path / "out").iterdir())) == 5


def test_a_study_without_checkpoints_says_how_to_keep_them(ran: Ran, tmp_path: Path) -> None:
    elsewhere = tmp_path / "s.sqlite"
    shutil.copy(ran.store, elsewhere)
    with pytest.raises(paribus.StoreError, match="--checkpoints` keeps them"):
        paribus.Result(ran.result.analysis, elsewhere).checkpoint("sgd", 0)

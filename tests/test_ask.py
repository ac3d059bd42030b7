"""Questions asked in words: what the store answers, and what the others would take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from paribus import cli, questions
from paribus.data import load as load_data
from paribus.engines.base import Record
from paribus.errors import InputError
from paribus.report import charts
from paribus.run import Settings, lay_out
from paribus.screen import replies
from paribus.store.store import Store
from paribus.study.declaration import declaration
from paribus.study.spec import Spec, builtin_names, from_values, load

OWN = {
    "name": "thinning",
    "question": "Do sparse updates help my tumours?",
    "asks": ["should I thin out units"],
    "reason": "Thinned units cannot lean\non each other.",
    "data": "breast-cancer",
    "model": {"hidden": [8]},
    "factors": {"model.dropout": [0, 0.5]},
    "seeds": 6,
    "margin": 0.02,
}


def keep(store: Path, spec: Spec, runs: int | None = None, without: tuple[str, ...] = ()) -> None:
    """Put a study into a store, with made-up results of so many of its runs."""
    design = lay_out(spec, load_data(spec.data.source), Settings(store))
    command = f"paribus run {spec.name}"
    content = {k: v for k, v in declaration(design, command).items() if k not in without}
    generator = np.random.default_rng(3)
    with Store(store, create=True) as opened:
        planned = ((run.block, run.arm, run.key) for run in design.runs)
        opened.add_study(design.key, spec.name, spec.question, content, planned)
        for run in design.runs[:runs]:
            accuracy = 0.9 + 0.05 * (run.arm == 1) + generator.normal(0, 0.002)
            metrics = {"test_accuracy": accuracy, "test_loss": 0.3}
            curves = {name: np.full(2, value) for name, value in metrics.items()}
            opened.add_record(Record(run.key, "done", "", metrics, curves), {"Paribus": "0"})


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(charts, "to_svg", lambda chart: "<svg/>")  # what takes the time of a report
    return tmp_path / "store.sqlite"


def paribus(*arguments: str | Path, typed: str = "") -> Result:
    environment = {"COLUMNS": "100", "PARIBUS_STORE": ""}
    return CliRunner().invoke(cli.app, list(map(str, arguments)), input=typed, env=environment)


def asked(*arguments: str | Path) -> str:
    """Return what `paribus ask` prints, its lines joined."""
    done = paribus("ask", *arguments)
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


def test_without_words_all_questions_are_listed_by_name(store: Path) -> None:
    keep(store, from_values(OWN), runs=0)
    listed = json.loads(paribus("ask", "--json", "--store", store).stdout)
    assert [row["study"] for row in listed] == sorted([*builtin_names(), "thinning"])
    text = paribus("ask", "--store", store).stdout
    assert all(row["study"] in text for row in listed)
    assert listed[-1]["question"] in " ".join(text.split())


def test_a_question_about_nothing_here_lists_what_there_is(store: Path) -> None:
    done = paribus("ask", "does", "the", "moon", "shine", "--store", store)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no study is about 'does the moon shine'" in done.stderr
    assert all(name in done.stderr for name in builtin_names())


def test_what_is_not_answered_is_told_with_its_reason_and_what_would_run(store: Path) -> None:
    text = asked("which", "optimiser", "is", "best", "--store", store)
    spec = load("optimizers")
    assert spec.question in text
    assert (spec.reason or "nothing") in text
    assert "Not measured here on digits yet." in text
    assert "8 arms × 10 seeds = 80 runs" in text
    assert "about" in text.partition("80 runs")[2]
    assert f"To run it: paribus run optimizers --store {store}" in text
    assert not store.exists()
    record = json.loads(paribus("ask", "optimizers", "--json", "--store", store).stdout)
    assert (record["name"], record["answer"], record["reason"]) == (
        "optimizers",
        None,
        spec.reason,
    )
    assert record["plan"]["to_train"] == 80
    assert record["plan"]["estimated_seconds"] > 0


def test_what_is_answered_is_shown_with_its_reason_data_and_report(store: Path) -> None:
    keep(store, load("precision"))
    text = asked("does", "bf16", "cost", "accuracy", "--store", store)
    assert "Bf16 against fp32: better" in text
    assert "10 seeds, ± their standard deviation" in text
    assert f"Why: {load('precision').reason}" in text
    assert "Measured on digits (1,797 rows)" in text
    report = store.parent / "reports" / "precision.html"
    assert text.endswith(f": paribus run precision Report: {report}")
    assert '<section id="why"' in report.read_text()
    written = report.stat().st_mtime_ns
    record = json.loads(paribus("ask", "precision", "--json", "--store", store).stdout)
    assert report.stat().st_mtime_ns == written  # it is current
    assert record["report"] == str(report)
    assert record["reason"] == load("precision").reason
    assert record["verdicts"] == {"better": 1}


def test_an_answer_on_other_data_is_no_answer(store: Path) -> None:
    keep(store, load("precision", {"data.source": "breast-cancer"}))
    assert "Measured on breast-cancer (569 rows)" in asked("bf16", "--store", store)
    text = asked("bf16", "--data", "digits", "--store", store)
    assert "Not measured here on digits yet." in text
    assert "Measured on breast-cancer: paribus ask precision --data breast-cancer" in text
    keep(store, load("precision"))
    assert "Measured on digits" in asked("bf16", "--data", "digits", "--store", store)
    assert "Measured on breast-cancer too" in asked("bf16", "--store", store)


def test_another_question_under_the_name_of_a_built_in_study_is_no_answer(store: Path) -> None:
    other = {"name": "precision", "question": "Does dropout help on my table?"}
    keep(store, from_values({**OWN, **other}))
    assert "Not measured here on digits yet." in asked("precision", "--store", store)


def test_a_file_is_known_by_what_is_in_it(store: Path, tmp_path: Path) -> None:
    rows = [f"{i % 7},{i % 5},{'xy'[i % 2]}" for i in range(60)]
    table = tmp_path / "mine.csv"
    table.write_text("\n".join(["a,b,label", *rows]))
    data = {"data.source": str(table), "data.target": "label"}
    spec = load("precision", data)
    design = lay_out(spec, load_data(table, target="label"), Settings(store))
    with Store(store, create=True) as opened:
        planned = ((run.block, run.arm, run.key) for run in design.runs)
        content = declaration(design, "")
        opened.add_study(design.key, spec.name, spec.question, content, planned)
        for run in design.runs:
            metrics = {"test_accuracy": 0.5 + 0.01 * run.block}
            opened.add_record(Record(run.key, "done", "", metrics), {"Paribus": "0"})
    named = ("--data", table, "--target", "label", "--store", store)
    assert "Measured on mine (60 rows)" in asked("bf16", *named)
    table.write_text("\n".join(["a,b,label", *rows[::-1], "1,2,x"]))
    assert "Not measured here" in asked("bf16", *named)


def test_part_of_the_runs_is_no_answer_of_a_built_in_study(store: Path) -> None:
    keep(store, load("precision"), runs=13)
    text = asked("precision", "--store", store)
    assert "Not measured here on digits yet." in text
    assert "13 already done" in text


def test_a_study_stored_before_there_were_reasons_gets_that_of_today(store: Path) -> None:
    keep(store, load("precision"), without=("reason", "asks"))
    assert f"Why: {load('precision').reason}" in asked("precision", "--store", store)
    assert "Why:" not in paribus("show", "precision", "--store", store).stdout


def test_a_study_of_ones_own_is_found_by_its_question_and_its_other_wordings(store: Path) -> None:
    keep(store, from_values(OWN))
    for words in ("sparse updates", "thin out units", "thinning"):
        text = asked(*words.split(), "--store", store)
        assert OWN["question"] in text
        assert "Why: Thinned units cannot lean on each other." in text
    done = paribus("ask", "thinning", "--data", "digits", "--store", store)
    assert isinstance(done.exception, InputError)
    assert "on breast-cancer, not on digits" in str(done.exception)


def test_a_study_of_ones_own_that_is_not_finished_says_how_far_it_is(store: Path) -> None:
    keep(store, from_values(OWN), runs=7)
    text = asked("thinning", "--store", store)
    assert "Not finished: 7 of 12 runs are trained." in text
    assert "To finish it: paribus run thinning" in text


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What `paribus run` was called with, in place of running."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(cli.asking, "run", lambda *given, **_: calls.append(given))
    return calls


@pytest.mark.parametrize(("typed", "runs"), [("\n", 0), ("n\n", 0), ("y\n", 1)])
def test_on_a_terminal_it_is_run_on_request(
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    ran: list[tuple[Any, ...]],
    typed: str,
    runs: int,
) -> None:
    monkeypatch.setattr(replies, "asks_back", lambda: True)
    done = paribus("ask", "bf16", "--data", "breast-cancer", "--store", store, typed=typed)
    assert "Run it now? [y/N]" in done.stdout
    assert ran == [("precision", "breast-cancer", None)] * runs


def test_run_does_not_ask_and_runs_only_what_is_not_answered(
    store: Path, ran: list[tuple[Any, ...]]
) -> None:
    assert paribus("ask", "bf16", "--run", "--store", store).exit_code == 0
    assert ran == [("precision", None, None)]
    keep(store, load("precision"))
    assert "Measured on digits" in asked("bf16", "--run", "--store", store)
    assert len(ran) == 1


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without a GPU, TensorFlow or downloaded data."""
    monkeypatch.setattr(questions, "choose_device", lambda wanted: "cpu")
    monkeypatch.setattr(
        questions, "framework_version", lambda package: None if package == "keras" else "1"
    )
    monkeypatch.setattr(
        questions, "location", lambda name, root: None if "mnist" in name else tmp_path
    )


@pytest.mark.usefixtures("bare")
def test_what_cannot_run_here_says_what_it_needs(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = next(name for name in builtin_names() if "cuda" in str(load(name).factors))
    text = asked(gpu, "--store", store)
    assert "it needs a GPU" in text
    assert f"Where it can run: paribus run {gpu}" in text
    text = asked("frameworks", "--store", store)
    assert "it needs tensorflow. pip install 'paribus[tensorflow]'" in text
    text = asked("bf16", "--data", "mnist", "--store", store)
    assert "it needs its data. The data set mnist is not here: downloaded once, 12 MB." in text
    assert "To run it: paribus run precision --data mnist" in text
    monkeypatch.setattr(replies, "asks_back", lambda: True)
    assert "Run it now?" not in paribus("ask", gpu, "--store", store).stdout
    assert "Run it now?" in paribus("ask", "bf16", "--data", "mnist", "--store", store).stdout


@pytest.mark.usefixtures("bare")
def test_studies_tells_about_how_long_each_takes_or_what_it_needs(store: Path) -> None:
    keep(store, load("precision"))
    rows = json.loads(paribus("studies", "--json", "--store", store).stdout)
    assert [row["study"] for row in rows] == sorted(builtin_names())
    assert set(rows[0]) == {
        "study", "question", "runs", "about_seconds", "lacks", "data", "reference"
    }  # fmt: skip
    by_name = {row["study"]: row for row in rows}
    assert by_name["optimizers"]["runs"] == 80
    assert by_name["optimizers"]["about_seconds"] > 0
    assert by_name["precision"]["about_seconds"] == 0
    assert by_name["frameworks"]["lacks"] == "needs tensorflow"
    for row in rows:
        assert bool(row["lacks"]) == (row["about_seconds"] is None)
        assert (row["lacks"] == "needs a GPU") == ("cuda" in str(load(row["study"]).factors))
    table = paribus("studies", "--store", store).stdout
    (line,) = [line for line in table.splitlines() if line.startswith("precision")]
    assert "done" in line
    assert max(map(len, table.splitlines())) <= 100

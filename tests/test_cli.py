"""The command line, as a person and as a program use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.study.test_spec import FIVE_MISTAKES

STUDY = """\
question: Does dropout help?
data: breast-cancer
model: {hidden: [8]}
train: {epochs: 2, batch_size: 64}
factors:
  model.dropout: [0, 0.5]
seeds: 6
margin: 0.02
"""


def paribus(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paribus", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "80", **environment},
    )


def refused(folder: Path, *arguments: str, **environment: str) -> str:
    """Run what must be refused: exit code 2, no traceback, nothing written."""
    before = sorted(folder.rglob("*"))
    done = paribus(folder, *arguments, **environment)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert sorted(folder.rglob("*")) == before
    return done.stderr


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a small study has run."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "dropout.yaml").write_text(STUDY)
    done = paribus(folder, "run", "dropout.yaml")
    assert done.returncode == 0, done.stderr
    assert "Does dropout help?" in done.stdout
    assert "Report: .paribus/reports/dropout.html" in done.stdout
    assert "12 runs" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr  # no colours where there is no terminal
    return folder


def test_show_gives_the_stored_answer_as_text_and_json(ran: Path) -> None:
    text = paribus(ran, "show", "dropout").stdout
    record = json.loads(paribus(ran, "show", "dropout", "--json").stdout)
    assert "".join(record["answer"].split()) in "".join(text.split())
    assert len(record["arms"]) == 2
    assert record["contrasts"][0]["n"] == 6
    assert record["command"] == "paribus run dropout.yaml"


def test_a_reader_that_stops_early_is_no_error(ran: Path) -> None:
    command = f"{sys.executable} -m paribus show dropout"
    script = f"set -o pipefail; {command} | head -1"
    done = subprocess.run(["bash", "-c", script], cwd=ran, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_list_shows_the_studies_of_the_store(ran: Path) -> None:
    (row,) = json.loads(paribus(ran, "list", "--json").stdout)
    assert (row["study"], row["runs"], row["done"]) == ("dropout", 12, 12)
    assert "dropout" in paribus(ran, "list").stdout


def test_export_writes_a_row_per_run_with_settings_and_metrics(ran: Path) -> None:
    assert paribus(ran, "export", "dropout", "--out", "runs.csv").returncode == 0
    assert (
        paribus(ran, "export", "dropout", "--format", "parquet", "--out", "runs.pq").returncode == 0
    )
    csv, parquet = pd.read_csv(ran / "runs.csv"), pd.read_parquet(ran / "runs.pq")
    assert len(csv) == len(parquet) == 12
    assert {"arm", "seed", "status", "train.learning_rate", "test_accuracy"} <= set(csv.columns)
    pd.testing.assert_series_equal(csv["test_accuracy"], parquet["test_accuracy"])
    assert "must be csv or parquet" in paribus(ran, "export", "dropout", "--out", "x.xls").stderr


def test_report_writes_one_file_where_it_is_told(ran: Path) -> None:
    assert paribus(ran, "report", "dropout", "--out", "mine.html").returncode == 0
    page = (ran / "mine.html").read_text()
    assert "Does dropout help?" in page
    assert "<script" not in page
    assert "http://www.w3.org" in page  # the namespace of the charts: the only address in it
    assert 'src="http' not in page


def test_a_finished_study_runs_again_from_the_store(ran: Path) -> None:
    done = paribus(ran, "run", "dropout.yaml", "--json", "--no-report")
    assert "12 already done" in done.stderr
    assert json.loads(done.stdout)["report"] is None


def test_plan_tells_what_would_run_and_writes_nothing(tmp_path: Path) -> None:
    done = paribus(tmp_path, "plan", "optimizers", "--seeds", "3", "--json")
    made = json.loads(done.stdout)
    assert (made["runs"], made["to_train"], sum(made["stacks"])) == (24, 24, 24)
    assert made["estimated_seconds"] > 0
    assert (
        "8 arms × 3 seeds = 24 runs, 10 contrasts"
        in paribus(tmp_path, "plan", "optimizers", "--seeds", "3").stdout
    )
    assert not list(tmp_path.iterdir())


def test_plan_and_run_warn_of_what_may_confound_until_it_is_accepted(tmp_path: Path) -> None:
    study = (
        "question: Does momentum help?\ndata: breast-cancer\nmodel: {hidden: [4]}\n"
        "train: {epochs: 1, optimizer: sgd, shuffle: false}\n"
        "factors: {train.momentum: [0, 0.9]}\nseeds: 2\naccept: [no-shuffling]\n"
    )
    (tmp_path / "momentum.yaml").write_text(study)
    warning = (
        "one-learning-rate: One learning rate serves several optimizers: 0.001 for sgd without "
        "momentum, sgd with momentum."
    )
    planned = " ".join(paribus(tmp_path, "plan", "momentum.yaml").stdout.split())
    assert f"{warning} Why: A rate" in planned
    assert "Or accept it: `accept: [one-learning-rate]`." in planned
    assert planned.endswith("Accepted: no-shuffling.")
    listed = json.loads(paribus(tmp_path, "plan", "momentum.yaml", "--json").stdout)["confounds"]
    assert [(one["name"], one["accepted"]) for one in listed] == [
        ("one-learning-rate", False),
        ("no-shuffling", True),
    ]
    done = paribus(tmp_path, "run", "momentum.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert warning in done.stderr.splitlines()
    record = json.loads(done.stdout)
    assert record["confounds"] == listed
    assert "What may confound this: one-learning-rate (see the report)." in record["notes"]
    page = (tmp_path / ".paribus" / "reports" / "momentum.html").read_text()
    assert "no-shuffling, accepted by the study" in page

    (tmp_path / "momentum.yaml").write_text(study.replace("[no-", "[one-learning-rate, no-"))
    again = paribus(tmp_path, "run", "momentum.yaml", "--no-report")
    assert "4 already done" in again.stderr
    assert "one-learning-rate" not in again.stderr + again.stdout
    (tmp_path / "momentum.yaml").write_text(study.replace("no-shuffling", "no-shufling"))
    message = refused(tmp_path, "plan", "momentum.yaml")
    assert "did you mean no-shuffling?) in momentum.yaml, line 7" in message


def test_plan_foresees_what_the_seeds_can_show(ran: Path, tmp_path: Path) -> None:
    shown = paribus(ran, "plan", "dropout.yaml", "--seeds", "20").stdout
    assert "With 20 seeds, a difference of" in shown
    assert "seen in 6 seeds" in shown
    (tmp_path / "dropout.yaml").write_text(STUDY)
    assert "run a pilot" in paribus(tmp_path, "plan", "dropout.yaml").stdout
    guessed = paribus(tmp_path, "plan", "dropout.yaml", "--sd", "0.01", "--json")
    (spread,) = json.loads(guessed.stdout)["prospect"]["spreads"]
    assert spread["sd"] == 0.01
    assert "--sd must be a number above 0" in refused(
        tmp_path, "plan", "dropout.yaml", "--sd", "-1"
    )


def test_more_seeds_are_added_until_everything_is_decided(tmp_path: Path) -> None:
    units = STUDY.replace("model.dropout: [0, 0.5]", "model.hidden: [[8], [9]]")
    (tmp_path / "units.yaml").write_text(units.replace("0.02", "0.1"))
    assert "run the study to its end" in refused(tmp_path, "run", "units.yaml", "--more")
    first = paribus(tmp_path, "run", "units.yaml", "--json", "--no-report")
    (contrast,) = json.loads(first.stdout)["contrasts"]
    assert contrast["verdict"] == "inconclusive"
    done = paribus(tmp_path, "run", "units.yaml", "--json", "--no-report", "--more")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["looks"]["seeds"] == [6, contrast["seeds_needed"]]
    assert record["contrasts"][0]["n"] == contrast["seeds_needed"]
    assert record["contrasts"][0]["confidence"] == 0.9875
    assert "--set 'extends=[6]'" in record["command"]
    shown = json.loads(paribus(tmp_path, "show", "units", "--json").stdout)
    assert shown["answer"] == record["answer"]


def test_a_pilot_gets_the_seeds_of_a_verdict_and_has_spent_nothing(tmp_path: Path) -> None:
    (tmp_path / "dropout.yaml").write_text(STUDY.replace("seeds: 6", "seeds: 3"))
    paribus(tmp_path, "run", "dropout.yaml", "--no-report")
    done = paribus(tmp_path, "run", "dropout.yaml", "--no-report", "--more", "--json")
    record = json.loads(done.stdout)
    assert record["seeds"] == 6
    assert record["looks"] is None
    assert "What is open gets 6 seeds in all." in done.stderr


def test_more_seeds_for_what_they_cannot_decide_are_refused(tmp_path: Path) -> None:
    """Two names for the same settings: differences without spread."""
    study = STUDY.replace("model.dropout: [0, 0.5]", "arm: {a: {model.dropout: 0}, b: {}}")
    (tmp_path / "same.yaml").write_text(study.replace("margin: 0.02\n", ""))
    paribus(tmp_path, "run", "same.yaml", "--no-report")
    done = paribus(tmp_path, "run", "same.yaml", "--more")
    assert done.returncode == 2
    assert "how many more seeds would decide it is not known" in done.stderr


def test_seeds_auto_tells_its_looks(tmp_path: Path) -> None:
    (tmp_path / "dropout.yaml").write_text(STUDY)
    planned = json.loads(
        paribus(tmp_path, "plan", "dropout.yaml", "--seeds", "auto", "--json").stdout
    )
    assert planned["looks"] == [6, 9, 13, 20, 30]
    assert planned["runs"] == 12  # up to the first look
    refused_more = refused(tmp_path, "run", "dropout.yaml", "--seeds", "auto", "--more")
    assert "seeds: auto adds seeds by itself, up to max_seeds (30)" in refused_more
    assert "--seeds" not in refused(tmp_path, "plan", "dropout.yaml", "--seeds", "many")


def test_seeds_with_splits_of_their_own_are_judged_once(tmp_path: Path) -> None:
    own = "data: {source: breast-cancer, split: kfold}"
    study = STUDY.replace("data: breast-cancer", own)
    (tmp_path / "folds.yaml").write_text(study)
    message = refused(tmp_path, "run", "folds.yaml", "--more")
    assert "more seeds need data.split fixed (got kfold)" in message
    open_ended = study.replace("seeds: 6", "seeds: auto")
    (tmp_path / "folds.yaml").write_text(open_ended)
    line = open_ended.splitlines().index("seeds: auto") + 1
    message = refused(tmp_path, "plan", "folds.yaml")
    assert "seeds: auto needs data.split fixed (got kfold)" in message
    assert f"in folds.yaml, line {line}" in message


def test_folds_without_kfold_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folds.yaml").write_text("question: Ok?\ndata:\n  source: digits\n  folds: 10\n")
    message = refused(tmp_path, "plan", "folds.yaml")
    assert (
        "data.folds needs data.split kfold or cross-validation (got fixed) in folds.yaml, line 4"
        in message
    )
    message = refused(tmp_path, "run", "optimizers", "--set", "data.folds=3")
    assert (
        "data.folds needs data.split kfold or cross-validation (got fixed) in an override"
        in message
    )
    message = refused(
        tmp_path, "plan", "optimizers", "--set", "data.split=kfold", "--set", "data.folds=2000"
    )
    assert "data.folds is 2000; there are only 1797 rows" in message


def test_a_table_of_ones_own_is_learned_from(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "size": [float(i % 17) for i in range(120)],
            "colour": ["red" if i % 3 else "blue" for i in range(120)],
            "kind": ["big" if i % 17 > 8 else "small" for i in range(120)],
        }
    )
    frame.to_csv(tmp_path / "mine.csv", index=False)
    done = paribus(
        tmp_path, "run", "optimizers", "--data", "mine.csv", "--target", "kind", "--seeds", "2",
        "--set", "train.epochs=2", "--set", "model.hidden=[8]", "--json", "--no-report",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["data"]["inputs"] == "3"
    assert record["command"] == (
        "paribus run optimizers --data mine.csv --target kind --seeds 2 "
        "--set train.epochs=2 --set 'model.hidden=[8]'"
    )


def test_a_network_of_ones_own_is_trained_and_trained_anew_when_edited(tmp_path: Path) -> None:
    network = """\
from torch import nn
from blocks import hidden

def make(width):
    return nn.Sequential(hidden(width), nn.Linear(width, 2))
"""
    blocks = """\
from torch import nn

def hidden(width):
    return nn.Sequential(nn.Linear(30, width), nn.ReLU())
"""
    (tmp_path / "nets.py").write_text(network)
    (tmp_path / "blocks.py").write_text(blocks)
    (tmp_path / "own.yaml").write_text(
        "question: Is mine better when it is wide?\ndata: breast-cancer\nmodel: nets:make\n"
        "train: {epochs: 2}\nfactors: {model.arguments.width: [2, 40]}\nseeds: 2\n"
    )
    options = ("--allow-code", "--json", "--no-report", "--checkpoints")
    done = paribus(tmp_path, "run", "own.yaml", *options)
    assert done.returncode == 0, done.stderr
    arms = json.loads(done.stdout)["arms"]
    assert [arm["architecture"] for arm in arms] == ["nets:make(width=2)", "nets:make(width=40)"]
    assert len(list((tmp_path / ".paribus" / "checkpoints").glob("*.safetensors"))) == 4

    def left() -> int:
        planned = paribus(tmp_path, "plan", "own.yaml", "--allow-code", "--json")
        assert planned.returncode == 0, planned.stderr
        return json.loads(planned.stdout)["to_train"]

    assert left() == 0
    (tmp_path / "blocks.py").write_text(blocks.replace("ReLU", "Tanh"))
    assert left() == 4


def test_a_profile_tells_where_the_time_went(tmp_path: Path) -> None:
    (tmp_path / "dropout.yaml").write_text(STUDY)
    done = paribus(tmp_path, "run", "dropout.yaml", "--profile", "--no-report", "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)  # the profile goes elsewhere
    assert "Where the time went" in done.stderr
    held = json.loads((tmp_path / ".paribus" / "profiles" / "dropout.json").read_text())
    seconds = {row["phase"]: row["seconds"] for row in held["phases"]}
    store = seconds.pop("store (driver)")
    trained = {"start", "set-up", "gather", "forward", "backward", "optimizer", "metrics"}
    assert seconds.keys() == trained | {"evaluation", "idle"}
    assert all(spent > 0 for spent in (*seconds.values(), store))
    assert sum(seconds.values()) == pytest.approx(held["workers"] * held["wall_seconds"])
    assert sum(row["share"] or 0 for row in held["phases"]) == pytest.approx(1)
    again = paribus(tmp_path, "run", "dropout.yaml", "--profile", "--no-report")
    assert "Nothing was trained" in again.stderr


def test_five_mistakes_come_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(FIVE_MISTAKES)
    message = refused(tmp_path, "run", "study.yaml")
    assert message.startswith("paribus: 5 problems\n")
    lines = [line.rpartition("line ")[2] for line in message.splitlines()[1:]]
    assert lines == ["4", "6", "7", "8", "10"]


GOOD_ROWS = "a,b,label\n" + "".join(f"{i},{i % 7},{'x' if i % 2 else 'y'}\n" for i in range(40))


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (None, "mine.csv"),
        ("", "empty"),
        (GOOD_ROWS.replace("label", "lable"), "did you mean lable?"),
        ("a,label\n" + "1,x\n" * 20, "label"),
        (GOOD_ROWS.replace("\n5,", "\nfive,"), "five"),
        (GOOD_ROWS + "1,1,z\n", "z"),
        (GOOD_ROWS.replace("\n7,", "\n,"), "a"),
    ],
    ids=["missing", "empty", "no target", "constant target", "text", "one member", "missing value"],
)
def test_a_table_that_cannot_be_learned_from_is_refused(
    tmp_path: Path, table: str | None, expected: str
) -> None:
    if table is not None:
        (tmp_path / "mine.csv").write_text(table)
    message = refused(tmp_path, "run", "optimizers", "--data", "mine.csv", "--target", "label")
    assert expected in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "optimisers"], "did you mean optimizers?"),
        (["run", "none.yaml"], "cannot be read"),
        (["run", "optimizers", "--set", "train.epochs"], "--set must be PATH=VALUE"),
        (["run", "optimizers", "--set", "train.epoch=3"], "did you mean train.epochs?"),
        (["run", "optimizers", "--data", "minst"], "did you mean mnist?"),
        (["run", "optimizers", "--device", "gpu"], "device must be auto, cpu or cuda"),
        (["plan", "optimizers", "--machine", "h2000"], "there is no machine profile h2000"),
        (["machine", "--show", "--out", "none.json"], "`paribus machine` makes one"),
        (["show", "optimizers"], "there is no store"),
        (["list"], "there is no store"),
        (["data", "get", "minst"], "did you mean mnist?"),
        (["frobnicate"], "No such command"),
    ],
)
def test_a_bad_command_says_what_to_do(tmp_path: Path, arguments: list[str], expected: str) -> None:
    message = refused(tmp_path, *arguments)
    assert expected in " ".join(message.replace("│", " ").split())


def test_a_data_root_with_damaged_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root" / "mnist").mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / "root" / "mnist" / f"{part}-{kind}-ubyte.gz").write_bytes(b"\x1f\x8b")
    message = refused(tmp_path, "run", "optimizers", "--data", "mnist", PARIBUS_DATA="root")
    assert "train-images-idx3-ubyte.gz" in message
    assert "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" in message


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    message = refused(tmp_path, "run", "optimizers", "--store", "closed/s.sqlite")
    assert "--store" in message


def test_a_store_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_text("something else altogether " * 50)
    assert "is not a store" in refused(tmp_path, "run", "optimizers", "--store", "s.sqlite")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_no_traceback(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "paribus", "studies", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in paribus(tmp_path, "run", "optimisers", "--debug").stderr


def test_studies_data_schema_and_doctor_answer_programs(tmp_path: Path) -> None:
    studies = json.loads(paribus(tmp_path, "studies", "--json").stdout)
    assert "optimizers" in {row["study"] for row in studies}
    data = json.loads(paribus(tmp_path, "data", "list", "--json").stdout)
    assert {"digits", "mnist"} <= {row["data"] for row in data}
    assert json.loads(paribus(tmp_path, "schema").stdout)["title"] == "Paribus study"
    rows = json.loads(paribus(tmp_path, "doctor", "--json").stdout)
    assert {"Python", "PyTorch", "memory"} <= {row["what"] for row in rows}


@pytest.mark.parametrize(
    "command",
    ["run", "plan", "ask", "show", "compare", "report", "chart", "export", "doctor", "machine"],
)
def test_help_has_examples(tmp_path: Path, command: str) -> None:
    assert f"paribus {command} " in paribus(tmp_path, command, "--help").stdout


def test_help_and_import_load_no_heavy_package(tmp_path: Path) -> None:
    script = (
        "import sys, contextlib, io, paribus\n"
        "from paribus.cli import app\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    app(['run', '--help'])\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr

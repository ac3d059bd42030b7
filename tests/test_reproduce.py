"""`paribus reproduce`: a notebook's studies run for real, in a small form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.test_cli import paribus

SMALL = ["--seeds", "6", "--set", "data.source=digits", "--set", "train.epochs=1", "--json"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("reproduce")
    done = paribus(folder, "reproduce", "E", "--workers", "1", *SMALL)
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    return {**record, "folder": folder}


def test_a_notebook_is_run_as_written_and_corrected(found: dict) -> None:
    accuracies = [one for one in found["figures"] if one["figure"]["metric"] == "test_accuracy"]
    assert len(accuracies) == 13
    for one in accuracies:
        assert one["n"] == 6
        assert 0 <= one["least"] <= one["mean"] <= one["most"] <= 1
        assert one["inside"] == (one["low"] - 0.00005 <= one["value"] <= one["high"] + 0.00005)
    assert found["changed"] == {"data.source": "digits", "train.epochs": 1}
    dropout = next(one for one in found["claims"] if "Dropout" in one["claim"]["text"])
    as_written, corrected = dropout["written"], dropout["corrected"]
    assert [one["condition"] for one in corrected] == ["sgd", "momentum", "rmsprop", "adam"]
    assert as_written[0]["judged"]["paired"] != corrected[0]["judged"]["paired"]
    assert set(dropout["upheld"].values()) <= {"holds", "does not hold", "not decided"}


def test_what_was_not_reached_is_said_and_not_made_up(found: dict) -> None:
    at_step_600 = [one for one in found["figures"] if one["figure"]["metric"] == "step_loss"]
    assert {one["inside"] for one in at_step_600} == {None}
    assert {one["mean"] for one in at_step_600} == {None}


def test_the_same_command_trains_nothing_again_and_prints_every_figure(found: dict) -> None:
    again = paribus(found["folder"], "reproduce", "E", *SMALL[:-1])
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already done") == 2
    assert "Not as it was written: data.source = digits, train.epochs = 1." in again.stdout
    for printed in ("78.47", "1.4068", "99.25"):
        assert printed in again.stdout
    assert "could not be compared" in " ".join(again.stdout.split())


def test_a_letter_that_no_notebook_has_is_refused(tmp_path: Path) -> None:
    refused = paribus(tmp_path, "reproduce", "F")
    assert refused.returncode == 2
    assert "there is no notebook F; there are A, B, C, D, E" in refused.stderr

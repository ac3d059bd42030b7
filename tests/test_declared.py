"""A study in a store that is not as Paribus writes it is refused, with what is wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paribus.analysis import analyse
from paribus.engines.base import Record
from paribus.errors import StoreError
from paribus.store.store import Store
from tests.fuzz.stores import declared, records, write


def refused(path: Path, content: Any, kept: list[Record]) -> str:
    write(path / "s.sqlite", content, kept)
    with Store(path / "s.sqlite") as store, pytest.raises(StoreError) as caught:
        analyse(store, "small")
    return str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda content: content.pop("spec"), "spec: Field required"),
        (lambda content: content.update(margin="much"), "margin: Input should be"),
        (lambda content: content.update(outcome="beauty"), "outcome beauty is not known"),
        (lambda content: content["contrasts"][0].update(arm=99), "there are only 4 arms"),
        (lambda content: content["arms"][0].update(levels={}), "no level of each factor"),
        (lambda content: content["data"].update({"test rows": "0"}), "number of test rows"),
    ],
)
def test_a_study_declared_as_no_study_is_refused(
    tmp_path: Path, spoil: Callable[[Any], Any], expected: str
) -> None:
    content = copy.deepcopy(declared()[1])
    spoil(content)
    assert expected in refused(tmp_path, content, [])


def test_metrics_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    kept = records()
    kept[0].metrics["test_accuracy"] = "high"  # type: ignore[assignment]
    assert "its metrics are no numbers" in refused(tmp_path, declared()[1], kept)


@pytest.mark.parametrize("shape", [(3, 4), (9, 9), (2, 2, 2)])
def test_a_confusion_matrix_of_other_classes_is_refused(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    kept = records()
    for one in kept:
        one.tables["test_confusion"] = np.zeros(shape)
    assert "is none of 10 classes" in refused(tmp_path, declared()[1], kept)


def test_logged_steps_without_epochs_are_refused(tmp_path: Path) -> None:
    content, kept = copy.deepcopy(declared()[1]), records()
    for arm in content["arms"]:
        arm["settings"]["train.log_every"] = 1
    kept[0].curves["step_train_loss"] = np.zeros(0)
    assert "no points of each epoch" in refused(tmp_path, content, kept)

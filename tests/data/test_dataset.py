import re
from dataclasses import replace

import numpy as np
import pytest

from paribus.data import Dataset, load
from paribus.errors import DataError


def a_table(**changes: object) -> Dataset:
    table = Dataset(
        name="t",
        task="classification",
        features=np.array([[1, 2], [3, 4], [5, np.nan]], dtype=np.float32),
        targets=np.array([0, 1, 1]),
        classes=("a", "b"),
        columns=("x", "z=red"),
        numeric=np.array([True, False]),
    )
    return replace(table, **changes)


def test_a_table_says_what_it_is():
    table = a_table()
    assert (table.rows, table.shape, table.outputs, table.kind) == (3, (2,), 2, "table")


def test_regression_has_one_output():
    targets = np.zeros(3, dtype=np.float32)
    assert a_table(task="regression", targets=targets, classes=()).outputs == 1


def test_the_checksum_is_known():
    # Frozen: a change of it would train every stored study again.
    known = "5d3e1feccb781c42d8ece167a000257f00f34a57bdfe34970ff0e67657ef9591"
    assert a_table().checksum == known
    digits = "fca46d8dad402eba4ce02bd62c828b7ff6b530578e63f708e06c2d905287c400"
    assert load("digits").checksum == digits


def test_names_do_not_change_the_checksum():
    assert a_table(name="u", columns=("p", "q")).checksum == a_table().checksum


@pytest.mark.parametrize(
    "changes",
    [
        {"features": np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)},
        {"targets": np.array([0, 1, 0])},
        {"numeric": np.array([True, True])},
        {"numeric": None},
        {"test_rows": np.array([2])},
        {"value_range": (0, 1)},
        {"task": "regression", "targets": np.zeros(3, dtype=np.float32)},
    ],
)
def test_whatever_can_change_a_result_changes_the_checksum(changes):
    assert a_table(**changes).checksum != a_table().checksum


def test_the_layout_in_memory_does_not_change_the_checksum():
    table = a_table()
    columns_first = np.asfortranarray(table.features)
    assert replace(table, features=columns_first).checksum == table.checksum


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": np.array([0, 1])}, r"targets are int64 of shape \(2,\); .* shape \(3,\)"),
        ({"targets": np.array([0, 1, 2])}, "targets hold codes outside 0 to 1"),
        ({"targets": np.zeros(3)}, "classification needs int64"),
        ({"features": np.zeros((3, 2))}, "features are float64"),
        ({"columns": ("x",)}, "1 column names for 2 columns"),
        ({"task": "ranking"}, "task is 'ranking'; allowed are classification, regression"),
        ({"test_rows": np.array([3])}, "test_rows must be distinct rows from 0 to 2"),
        ({"test_rows": np.array([0, 0])}, "test_rows"),
        ({"test_rows": np.array([0, 1, 2])}, "test_rows"),
        ({"features": np.zeros((3, 1, 2, 2), np.uint8)}, "images need a value_range"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(DataError, match=message) as caught:
        a_table(**changes)
    assert all(re.match("t: ", problem) for problem in caught.value.problems)

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paribus.data import Dataset, from_frame
from paribus.errors import DataError

Y = [0, 1] * 5


def read(target: str = "y", missing: str = "error", task: str | None = None, **columns) -> Dataset:
    frame = pd.DataFrame(columns)
    return from_frame(frame, target, name="t", missing=missing, task=task)  # type: ignore[arg-type]


def problems(**arguments) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(**arguments)
    assert all(problem.startswith("t: ") for problem in caught.value.problems)
    return [problem.removeprefix("t: ") for problem in caught.value.problems]


def test_numbers_stay_and_categories_become_sorted_one_hot_columns():
    data = read(size=[1.5, 2, 3, 4], color=["red", "blue", "red", "green"], y=[0, 1, 0, 1])
    assert data.columns == ("size", "color=blue", "color=green", "color=red")
    assert data.numeric.tolist() == [True, False, False, False]
    assert data.features.dtype == np.float32
    assert data.features.tolist() == [[1.5, 0, 0, 1], [2, 1, 0, 0], [3, 0, 0, 1], [4, 0, 1, 0]]
    assert (data.name, data.kind, data.value_range, data.test_rows) == ("t", "table", None, None)


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ([True, False, True, True], ("a=False", "a=True")),
        ([True, False, None, True], ("a=False", "a=True")),
        (pd.array([True, False, None, True], "boolean"), ("a=False", "a=True")),
        (pd.Categorical([10, 9, 9, 10]), ("a=9", "a=10")),
        (pd.Categorical(["u", "v", "u", "v"], categories=["v", "u", "w"]), ("a=u", "a=v")),
        (pd.array(["u", "v", "u", None], "string"), ("a=u", "a=v")),
        (pd.array([1, 2, None, 4], "Int64"), ("a",)),
        (pd.array([1, 2, 3, 4], "uint8"), ("a",)),
        (np.array([1, 2.5, None, 4], dtype=object), ("a",)),
        (["1", "2", "3.5", "4"], ("a",)),
    ],
)
def test_every_type_of_column_is_taken_for_what_it_holds(column, names):
    frame = pd.DataFrame({"a": column, "b": [1, 2, 3, 4], "y": [0, 0, 0, 0]})
    frame["y"] = [0.5, 1, 2, 3]
    data = from_frame(frame, "y", name="t", missing="drop")
    assert data.columns == (*names, "b")


@pytest.mark.parametrize(
    ("y", "task", "classes"),
    [
        (["b", "a"] * 5, "classification", ("a", "b")),
        ([True, False] * 5, "classification", ("False", "True")),
        ([10, 9] * 5, "classification", ("9", "10")),
        (["10", "9"] * 5, "classification", ("9", "10")),
        ([10.0, 9.0] * 5, "classification", ("9", "10")),
        (pd.Categorical([2.5, 0.5] * 5), "classification", ("0.5", "2.5")),
        ([0.5, 1.0] * 5, "regression", ()),
    ],
)
def test_the_target_decides_the_task(y, task, classes):
    data = read(a=range(10), y=y)
    assert (data.task, data.classes) == (task, classes)
    if classes:
        assert data.targets.dtype == np.int64
        assert [classes[code] for code in data.targets] == [str(v).removesuffix(".0") for v in y]
    else:
        assert data.targets.dtype == np.float32
        assert data.targets.tolist() == y


@pytest.mark.parametrize(("distinct", "task"), [(20, "classification"), (21, "regression")])
def test_integers_are_classes_up_to_20_distinct_values(distinct, task):
    assert read(a=range(2 * distinct), y=[*range(distinct)] * 2).task == task


def test_a_given_task_overrides():
    assert read(a=range(10), y=Y, task="regression").targets.tolist() == Y
    halves = read(a=range(10), y=[0.5, 1.5] * 5, task="classification")
    assert halves.classes == ("0.5", "1.5")


def test_class_names_may_mix_numbers_and_a_little_text():
    digits = [*range(10), "other", *range(10), "other"]
    assert read(a=range(22), y=digits).outputs == 11


def test_drop_leaves_out_rows_with_a_missing_value_anywhere():
    data = read(
        missing="drop",
        a=[1, None, 3, 4, 5, 6, 7],
        c=["u", "v", None, "u", "v", "w", "w"],
        y=["p", "q", "p", None, "q", "q", "p"],
    )
    assert data.features[:, 0].tolist() == [1, 5, 6, 7]
    assert data.targets.tolist() == [0, 1, 1, 0]
    assert data.columns == ("a", "c=u", "c=v", "c=w")


def test_mean_keeps_missing_numbers_and_gives_missing_categories_their_own_column():
    data = read(missing="mean", a=[1, None, 3, 4], c=["u", None, "v", "u"], y=[0, 1, 0, 1])
    assert data.columns == ("a", "c=(missing)", "c=u", "c=v")
    np.testing.assert_array_equal(data.features[1], np.array([np.nan, 1, 0, 0], np.float32))
    assert not np.isnan(np.delete(data.features, 1, axis=0)).any()


def test_missing_values_are_refused_unless_something_is_said():
    assert problems(a=[1, None, None, 4], c=["u", "v", "u", None], y=[0, 1, 0, 1]) == [
        "column a has 2 missing values (the first at index 1): fill them in, "
        "or set data.missing to drop or mean (--set data.missing=mean)",
        "column c has 1 missing value (the first at index 3): fill them in, "
        "or set data.missing to drop or mean (--set data.missing=mean)",
    ]


@pytest.mark.parametrize("missing", ["error", "mean"])
def test_missing_targets_are_refused(missing):
    assert problems(missing=missing, a=[1, 2, 3, 4, 5], y=["u", None, "u", None, "u"]) == [
        "target column y has 2 missing values (the first at index 1): fill them in, "
        "or set data.missing to drop (--set data.missing=drop)"
    ]


def test_a_few_words_in_a_column_of_numbers_are_a_mistake():
    ages = [*map(str, range(18)), "?", "unknown"]
    assert problems(a=ages, y=[0, 1] * 10) == [
        'column a has text in a numeric column: 2 values of 20 such as "?" at index 18: '
        "mend them, or leave them empty and set data.missing to drop or mean "
        "(--set data.missing=mean)"
    ]


def test_fewer_numbers_than_that_are_categories():
    data = read(a=[*map(str, range(17)), "?", "x", "z"], y=[0, 1] * 10)
    assert len(data.columns) == 20


def test_a_few_words_in_a_target_of_numbers_are_a_mistake():
    prices = [*(f"{i}.5" for i in range(29)), "?"]
    assert "column y has text in a numeric column" in problems(a=range(30), y=prices)[0]


def test_infinite_values_are_refused():
    assert problems(a=[1, np.inf, -np.inf, 1e39], y=[0, 1, 0, 1]) == [
        "column a has 3 infinite values (the first, inf, at index 1): replace or remove them"
    ]


def test_infinite_targets_are_refused():
    assert "column y has 1 infinite value (" in problems(a=range(4), y=[0.5, 1, 2, np.inf])[0]


def test_an_identifier_is_refused():
    rows = 402
    assert problems(a=[f"id{i:03}" for i in range(rows)], b=range(rows), y=[0, 1] * 201) == [
        'column a has 402 categories, such as "id000" and "id001"; at most 200 are allowed. '
        "It is probably an identifier: drop it"
    ]


@pytest.mark.parametrize(
    "values", [pd.date_range("2024-01-01", periods=4), pd.to_timedelta([1, 2, 3, 4])]
)
def test_dates_are_refused(values):
    (problem,) = problems(a=values, y=[0, 1, 0, 1])
    assert problem.endswith("turn it into numbers or drop it")


def test_an_empty_column_is_refused_even_where_rows_may_be_dropped():
    for missing in ("error", "drop", "mean"):
        assert problems(missing=missing, a=[None] * 4, b=range(4), y=[0, 1, 0, 1]) == [
            "column a has no values: drop it"
        ]


def test_dropping_every_row_is_refused():
    assert problems(missing="drop", a=[1, None], b=[None, 1], y=[0, 1]) == [
        "data.missing: drop leaves no row: every row has a missing value"
    ]


@pytest.mark.parametrize("value", ["u", 3, 0.5])
def test_a_constant_target_is_refused(value):
    (problem,) = problems(a=range(4), y=[value] * 4)
    assert problem.startswith(f"target column y is {value}")
    assert problem.endswith("in every row: nothing to learn")


def test_a_class_with_one_row_is_refused():
    assert problems(a=range(4), y=["u", "u", "x", "u"]) == [
        'class "x" of column y has 1 row; at least 2 are needed to split it: merge or drop it'
    ]


def test_many_classes_with_one_row_are_told_in_one_sentence():
    assert problems(a=range(5), y=list("abcde")) == [
        '5 classes of column y have 1 row each ("a", "b", "c", …); '
        "at least 2 are needed to split them: merge or drop them"
    ]


def test_regression_on_text_is_refused():
    (problem,) = problems(a=range(4), y=["u", "v", "u", "v"], task="regression")
    assert problem == (
        'target column y holds text, such as "u"; regression needs numbers: '
        "choose another column, or say data.task: classification"
    )


def test_a_misspelt_target_is_told_with_the_nearest_column():
    assert problems(target="lable", a=range(4), label=Y[:4]) == [
        "data.target is 'lable' (did you mean label?), which is no column; the columns are a, label"
    ]


def test_a_target_alone_is_refused():
    assert problems(y=Y) == ["there is no column but the target, y: nothing to learn from"]


def test_a_frame_without_rows_is_refused():
    assert problems(a=[], y=[]) == ["there are no rows"]


def test_columns_of_one_name_are_refused():
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", "y"])
    with pytest.raises(DataError, match="t: 2 columns are named a: rename or drop all but one"):
        from_frame(frame, "y", name="t")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"missing": "droop"},
            "data.missing is 'droop' (did you mean drop?); allowed are error, drop, mean",
        ),
        (
            {"task": "regresion"},
            "data.task is 'regresion' (did you mean regression?); "
            "allowed are classification, regression",
        ),
    ],
)
def test_an_unknown_choice_is_told_with_the_nearest(options, message):
    with pytest.raises(DataError) as caught:
        read(a=range(10), y=Y, **options)
    assert str(caught.value) == message


def test_what_is_no_frame_is_refused():
    with pytest.raises(
        DataError, match=r"data is a builtins\.dict; allowed are a pandas DataFrame"
    ):
        from_frame({"a": [1]}, "y", name="t")  # type: ignore[arg-type]


def test_all_problems_are_told_at_once():
    found = problems(
        a=[1, None, 3, 4, 5, 6, 7, 8, 9, 10],
        b=[np.inf, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        c=["1", "2", "3", "4", "5", "6", "7", "8", "9", "ten"],
        y=[0, 1, None, 1, 0, 1, 0, 1, 0, 1],
    )
    assert [problem.split(" has ")[0] for problem in found] == [
        "column b",
        "column c",
        "column a",
        "target column y",
    ]


def test_the_frame_is_not_changed():
    frame = pd.DataFrame({"a": [1, None, 3, 4], "c": list("uvuv"), "y": [0, 1, 0, 1]})
    before = frame.copy()
    from_frame(frame, "y", name="t", missing="mean")
    pd.testing.assert_frame_equal(frame, before)


def test_an_index_that_repeats_does_no_harm():
    frame = pd.DataFrame({"c": list("uvuv"), "y": [0, 1, 0, 1]}, index=[7, 7, 7, 7])
    assert from_frame(frame, "y", name="t").columns == ("c=u", "c=v")


cell = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.none())
)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(cell, cell, cell), max_size=12),
    st.sampled_from(["error", "drop", "mean"]),
    st.sampled_from([None, "classification", "regression"]),
)
def test_whatever_a_frame_holds_it_is_read_or_refused(rows, missing, task):
    frame = pd.DataFrame(rows, columns=["a", "b", "y"], dtype=object)
    try:
        data = from_frame(frame, "y", name="t", missing=missing, task=task)
    except DataError:
        return
    assert data.features.shape == (data.rows, len(data.columns))
    assert missing == "mean" or np.isfinite(data.features).all()
    if data.task == "classification":
        assert np.bincount(data.targets, minlength=data.outputs).min() >= 2
    else:
        assert np.isfinite(data.targets).all()

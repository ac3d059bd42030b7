from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import datasets

from paribus.data.tables import read_table
from paribus.errors import DataError


@pytest.fixture
def csv(tmp_path: Path):
    def write(text: str, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(path: Path, target: str | None = "y", **options) -> list[str]:
    with pytest.raises(DataError) as caught:
        read_table(path, target, **options)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_the_iris_csv_of_scikit_learn_is_read(tmp_path):
    iris = datasets.load_iris(as_frame=True)
    frame = iris.data.assign(species=iris.target_names[iris.target])
    frame.to_csv(tmp_path / "iris.csv", index=False)
    data = read_table(tmp_path / "iris.csv", "species")
    assert (data.name, data.task, data.rows, data.shape) == ("iris", "classification", 150, (4,))
    assert data.classes == ("setosa", "versicolor", "virginica")
    assert data.columns == tuple(iris.feature_names)
    np.testing.assert_array_equal(data.features, iris.data.to_numpy(np.float32))
    np.testing.assert_array_equal(data.targets, iris.target)


def test_csv_and_parquet_of_one_frame_are_one_data_set(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "c": ["u", "v", "u", "v"], "y": [0.5, 1.5, 2, 9]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    one, two = (read_table(tmp_path / f"t.{kind}", "y") for kind in ("csv", "parquet"))
    assert one.checksum == two.checksum
    assert one.columns == two.columns == ("a", "c=u", "c=v")


def test_a_byte_order_mark_and_spaces_after_commas_are_no_part_of_names(csv):
    data = read_table(csv("\ufeffa, y\n1, u\n2, v\n3, u\n4, v\n"), "y")
    assert (data.columns, data.classes) == (("a",), ("u", "v"))


def test_a_missing_file_is_refused(tmp_path):
    assert problems(tmp_path / "none.csv") == ["there is no such file"]


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    assert problems(tmp_path / "folder.csv") == ["is a folder; a file is needed"]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_refused(csv, content):
    assert problems(csv(content)) == ["the file is empty"]


def test_a_file_with_a_header_alone_is_refused(csv):
    assert problems(csv("a,y\n")) == ["there are no rows"]


def test_an_unknown_extension_is_refused(csv):
    assert problems(csv("a,y\n1,2\n", "data.xlsx")) == [
        "its extension is .xlsx; allowed are .csv, .parquet and .npz"
    ]


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "data.csv").write_bytes("a,y\nß,1\n".encode("latin-1"))
    (problem,) = problems(tmp_path / "data.csv")
    assert problem.startswith("cannot be read as UTF-8 text: ")


@pytest.mark.parametrize("row", ["1,2,3,4", '1,"2'])
def test_rows_that_do_not_fit_the_header_are_refused(csv, row):
    (problem,) = problems(csv(f"a,b,y\n1,2,3\n{row}\n"))
    assert problem.startswith("is not a table: ")


def test_fields_are_never_dropped_nor_taken_for_an_index(csv):
    (problem,) = problems(csv("a,b,y\n9,1,2,3\n9,4,5,6\n"))
    assert problem.startswith("is not a table: ")


def test_a_comma_at_the_end_of_each_line_does_no_harm(csv):
    data = read_table(csv("a,b,y\n1,2,3.5,\n4,5,6.5,\n"), "y")
    assert data.features.tolist() == [[1, 2], [4, 5]]
    assert data.targets.tolist() == [3.5, 6.5]


def test_columns_of_one_name_are_refused(csv):
    assert problems(csv("a,a,y\n1,2,3\n")) == ["2 columns are named a: rename or drop all but one"]


def test_a_saved_index_is_refused(csv):
    (problem,) = problems(csv(",a,y\n0,1,u\n1,2,v\n"))
    assert problem.startswith("column 1 has no name; it is often a saved row index")


def test_semicolons_are_told(csv):
    assert problems(csv("a;y\n1;2\n")) == [
        "its columns are separated by ';': separate them by commas"
    ]


def test_a_missing_target_lists_the_columns(csv):
    assert problems(csv("a,y\n1,2\n"), None) == ["data.target is missing; the columns are a, y"]


def test_lines_are_counted_as_an_editor_counts_them(csv):
    path = csv('a,b,y\n\n"two\nlines",1,0\n   \nx,,1\nx,2,0\nx,2,1\n')
    (problem,) = problems(path)
    assert problem == (
        "column b has 1 missing value (the first at line 6): fill them in, "
        "or set data.missing to drop or mean (--set data.missing=mean)"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(
        st.sampled_from(["1,p", '"1","p"', '1,"p\nq"', '1,"p\n\nq"', "", "  ", '1,"p""q"']),
        max_size=8,
    )
)
def test_the_line_of_a_problem_is_the_line_it_stands_on(csv, before):
    text = "\n".join(["a,y", *before, ",here", "1,p", "1,z", ""])
    line = text[: text.index(",here")].count("\n") + 1
    found = problems(csv(text))
    assert f"(the first at line {line})" in found[0]


def test_a_damaged_parquet_file_is_refused(tmp_path):
    (tmp_path / "data.parquet").write_bytes(b"PAR1 and nothing else")
    (problem,) = problems(tmp_path / "data.parquet")
    assert problem.startswith("cannot be read as Parquet: ")


def test_a_parquet_row_is_named_by_its_number(tmp_path):
    frame = pd.DataFrame({"a": [1, None, 3, 4], "y": [0, 1, 0, 1]})
    frame.to_parquet(tmp_path / "data.parquet")
    assert "(the first at row 2)" in problems(tmp_path / "data.parquet")[0]


X = np.array([[1, 2], [3, 4], [5, 6], [7, 8]])


@pytest.fixture
def npz(tmp_path: Path):
    def write(**arrays: np.ndarray) -> Path:
        path = tmp_path / "data.npz"
        np.savez(path, **arrays)
        return path

    return write


@pytest.mark.parametrize(
    ("y", "task", "classes", "targets"),
    [
        ([3, 1, 3, 1], "classification", ("1", "3"), [1, 0, 1, 0]),
        ([True, False, True, False], "classification", ("False", "True"), [1, 0, 1, 0]),
        (["b", "a", "b", "a"], "classification", ("a", "b"), [1, 0, 1, 0]),
        ([1.0, 2.0, 1.0, 2.0], "regression", (), [1, 2, 1, 2]),
    ],
)
def test_the_type_of_y_decides_the_task_of_an_npz_file(npz, y, task, classes, targets):
    for names in (("X", "y"), ("features", "targets")):
        data = read_table(npz(**dict(zip(names, (X, np.array(y)), strict=True))), None)
        assert (data.task, data.classes, data.columns) == (task, classes, ("x0", "x1"))
        assert data.targets.tolist() == targets
        assert data.features.tolist() == X.tolist()


def test_another_array_can_be_the_target(npz):
    data = read_table(npz(X=X, y=np.arange(4), age=np.arange(4) / 2), "age")
    assert data.targets.tolist() == [0, 0.5, 1, 1.5]


def test_big_endian_arrays_are_read(npz):
    data = read_table(npz(X=X.astype(">f4"), y=np.array([0.5, 1, 2, 3], ">f8")), None)
    assert data.features.tolist() == X.tolist()


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 1, 5, 6), (4, 3, 5, 6)])
def test_an_npz_file_may_hold_images(npz, shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    data = read_table(npz(X=images, y=np.array([0, 1, 0, 1])), None)
    assert data.kind == "image"
    assert data.shape == (shape[1] if len(shape) == 4 else 1, 5, 6)
    assert data.value_range == (0, 255)
    assert data.features.dtype == np.uint8


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X}, "it needs arrays X and y, or features and targets; it has X"),
        ({"X": X, "y": np.arange(3)}, r"one number or text for each of the 4 rows is needed"),
        ({"X": X, "y": np.zeros((4, 2))}, r"y is float64 of shape \(4, 2\)"),
        ({"X": np.zeros((4, 5, 6)), "y": np.arange(4)}, r"X is float64 of shape \(4, 5, 6\)"),
        ({"X": np.zeros((4, 5, 6, 3), np.uint8), "y": np.arange(4)}, "with 1 or 3 channels"),
        ({"X": X.astype(str), "y": np.arange(4)}, "allowed are numbers of shape"),
        ({"X": X[:0], "y": np.arange(0)}, "there are no rows"),
        ({"X": X, "y": np.array([1, 1, 2, 3])}, "2 classes of column y have 1 row each"),
        ({"X": X.astype(object), "y": np.arange(4)}, "cannot be read as NPZ: .*allow_pickle"),
        ({"X": X * [1.0, np.nan], "y": np.arange(4) / 2}, "column x1 has no values"),
        ({"X": np.zeros((2, 3, 3), np.uint8), "y": np.array([1, np.nan])}, "1 missing or inf"),
    ],
)
def test_an_npz_file_that_does_not_fit_is_refused(npz, arrays, message):
    path = npz(**arrays)
    with pytest.raises(DataError, match=message) as caught:
        read_table(path, None)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"text"])
def test_a_damaged_npz_file_is_refused(tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    (problem,) = problems(tmp_path / "data.npz", None)
    assert problem.startswith("cannot be read as NPZ: ")


def test_an_array_saved_alone_is_refused(tmp_path):
    with (tmp_path / "data.npz").open("wb") as file:
        np.save(file, X)
    (problem,) = problems(tmp_path / "data.npz", None)
    assert problem.startswith("cannot be read as NPZ: ")

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.utils.class_weight import compute_class_weight

from paribus.data import Dataset, fit_scaling, load, target_scale
from paribus.data.scaling import balanced_weights
from paribus.errors import DataError


def table(features, numeric=None) -> Dataset:
    features = np.array(features, dtype=np.float32)
    return Dataset(
        name="t",
        task="regression",
        features=features,
        targets=np.zeros(len(features), dtype=np.float32),
        columns=tuple(f"x{i}" for i in range(features.shape[1])),
        numeric=numeric,
    )


def scaled(dataset: Dataset, how: str, rows=None) -> np.ndarray:
    rows = np.arange(dataset.rows) if rows is None else rows
    return fit_scaling(dataset, rows, how).apply(dataset.features)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("none", [2, 4, 6]),
        ("unit", [0, 0.5, 1]),
        ("symmetric", [-1, 0, 1]),
        ("standard", [-np.sqrt(1.5), 0, np.sqrt(1.5)]),
    ],
)
def test_a_column_is_scaled_as_asked(how, expected):
    assert scaled(table([[2], [4], [6]]), how)[:, 0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("how", "low", "high"), [("none", 0, 16), ("unit", 0, 1), ("symmetric", -1, 1)]
)
def test_pixels_are_scaled_by_their_value_range(how, low, high):
    digits = load("digits")
    pixels = scaled(digits, how, rows=np.arange(10))
    assert (pixels.min(), pixels.max(), pixels.dtype) == (low, high, np.float32)
    assert pixels.shape == digits.features.shape


def test_standard_pixels_have_mean_0_and_sd_1_over_all_training_pixels_together():
    digits = load("digits")
    rows = np.arange(0, 1797, 2)
    pixels = scaled(digits, "standard", rows)[rows].astype(np.float64)
    assert pixels.mean() == pytest.approx(0, abs=1e-6)
    assert pixels.std() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("how", ["unit", "symmetric", "standard"])
def test_only_training_rows_are_looked_at(how):
    train = np.arange(3)
    one, other = table([[1], [2], [4], [3]]), table([[1], [2], [4], [1e9]])
    assert fit_scaling(one, train, how).scale == fit_scaling(other, train, how).scale
    assert fit_scaling(one, train, how).shift == fit_scaling(other, train, how).shift


@pytest.mark.parametrize("how", ["none", "unit", "symmetric", "standard"])
def test_one_hot_columns_are_left_alone(how):
    data = table([[1, 0], [5, 1], [7, 1]], numeric=np.array([True, False]))
    assert scaled(data, how)[:, 1].tolist() == [0, 1, 1]


@pytest.mark.parametrize("how", ["unit", "symmetric", "standard"])
@pytest.mark.parametrize("value", [0.1, 1e-40, 3e38, -7])
def test_a_constant_column_becomes_zero(how, value):
    # The computed standard deviation of many 0.1 is not 0 but about 1e-17.
    data = table([[value]] * 1000)
    assert np.array_equal(scaled(data, how), np.zeros((1000, 1)))
    assert fit_scaling(data, np.arange(1000), how).scale == 1


def test_missing_values_become_the_training_mean():
    data = table([[1, 0], [3, np.nan], [np.nan, 2], [100, 4]])
    scaling = fit_scaling(data, np.arange(3), "none")
    assert scaling.fill.tolist() == [2, 1]
    assert scaling.apply(data.features).tolist() == [[1, 0], [3, 1], [2, 2], [100, 4]]


def test_standard_looks_at_values_that_are_there():
    data = table([[1], [3], [np.nan]])
    assert scaled(data, "standard")[:, 0].tolist() == [-1, 1, 0]


def test_a_value_missing_only_in_the_test_rows_is_filled_too():
    data = table([[1], [3], [np.nan]])
    assert fit_scaling(data, np.arange(2), "none").fill.tolist() == [2]


@pytest.mark.filterwarnings("error")
def test_a_column_without_training_values_becomes_zero():
    data = table([[np.nan], [np.nan], [5]])
    assert scaled(data, "standard", np.arange(2))[:2].tolist() == [[0], [0]]


def test_nothing_is_filled_where_nothing_is_missing():
    assert fit_scaling(table([[1], [2]]), np.arange(2), "unit").fill is None


@pytest.mark.parametrize("source", ["digits", "breast-cancer"])
def test_parameters_are_float32_one_for_images_one_per_column_for_tables(source):
    data = load(source)
    scaling = fit_scaling(data, np.arange(100), "standard")
    expected = (1,) if data.kind == "image" else (30,)
    assert scaling.shift.shape == scaling.scale.shape == expected
    assert scaling.shift.dtype == scaling.scale.dtype == np.float32


def test_the_data_set_is_not_changed():
    data = table([[1], [np.nan], [3]])
    before = data.checksum
    scaled(data, "standard")
    assert table(data.features).checksum == before


@given(
    hnp.arrays(np.float32, (7, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    st.sampled_from(["unit", "symmetric", "standard"]),
)
def test_training_rows_always_end_up_finite_and_small(features, how):
    limit = 1 + 1e-4 if how != "standard" else np.sqrt(7) + 1e-3
    values = scaled(table(features), how)
    assert np.isfinite(values).all()
    spread = np.ptp(features.astype(np.float64), axis=0)
    # Where the spread is within float32's rounding of the values no scaling can be exact.
    sharp = spread > 1e-2 * np.abs(features).max(axis=0)
    assert (np.abs(values[:, sharp]) <= limit).all()


def test_targets_are_scaled_by_mean_and_population_sd():
    assert target_scale(np.array([1, 3], dtype=np.float32)) == (2, 1)


def test_bounded_targets_are_scaled_by_the_least_and_the_range():
    assert target_scale(np.array([4, 1, 3], dtype=np.float32), bounded=True) == (1, 3)


@pytest.mark.parametrize("bounded", [False, True])
def test_constant_targets_have_scale_1(bounded):
    assert target_scale(np.full(1000, 0.1, dtype=np.float32), bounded) == (np.float32(0.1), 1)


def test_an_unknown_scaling_is_refused():
    with pytest.raises(DataError) as caught:
        fit_scaling(table([[1], [2]]), np.arange(2), "standart")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "data.scaling is 'standart' (did you mean standard?); "
        "allowed are none, unit, symmetric, standard"
    )


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_balanced_weights_equal_scikit_learns(codes):
    codes = np.array([*codes, 0, 1, 2, 3])  # scikit-learn counts the classes that have rows
    expected = compute_class_weight("balanced", classes=np.arange(4), y=codes)
    np.testing.assert_allclose(balanced_weights(codes, 4), expected, rtol=1e-6)


def test_a_class_without_rows_has_a_weight():
    np.testing.assert_allclose(balanced_weights(np.array([0, 0, 2, 2]), 3), [2 / 3, 4 / 3, 2 / 3])

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paribus.data import Dataset, folds, load, split
from paribus.data.splits import thin
from paribus.errors import DataError


def labelled(counts, test_rows=None) -> Dataset:
    targets = np.repeat(np.arange(len(counts)), counts)
    return Dataset(
        name="d",
        task="classification",
        features=np.zeros((len(targets), 1), dtype=np.float32),
        targets=targets,
        classes=tuple("abcdefghij"[: len(counts)]),
        columns=("x",),
        test_rows=test_rows,
    )


def measured(rows: int) -> Dataset:
    return Dataset(
        name="d",
        task="regression",
        features=np.zeros((rows, 1), dtype=np.float32),
        targets=np.arange(rows, dtype=np.float32),
        columns=("x",),
    )


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


shares = st.floats(0.01, 0.99)


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=8),
    shares,
    st.one_of(st.just(0.0), shares),
    st.integers(0, 99),
)
def test_a_split_is_disjoint_complete_and_trains_on_every_class(counts, test, validation, seed):
    data = labelled(counts)
    try:
        parts = split(data, test=test, validation=validation, rng=rng(seed))
    except DataError:  # nothing was left to validate on; see below
        assert validation > 0
        return
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together) == list(range(data.rows))
    assert set(data.targets[parts.train]) == set(range(len(counts)))
    assert len(parts.test) > 0
    assert (len(parts.validation) > 0) == (validation > 0)
    assert all(part.dtype == np.int64 for part in (parts.train, parts.validation, parts.test))


@given(st.lists(st.integers(20, 60), min_size=2, max_size=6), st.floats(0.1, 0.6))
def test_each_class_has_its_share_in_the_test_set_to_within_one_row(counts, test):
    data = labelled(counts)
    parts = split(data, test=test, validation=0, rng=rng())
    assert len(parts.test) == round(test * data.rows)
    taken = np.bincount(data.targets[parts.test], minlength=len(counts))
    exact = len(parts.test) * np.array(counts) / data.rows
    assert np.abs(taken - exact).max() < 1


@given(st.integers(3, 200), st.floats(0.05, 0.5))
def test_regression_splits_off_the_share(rows, test):
    parts = split(measured(rows), test=test, validation=0, rng=rng())
    assert len(parts.test) == max(1, round(test * rows))
    assert sorted(np.concatenate([parts.train, parts.test])) == list(range(rows))


def test_the_same_generator_gives_the_same_split_and_another_gives_another():
    data = labelled([30, 30])
    one, same, other = (split(data, test=0.2, validation=0.2, rng=rng(s)) for s in (1, 1, 2))
    assert np.array_equal(one.test, same.test)
    assert np.array_equal(one.validation, same.validation)
    assert not np.array_equal(one.test, other.test)


def test_a_split_stays_what_it_was_in_earlier_versions():
    parts = split(labelled([6, 4]), test=0.3, validation=0.3, rng=rng())
    assert (parts.test.tolist(), parts.validation.tolist()) == ([2, 4, 9], [3, 8])


def test_the_official_test_set_is_kept():
    data = labelled([5, 5], test_rows=np.array([9, 0, 4]))
    parts = split(data, test=0.5, validation=0, rng=rng())
    assert parts.test.tolist() == [0, 4, 9]
    assert parts.train.tolist() == [1, 2, 3, 5, 6, 7, 8]
    assert parts.validation.tolist() == []


def test_validation_is_stratified_over_what_the_official_test_set_leaves():
    data = labelled([20, 20], test_rows=np.arange(10, 20))
    parts = split(data, test=0.5, validation=0.2, rng=rng())
    assert np.bincount(data.targets[parts.validation]).tolist() == [2, 4]


def test_real_digits_keep_their_proportions():
    data = load("digits")
    parts = split(data, test=0.2, validation=0.1, rng=rng())
    assert (len(parts.test), len(parts.validation), len(parts.train)) == (359, 144, 1294)
    whole, train = (np.bincount(data.targets[r]) / len(r) for r in (slice_all(data), parts.train))
    assert np.abs(whole - train).max() < 0.001


def slice_all(data: Dataset) -> np.ndarray:
    return np.arange(data.rows)


def test_a_class_with_one_row_is_refused_by_name():
    with pytest.raises(DataError) as caught:
        split(labelled([3, 1, 1]), test=0.5, validation=0, rng=rng())
    assert caught.value.problems == [
        f'd: class "{name}" has 1 row; at least 2 are needed to split it: merge or drop it'
        for name in "bc"
    ]


@pytest.mark.parametrize("test", [0, 1, -0.1, float("nan")])
def test_a_test_share_out_of_range_is_refused(test):
    with pytest.raises(DataError, match=r"data\.test is .*; it must be above 0 and below 1"):
        split(measured(10), test=test, validation=0, rng=rng())


@pytest.mark.parametrize("validation", [1, -0.1, float("nan")])
def test_a_validation_share_out_of_range_is_refused(validation):
    with pytest.raises(DataError, match=r"data\.validation is"):
        split(measured(10), test=0.5, validation=validation, rng=rng())


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match="1 rows are too few to split off a test set"):
        split(measured(1), test=0.5, validation=0, rng=rng())
    with pytest.raises(DataError, match="1 rows are too few to split off a validation set"):
        split(measured(2), test=0.5, validation=0.5, rng=rng())


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    share=st.floats(0.001, 1),
    larger=st.floats(0.001, 1),
    seed=st.integers(0, 99),
)
def test_thinning_keeps_a_share_of_a_class_and_all_others(counts, share, larger, seed):
    share, larger = sorted((share, larger))
    targets = rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = np.flatnonzero(rng(seed).random(len(targets)) < 0.8)
    before = np.bincount(targets[rows], minlength=len(counts))
    kept = thin(rows, targets, {0: share}, rng(seed))
    after = np.bincount(targets[kept], minlength=len(counts))
    assert after[0] == min(before[0], max(1, round(share * before[0])))
    np.testing.assert_array_equal(after[1:], before[1:])
    np.testing.assert_array_equal(kept, np.sort(kept))
    # More of a class holds all that less of it held, whatever becomes of the other classes.
    others = dict.fromkeys(range(1, len(counts)), 0.5)
    more = thin(rows, targets, {0: larger, **others}, rng(seed))
    assert set(kept[targets[kept] == 0]) <= set(more[targets[more] == 0]) <= set(rows)


@given(st.lists(st.integers(2, 30), min_size=1, max_size=8), st.integers(2, 12), st.integers(0, 99))
def test_folds_are_disjoint_complete_and_stratified_to_within_one_row(counts, count, seed):
    data = labelled(counts)
    if data.rows < count:
        return
    parts = folds(data, count, rng(seed))
    assert len(parts) == count
    assert sorted(np.concatenate(parts)) == list(range(data.rows))
    sizes = [len(part) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1
    for part in parts:
        assert np.all(np.diff(part) > 0)
        taken = np.bincount(data.targets[part], minlength=len(counts))
        assert np.abs(taken - np.array(counts) / count).max() < 1
        assert np.all(taken < counts)  # something of every class is left to train on


@given(st.integers(2, 60), st.integers(2, 12))
def test_folds_of_a_regression_differ_in_size_by_one_row(rows, count):
    if rows < count:
        with pytest.raises(DataError, match=rf"data.folds is {count}; there are only {rows} rows"):
            folds(measured(rows), count, rng())
        return
    parts = folds(measured(rows), count, rng())
    assert sorted(np.concatenate(parts)) == list(range(rows))
    assert {len(part) for part in parts} <= {rows // count, rows // count + 1}


def test_another_shuffle_gives_other_folds_and_a_lonely_class_none():
    data = labelled([30, 30])
    one, same, other = (folds(data, 5, rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    with pytest.raises(DataError, match='class "b" has 1 row'):
        folds(labelled([9, 1]), 2, rng())


def test_folds_put_the_official_test_set_back():
    parts = folds(labelled([5, 5], test_rows=np.array([9, 0, 4])), 2, rng())
    assert sorted(np.concatenate(parts)) == list(range(10))


def test_folds_of_some_rows_hold_these_alone():
    rows = np.array([1, 2, 3, 6, 8, 9])
    parts = folds(labelled([5, 5]), 3, rng(), rows)
    assert sorted(np.concatenate(parts)) == rows.tolist()
    assert [sorted(part < 5) for part in parts] == [[False, True]] * 3
    with pytest.raises(DataError, match='class "b" has 1 row outside the test set'):
        folds(labelled([5, 5]), 2, rng(), rows[:4])

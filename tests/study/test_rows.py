"""Which rows each block of a study sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from paribus.data import Dataset, Split, load
from paribus.errors import DataError
from paribus.study.config import DataConfig
from paribus.study.rows import split_rows, split_sizes

CANCER = load("breast-cancer")  # 569 rows
OFFICIAL = replace(CANCER, test_rows=np.arange(100))


def splits(blocks: int, dataset: Dataset = CANCER, seed: int = 0, **data: object) -> list[Split]:
    return [split_rows(dataset, DataConfig(**data), seed, block) for block in range(blocks)]


def alike(one: Split, other: Split) -> bool:
    pairs = ((one.train, other.train), (one.validation, other.validation), (one.test, other.test))
    return all(np.array_equal(a, b) for a, b in pairs)


def test_a_fixed_split_is_that_of_every_block_and_of_earlier_versions() -> None:
    first, *others = splits(3, validation=0.1)
    assert all(alike(first, other) for other in others)
    assert first.test[:5].tolist() == [17, 22, 26, 27, 37]
    assert np.array_equal(splits(1, OFFICIAL)[0].test, np.arange(100))


def test_a_class_is_thinned_in_each_split_anew() -> None:
    shares = {"malignant": 0.5}
    fixed, again = splits(2, subsample=shares)
    assert alike(fixed, again)
    assert (fixed.train[:8].tolist(), len(fixed.train)) == ([0, 3, 4, 6, 7, 9, 10, 11], 370)
    code = CANCER.classes.index("malignant")
    for split in ("resampled", "kfold", "cross-validation"):
        whole, thinned = splits(3, split=split), splits(3, split=split, subsample=shares)
        for before, after in zip(whole, thinned, strict=True):
            left, there = (one.train[CANCER.targets[one.train] == code] for one in (after, before))
            assert len(left) == round(0.5 * len(there))
            assert set(left) < set(there)
            np.testing.assert_array_equal(after.test, before.test)
        both = np.intersect1d(whole[0].train, whole[1].train)
        kept = [np.isin(both, one.train) for one in thinned[:2]]
        assert not np.array_equal(*kept)  # not the same rows in every block


@pytest.mark.parametrize("split", ["fixed", "resampled", "kfold"])
def test_rows_to_test_on_are_thinned_alike_where_it_is_asked(split: str) -> None:
    data = {"split": split, "validation": 0.2}
    shares = {"subsample": {"malignant": 0.25}}
    whole = splits(3, **data)
    thinned = splits(3, **data, **shares, subsample_test=True)
    code = CANCER.classes.index("malignant")
    for before, after, alone in zip(whole, thinned, splits(3, **data, **shares), strict=True):
        np.testing.assert_array_equal(after.train, alone.train)
        for part in ("train", "validation", "test"):
            there, left = getattr(before, part), getattr(after, part)
            assert set(left) < set(there)
            counts = [np.bincount(CANCER.targets[rows], minlength=2) for rows in (there, left)]
            assert counts[1][code] == round(0.25 * counts[0][code])
            assert counts[1][1 - code] == counts[0][1 - code]


@pytest.mark.parametrize("split", ["resampled", "kfold"])
def test_a_block_has_the_same_rows_each_time_and_another_block_others(split: str) -> None:
    once, again = (splits(7, split=split, validation=0.2) for _ in range(2))
    assert all(alike(a, b) for a, b in zip(once, again, strict=True))
    for part in ("train", "validation", "test"):
        assert len({tuple(getattr(one, part)) for one in once}) == 7
    assert not alike(once[0], splits(1, seed=1, split=split, validation=0.2)[0])


@pytest.mark.parametrize("split", ["resampled", "kfold"])
@pytest.mark.parametrize("validation", [0.0, 0.25])
def test_an_official_test_set_is_put_back_among_all_rows(split: str, validation: float) -> None:
    for one in splits(6, OFFICIAL, split=split, validation=validation):
        together = np.concatenate([one.train, one.validation, one.test])
        assert sorted(together) == list(range(569))
        assert 0 < np.sum(one.test < 100) < 50
        for part in (one.train, one.validation, one.test):
            share = CANCER.targets[part].mean() if len(part) else 0.627
            assert share == pytest.approx(0.627, abs=0.01)


def test_every_row_is_tested_on_once_in_a_repetition_and_each_is_shuffled_anew() -> None:
    found = splits(8, split="kfold", folds=4, test=0.7)  # a share of test rows does not apply
    for repetition in (found[:4], found[4:]):
        assert sorted(np.concatenate([one.test for one in repetition])) == list(range(569))
    assert not any(np.array_equal(a.test, b.test) for a in found[:4] for b in found[4:])
    assert sum(len(one.test) for one in splits(4, split="kfold", folds=5)) < 569


def test_resampled_rows_are_drawn_with_the_share_asked_for() -> None:
    found = splits(40, split="resampled", test=0.3)
    assert {len(one.test) for one in found} == {171}
    drawn = np.bincount(np.concatenate([one.test for one in found]), minlength=569)
    assert drawn.mean() == pytest.approx(12, abs=0.1)
    # Independent draws: the variance of a binomial number, 40 × 0.3 × 0.7.
    assert drawn.var() == pytest.approx(8.4, rel=0.25)


@pytest.mark.parametrize("dataset", [CANCER, OFFICIAL], ids=["no test set", "official"])
def test_cross_validation_holds_out_each_training_row_once_in_a_repetition(
    dataset: Dataset,
) -> None:
    (fixed,) = splits(1, dataset, test=0.3)
    found = splits(8, dataset, split="cross-validation", folds=4, test=0.3)
    for one in found:
        np.testing.assert_array_equal(one.test, fixed.test)
        assert sorted([*one.train, *one.validation]) == fixed.train.tolist()
    for repetition in (found[:4], found[4:]):
        held_out = [one.validation for one in repetition]
        assert sorted(np.concatenate(held_out)) == fixed.train.tolist()
    assert not any(np.array_equal(a.validation, b.validation) for a in found[:4] for b in found[4:])


def test_folds_of_the_training_rows_have_as_many_of_each_class_as_those_of_sklearn() -> None:
    found = splits(5, OFFICIAL, split="cross-validation")
    codes = np.sort(CANCER.targets[100:])
    theirs = StratifiedKFold(5).split(codes, codes)
    for one, (train, held_out) in zip(found, theirs, strict=True):
        for rows, expected in ((one.train, train), (one.validation, held_out)):
            counts = np.bincount(CANCER.targets[rows])
            np.testing.assert_array_equal(counts, np.bincount(codes[expected]))


def test_a_class_with_one_training_row_cannot_be_cross_validated() -> None:
    rows = np.flatnonzero(CANCER.targets == 0)[1:]
    with pytest.raises(DataError, match="has 1 row outside the test set; at least 2"):
        splits(1, replace(CANCER, test_rows=rows), split="cross-validation")
    with pytest.raises(DataError, match=r"data.folds is 470; there are only 469 rows"):
        splits(1, OFFICIAL, split="cross-validation", folds=470)


@given(
    counts=st.lists(st.integers(2, 9), min_size=1, max_size=5),
    split=st.sampled_from(["fixed", "resampled", "kfold", "cross-validation"]),
    folds=st.integers(2, 5),
    test=st.floats(0.05, 0.6),
    validation=st.sampled_from([0.0, 0.1, 0.3]),
    subsample=st.none() | st.fixed_dictionaries({"0": st.floats(0.1, 1)}),
    subsample_test=st.booleans(),
)
def test_sizes_are_those_of_the_splits(
    counts: list[int],
    split: str,
    folds: int,
    test: float,
    validation: float,
    subsample: dict[str, float] | None,
    subsample_test: bool,
) -> None:
    if split == "cross-validation":  # of which enough of each class must be left
        counts, test, validation = [8 + count for count in counts], min(test, 0.3), 0.0
    targets = np.repeat(np.arange(len(counts)), counts)
    dataset = Dataset(
        name="d",
        task="classification",
        features=np.zeros((len(targets), 1), np.float32),
        targets=targets,
        classes=tuple("abcde"[: len(counts)]),
        columns=("x",),
    )
    data = DataConfig(
        split=split,
        folds=folds,
        test=test,
        validation=validation,
        subsample=subsample,
        subsample_test=subsample_test,
    )
    if len(targets) < 3 * max(folds, len(counts)):
        return  # too few to split so often
    sizes = split_sizes(dataset, data, seed=3, blocks=7)
    for block, size in enumerate(sizes):
        one = split_rows(dataset, data, 3, block)
        assert size == (len(one.train), len(one.validation), len(one.test))

"""The design: arms × blocks, and hashes of all that can change a result."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from paribus.data import from_frame, load
from paribus.errors import SpecError
from paribus.models.weights import initial_weights
from paribus.study.declaration import contrasts, declaration
from paribus.study.design import Design, design
from paribus.study.engine import EngineId
from paribus.study.plan import plan
from paribus.study.rows import split_rows
from paribus.study.seeds import generator
from paribus.study.spec import from_values
from paribus.workers.here import Here

ENGINE = EngineId("stacked", "1", "cpu")
FACTORS = {
    "train.optimizer": ["sgd", "rmsprop", "adam"],
    "batch norm": {"no": {"model.batch_norm": "none"}, "yes": {"model.batch_norm": "after"}},
}


def lay_out(data: str | dict = "digits", engine: EngineId = ENGINE, **values: object) -> Design:
    spec = from_values({"question": "?", "data": data, "seeds": 3, **values})
    return design(spec, load(spec.data.source), engine)


def keys(**values: object) -> list[str]:
    return [run.key for run in lay_out(**values).runs]


def test_arms_are_all_combinations_and_runs_all_arms_in_all_blocks() -> None:
    laid_out = lay_out(factors=FACTORS)
    assert [arm.name for arm in laid_out.arms] == [
        "sgd · batch norm no",
        "sgd · batch norm yes",
        "rmsprop · batch norm no",
        "rmsprop · batch norm yes",
        "adam · batch norm no",
        "adam · batch norm yes",
    ]
    assert len(laid_out.runs) == len({run.key for run in laid_out.runs}) == 18


def test_the_hash_of_a_run_depends_on_all_that_can_change_its_result() -> None:
    base = keys()
    assert keys() == base
    assert keys(seeds=5)[:3] == base  # more seeds: the old runs stay
    assert keys(question="Another?", margin=0.5, name="other") == base
    for changed in (
        keys(train={"epochs": 6}),
        keys(seed=1),
        keys(data="breast-cancer"),
        keys(engine=EngineId("stacked", "2", "cpu")),
        keys(engine=EngineId("stacked", "1", "cuda")),
    ):
        assert not set(changed) & set(base)


def test_how_a_network_is_tested_makes_another_run_only_where_it_can_matter() -> None:
    training = {"mode": "training"}
    assert keys(evaluate=training) == keys()
    for model in ({"dropout": 0.5}, {"batch_norm": "after"}):
        assert not set(keys(evaluate=training, model=model)) & set(keys(model=model))


def test_what_only_explains_a_study_changes_no_key() -> None:
    told = lay_out(factors=FACTORS, reason="Because.", asks=["which optimizer is best"])
    assert told.key == lay_out(factors=FACTORS).key
    assert [run.key for run in told.runs] == keys(factors=FACTORS)
    assert lay_out(factors=FACTORS, question="Another?").key != told.key


def test_stating_a_default_changes_no_hash() -> None:
    assert keys(train={"optimizer": "adam", "epsilon": 1e-8}) == keys()
    assert keys(data="digits", model={"activation": "relu", "hidden": [128]}) == keys()


def test_a_setting_that_does_nothing_changes_no_hash() -> None:
    sgd = {"optimizer": "sgd"}
    assert keys(train={**sgd, "beta1": 0.5, "smoothing": 0.5}) == keys(train=sgd)
    assert keys(model={"conv": []}) == keys()
    assert keys(train={"beta1": 0.5}) != keys()


def subsampled(**shares: float) -> dict:
    return {"source": "breast-cancer", "subsample": shares}


def test_imbalance_enters_the_hash_only_where_it_is_set() -> None:
    base = keys(data="breast-cancer")
    assert keys(data={"source": "breast-cancer", "class_weights": "none"}) == base
    assert keys(data=subsampled()) == keys(data=subsampled(malignant=1)) == base
    weighted = keys(data={"source": "breast-cancer", "class_weights": "balanced"})
    thinned = keys(data=subsampled(malignant=0.5))
    assert not set(weighted) & set(base)
    assert not set(thinned) & set(base)
    index = load("breast-cancer").classes.index("malignant")
    assert keys(data=subsampled(**{str(index): 0.5, str(1 - index): 1})) == thinned


def test_subsampling_thins_a_class_of_the_training_rows_alone() -> None:
    dataset = load("breast-cancer")
    whole, thinned = (
        split_rows(dataset, from_values({"question": "?", "data": data}).data, seed=3)
        for data in (
            {"validation": 0.2},
            {"validation": 0.2, "subsample": {"malignant": 0.1}},
        )
    )
    code = dataset.classes.index("malignant")
    before, after = (dataset.targets[split.train] for split in (whole, thinned))
    assert np.sum(after == code) == round(0.1 * np.sum(before == code))
    assert np.sum(after != code) == np.sum(before != code)
    assert set(thinned.train) < set(whole.train)
    np.testing.assert_array_equal(thinned.validation, whole.validation)
    np.testing.assert_array_equal(thinned.test, whole.test)


RARE = {"classes": {"balanced": {}, "imbalanced": {"data.subsample": {"malignant": 0.1}}}}


def rare(**data: object) -> Design:
    """Breast cancer: 455 rows are trained on, 170 of them malignant, and 42 of 114 tested on."""
    return lay_out({"source": "breast-cancer", **data}, factors={**RARE, "train.epochs": [1, 2]})


def test_each_arm_has_the_sizes_of_its_own_rows() -> None:
    laid_out = rare()
    sizes = {arm.name: laid_out.sizes_of(arm.config, 0) for arm in laid_out.arms}
    assert sizes["balanced · epochs 1"] == sizes["balanced · epochs 2"] == (455, 0, 114)
    assert sizes["imbalanced · epochs 1"] == sizes["imbalanced · epochs 2"] == (302, 0, 114)
    tested = rare(subsample_test=True, rows=400)
    assert [tested.sizes_of(arm.config, 2) for arm in tested.arms] == [
        *[(400, 0, 114)] * 2,
        *[(302, 0, 76)] * 2,
    ]


def test_arms_that_learn_from_other_rows_share_no_stack_and_the_report_tells_both() -> None:
    laid_out = rare(subsample_test=True)
    assert sorted(len(stack) for stack in plan(laid_out, set(), Here(1)).stacks) == [3, 3, 3, 3]
    about = declaration(laid_out, "paribus run")
    assert about["data"]["training rows"] == "302 or 455"
    assert about["data"]["test rows"] == "76 or 114"


def test_an_arm_that_is_not_thinned_has_the_hash_of_one_in_any_other_study() -> None:
    alone = keys(data="breast-cancer", factors={"train.epochs": [1, 2]})
    for laid_out in (rare(), rare(subsample_test=True)):
        balanced = [run.key for run in laid_out.runs if run.arm < 2]
        assert balanced == alone
    shared = {run.key for run in rare().runs} & {run.key for run in rare(subsample_test=True).runs}
    assert shared == set(alone)
    nothing = {**subsampled(malignant=1), "subsample_test": True}
    assert keys(data=nothing) == keys(data="breast-cancer")


def test_batches_of_one_row_are_found_in_the_rows_of_each_arm() -> None:
    """302 rows are 7 batches of 43 and one row; of 455, 25 are left."""
    norm = {"model": {"batch_norm": "after"}, "train": {"batch_size": 43}}
    with pytest.raises(SpecError) as raised:
        lay_out("breast-cancer", factors=RARE, **norm)
    (problem,) = raised.value.problems
    assert problem.startswith("arm imbalanced: train.batch_size 43 leaves one row")


def test_a_class_named_like_the_index_of_another_goes_first() -> None:
    frame = pd.DataFrame({"x": np.arange(40.0), "y": ["1", "7"] * 20})
    dataset = from_frame(frame, "y", name="f")
    data = from_values({"question": "?", "data": {"subsample": {"1": 0.25}}}).data
    targets = dataset.targets[split_rows(dataset, data, seed=0).train]
    assert np.bincount(targets).tolist() == [4, 16]  # class "1" has the code 0


def test_class_weights_can_be_a_factor() -> None:
    laid_out = lay_out(factors={"data.class_weights": ["none", "balanced"]})
    assert [arm.name for arm in laid_out.arms] == ["class weights none", "balanced"]
    assert [len(stack) for stack in plan(laid_out, set(), Here(1)).stacks] == [3, 3]


def test_the_hash_of_a_run_with_a_fixed_split_is_that_of_earlier_versions() -> None:
    stored = ("c494cfdd4cede5c87fc18a033103ed6b", "4a6950b26389015bd825a159191444a8")
    for split in ({}, {"split": "fixed"}):
        assert keys(data={"source": "digits", **split})[-1] == stored[0]
        shares = {"test": 0.3, "validation": 0.1}
        assert keys(data={"source": "digits", **shares, **split})[-1] == stored[1]


def test_the_hash_of_a_run_depends_on_how_its_rows_are_split() -> None:
    def of(**data: object) -> list[str]:
        return keys(data={"source": "digits", **data})

    found = [of(), of(split="resampled"), of(split="kfold"), of(split="kfold", folds=4)]
    assert len({key for run_keys in found for key in run_keys}) == 12
    assert of(split="kfold", folds=5) == of(split="kfold")  # its default
    assert of(split="kfold", test=0.4) == of(split="kfold")  # which does nothing there
    assert of(split="kfold", validation=0.1) != of(split="kfold")
    assert not set(of(split="cross-validation")) & {key for run_keys in found for key in run_keys}


def test_arms_of_a_block_share_the_weights_of_layers_of_equal_shape() -> None:
    laid_out = lay_out(
        factors={"size": {"one": {"model.hidden": [20]}, "two": {"model.hidden": [20, 20]}}}
    )
    one, two = (
        initial_weights(arm.network, arm.config.model.init, 0, block=1) for arm in laid_out.arms
    )
    np.testing.assert_array_equal(one["1.weight"], two["1.weight"])  # 64 to 20
    np.testing.assert_array_equal(one["3.weight"], two["5.weight"])  # 20 to 10
    other_block = initial_weights(laid_out.arms[0].network, "pytorch", 0, block=2)
    assert not np.any(one["1.weight"] == other_block["1.weight"])


@pytest.mark.parametrize(("init", "limit"), [("pytorch", 1 / 8), ("glorot", (6 / 84) ** 0.5)])
def test_initial_weights_are_uniform_on_their_limits(init: str, limit: float) -> None:
    network = lay_out(model={"hidden": [20]}).arms[0].network
    weights = initial_weights(network, init, 0, 0)
    assert limit * 0.99 < np.abs(weights["1.weight"]).max() <= limit
    assert weights["1.weight"].std() == pytest.approx(limit / 3**0.5, rel=0.05)
    assert np.any(weights["1.bias"]) == (init == "pytorch")


def test_streams_of_other_purposes_and_blocks_differ_and_none_touches_the_global_one() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002, the global generator is the point
    draws = {
        generator(seed, purpose, block).random()
        for seed in (0, 1)
        for purpose in ("split", "weights")
        for block in (None, 0, 1)
    }
    assert len(draws) == 12
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_partial_baseline_compares_at_equal_levels_of_the_other_factors() -> None:
    found = contrasts(lay_out(factors=FACTORS, baseline={"batch norm": "no"}))
    assert [(one["arm"], one["baseline"]) for one in found] == [(1, 0), (3, 2), (5, 4)]
    assert found[0]["varies"] == "batch norm yes against no"
    assert [one["condition"] for one in found] == ["sgd", "rmsprop", "adam"]


def test_without_a_baseline_the_first_levels_are_it() -> None:
    found = contrasts(lay_out(factors=FACTORS))
    assert [(one["arm"], one["baseline"]) for one in found] == [(i, 0) for i in range(1, 6)]


def test_all_pairs_are_compared_once() -> None:
    found = contrasts(lay_out(factors=FACTORS, contrasts="pairs"))
    assert len({frozenset((one["arm"], one["baseline"])) for one in found}) == len(found) == 15


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"train": {"momentum": 0.9}}, "train.momentum must be 0 for adam"),
        ({"train": {"optimizer": "sgd", "nesterov": True}}, "train.nesterov needs"),
        ({"data": "breast-cancer", "model": {"kind": "cnn"}}, "cnn needs images (got a table)"),
        (
            {"model": {"kind": "cnn", "conv": [{"channels": 4, "kernel": 9}]}},
            "model.conv[0].kernel must be at most 8",
        ),
        ({"model": {"kind": "linear", "hidden": [3]}}, "model.hidden must be empty for a linear"),
        ({"data": "diabetes", "train": {"loss": "cross-entropy"}}, "train.loss must be mse"),
        ({"data": subsampled(malignnt=0.5)}, "has no class malignnt (did you mean malignant?)"),
        ({"data": subsampled(x=0.5)}, "; its classes are "),
        (
            {"factors": {"classes": {"all": {}, "rare": {"data.subsample": {"10": 0.5}}}}},
            "factors.classes.rare: data.subsample: digits has no class 10",
        ),
        (
            {"data": {"source": "digits", "subsample": {"10": 0.5}}},
            "digits has no class 10 (did you mean 1?); its classes are 0, 1, 2, 3, 4, 5, 6, 7, 8",
        ),
        (
            {"data": subsampled(**{"0": 0.5, "malignant": 0.1, "1": 0.2, "benign": 0.2})},
            "are the same class",
        ),
        (
            {"data": {"source": "diabetes", "subsample": {"0": 0.5}}},
            "data.subsample needs classes, and the target of diabetes is numeric",
        ),
        (
            {"data": {"source": "diabetes", "class_weights": "balanced"}},
            "data.class_weights needs classes",
        ),
        ({"data": "diabetes", "outcome": "test_macro_f1"}, "does not fit the regression"),
        ({"outcome": "test_mae"}, "does not fit the classification"),
        ({"outcome": "test_ece", "margin": 2}, "margin must be less than 1 for test_ece"),
        ({"train": {"precision": "tf32"}}, "train.precision tf32 needs a CUDA device (got cpu)"),
        ({"data": "diabetes", "outcome": "test_accuracy"}, "does not fit the regression"),
        ({"outcome": "validation_loss"}, "needs data.validation above 0"),
        (
            {
                "data": {"source": "digits", "split": "cross-validation"},
                "outcome": "test_accuracy",
            },
            "outcome test_accuracy does not go with data.split cross-validation, which compares on "
            "validation rows alone: use validation_accuracy",
        ),
        (
            {
                "data": {"source": "diabetes", "split": "cross-validation"},
                "outcome": "train_seconds",
            },
            "compares on validation rows alone: use validation_rmse",
        ),
        (
            {
                "data": {"source": "digits", "split": "cross-validation"},
                "also": {"test_loss": 0.1},
            },
            "also: outcome test_loss does not go with data.split cross-validation",
        ),
        (
            {"data": {"source": "digits", "split": "resampled"}, "outcome": "train_loss"},
            "outcome train_loss needs data.split fixed (got resampled)",
        ),
        (
            {  # 1797 rows: two folds of 360 and three of 359
                "data": {"source": "digits", "split": "kfold"},
                "model": {"batch_norm": "after"},
                "train": {"batch_size": 1436},
            },
            "leaves one row for the last batch of 1437 training rows",
        ),
        (
            {"model": {"batch_norm": "after"}, "train": {"batch_size": 1}},
            "leaves one row for the last batch of 1438 training rows",
        ),
        (
            {
                "model": {"batch_norm": "after"},
                "train": {"batch_size": 358},
                "evaluate": {"mode": "training"},
            },
            "leaves one row for the last batch of 359 test rows",
        ),
    ],
)
def test_what_cannot_be_trained_or_judged_is_refused(values: dict, expected: str) -> None:
    with pytest.raises(SpecError) as raised:
        lay_out(**values)
    assert expected in str(raised.value)


def test_the_arm_that_cannot_be_trained_is_named() -> None:
    with pytest.raises(SpecError, match=r"^arm adam: train.momentum must be 0"):
        lay_out(train={"momentum": 0.5}, factors={"train.optimizer": ["sgd", "adam"]})


def test_a_plan_trains_identical_arms_once_and_cuts_all_runs_into_stacks() -> None:
    laid_out = lay_out(
        factors={"same": {"a": {"train.epochs": 5}, "b": {"model.activation": "relu"}}}
    )
    made = plan(laid_out, finished=set(), site=Here(2))
    assert len(laid_out.runs) == 6
    assert made.to_train == 3
    assert made.seconds > 0
    assert plan(laid_out, {run.key for run in laid_out.runs}, Here(2)).to_train == 0


def test_a_plan_puts_together_only_what_fits_together() -> None:
    factors = {**FACTORS, "train.learning_rate": [0.1, 0.01], "train.precision": ["fp32", "bf16"]}
    made = plan(lay_out(factors=factors, seeds=2), finished=set(), site=Here(1))
    assert [group.runs for group in made.groups] == [12] * 4
    for stack in made.stacks:
        assert len({(task.network, task.config.train.precision) for task in stack}) == 1


def test_a_plan_keeps_folds_of_unequal_size_apart() -> None:
    made = plan(lay_out(data={"source": "digits", "split": "kfold"}, seeds=10), set(), Here(1))
    assert [group.runs for group in made.groups] == [4, 6]
    blocks = [{task.block % 5 for task in stack} for stack in made.stacks]
    assert all(one <= {0, 1} or one <= {2, 3, 4} for one in blocks)
    even = plan(lay_out(data={"source": "digits", "split": "resampled"}, seeds=10), set(), Here(1))
    assert [group.runs for group in even.groups] == [10]


@pytest.mark.parametrize(
    ("values", "overlap", "rows"),
    [
        ({"data": "digits"}, 0.0, ("1,438", "359")),
        ({"data": {"source": "digits", "split": "resampled"}}, 359 / 1438, ("1,438", "359")),
        (
            {"data": {"source": "digits", "split": "kfold"}, "seeds": 10},
            1 / 4,
            ("1,437 or 1,438", "359 or 360"),
        ),
        (
            {
                "data": {"source": "digits", "split": "resampled", "validation": 0.1},
                "outcome": "validation_accuracy",
            },
            144 / 1294,
            ("1,294", "359"),
        ),
        (  # 1,438 rows in folds of 287 and 288
            {"data": {"source": "digits", "split": "cross-validation"}, "seeds": 10},
            1 / 4,
            ("1,150 or 1,151", "359"),
        ),
    ],
)
def test_a_declaration_holds_what_corrects_for_shared_rows(
    values: dict, overlap: float, rows: tuple[str, str]
) -> None:
    declared = declaration(lay_out(**values), "")
    assert declared["overlap"] == pytest.approx(overlap)
    assert (declared["data"]["training rows"], declared["data"]["test rows"]) == rows
    split = declared["split"]
    assert ("data.folds" in declared["controls"]) == (split in ("kfold", "cross-validation"))
    assert ("data.test" in declared["controls"]) == (split != "kfold")
    assert ("data.validation" in declared["controls"]) == (split != "cross-validation")


def test_a_frame_of_few_rows_is_laid_out() -> None:
    frame = pd.DataFrame({"x": [0.0, 1, 2, 3, 4, 5] * 5, "y": list("ab") * 15})
    spec = from_values({"question": "?", "data": {"source": "DataFrame", "target": "y"}})
    assert design(spec, from_frame(frame, "y", name="f"), ENGINE).arms[0].network.outputs == 2

"""A study's specification: read whole, and every problem of it reported at once."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from paribus.errors import SpecError
from paribus.study.spec import Spec, from_values, json_schema, load

FIVE_MISTAKES = """\
question: Does it help?
data: digits
model:
  hiden: [50]
train:
  epochs: 0
  optimizer: adm
  learning_rate: -0.1
factors:
  train.momentun: [0, 0.9]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "study.yaml"
    path.write_text(text)
    return str(path)


def problems(values: dict) -> list[str]:
    with pytest.raises(SpecError) as raised:
        from_values({"question": "?", **values})
    return [problem.removesuffix(" in Study(...)") for problem in raised.value.problems]


def test_five_mistakes_are_reported_in_one_message_with_lines_and_spellings(tmp_path: Path) -> None:
    path = write(tmp_path, FIVE_MISTAKES)
    with pytest.raises(SpecError) as raised:
        load(path)
    assert raised.value.problems == [
        f"model.hiden is not a known setting (did you mean model.hidden?) in {path}, line 4",
        f"train.epochs must be at least 1 (got 0) in {path}, line 6",
        "train.optimizer must be one of sgd, rmsprop, adam or adamw "
        f"(got adm; did you mean adam?) in {path}, line 7",
        f"train.learning_rate must be more than 0 (got -0.1) in {path}, line 8",
        "factors.train.momentun: there is no such setting (did you mean train.momentum?) "
        f"in {path}, line 10",
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"seeds": 0}, "seeds must be at least 1 (got 0)"),
        ({"seeds": 2.5}, "seeds must be a whole number, or auto (got 2.5)"),
        ({"margin": 0}, "margin must be more than 0 (got 0)"),
        ({"margin": float("nan")}, "margin must be a finite number (got nan)"),
        (
            {"outcome": "test_acuracy"},
            "outcome test_acuracy is not known (did you mean test_accuracy?)",
        ),
        ({"model": {"hidden": 50}}, "model.hidden must be a list (got 50)"),
        ({"model": {"dropout": 1}}, "model.dropout must be less than 1 (got 1)"),
        ({"model": 5}, "model must be a section of settings (got 5)"),
        (
            {"model": {"conv": [{"channels": 0}]}},
            "model.conv[0].channels must be at least 1 (got 0)",
        ),
        ({"accept": "no-shuffling"}, "accept must be a list (got no-shuffling)"),
        (
            {"data": {"folds": 5}},
            "data.folds needs data.split kfold or cross-validation (got fixed)",
        ),
        (
            {"data": {"split": "resampled", "folds": 3}},
            "data.folds needs data.split kfold or cross-validation (got resampled)",
        ),
        ({"data": {"split": "kfold", "folds": 1}}, "data.folds must be at least 2 (got 1)"),
        (
            {"data": {"split": "k-fold", "folds": 5}},
            "data.split must be one of fixed, resampled, kfold or cross-validation (got k-fold; "
            "did you mean kfold?)",
        ),
        (
            {"data": {"split": "cross-validation", "validation": 0.1}},
            "data.validation does not go with data.split cross-validation, whose folds are the "
            "validation rows",
        ),
        (
            {
                "data": {"split": "cross-validation"},
                "tune": {"parameters": {"train.momentum": [0, 1]}},
            },
            "tune does not go with data.split cross-validation, which chooses among the arms "
            "itself: make what is tuned a factor",
        ),
        (
            {
                "seeds": "auto",
                "data": {"split": "cross-validation"},
                "factors": {"train.epochs": [1, 2]},
            },
            "seeds: auto needs data.split fixed (got cross-validation): splits share rows, and no "
            "levels are known for several looks at such seeds",
        ),
        (
            {"seeds": "auto", "data": {"split": "kfold"}, "factors": {"train.epochs": [1, 2]}},
            "seeds: auto needs data.split fixed (got kfold): splits share rows, and no levels are "
            "known for several looks at such seeds",
        ),
        (
            {"extends": [6], "data": {"split": "resampled"}},
            "extends needs data.split fixed (got resampled): splits share rows, and no levels are "
            "known for several looks at such seeds",
        ),
        (
            {"factors": {"data.split": ["fixed", "kfold"]}},
            "factors.data.split: data.split cannot be a factor, because all arms of a block share "
            "their rows",
        ),
        ({"train": {"shuffle": "yes"}}, "train.shuffle must be true or false (got yes)"),
        (
            {"factors": {"train.epochs": [5]}},
            "factors.train.epochs must have at least 2 levels (got 1)",
        ),
        ({"factors": {"train.epochs": [5, 5]}}, "factors.train.epochs has the level 5 twice"),
        ({"factors": {"train.epochs": [5, 0]}}, "factors: train.epochs must be at least 1 (got 0)"),
        (
            {"factors": {"size": {"small": 3, "big": {"model.hidden": [9]}}}},
            "factors.size level small must be a set of settings such as {train.momentum: 0.9}",
        ),
        (
            {"factors": {"a": {"x": {"modle.hidden": [3]}, "y": {"model.hidden": [9]}}}},
            "factors.a.x: there is no setting modle.hidden (did you mean model.hidden?)",
        ),
        (
            {"factors": {"data.test": [0.1, 0.2]}},
            "factors.data.test: data.test cannot be a factor, because all arms of a block share "
            "their rows",
        ),
        (
            {"factors": {"data.subsample_test": [False, True]}},
            "factors.data.subsample_test: data.subsample_test cannot be a factor, because all arms "
            "of a block share their rows",
        ),
        (
            {"factors": {"classes": {"all": {}, "half": {"data.subsample": {"a": 2}}}}},
            "factors: data.subsample.a must be at most 1 (got 2)",
        ),
        (
            {"data": {"subsample": {"a": 0}}},
            "data.subsample.a must be more than 0 (got 0)",
        ),
        (
            {"data": {"subsample": {"a": 1.5}}},
            "data.subsample.a must be at most 1 (got 1.5)",
        ),
        (
            {"data": {"class_weights": "balance"}},
            "data.class_weights must be one of none or balanced (got balance; did you mean "
            "balanced?)",
        ),
        (
            {
                "factors": {
                    "train.epochs": [1, 2],
                    "length": {"a": {"train.epochs": 3}, "b": {"train.epochs": 4}},
                }
            },
            "factors.length sets train.epochs, as train.epochs does already",
        ),
        (
            {"factors": {"train.optimizer": ["sgd", "adam"]}, "baseline": {"optimiser": "sgd"}},
            "baseline: there is no factor optimiser (did you mean optimizer?)",
        ),
        (
            {"factors": {"train.optimizer": ["sgd", "adam"]}, "baseline": {"optimizer": "rmsprop"}},
            "baseline: optimizer has no level rmsprop (its levels are sgd, adam)",
        ),
    ],
)
def test_a_mistake_is_named_with_what_was_got_and_what_is_allowed(
    values: dict, expected: str
) -> None:
    assert problems(values) == [expected]


def test_a_question_is_needed() -> None:
    with pytest.raises(SpecError, match="question is missing"):
        from_values({"data": "digits"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("question: [", "is not valid YAML"),
        ("- a\n- b", "must hold settings such as 'question:' and 'factors:' (got list)"),
        ("", "must hold settings such as 'question:' and 'factors:' (got nothing)"),
        ("question: a\nseeds: 3\nseeds: 4", "seeds is given twice in"),
        ("question: !!python/object:os.system x", "is not valid YAML"),
        ("question: &a [*a, *a]", "is not valid YAML"),
    ],
)
def test_broken_yaml_is_an_error_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SpecError) as raised:
        load(write(tmp_path, text))
    assert expected in str(raised.value)


def test_a_missing_file_and_a_misspelt_study_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        load(str(tmp_path / "none.yaml"))
    with pytest.raises(SpecError, match=r"optimisers is neither .* \(did you mean optimizers\?\)"):
        load("optimisers")


def test_yaml_words_and_numbers_mean_what_people_write(tmp_path: Path) -> None:
    spec = load(
        write(
            tmp_path,
            "question: ok?\n"
            "train: {learning_rate: 1e-3}\n"
            "factors:\n"
            "  batch norm:\n"
            "    no: {model.batch_norm: none}\n"
            "    yes: {model.batch_norm: after}\n",
        )
    )
    assert spec.train.learning_rate == 0.001
    assert [level.label for level in spec.arms_differ_in[0].levels] == ["no", "yes"]
    assert spec.name == "study"


@pytest.mark.parametrize(
    "text",
    [
        "question: a\nfactors: {1: [1, 2]}",
        "question: a\nfactors: {null: 3}",
        "question: a\ndata: {source: [1]}\npresets: {mnist: {}}",
        "question: a\n? [1, 2]\n: 3",
        "question: !!bool x",
        "question: !!timestamp x",
        "question: !!int ''",
        "question: a\nseeds: " + "9" * 5000,
        "question: a\ntrain: {epochs: " + "9" * 400 + "}",
        "question: a\n'[x': 3",
        "question: " + "[" * 3000,
    ],
)
def test_odd_yaml_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError):
        load(write(tmp_path, text))


def test_odd_python_values_are_an_error_of_ours() -> None:
    circle: dict = {"question": "?"}
    circle["factors"] = circle
    for values in ([1], circle, {"question": "?", "seed": 10**5000}, {"name": "../x"}):
        with pytest.raises(SpecError):
            from_values(values)  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(["train.epochs", "adam", "sgd", "digits", "test_accuracy"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*Spec.model_fields, "train.epochs", "optimizer", "hidden", "x"])
                | st.text(max_size=4),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_values_are_a_study_or_an_error_of_ours(values: object) -> None:
    with contextlib.suppress(SpecError):
        spec = from_values({"question": "?", **values} if isinstance(values, dict) else values)
        assert from_values(yaml.safe_load(spec.to_yaml())).factors == spec.factors


def test_numbers_are_read_as_they_look(tmp_path: Path) -> None:
    for text in ("010", "1:30", "2026-01-01"):
        with pytest.raises(SpecError, match=f"must be a whole number, or auto .got {text}."):
            load(write(tmp_path, f"question: a\nseeds: {text}"))


def test_levels_that_differ_in_late_digits_are_different() -> None:
    spec = from_values(
        {"question": "?", "factors": {"train.learning_rate": [0.12345678, 0.12345679, 1e-3]}}
    )
    labels = [level.label for level in spec.arms_differ_in[0].levels]
    assert labels == ["0.12345678", "0.12345679", "0.001"]


def test_overrides_replace_what_is_written_and_bring_in_the_preset_of_their_data() -> None:
    spec = load("optimizers", {"data.source": "mnist", "seeds": 20, "train.epochs": 3})
    assert (spec.data.source, spec.seeds, spec.train.epochs) == ("mnist", 20, 3)
    assert spec.model.hidden == (500,)  # by the preset
    assert spec.margin == 0.002
    assert load("optimizers").model.hidden != (500,)


def test_a_factor_can_be_overridden(tmp_path: Path) -> None:
    path = write(tmp_path, "question: ok?\nfactors: {train.epochs: [1, 2]}\n")
    spec = load(path, {"factors.train.epochs": [3, 4, 5]})
    assert [level.label for level in spec.arms_differ_in[0].levels] == ["3", "4", "5"]


def test_an_override_of_what_a_factor_sets_is_refused() -> None:
    with pytest.raises(SpecError) as raised:
        load("optimizers", {"train.optimizer": "sgd"})
    assert raised.value.problems == [
        "train.optimizer is what the factor optimizer sets: override factors.optimizer"
    ]


def test_a_name_alone_stands_for_a_section_in_an_override_too() -> None:
    assert load("precision", {"model": "nets:make"}).model.factory == "nets:make"
    assert load("precision", {"model": "logistic"}).model.kind == "logistic"
    assert load("precision", {"data": "mnist"}).data.source == "mnist"


def test_a_bad_override_says_so() -> None:
    with pytest.raises(SpecError, match=r"train.epoch is not a known .* in an override"):
        load("optimizers", {"train.epoch": 3})
    with pytest.raises(SpecError, match=r"trian is not .* .did you mean train\?. in an override"):
        load("optimizers", {"trian.epochs": 3})


def test_the_written_form_gives_the_same_study_again(tmp_path: Path) -> None:
    spec = load("optimizers", {"data.source": "mnist", "train.epochs": 3})
    again = load(write(tmp_path, spec.to_yaml()))
    assert again.model_dump(exclude={"presets"}) == spec.model_dump(exclude={"presets"})


def test_the_schema_knows_every_setting() -> None:
    schema = json_schema()
    assert {"question", "data", "model", "train", "factors", "margin"} <= set(schema["properties"])
    assert "one-learning-rate" in schema["properties"]["accept"]["items"]["enum"]
    assert schema["properties"]["data"]["anyOf"][0] == {"type": "string"}
    assert schema["$defs"]["TrainConfig"]["properties"]["epochs"]["minimum"] == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"model": {"arguments": {"x": b"\0"}}}, "model.arguments.x is a builtins.bytes; allowed"),
        ({"seeds": {1, 2}}, "seeds is a builtins.set; allowed are"),
        ({"margin": 1 + 2j}, "margin is a builtins.complex; allowed are"),
        ({"seeds": 16**5000}, "seeds is a number of more than 300 digits"),
        ({"asks": [[[[["x"] * 3]]] * 3]}, "asks[0] must be a text"),
        (
            {"factors": {f"f{i}": {"a": {}, "b": {}} for i in range(40)}},
            "factors make 1099511627776 arms; at most 10,000 are allowed",
        ),
        (
            {"factors": {"train.epochs": list(range(1, 101))}, "seeds": 100_000},
            "seeds: 100 arms make 10000000 runs; at most 1,000,000 are allowed",
        ),
        (
            {"factors": {"train.epochs": list(range(1, 1001))}, "contrasts": "pairs"},
            "1000 arms make 499500 contrasts; at most 100,000 are allowed",
        ),
    ],
)
def test_what_cannot_be_written_or_listed_is_refused(values: dict, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems(values))


def test_values_that_hold_themselves_are_refused() -> None:
    held: dict = {}
    held["x"] = held
    assert problems({"model": held}) == ["model.x.x is nested too deeply, or holds itself"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("question: " + "x" * 300_000, "it has more than 250,000 characters"),
        ("[" * 10_000, "it is nested more than 50 deep"),
        ("a: [" + "b, " * 20_000 + "]", "has more than 10,000 values"),
        ("a: !!binary aGk=", "could not determine a constructor"),
        ("a: !!set {b, c}", "could not determine a constructor"),
        ("a: !!python/name:os.system x", "could not determine a constructor"),
        ("a: &a {b: *a}", "nested more than 50 deep"),
    ],
)
def test_yaml_that_is_more_than_a_study_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        load(write(tmp_path, text))


def test_messages_are_short_and_without_control_characters(tmp_path: Path) -> None:
    lines = "".join(f'"\\e[31m{i}{"x" * 400}": 1\n' for i in range(200))
    with pytest.raises(SpecError) as raised:
        load(write(tmp_path, "question: x\n" + lines))
    assert len(str(raised.value)) < 20_000
    assert "\x1b" not in str(raised.value)
    assert raised.value.problems[0].endswith("study.yaml, line 2")
    assert raised.value.problems[-1].endswith("more problems")


def test_a_key_with_a_bracket_is_named_in_the_message() -> None:
    assert problems({"train[0]": 1})[0].startswith("train[0] is not a known setting")


def test_values_that_multiply_by_being_shared_are_refused() -> None:
    shared: list = ["x"]
    for _ in range(4):
        shared = [shared] * 100
    assert problems({"asks": shared}) == ["asks.0.0 has more than 10,000 values"]

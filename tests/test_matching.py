"""A study is found by words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paribus.matching import closest
from paribus.study.spec import Spec, builtin_names, load

WORDINGS = {
    "optimizers": ("Which optimizer learns best?", "Is Adam better than SGD?"),
    "dropout": ("Does dropout help against overfitting?", "how much dropout"),
    "batch-norm": ("Does batch normalisation help?", "batch norm before or after ReLU"),
    "learning-rate": ("Which learning rate suits SGD?",),
    "gpu": ("When does a GPU pay for training?", "is training on ResNet18 faster on a GPU"),
    "cpu-threads": ("How many threads suit training on a CPU?",),
}


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("does dropout help", "dropout"),
        ("what does drop out do?", "dropout"),  # one word, or two
        ("batchnorm", "batch-norm"),
        ("resnet-18", "gpu"),
        ("dropuot", "dropout"),  # misspelt
        ("best optimiser", "optimizers"),  # British
        ("optimizing", "optimizers"),
        ("normalization of batches", "batch-norm"),
        ("does my network overfit", "dropout"),
        ("GPU", "gpu"),
        ("cpu", "cpu-threads"),  # no misspelling of another
        ("learning rate of Adam or SGD", "learning-rate"),
    ],
)
def test_a_question_is_about_the_study_that_shares_its_rare_words(question: str, name: str) -> None:
    assert closest(question, WORDINGS)[0] == name


def test_a_name_means_its_study_alone() -> None:
    assert closest("gpu", WORDINGS) == ["gpu"]
    assert closest(" Learning-Rate ", WORDINGS) == ["learning-rate"]


def test_what_else_is_near_comes_after_the_closest() -> None:
    assert closest("is training on any GPU better", WORDINGS) == ["gpu"]
    assert closest("training on a GPU or a CPU", WORDINGS) == ["gpu", "cpu-threads"]


def test_a_wording_means_its_study_first_even_where_another_has_the_same_words() -> None:
    two = {"a": ("Is Adam better than SGD?",), "b": ("Is SGD worse than Adam?",)}
    assert closest("is sgd worse than adam", two) == ["b", "a"]
    assert closest("is adam better than sgd", two) == ["a", "b"]


@pytest.mark.parametrize(
    "question", ["does it help", "", "?!", "does the moon shine", "weather in Paris tomorrow"]
)
def test_a_question_about_something_else_finds_nothing(question: str) -> None:
    assert closest(question, WORDINGS) == []


def test_nothing_is_found_among_nothing() -> None:
    assert closest("dropout", {}) == []


@given(st.text(max_size=60))
def test_any_text_finds_each_study_at_most_once_whatever_its_case_and_spaces(text: str) -> None:
    found = closest(text, WORDINGS)
    assert len(found) == len(set(found)) <= len(WORDINGS)
    assert set(found) <= set(WORDINGS)
    assert closest(f"  {text}\n", WORDINGS) == found


@given(st.permutations(["sgd", "dropout", "batch", "gpu", "rate"]))
def test_the_order_of_the_words_does_not_count(words: list[str]) -> None:
    one, other = " ".join(words), " ".join(sorted(words))
    assert set(closest(one, WORDINGS)) == set(closest(other, WORDINGS))


@pytest.fixture(scope="module")
def built_in() -> dict[str, Spec]:
    return {name: load(name) for name in builtin_names()}


@pytest.mark.parametrize("name", builtin_names())
def test_each_built_in_study_gives_a_reason_and_is_found_by_its_wordings(
    name: str, built_in: dict[str, Spec]
) -> None:
    wordings = {one: (spec.question, *spec.asks) for one, spec in built_in.items()}
    assert built_in[name].reason
    assert built_in[name].asks
    for text in (name, *wordings[name]):
        assert closest(text, wordings)[0] == name

"""What else than its question a study may answer: mistakes of design, found before it is trained.

Each check is a function of the design that says what it found, or nothing. What is meant can be
accepted by its name, in the specification: `accept: [one-learning-rate]`.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from paribus.study.config import Config
from paribus.study.design import Arm, Design
from paribus.study.engine import DEFAULTS
from paribus.study.factors import Factor
from paribus.study.problems import show
from paribus.study.resolved import inapplicable
from paribus.study.rows import Sizes, optimizer_steps
from paribus.study.spec import ConfoundName

_NEAR = 0.05
"""Numbers this close, relatively, are as good as equal: steps made of whole epochs, or networks of
which one has the few parameters of batch normalisation more."""

_MANY_LEVELS = 4
"""Numbers of a training setting, of which the best will be chosen rather than a question asked."""

_OF_THE_OPTIMIZER = (
    "train.optimizer",
    "train.momentum",
    "train.nesterov",
    "train.learning_rate",
    "train.beta1",
    "train.beta2",
    "train.smoothing",
    "train.epsilon",
)
"""What belongs to an optimizer and has another meaning, or none, in another one."""

_RESOLVED = {
    "model.width": "model.hidden",
    "model.depth": "model.hidden",
    "train.rate_scaling": "train.learning_rate",
    "train.steps": "train.epochs",
}
"""Settings that are resolved into others, in which arms then differ."""

_BUDGET = ("train.epochs", "train.steps")
"""Two ways to say how long is trained."""


@dataclass(frozen=True)
class Confound:
    """Something that could be the cause of a difference instead of what was asked about."""

    name: ConfoundName
    what: str  # was found in this study
    why: str  # it matters
    mend: str
    accepted: bool = False


def find(design: Design) -> tuple[Confound, ...]:
    """Return every confound of a study, those that it accepts included."""
    return tuple(
        Confound(name, what, why, mend, name in design.spec.accept)
        for name, check in _CHECKS.items()
        if not design.timed or name in _OF_TIMES
        for what, why, mend in check(design)
    )


_OF_TIMES = ("several-settings",)
"""What may confound times: they are what they are, whatever was learned meanwhile."""

_Found = Iterator[tuple[str, str, str]]  # what, why, mend: once or not at all


def _several_settings(design: Design) -> _Found:
    """Levels that differ in more than one setting.

    Epochs or steps that make up for another batch size, so that steps are equal, are no second
    difference.
    """
    steps = _steps(design)
    told = []
    for factor in design.spec.arms_differ_in:
        most: list[str] = []
        for a, b in _pairs(design, factor):
            differing = _differing(factor, a, b)
            if "train.batch_size" in differing and not _apart(steps(a), steps(b)):
                differing = [path for path in differing if path not in _BUDGET]
            if len(differing) > max(1, len(most)):
                most, pair = differing, (a, b)
        if most:
            a, b = pair
            settings = [
                f"{path} ({show(_value(a.config, path))}, {show(_value(b.config, path))})"
                for path in most
            ]
            levels = f"{a.levels[factor.key]} and {b.levels[factor.key]}"
            told.append(f"{levels} of {factor.label} in {', '.join(settings)}")
    if told:
        yield (
            f"Levels differ in more than one setting: {'; '.join(told)}.",
            "A difference between such levels cannot be put down to any one of the settings.",
            "Give each setting a factor of its own, or hold all but one equal.",
        )


def _unequal_steps(design: Design) -> _Found:
    """Optimizer steps that differ, unless their number alone is what a factor asks about.

    A factor of batch sizes is warned of: at equal epochs a larger batch takes fewer steps.
    """
    told = _unequal(design, _steps(design), lambda found: len(found) == 1 and found[0] in _BUDGET)
    if told:
        yield (
            f"The arms take unequal numbers of optimizer steps: {told}.",
            "An arm that takes more steps is trained for longer, whatever else it differs in.",
            "Set train.steps, or train.epochs beside train.batch_size in an equal ratio.",
        )


def _unequal_parameters(design: Design) -> _Found:
    """Sizes of networks that differ, unless the one setting that a factor varies makes them so."""
    told = _unequal(design, lambda arm: arm.network.parameters, lambda found: len(found) == 1)
    if told:
        yield (
            f"The arms have unequal numbers of trainable parameters: {told}.",
            "A larger network may differ for its size alone.",
            "Choose the sizes of the layers so that all arms have about as many parameters.",
        )


def _unequal_test_rows(design: Design) -> _Found:
    """Numbers of test rows that differ: `data.subsample_test` with other shares."""
    told = _unequal(design, lambda arm: _rows(design, arm).test, lambda differing: False)
    if told:
        yield (
            f"The arms are tested on different rows: {told}.",
            "Accuracy on other rows may be higher for these rows alone: where one class makes up "
            "nearly all of them, an arm that answers with it each time is nearly always right.",
            "Compare such arms by test_balanced_accuracy, or leave out data.subsample_test.",
        )


def _one_learning_rate(design: Design) -> _Found:
    """Several optimizers that have only one learning rate, and that in common."""
    if design.spec.tune and "train.learning_rate" in design.spec.tune.parameters:
        return
    rates: dict[str, set[float]] = defaultdict(set)
    for arm in design.arms:
        rates[_update_rule(arm.config)].add(arm.config.train.learning_rate)
    serves: dict[float, list[str]] = defaultdict(list)
    for rule, tried in rates.items():
        if len(tried) == 1:
            serves[min(tried)].append(rule)
    told = [f"{show(r)} for {', '.join(rules)}" for r, rules in serves.items() if len(rules) > 1]
    if told:
        yield (
            f"One learning rate serves several optimizers: {'; '.join(told)}.",
            "A rate that suits one optimizer is too small or too large for another.",
            "Give each optimizer a learning rate that suits it, or make train.learning_rate a "
            "factor.",
        )


def _training_outcome(design: Design) -> _Found:
    name = design.outcome.name
    if design.outcome.part == "train":
        yield (
            f"The outcome, {name}, is measured on the rows that are trained on.",
            "It gets better by learning these rows by heart, and says nothing about others.",
            f"Use the outcome {name.replace('train', 'test', 1)}.",
        )


def _test_set_chooses(design: Design) -> _Found:
    """The best of many looked for on the test set.

    That is so where all pairs of more than two arms are compared, and where four or more numbers
    of a single training setting (learning rates, say) are compared with each other: factors that
    no baseline names are not.
    """
    spec, name = design.spec, design.outcome.name
    told = ""
    if spec.contrasts == "pairs" and len(design.arms) > 2:
        told = f"all pairs of {len(design.arms)} arms"
    elif spec.contrasts == "baseline":
        compared = {key for baseline in spec.baselines for key in baseline}
        told = ", ".join(
            f"{len(factor.levels)} levels of {factor.label}"
            for factor in spec.arms_differ_in
            if factor.key in compared and _is_tuned(factor)
        )
    if told and design.outcome.part == "test":
        chosen = name.replace("test", "validation", 1)
        yield (
            f"The {design.outcome.label} compares {told}, of which the best may be chosen.",
            "The best of several looks better on the rows that chose it than on new ones.",
            "Let the best be chosen by `tune`, on validation rows, and judge it on the test rows."
            if spec.tune
            else f"Use data.split cross-validation, or the outcome {chosen} with data.validation "
            "above 0.",
        )


def _is_tuned(factor: Factor) -> bool:
    settings = [item for level in factor.levels for item in level.settings.items()]
    return (
        len(factor.levels) >= _MANY_LEVELS
        and len({path for path, _ in settings}) == 1
        and all(path.startswith("train.") for path, _ in settings)
        and all(isinstance(value, int | float) for _, value in settings)
    )


def _training_mode_testing(design: Design) -> _Found:
    concerned = [arm for arm in design.arms if "evaluate.mode" not in inapplicable(arm.config)]
    if concerned and all(arm.config.evaluate.mode == "training" for arm in concerned):
        yield (
            "evaluate.mode is training in every arm with dropout or batch normalisation.",
            "Testing with active dropout and with the test batch's own statistics tells of another "
            "network than the one that would be used.",
            "Leave evaluate.mode at evaluation.",
        )


def _double_softmax(design: Design) -> _Found:
    if all(arm.config.train.loss == "softmax-cross-entropy" for arm in design.arms):
        yield (
            "train.loss is softmax-cross-entropy in every arm.",
            "Softmax is applied twice: gradients shrink, and the loss cannot come near zero.",
            "Leave train.loss at cross-entropy.",
        )


def _no_shuffling(design: Design) -> _Found:
    if not any(arm.config.train.shuffle for arm in design.arms):
        yield (
            "train.shuffle is false in every arm.",
            "All epochs and all seeds see the same batches in the same order: what is found may "
            "hold for that order alone, and no interval covers it.",
            "Leave train.shuffle at true.",
        )


_CHECKS: Mapping[ConfoundName, Callable[[Design], _Found]] = {
    "several-settings": _several_settings,
    "unequal-steps": _unequal_steps,
    "unequal-parameters": _unequal_parameters,
    "unequal-test-rows": _unequal_test_rows,
    "one-learning-rate": _one_learning_rate,
    "training-outcome": _training_outcome,
    "test-set-chooses": _test_set_chooses,
    "training-mode-testing": _training_mode_testing,
    "double-softmax": _double_softmax,
    "no-shuffling": _no_shuffling,
}


def _unequal(
    design: Design, quantity: Callable[[Arm], int], asked: Callable[[list[str]], bool]
) -> str:
    """Say between which two arms a factor sets a quantity furthest apart; nothing where none does.

    `asked` tells from the settings that differ whether the quantity is what is asked about.
    """
    pairs = [
        sorted(pair, key=quantity)
        for factor in design.spec.arms_differ_in
        for pair in _pairs(design, factor)
        if _apart(*map(quantity, pair)) and not asked(_differing(factor, *pair))
    ]
    if not pairs:
        return ""
    low, high = max(pairs, key=lambda pair: quantity(pair[1]) / quantity(pair[0]))
    return f"{quantity(low):,} for {low.name}, {quantity(high):,} for {high.name}"


def _apart(one: int, other: int) -> bool:
    return max(one, other) > (1 + _NEAR) * min(one, other)


def _pairs(design: Design, factor: Factor) -> Iterator[tuple[Arm, Arm]]:
    """Yield the pairs of arms that differ in this factor alone."""
    groups: dict[tuple[str, ...], list[Arm]] = defaultdict(list)
    for arm in design.arms:
        others = tuple(level for key, level in arm.levels.items() if key != factor.key)
        groups[others].append(arm)
    pairs = itertools.pairwise if design.spec.contrasts == "steps" else _all_pairs
    for group in groups.values():
        yield from pairs(group)


def _all_pairs(group: list[Arm]) -> Iterator[tuple[Arm, Arm]]:
    return itertools.combinations(group, 2)


def _differing(factor: Factor, a: Arm, b: Arm) -> list[str]:
    """Return the settings in which the levels of two arms differ, as far as both have them.

    Another optimizer counts once, with all that belongs to it (SGD with momentum is another one
    than SGD without), and so do another factory with its arguments, and steps with the epochs that
    they take.
    """
    nowhere = {*inapplicable(a.config), *inapplicable(b.config)}
    levels = [factor.level(arm.levels[factor.key]) for arm in (a, b)]
    paths = dict.fromkeys(path for level in levels if level for path in level.settings)
    paths |= dict.fromkeys(_RESOLVED[path] for path in list(paths) if path in _RESOLVED)
    if "train.engine" in paths:  # with which the defaults of a framework may come
        paths |= dict.fromkeys(path for own in DEFAULTS.values() for path in own)
    found = [
        path
        for path in paths
        if ".".join(path.split(".")[:2]) not in nowhere
        and _value(a.config, path) != _value(b.config, path)
    ]
    if _update_rule(a.config) != _update_rule(b.config):
        own = [path for path in _OF_THE_OPTIMIZER if path in found]
        found = [path for path in found if path not in own[1:]]
    if "train.steps" in found:
        found = [path for path in found if path != "train.epochs"]
    if "model.factory" in found:
        found = [path for path in found if not path.startswith("model.arguments")]
    return found


def _value(config: Config, path: str) -> Any:
    section, name, *inner = path.split(".")
    value = getattr(getattr(config, section), name)
    for key in inner:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _update_rule(config: Config) -> str:
    train = config.train
    if train.optimizer != "sgd":
        return train.optimizer
    return f"sgd {'with' if train.momentum else 'without'} momentum"


def _steps(design: Design) -> Callable[[Arm], int]:
    """Return what counts the optimizer steps of an arm."""

    def count(arm: Arm) -> int:
        return optimizer_steps(arm.config.train, _rows(design, arm).train)

    return count


def _rows(design: Design, arm: Arm) -> Sizes:
    return design.sizes_of(arm.config, design.first_block)

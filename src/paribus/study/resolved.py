"""What a configuration comes to on its data: defaults filled in, and what does nothing reset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paribus.data import PLANE, Dataset
from paribus.models.build import hidden_units
from paribus.study.config import Config, DataConfig
from paribus.study.engine import DEFAULTS
from paribus.study.outcomes import Outcome
from paribus.study.problems import known_paths
from paribus.study.rows import (
    class_codes,
    steps_of_epoch,
)
from paribus.study.spec import Spec

DESCRIBING = ("hidden", "width", "depth", "conv", "activation", "batch_norm", "dropout", "init")
"""Settings of the networks that Paribus builds."""

ON_SURFACES = {
    "data.source",
    "model.kind",
    "model.surface",
    "train.epochs",
    "train.optimizer",
    "train.learning_rate",
    "train.momentum",
    "train.nesterov",
    "train.weight_decay",
    "train.beta1",
    "train.beta2",
    "train.smoothing",
    "train.epsilon",
    "train.engine",
    "train.device",
}
"""Settings that do something where there is a surface in the place of a network."""

_SCALED_FROM = 32
"""The batch size that a learning rate is for where it is scaled by batch sizes."""


def framework_defaults(values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Return what users of an arm's framework get; of the stacked engine's, it is PyTorch."""
    name = values["train"]["engine"]
    found = dict(DEFAULTS.get(name, DEFAULTS["torch"]))
    if dataset.kind != "image":  # tables are standardised by all
        del found["data.scaling"]
    return found


def resolved(
    config: Config, dataset: Dataset, outcome: Outcome, judged_by: Sequence[Outcome], rows: set[int]
) -> Config:
    """Fill in the defaults that depend on the data, the model and what is judged.

    `rows` are the numbers of training rows of the splits.
    """
    scaling = config.data.scaling or ("unit" if dataset.kind == "image" else "standard")
    regression = dataset.task == "regression" or config.model.kind == "linear"
    loss = config.train.loss or ("mse" if regression else "cross-entropy")
    values = config.model_dump()
    values["data"]["scaling"], values["train"]["loss"] = scaling, loss
    values["model"] |= {"hidden": hidden_units(config.model), "width": None, "depth": None}
    train = config.train
    if train.rate_scaling == "linear":
        rate = train.learning_rate * train.batch_size / _SCALED_FROM
        values["train"] |= {"learning_rate": rate, "rate_scaling": "none"}
    if train.steps is not None:
        epochs = -(-train.steps // steps_of_epoch(train, min(rows)))
        whole = {epochs * steps_of_epoch(train, n) for n in rows} == {train.steps}
        values["train"] |= {"epochs": epochs, "steps": None if whole else train.steps}
    if any(one.of_gradients for one in judged_by):
        values["train"]["measure_gradients"] = True
    defaults = Config().model_dump()
    idle = inapplicable(config) + ([] if outcome.lane == "clock" else ["train.threads"])
    for path in idle:  # what does nothing must not make another run of it
        section, _, name = path.partition(".")
        values[section][name] = defaults[section][name]
    return Config.model_validate(values)


def thinned_once(data: DataConfig, dataset: Dataset) -> DataConfig:
    """Return the data with the classes that lose rows by their names: one way to say the same."""
    codes = class_codes(dataset)
    shares = {codes[name]: share for name, share in (data.subsample or {}).items() if share < 1}
    named = {dataset.classes[code]: shares[code] for code in sorted(shares)} or None
    test_too = data.subsample_test and named is not None
    return data.model_copy(update={"subsample": named, "subsample_test": test_too})


def inapplicable(config: Config) -> list[str]:
    """Return the settings that do nothing in a configuration."""
    of_folds = {"kfold": "data.test", "cross-validation": "data.validation"}
    paths = [of_folds.get(config.data.split, "data.folds")]
    if not any(share < 1 for share in (config.data.subsample or {}).values()):
        paths.append("data.subsample_test")
    optimizer, model = config.train.optimizer, config.model
    if optimizer not in ("adam", "adamw"):
        paths += ["train.beta1", "train.beta2"]
    if optimizer != "rmsprop":
        paths.append("train.smoothing")
    if optimizer == "sgd":
        paths.append("train.epsilon")
    if model.kind == "surface":
        return paths + [path for path in known_paths(Config) if path not in ON_SURFACES]
    paths.append("model.surface")
    if model.kind == "module":
        paths += [f"model.{name}" for name in DESCRIBING]
    else:
        paths += ["model.factory", "model.arguments"]
    if model.kind == "resnet18":
        describing = ("hidden", "conv", "activation", "batch_norm", "dropout")
        paths += [f"model.{name}" for name in describing]
    described = model.kind not in ("module", "resnet18")
    if described and model.batch_norm == "none" and not model.dropout:
        paths.append("evaluate.mode")
    if model.kind in ("mlp", "linear", "logistic"):
        paths.append("model.conv")
        if not hidden_units(model):
            paths += ["model.activation", "model.batch_norm", "model.dropout"]
    return paths


def default_outcome(spec: Spec, dataset: Dataset) -> str:
    """Return what a study is judged by that does not say."""
    if dataset.name == PLANE:
        return "excess"
    part = "validation" if spec.data.split == "cross-validation" else "test"
    return f"{part}_accuracy" if dataset.task == "classification" else f"{part}_rmse"

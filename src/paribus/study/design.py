"""The design of a study: its arms, its blocks, and every run with all that can change its result.

Pure: the same specification and data always give the same design.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from paribus.data import PLANE, Dataset
from paribus.errors import InputError, SpecError
from paribus.models.build import AnyNetwork, hidden_units, network
from paribus.models.own import OwnNetwork
from paribus.study.config import Config, DataConfig, ModelConfig
from paribus.study.engine import DEFAULTS, EngineId
from paribus.study.factors import Factor
from paribus.study.outcomes import OUTCOMES, Outcome
from paribus.study.problems import known_paths, show
from paribus.study.rows import (
    PROBE_BATCH,
    Sizes,
    class_codes,
    split_sizes,
    steps_of_epoch,
    unfit_subsample,
)
from paribus.study.source import put
from paribus.study.spec import Spec

_DESCRIBING = ("hidden", "width", "depth", "conv", "activation", "batch_norm", "dropout", "init")
"""Settings of the networks that Paribus builds."""

_ON_SURFACES = {
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

_MOST_STEPS = 10_000  # on a surface, where every one is kept

FEWEST_TIMED_EPOCHS = 4

_SCALED_FROM = 32
"""The batch size that a learning rate is for where it is scaled by batch sizes."""


FindEngine = Callable[[str, str], EngineId]
"""Returns the engine of a name on a device; InputError with what is missing for it."""


@dataclass(frozen=True)
class Arm:
    """One combination of levels, with the whole configuration that it stands for."""

    name: str
    levels: Mapping[str, str]  # factor key -> level label
    config: Config
    network: AnyNetwork
    engine: EngineId


@dataclass(frozen=True)
class Run:
    """One arm in one block; `key` is a hash of all that can change its result."""

    key: str
    arm: int
    block: int


@dataclass(frozen=True)
class Design:
    """A study laid out: arms × blocks.

    Where parameters are tuned, `arms` have the chosen values, `alternatives` are the same arms with
    other ones, and `tuning` is the key of the study that they were chosen by. `engine` is that of
    arms that name none; `unavailable` says which arms are left out, because this machine lacks
    something, and why.
    """

    spec: Spec
    dataset: Dataset
    engine: EngineId
    outcome: Outcome
    arms: tuple[Arm, ...]
    sizes: Mapping[Hashable, tuple[Sizes, ...]]  # of each block's split, by what thins its classes
    first_block: int = 0
    alternatives: Mapping[str, tuple[Arm, ...]] = field(default_factory=dict)
    tuning: str = ""
    unavailable: tuple[str, ...] = ()
    find: FindEngine | None = field(default=None, repr=False)

    @property
    def timed(self) -> bool:
        """Whether it is in the clock lane: one run at a time, in a fresh process."""
        return self.outcome.lane == "clock"

    @cached_property
    def engines(self) -> tuple[EngineId, ...]:
        """What trains the arms, each once."""
        return tuple(dict.fromkeys(arm.engine for arm in self.trained_arms))

    def sizes_of(self, config: Config, block: int) -> Sizes:
        """Return the numbers of rows that a run of a block trains, validates and tests on."""
        sizes = self.sizes[_thinning(config.data)][block - self.first_block]
        return sizes._replace(train=min(sizes.train, config.data.rows or sizes.train))

    def shape_of(self, config: Config) -> tuple[int, ...]:
        """Return the shape of one row of a configuration's inputs."""
        return _shape(config, self.dataset)

    @cached_property
    def trained_arms(self) -> tuple[Arm, ...]:
        """All arms that have runs: those that are judged, then those of each alternative."""
        return sum(self.alternatives.values(), self.arms)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """All runs, block by block, so that the arms of a block stand together."""
        stems = [self._stem(arm) for arm in self.trained_arms]
        return tuple(
            Run(hashlib.sha256(f"{stem}|{block}".encode()).hexdigest()[:32], arm, block)
            for block in range(self.first_block, self.first_block + self.spec.blocks)
            for arm, stem in enumerate(stems)
        )

    @cached_property
    def _arm_by_run(self) -> dict[str, int]:
        return {run.key: run.arm for run in self.runs}

    def arm_of(self, run_key: str) -> Arm:
        """Return the arm of a run (the last of several arms that are the same run)."""
        return self.trained_arms[self._arm_by_run[run_key]]

    @cached_property
    def key(self) -> str:
        """A hash of the whole study, its question and judgement included.

        What only explains it, `reason` and `asks`, stays out.
        """
        spec = self.spec.model_dump(mode="json", exclude={"reason", "asks"})
        content = [spec, [run.key for run in self.runs]]
        return hashlib.sha256(_canonical(content).encode()).hexdigest()[:32]

    def _stem(self, arm: Arm) -> str:
        # Settings at their default stay out, so that a new setting leaves old results valid.
        config = arm.config.model_dump(mode="json", exclude_defaults=True)
        config["data"] = {**config.get("data", {}), "source": self.dataset.checksum}
        config["data"].pop("target", None)  # the checksum is of the numbers that are learned from
        config["data"].pop("task", None)
        for name in ("engine", "device"):  # those of `arm.engine`
            config.get("train", {}).pop(name, None)
        engine = [arm.engine.name, arm.engine.version, arm.engine.device]
        if self.timed:
            engine += ["timed", arm.engine.machine]
        if isinstance(arm.network, OwnNetwork):
            engine.append(arm.network.fingerprint)
        return _canonical([config, self.spec.seed, engine])


def design(
    spec: Spec,
    dataset: Dataset,
    engine: EngineId,
    tuned: Sequence[Mapping[str, Any]] = (),
    find: FindEngine | None = None,
    skip_unavailable: bool = False,
) -> Design:
    """Lay out a study on its data; SpecError with every arm that cannot be trained or judged.

    `engine` is that of arms that name none, `find` returns those that others name. An arm whose
    engine or device is not to be had is a problem, or with `skip_unavailable` left out. `tuned`
    holds, for each arm in order, values of its own: dotted path -> value.
    """
    problems = list(_unfit_subsamples(spec, dataset))
    fitting = not problems
    arms: list[Arm] = []
    unavailable: list[str] = []
    outcome = OUTCOMES[spec.outcome or _default_outcome(spec, dataset)]
    judged_by = [outcome, *(OUTCOMES[name] for name in spec.also)]
    sizes: dict[Hashable, tuple[Sizes, ...]] = {}
    for index, levels in enumerate(_combinations(spec.arms_differ_in)):
        name = _arm_name(spec.arms_differ_in, levels)
        values = spec.settings()
        own_settings = {
            path: value
            for factor in spec.arms_differ_in
            for path, value in factor.settings(levels[factor.key]).items()
        }
        for path, value in own_settings.items():
            put(values, path, value)
        if spec.defaults == "framework":
            for path, value in _framework_defaults(values, dataset).items():
                if path not in own_settings and not spec.says(path):
                    put(values, path, value)
        for path, value in tuned[index].items() if tuned else ():
            put(values, path, value)
        if not fitting:
            values["data"]["subsample"] = None
        written = Config.model_validate(values)
        data = _thinned_once(written.data, dataset)
        thinning = _thinning(data)
        if thinning not in sizes:
            every_row = data.model_copy(update={"rows": None})
            sizes[thinning] = split_sizes(dataset, every_row, spec.seed, spec.blocks)
        learned = {min(one.train, data.rows or one.train) for one in sizes[thinning]}
        written = written.model_copy(update={"data": data})
        config = _resolved(written, dataset, outcome, judged_by, learned)
        prefix = f"arm {name}: " if spec.arms_differ_in else ""
        try:
            own = _engine(config, engine, outcome, find)
        except InputError as error:
            unavailable.append(f"{prefix}{error}")
            continue
        found = [*_misplaced(written), *_conflicts(config, dataset, own, outcome)]
        found += _row_conflicts(config, learned)
        try:
            net = network(config.model, _shape(config, dataset), dataset.outputs)
        except ValueError as error:
            found.append(str(error))
        else:
            numbers_of_rows = zip(*sizes[thinning], strict=True)
            for part, numbers in zip(Sizes._fields, numbers_of_rows, strict=True):
                if part == "train" or config.evaluate.mode == "training":
                    for rows in sorted(set(numbers)):
                        if part == "train":
                            rows = min(rows, config.data.rows or rows)
                        found += _batch_norm_conflicts(config, net, part, rows)
            arms.append(Arm(name, levels, config, net, own))
        problems += [prefix + text for text in found]
    if unavailable and not (skip_unavailable and arms):
        problems += unavailable
        if arms:
            problems.append(
                "--skip-unavailable leaves such arms out and runs the others; `paribus plan STUDY "
                "--machine FILE` predicts their times by the profile of a machine that has it all"
            )
    problems += _outcome_conflicts(spec, outcome, dataset)
    for name, margin in spec.also.items():
        problems += _also_conflicts(spec, outcome, OUTCOMES[name], margin, dataset)
    problems += _idle_parameters(spec, arms)
    if problems:
        raise SpecError(problems)
    return Design(
        spec,
        dataset,
        engine,
        outcome,
        tuple(arms),
        sizes,
        unavailable=tuple(unavailable),
        find=find,
    )


def _unfit_subsamples(spec: Spec, dataset: Dataset) -> Iterator[str]:
    """Say which classes of `data.subsample`, in the controls or a level, the data has not."""
    yield from unfit_subsample(dataset, spec.data)
    for factor in spec.arms_differ_in:
        for level in factor.levels:
            own = {"subsample": level.settings.get("data.subsample")}
            for problem in unfit_subsample(dataset, spec.data.model_copy(update=own)):
                yield f"factors.{factor.key}.{level.label}: {problem}"


def _thinning(data: DataConfig) -> Hashable:
    """Return what tells the splits of the arms of a block apart, but for `data.rows`."""
    return tuple((data.subsample or {}).items()), data.subsample_test


def _framework_defaults(values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Return what users of an arm's framework get; of the stacked engine's, it is PyTorch."""
    name = values["train"]["engine"]
    found = dict(DEFAULTS.get(name, DEFAULTS["torch"]))
    if dataset.kind != "image":  # tables are standardised by all
        del found["data.scaling"]
    return found


def _engine(
    config: Config, default: EngineId, outcome: Outcome, find: FindEngine | None
) -> EngineId:
    """Return the engine of an arm: as it says, else what suits the lane and the model."""
    one_at_a_time = outcome.lane == "clock" or config.model.kind == "resnet18"
    name = config.train.engine or ("torch" if one_at_a_time else default.name)
    device = config.train.device or default.device
    if (name, device) == (default.name, default.device):
        return default
    return find(name, device) if find else replace(default, name=name, device=device)


def _combinations(factors: tuple[Factor, ...]) -> Iterator[dict[str, str]]:
    for combination in itertools.product(*(factor.levels for factor in factors)):
        yield {f.key: level.label for f, level in zip(factors, combination, strict=True)}


def _arm_name(factors: tuple[Factor, ...], levels: Mapping[str, str]) -> str:
    return " · ".join(factor.phrase(levels[factor.key]) for factor in factors) or "the model"


def _resolved(
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


def _thinned_once(data: DataConfig, dataset: Dataset) -> DataConfig:
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
        return paths + [path for path in known_paths(Config) if path not in _ON_SURFACES]
    paths.append("model.surface")
    if model.kind == "module":
        paths += [f"model.{name}" for name in _DESCRIBING]
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


def _shape(config: Config, dataset: Dataset) -> tuple[int, ...]:
    """Return the shape of one row of an arm's inputs."""
    columns = config.data.columns
    return dataset.shape if columns is None else (min(columns, *dataset.shape),)


def _misplaced(config: Config) -> Iterator[str]:
    """Say what is set for a network of the other sort, or in two ways."""
    model = config.model
    if (model.kind == "surface") != (config.data.source == PLANE):
        yield (
            f"model.kind surface and data {PLANE} need each other (got {model.kind} and "
            f"{config.data.source})"
        )
    if model.kind == "surface":
        yield from _off_surface(config)
        return
    if model.surface is not None:
        yield f"model.surface needs model.kind surface (got {model.kind})"
    if model.width is not None and model.hidden is not None:
        yield "model.hidden and model.width say the same in two ways: leave one out"
    if model.depth is not None and model.width is None:
        yield "model.depth needs model.width, the units of every hidden layer"
    if model.kind != "module" and (model.factory is not None or model.arguments):
        yield f"model.factory and model.arguments need model.kind module (got {model.kind})"
    for name in _DESCRIBING if model.kind == "module" else ():
        value = getattr(model, name)
        if value != ModelConfig.model_fields[name].default:
            yield (
                f"model.{name} does nothing for a network of your own (got {show(value)}): hand "
                f"it to {model.factory} through model.arguments"
            )


def _off_surface(config: Config) -> Iterator[str]:
    """Say what is set that does nothing on a surface, which has no rows and no layers."""
    default = Config()
    for path in known_paths(Config):
        section, _, name = path.partition(".")
        value = getattr(getattr(config, section), name)
        if path not in _ON_SURFACES and value != getattr(getattr(default, section), name):
            yield f"{path} does nothing on a surface (got {show(value)}): leave it out"
    if config.train.epochs > _MOST_STEPS:
        yield (
            f"train.epochs, the steps on a surface, must be at most {_MOST_STEPS:,}, because every "
            f"one is kept (got {config.train.epochs:,})"
        )


def _conflicts(
    config: Config, dataset: Dataset, engine: EngineId, outcome: Outcome
) -> Iterator[str]:
    train, columns = config.train, config.data.columns
    if columns is not None and dataset.kind == "image":
        yield f"data.columns needs a table, and {dataset.name} has images"
    elif columns is not None and columns > dataset.shape[0]:
        yield f"data.columns must be at most {dataset.shape[0]} for {dataset.name} (got {columns})"
    if train.precision == "tf32" and engine.device != "cuda":
        yield f"train.precision tf32 needs a CUDA device (got {engine.device}): use fp32 or bf16"
    surface = config.model.kind == "surface"
    if dataset.task == "regression" and train.loss != "mse" and not surface:
        yield f"train.loss must be mse for the numeric target of {dataset.name} (got {train.loss})"
    if dataset.task == "regression" and config.data.class_weights != "none":
        yield f"data.class_weights needs classes, and the target of {dataset.name} is numeric"
    if train.momentum and train.optimizer in ("adam", "adamw"):
        yield (
            f"train.momentum must be 0 for {train.optimizer}, which has beta1 "
            f"(got {train.momentum:g})"
        )
    if train.nesterov and (train.optimizer != "sgd" or not train.momentum):
        yield "train.nesterov needs train.optimizer sgd with a momentum above 0"
    yield from _beyond(config, engine, outcome)


def _beyond(config: Config, engine: EngineId, outcome: Outcome) -> Iterator[str]:
    """Say what an engine cannot do of what an arm asks for."""
    train, name = config.train, engine.name
    if config.model.kind == "surface" and name != "stacked":
        yield f"model.kind surface needs train.engine stacked (got {name})"
        return
    if name == "stacked":
        if outcome.lane == "clock":
            yield f"{outcome.name} is of one run alone: train.engine must not be stacked"
        if config.model.kind == "resnet18":
            yield "model.kind resnet18 is not stacked: leave out train.engine, or use torch"
        if config.model.kind == "module" and train.measure_gradients:
            yield "train.measure_gradients is not for a network of your own"
        return
    for asked, what in (
        (train.log_every, "train.log_every"),
        (train.steps, "train.steps"),
        (train.measure_gradients, "train.measure_gradients"),
        (config.evaluate.mode == "training", "evaluate.mode training"),
        (config.data.class_weights != "none", "data.class_weights"),
        (outcome.name == "train_accuracy", "outcome train_accuracy"),
    ):
        if asked:
            yield f"{what} needs train.engine stacked (got {name})"
    if outcome.name == "peak_gpu_memory" and engine.device != "cuda":
        yield f"outcome peak_gpu_memory needs train.device cuda (got {engine.device})"
    if outcome.lane == "clock" and train.epochs < FEWEST_TIMED_EPOCHS:
        yield (
            f"train.epochs must be at least {FEWEST_TIMED_EPOCHS} to be timed (got "
            f"{train.epochs}): the first holds compilation, and the others must agree"
        )
    if name == "jax" and train.precision != "fp32":
        yield f"train.engine jax is for train.precision fp32 (got {train.precision})"
    if name in ("tensorflow", "jax") and config.model.kind == "module":
        yield f"a network of your own needs train.engine stacked or torch (got {name})"


def _row_conflicts(config: Config, rows: set[int]) -> Iterator[str]:
    """Say what does not fit the numbers of training rows."""
    train = config.train
    if train.steps and len({-(-train.steps // steps_of_epoch(train, n)) for n in rows}) > 1:
        yield (
            f"train.steps {train.steps} are unlike numbers of epochs for splits of "
            f"{' and '.join(map(str, sorted(rows)))} training rows: use train.epochs"
        )
    if train.measure_gradients and min(rows) < 2 * PROBE_BATCH:
        yield (
            f"train.measure_gradients needs at least {2 * PROBE_BATCH} training rows "
            f"(got {min(rows)})"
        )


def _batch_norm_conflicts(config: Config, net: AnyNetwork, part: str, rows: int) -> Iterator[str]:
    size = config.train.batch_size
    if rows % size == 1 % size and net.normalises_batches:
        yield (
            f"train.batch_size {size} leaves one row for the last batch of {rows} "
            f"{'training' if part == 'train' else part} rows, and "
            f"batch normalisation needs at least 2: choose another size"
        )


def _default_outcome(spec: Spec, dataset: Dataset) -> str:
    if dataset.name == PLANE:
        return "excess"
    part = "validation" if spec.data.split == "cross-validation" else "test"
    return f"{part}_accuracy" if dataset.task == "classification" else f"{part}_rmse"


def _idle_parameters(spec: Spec, arms: Sequence[Arm]) -> Iterator[str]:
    """Say which tuned parameters do nothing in an arm, for which the budget would be a sham."""
    for path in spec.tune.parameters if spec.tune else ():
        idle = [arm.name for arm in arms if _idle(path, arm.config)]
        if idle:
            yield (
                f"tune.parameters.{path} does nothing for {', '.join(idle)}: tune what applies to "
                f"every arm{spec.where('tune', 'parameters', path)}"
            )


def _idle(path: str, config: Config) -> bool:
    adam = config.train.optimizer in ("adam", "adamw")
    if path in ("train.momentum", "train.nesterov") and adam:
        return True
    return ".".join(path.split(".")[:2]) in inapplicable(config)


def _outcome_conflicts(spec: Spec, outcome: Outcome, dataset: Dataset) -> Iterator[str]:
    usual = _default_outcome(spec, dataset)
    if (outcome.lane == "surface") != (spec.data.source == PLANE):
        yield f"outcome {outcome.name} does not fit data {dataset.name}: use {usual}"
    elif outcome.task not in (None, dataset.task):
        yield (
            f"outcome {outcome.name} does not fit the {dataset.task} of {dataset.name}: "
            f"use {usual} or {usual.partition('_')[0]}_loss"
        )
    if (outcome.scale == 100 or outcome.ratio) and spec.margin is not None and spec.margin >= 1:
        example = "0.05 is 5 %" if outcome.ratio else "0.01 is one point"
        yield (
            f"margin must be less than 1 for {outcome.name}, where {example} (got {spec.margin:g})"
        )
    if outcome.lane == "clock" and spec.reach is not None:
        yield f"reach needs an outcome that has a value after every epoch: {outcome.name} has none"
    if outcome.lane == "clock" and spec.tune is not None:
        yield (
            f"outcome {outcome.name} does not go with tune: what is tuned for quality must be "
            "judged by quality"
        )
    if outcome.scale == 100 and spec.reach is not None and spec.reach > 1:
        yield f"reach must be at most 1 for {outcome.name} (got {spec.reach:g})"
    if spec.data.split == "cross-validation":
        if outcome.part != "validation":
            yield (
                f"outcome {outcome.name} does not go with data.split cross-validation, which "
                f"compares on validation rows alone: use {usual}"
            )
    elif outcome.part == "validation" and not spec.data.validation:
        yield f"outcome {outcome.name} needs data.validation above 0"
    if (outcome.part == "train" or outcome.of_gradients) and spec.data.split != "fixed":
        yield (
            f"outcome {outcome.name} needs data.split fixed (got {spec.data.split}): splits share "
            f"most of their training rows, and no correction for that is known"
        )


def _also_conflicts(
    spec: Spec, outcome: Outcome, other: Outcome, margin: float, dataset: Dataset
) -> Iterator[str]:
    """Say why the runs of a study cannot be judged by another outcome besides its own."""
    judged = spec.model_copy(update={"margin": margin, "reach": None, "outcome": other.name})
    for problem in _outcome_conflicts(judged, other, dataset):
        yield f"also: {problem}"
    if other.lane == "clock" and outcome.lane != "clock":
        yield f"also: {other.name} is not measured in a study of {outcome.name}: swap the two"
    if spec.seeds == "auto":
        yield "also needs a number of seeds: with seeds: auto they are as many as outcome needs"


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

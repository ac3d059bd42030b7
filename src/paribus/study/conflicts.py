"""What cannot be trained or judged of a study: settings that do not go together, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from paribus.data import PLANE, Dataset
from paribus.models.build import AnyNetwork
from paribus.study.config import Config, ModelConfig
from paribus.study.engine import EngineId
from paribus.study.outcomes import Outcome
from paribus.study.problems import known_paths, show
from paribus.study.resolved import DESCRIBING, ON_SURFACES, default_outcome, inapplicable
from paribus.study.rows import (
    PROBE_BATCH,
    steps_of_epoch,
    unfit_subsample,
)
from paribus.study.spec import Spec

_MOST_STEPS = 10_000  # on a surface, where every one is kept

FEWEST_TIMED_EPOCHS = 4


def unfit_subsamples(spec: Spec, dataset: Dataset) -> Iterator[str]:
    """Say which classes of `data.subsample`, in the controls or a level, the data has not."""
    yield from unfit_subsample(dataset, spec.data)
    for factor in spec.arms_differ_in:
        for level in factor.levels:
            own = {"subsample": level.settings.get("data.subsample")}
            for problem in unfit_subsample(dataset, spec.data.model_copy(update=own)):
                yield f"factors.{factor.key}.{level.label}: {problem}"


def misplaced(config: Config) -> Iterator[str]:
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
    for name in DESCRIBING if model.kind == "module" else ():
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
        if path not in ON_SURFACES and value != getattr(getattr(default, section), name):
            yield f"{path} does nothing on a surface (got {show(value)}): leave it out"
    if config.train.epochs > _MOST_STEPS:
        yield (
            f"train.epochs, the steps on a surface, must be at most {_MOST_STEPS:,}, because every "
            f"one is kept (got {config.train.epochs:,})"
        )


def conflicts(
    config: Config, dataset: Dataset, engine: EngineId, outcome: Outcome
) -> Iterator[str]:
    """Say which settings of an arm go neither together nor with its data and engine."""
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


def row_conflicts(config: Config, rows: set[int]) -> Iterator[str]:
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


def batch_norm_conflicts(config: Config, net: AnyNetwork, part: str, rows: int) -> Iterator[str]:
    """Say where a batch of a part with so many rows is left with one row, which has no spread."""
    size = config.train.batch_size
    if rows % size == 1 % size and net.normalises_batches:
        yield (
            f"train.batch_size {size} leaves one row for the last batch of {rows} "
            f"{'training' if part == 'train' else part} rows, and "
            f"batch normalisation needs at least 2: choose another size"
        )


def idle_parameters(spec: Spec, arms: Mapping[str, Config]) -> Iterator[str]:
    """Say which tuned parameters do nothing in an arm, for which the budget would be a sham."""
    for path in spec.tune.parameters if spec.tune else ():
        idle = [name for name, config in arms.items() if _idle(path, config)]
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


def outcome_conflicts(spec: Spec, outcome: Outcome, dataset: Dataset) -> Iterator[str]:
    """Say why a study cannot be judged by an outcome, margin or value to reach."""
    usual = default_outcome(spec, dataset)
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


def also_conflicts(
    spec: Spec, outcome: Outcome, other: Outcome, margin: float, dataset: Dataset
) -> Iterator[str]:
    """Say why the runs of a study cannot be judged by another outcome besides its own."""
    judged = spec.model_copy(update={"margin": margin, "reach": None, "outcome": other.name})
    for problem in outcome_conflicts(judged, other, dataset):
        yield f"also: {problem}"
    if other.lane == "clock" and outcome.lane != "clock":
        yield f"also: {other.name} is not measured in a study of {outcome.name}: swap the two"
    if spec.seeds == "auto":
        yield "also needs a number of seeds: with seeds: auto they are as many as outcome needs"

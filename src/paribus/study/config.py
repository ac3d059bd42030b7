"""The controls of a study: everything that one run can be told, with its default and its limits."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from paribus.study.engine import EngineName

Whole = Annotated[int, Field(strict=True, le=1_000_000_000)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Switch = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True)]
Share = Annotated[float, Field(strict=True, ge=0, lt=1)]
Kept = Annotated[float, Field(strict=True, gt=0, le=1)]


def _names_a_factory(text: str) -> str:
    place, colon, name = text.partition(":")
    if not (colon and name.isidentifier() and all(p.isidentifier() for p in place.split("."))):
        raise ValueError("must be written as package.module:name")
    return text


Factory = Annotated[Text, AfterValidator(_names_a_factory)]


def _plain_values(arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(arguments)
    except (TypeError, ValueError):
        raise ValueError("must hold texts, numbers, lists and the like") from None
    return arguments


Arguments = Annotated[dict[str, Any], AfterValidator(_plain_values)]


class Section(BaseModel):
    """A part of the configuration: unknown settings are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """Which rows are learned from and tested on, how they count, how the inputs are scaled."""

    source: Text = Field("digits", description="a built-in data set, or a CSV, Parquet or NPZ file")
    target: Text | None = Field(None, description="the column to predict (CSV, Parquet)")
    task: Literal["classification", "regression"] | None = Field(
        None, description="by default decided by the target column"
    )
    missing: Literal["error", "drop", "mean"] = Field(
        "error", description="missing values: refuse, drop their rows, or fill with training means"
    )
    scaling: Literal["none", "unit", "symmetric", "standard"] | None = Field(
        None, description="of the inputs; by default unit for images and standard for tables"
    )
    split: Literal["fixed", "resampled", "kfold", "cross-validation"] = Field(
        "fixed",
        description="one split for all seeds; or a new one for every seed, drawn from all rows (an "
        "official test set is put back among them); or each seed tests on one fold, the rows being "
        "shuffled anew when all folds have had their turn; or it validates on one fold of the "
        "training rows of the fixed split, whose test rows take no part in the comparison",
    )
    folds: Whole = Field(
        5,
        ge=2,
        description="of kfold and cross-validation; unless seeds are a multiple, some count more "
        "often",
    )
    test: Share = Field(0.2, gt=0, description="share of rows to test on where no test set is set")
    validation: Share = Field(0.0, description="share of the remaining rows kept for validation")
    subsample: dict[str, Kept] | None = Field(
        None,
        description="share of the training rows kept of a class, by its name or index; all rows "
        "of the others, and all rows to test on, stay",
    )
    subsample_test: Switch = Field(
        False, description="keep the same shares of the rows to validate and test on"
    )
    rows: Whole | None = Field(
        None,
        ge=1,
        description="training rows to learn from, drawn from all of them: fewer are always among "
        "more; by default all",
    )
    columns: Whole | None = Field(
        None, ge=1, description="of a table, the first so many to learn from; by default all"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="of a row in the loss that is minimised: all the same, or "
        "rows / (classes · rows of its class)",
    )


class ConvBlock(Section):
    """One convolution with its activation and max-pooling."""

    channels: Whole = Field(ge=1, le=100_000)
    kernel: Whole = Field(5, ge=1)
    pool: Whole = Field(2, ge=1, description="1 for no pooling")


SurfaceName = Literal["saddle", "double-well", "himmelblau", "rosenbrock", "beale", "rastrigin"]


class ModelConfig(Section):
    """The network, described without any framework; or one of the user's own (kind module).

    Or no network at all: a point on a test surface (kind surface), an epoch being one step.
    """

    kind: Literal["mlp", "cnn", "resnet18", "linear", "logistic", "module", "surface"] = Field(
        "mlp",
        description="logistic, of a numeric target: a logistic curve between its smallest and its "
        "largest training value, fitted by squared error",
    )
    surface: SurfaceName | None = Field(
        None, description="of kind surface: a function of two numbers, which are what is trained"
    )
    factory: Factory | None = Field(
        None, description="of kind module: package.module:name of what makes a torch.nn.Module"
    )
    arguments: Arguments = Field({}, description="that the factory is called with")
    hidden: tuple[Annotated[int, Field(strict=True, ge=1, le=1_000_000)], ...] | None = Field(
        None, description="units per hidden layer; [128] for mlp, [120, 84] for cnn"
    )
    width: Whole | None = Field(
        None, ge=1, le=1_000_000, description="units of every hidden layer, in place of hidden"
    )
    depth: Whole | None = Field(
        None, ge=1, le=1000, description="hidden layers of that width; by default 1"
    )
    conv: tuple[ConvBlock, ...] = Field(
        (ConvBlock(channels=16), ConvBlock(channels=32)), description="of a cnn"
    )
    activation: Literal["relu", "tanh", "sigmoid", "none"] = "relu"
    batch_norm: Literal["none", "before", "after"] = Field(
        "none", description="before or after the activation of every hidden layer"
    )
    dropout: Share = Field(0.0, description="share of hidden units dropped in training")
    init: Literal["pytorch", "glorot", "lecun"] = Field(
        "pytorch",
        description="U(±1/√fan_in) for weights and biases; or Glorot uniform (Keras) or LeCun "
        "normal (Flax) for weights, and zero biases",
    )


class TrainConfig(Section):
    """How the network is trained."""

    epochs: Whole = Field(5, ge=1, le=1_000_000)
    steps: Whole | None = Field(
        None, ge=1, description="stop after so many optimizer steps, in place of epochs"
    )
    batch_size: Whole = Field(32, ge=1)
    optimizer: Literal["sgd", "rmsprop", "adam", "adamw"] = "adam"
    learning_rate: Number = Field(0.001, gt=0)
    rate_scaling: Literal["none", "linear"] = Field(
        "none",
        description="linear: learning_rate is for batches of 32, and is multiplied by "
        "batch_size / 32 (Goyal et al., 2017)",
    )
    momentum: Number = Field(0.0, ge=0, lt=1, description="of sgd and rmsprop")
    nesterov: Switch = Field(False, description="of sgd with momentum")
    weight_decay: Number = Field(0.0, ge=0)
    beta1: Number = Field(0.9, ge=0, lt=1, description="of adam and adamw")
    beta2: Number = Field(0.999, ge=0, lt=1, description="of adam and adamw")
    smoothing: Number = Field(0.99, ge=0, lt=1, description="of rmsprop")
    epsilon: Number = Field(1e-8, gt=0, description="of adam, adamw and rmsprop")
    loss: Literal["cross-entropy", "softmax-cross-entropy", "mse"] | None = Field(
        None,
        description="cross-entropy for classification, mse for regression and linear models; "
        "softmax-cross-entropy feeds softmax output into cross-entropy, a common mistake",
    )
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        "fp32",
        description="of matrix products and convolutions; weights, their updates and the loss "
        "stay fp32. tf32 needs a CUDA device",
    )
    shuffle: Switch = Field(True, description="a new order of the rows in every epoch")
    engine: EngineName | None = Field(
        None,
        description="what trains: stacked (all runs as one program), or one run at a time by "
        "torch, tensorflow or jax as their own users do; by default stacked, and torch for what "
        "is timed and for resnet18",
    )
    device: Literal["cpu", "cuda"] | None = Field(None, description="by default as --device says")
    threads: Whole | None = Field(
        None, ge=1, description="of a process that is timed; by default all cores"
    )
    log_every: Whole = Field(
        0,
        ge=0,
        description="record loss and accuracy every so many steps of each epoch, of the batch and "
        "in the mean",
    )
    measure_gradients: Switch = Field(
        False,
        description="record gradient norms and inactive units by layer, and the gradients' noise, "
        "after every epoch",
    )


class EvaluateConfig(Section):
    """How the trained network is tested."""

    mode: Literal["evaluation", "training"] = Field(
        "evaluation",
        description="training tests with batch statistics and active dropout, a common mistake",
    )


class Config(Section):
    """Everything that one run is told: its controls, with the levels of its arm filled in."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

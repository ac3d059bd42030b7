"""TensorFlow as Keras' own users write it: a functional `keras.Model`, `compile` and `fit`.

Images are held channels last, as TensorFlow's convolutions on CPUs want them; weights are turned
from and to `models.layers`' shapes.

What stays otherwise than in PyTorch, being Keras' own maths: batch normalisation keeps the biased
variance of a batch as running variance, which changes outputs in evaluation mode by a fraction
1/(rows - 1) of that variance and no gradient.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from paribus.engines.base import Task
from paribus.engines.inputs import Inputs
from paribus.errors import RunError
from paribus.models import layers as described
from paribus.models.layers import Layer, Network, Shape
from paribus.models.own import torch_seed
from paribus.models.weights import Weights, initial_weights
from paribus.study.config import TrainConfig

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

tf.get_logger().setLevel("ERROR")  # it warns of networks traced anew, as every run's is

_TEST_ROWS = 1000  # per pass
_VARIABLES = {
    described.Dense: {"weight": "kernel", "bias": "bias"},
    described.Conv: {"weight": "kernel", "bias": "bias"},
    described.BatchNorm: {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    },
}


class TensorFlowLearner:
    """One network trained by Keras on TensorFlow: see `base.Learner`.

    Batches are gathered by a `tf.data` pipeline while the one before is trained on, as `fit` does
    with arrays; it reads the order of the rows from a variable, so that it is built once.
    """

    def __init__(self, task: Task, inputs: Inputs):
        """Build the network with its initial weights, compile it, and lay out the batches."""
        train, network = task.config.train, task.network
        if not isinstance(network, Network):
            raise RunError(f"TensorFlow cannot train {network.summary()}: it is a torch.nn.Module")
        self.device = _start(task.engine.device, train.precision)
        self.batch_size = train.batch_size
        with tf.device(self.device):
            self.built = _Built(network, task)
            self.model = self.built.model
            # "auto" would use XLA for a CPU too wherever the machine has a GPU besides.
            self.model.compile(
                optimizer=optimizer(train),
                loss=loss(train),
                jit_compile="auto" if task.engine.device == "cuda" else False,
            )
            self.forward = tf.function(
                lambda x: self.model(x, training=False),
                input_signature=[tf.TensorSpec((None, *self.model.input_shape[1:]), tf.float32)],
            )
        self.built.assign(initial_weights(network, task.config.model.init, task.seed, task.block))
        with tf.device("/CPU:0"):
            self.x = {part: tf.constant(_channels_last(x)) for part, x in inputs.x.items()}
            y = _targets(inputs.y["train"], train, network.outputs)
            self.rows = [self.x["train"], tf.constant(y)]
            self.order = tf.Variable(np.arange(len(y)), shape=[None])
            self.batches = self._pipeline(len(y))

    def _pipeline(self, count: int) -> Any:
        def batch(start: Any) -> Any:
            at = self.order[start : start + self.batch_size]
            return tuple(tf.gather(held, at) for held in self.rows)

        options = tf.data.Options()  # as in Keras' own pipeline: rewriting the graph only costs
        options.experimental_optimization.apply_default_optimizations = False
        starts = tf.data.Dataset.range(0, count, self.batch_size)
        batches = starts.map(batch, num_parallel_calls=tf.data.AUTOTUNE)
        return batches.prefetch(tf.data.AUTOTUNE).with_options(options)

    def epoch(self, order: np.ndarray) -> float:
        """See `base.Learner`."""
        self.order.assign(order)
        batches = self.batches
        steps = -(-len(order) // self.batch_size)
        if steps < len(batches):
            batches = batches.take(steps)
        with tf.device(self.device):
            history = self.model.fit(batches, shuffle=False, verbose=0)
        return float(history.history["loss"][-1])

    def outputs(self, part: str) -> np.ndarray:
        """See `base.Learner`."""
        x = self.x[part]
        with tf.device(self.device):
            found = [
                self.forward(x[start : start + _TEST_ROWS]).numpy()
                for start in range(0, len(x), _TEST_ROWS)
            ]
        outputs: np.ndarray = np.concatenate(found).astype(np.float32, copy=False)
        return outputs

    def gradients(self, rows: np.ndarray) -> tuple[float, Weights]:
        """See `base.Learner`."""
        kept = [(v, v.numpy()) for v in self.model.non_trainable_variables]
        x, y = (tf.gather(held, rows) for held in self.rows)
        trained = {n: v for n, v in self.built.variables.items() if v.trainable}
        with tf.device(self.device), tf.GradientTape() as tape:
            outputs = self.model(x, training=True)
            loss = self.model.compute_loss(None, y, outputs)
        found = tape.gradient(loss, [v.value for v in trained.values()])
        for variable, value in kept:
            variable.assign(value)
        arrays = zip(trained, (g.numpy() for g in found), strict=True)
        return float(loss), {name: self.built.ours(name, array) for name, array in arrays}

    def weights(self) -> Weights:
        """See `base.Learner`."""
        held = self.built.variables.items()
        return {name: self.built.ours(name, variable.numpy()) for name, variable in held}

    def gpu_memory(self) -> dict[str, float]:
        """Return the bytes that TensorFlow holds on the GPU now and held at most; none on a CPU."""
        if "GPU" not in self.device:
            return {}
        found = tf.config.experimental.get_memory_info("GPU:0")
        return {"gpu_allocated": float(found["current"]), "gpu_peak": float(found["peak"])}


def _start(device: str, precision: str) -> str:
    """Set TensorFlow up for a device, as far as it has not started yet; return its name there.

    Raises RunError if Keras runs on another backend, or if TensorFlow has no such device.
    """
    if keras.backend.backend() != "tensorflow":
        raise RunError(
            f"Keras was imported with the backend {keras.backend.backend()} in this process: set "
            f"KERAS_BACKEND=tensorflow, or leave it unset"
        )
    with contextlib.suppress(RuntimeError):  # started
        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
        for gpu in tf.config.get_visible_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        if "OMP_NUM_THREADS" in os.environ:
            threads = int(os.environ["OMP_NUM_THREADS"])
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
    if device == "cpu":
        return "/CPU:0"
    if not tf.config.get_visible_devices("GPU"):
        raise RunError("TensorFlow sees no GPU here: pip install 'tensorflow[and-cuda]'")
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    return "/GPU:0"


def optimizer(train: TrainConfig) -> Any:
    """Return the optimizer of a configuration."""
    kinds = keras.optimizers
    rate, decay = train.learning_rate, train.weight_decay
    betas = {"beta_1": train.beta1, "beta_2": train.beta2, "epsilon": train.epsilon}
    if train.optimizer == "adamw":
        return _adam(kinds.AdamW)(rate, weight_decay=decay, **betas)
    if train.optimizer == "sgd":
        return _decayed(kinds.SGD, decay)(rate, float(train.momentum), train.nesterov)
    if train.optimizer == "rmsprop":
        return _decayed(RMSprop, decay)(rate, train.smoothing, float(train.momentum), train.epsilon)
    return _decayed(_adam(kinds.Adam), decay)(rate, **betas)


class RMSprop(keras.optimizers.RMSprop):  # type: ignore[misc]
    """RMSprop that adds epsilon to the root, as PyTorch; Keras' own adds it within."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        at = self._get_variable_index(variable)
        mean = self._velocities[at].value
        mean.assign(self.rho * mean + (1 - self.rho) * tf.square(gradient))
        change = learning_rate * gradient / (tf.sqrt(mean) + self.epsilon)
        if self.momentum > 0:
            momentum = self._momentums[at].value
            change = momentum.assign(self.momentum * momentum + change)
        variable.assign_sub(change)


def _adam(kind: Any) -> Any:
    """Return a kind of Adam that adds epsilon after the bias correction, as PyTorch.

    Keras' own adds it before: the epsilon hat of Kingma and Ba (2015, section 2).
    """

    class Adam(kind):  # type: ignore[misc]
        @property
        def epsilon(self) -> Any:
            steps = tf.cast(self.iterations.value + 1, tf.float32)
            return self._epsilon * tf.sqrt(1 - tf.pow(self.beta_2, steps))

        @epsilon.setter
        def epsilon(self, value: float) -> None:
            self._epsilon = value

    return Adam


def _decayed(kind: Any, decay: float) -> Any:
    """Return a kind of optimizer with weight decay as part of the gradient, as in `torch.optim`.

    Keras' own `weight_decay` is that of AdamW.
    """
    if not decay:
        return kind

    class Decayed(kind):  # type: ignore[misc]
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient + decay * variable, variable, learning_rate)

    return Decayed


def loss(train: TrainConfig) -> Any:
    """Return the loss of a configuration."""
    if train.loss == "mse":
        return keras.losses.MeanSquaredError()
    kind = keras.losses.SparseCategoricalCrossentropy
    if train.loss == "softmax-cross-entropy":
        kind = _SoftmaxCrossEntropy
    return kind(from_logits=True)


class _SoftmaxCrossEntropy(keras.losses.SparseCategoricalCrossentropy):  # type: ignore[misc]
    """Cross-entropy that takes softmax output for logits."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of every row."""
        # Keras looks behind an output of softmax and takes its inputs; not behind an identity.
        return super().call(y_true, tf.identity(tf.nn.softmax(y_pred)))


def _channels_last(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if x.ndim == 4 else x


def _targets(y: np.ndarray, train: TrainConfig, outputs: int) -> np.ndarray:
    """Return class codes [rows], or for squared errors numbers [rows, outputs]."""
    if train.loss != "mse":
        return y
    if outputs == 1:
        return y.astype(np.float32)[:, None]
    codes: np.ndarray = np.eye(outputs, dtype=np.float32)[y]
    return codes


class _Built:
    """A network as a `keras.Model`, its variables by our names, and their shapes turned.

    `images` holds the shape of the image, channels first, that the features were flattened from
    which a layer takes, by its place.
    """

    def __init__(self, network: Network, task: Task):
        self.places = network.places()
        self.task = task
        self.policy = "float32"
        if task.config.train.precision == "bf16":
            self.policy = "mixed_bfloat16"
        self.variables: dict[str, Any] = {}
        self.images: dict[str, Shape] = {}
        shape = network.input_shape
        if len(shape) == 3:
            shape = (*shape[1:], shape[0])
        inputs = keras.Input(shape)
        outputs = self._chain(network.layers, inputs, network.input_shape, "")
        self.model = keras.Model(inputs, outputs)

    def _chain(self, layers: Iterable[Layer], x: Any, shape: Shape, prefix: str) -> Any:
        """Return what a chain of layers makes of inputs of a shape."""
        image: Shape = ()
        for index, layer in enumerate(layers):
            place = f"{prefix}{index}"
            if isinstance(layer, described.Residual):
                ways = (
                    self._chain(part, x, shape, f"{place}.{name}.")
                    for name, part in (("body", layer.body), ("shortcut", layer.shortcut))
                )
                x = keras.layers.Add(dtype=self.policy)(list(ways))
                x = keras.layers.ReLU(dtype=self.policy)(x)
            else:
                if isinstance(layer, described.Conv | described.MaxPool):
                    x = self._padded(layer, x)
                made = self._layer(layer, place)
                x = made(x)
                for ours, theirs in _VARIABLES.get(type(layer), {}).items():
                    variable = getattr(made, theirs)
                    if variable is not None:
                        self.variables[f"{place}.{ours}"] = variable
            if image:
                self.images[place] = image
            if isinstance(layer, described.Flatten) and len(shape) == 3:
                image = shape
            elif isinstance(layer, described.Dense):
                image = ()
            shape = described.output_shape(layer, shape)
        return x

    def _padded(self, layer: described.Conv | described.MaxPool, x: Any) -> Any:
        """Put zeros around images: a pool that pads takes outputs of a ReLU."""
        if not layer.padding or _same(layer):
            return x
        return keras.layers.ZeroPadding2D(layer.padding, dtype=self.policy)(x)

    def _layer(self, layer: Layer, place: str) -> Any:
        kinds, policy = keras.layers, self.policy
        match layer:
            case described.Flatten():
                return kinds.Flatten(dtype=policy)
            case described.Dense(_, outputs):
                return kinds.Dense(outputs, kernel_initializer="zeros", dtype=policy)
            case described.Conv(_, outputs, kernel, stride, _, bias):
                return kinds.Conv2D(
                    outputs,
                    kernel,
                    stride,
                    padding="same" if _same(layer) else "valid",
                    use_bias=bias,
                    kernel_initializer="zeros",
                    dtype=policy,
                )
            case described.MaxPool(size):
                return kinds.MaxPooling2D(size, layer.step, dtype=policy)
            case described.AveragePool():
                return kinds.GlobalAveragePooling2D(dtype=policy)
            case described.Activation(function):
                return kinds.Activation(function, dtype=policy)
            case described.BatchNorm():
                return kinds.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=policy)
            case described.Dropout():
                seed = torch_seed(self.task.seed, f"dropout {place}", self.task.block) % 2**31
                return kinds.Dropout(self.task.config.model.dropout, seed=seed, dtype=policy)
        raise AssertionError(layer)

    def assign(self, weights: Weights) -> None:
        """Set variables to weights of ours."""
        for name, array in weights.items():
            self.variables[name].assign(self._theirs(name, array))

    def _theirs(self, name: str, array: np.ndarray) -> np.ndarray:
        if array.ndim == 4:
            return array.transpose(2, 3, 1, 0)
        return self._flattened(name, array, lambda image: np.moveaxis(image, 0, 2), turned=False)

    def ours(self, name: str, array: np.ndarray) -> np.ndarray:
        """Return an array of a variable's shape in ours."""
        if array.ndim == 4:
            return np.ascontiguousarray(array.transpose(3, 2, 0, 1))
        return self._flattened(name, array, lambda image: np.moveaxis(image, 2, 0), turned=True)

    def _flattened(
        self, name: str, array: np.ndarray, turn: Callable[[np.ndarray], np.ndarray], turned: bool
    ) -> np.ndarray:
        """Turn the axis of features that were flattened from an image; copies throughout."""
        place, _, what = name.rpartition(".")
        image = self.images.get(place)
        if image is None or (isinstance(self.places[place], described.Dense) and what == "bias"):
            return array.copy()
        shape = (*image[1:], image[0]) if turned else image
        return turn(array.reshape(*shape, *array.shape[1:])).reshape(array.shape)


def _same(layer: described.Conv | described.MaxPool) -> bool:
    """Whether Keras' "same" puts the same zeros around: it does at stride 1."""
    return (
        isinstance(layer, described.Conv)
        and layer.stride == 1
        and layer.padding * 2 == layer.kernel - 1
    )

"""What the two Keras peers share: a Sequential model and `fit`.

As in https://keras.io/examples/vision/mnist_convnet/, without its metric and validation.
"""

from __future__ import annotations

import keras
from keras import layers

from benchmarks.timing import Stopwatch, Timing
from benchmarks.workloads import CLASSES, Workload, arrays
from paribus.data import Dataset

OPTIMIZERS = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}


class Timer(keras.callbacks.Callback):
    """Times each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Stopwatch()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Begin an epoch."""
        self.watch.start()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """End an epoch."""
        self.watch.stop()


def fit(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train one model."""
    images, labels = arrays(data)
    images = images.transpose(0, 2, 3, 1)  # channels last, Keras' default
    model = keras.Sequential([keras.Input(shape=images.shape[1:])])
    for channels in workload.channels:
        model.add(layers.Conv2D(channels, 5, activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    for units in workload.hidden:
        model.add(layers.Dense(units, activation="relu"))
    model.add(layers.Dense(CLASSES))
    model.compile(
        optimizer=OPTIMIZERS[workload.optimizer](learning_rate=workload.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    timer = Timer()
    history = model.fit(
        images, labels, batch_size=workload.batch, epochs=epochs, verbose=0, callbacks=[timer]
    )
    return Timing(timer.watch.seconds, 1, float(history.history["loss"][-1]))

"""Keras on TensorFlow: see https://keras.io/getting_started/ for the choice of the backend."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

from benchmarks.peers._keras import fit as train

__all__ = ["PACKAGES", "train"]
PACKAGES = ("keras", "tensorflow-cpu")

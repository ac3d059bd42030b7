"""Paribus' engine `jax`, as the clock lane runs it."""

from __future__ import annotations

from benchmarks.peers._engine import trains

PACKAGES = ("paribus", "jax", "optax")
train = trains("jax")

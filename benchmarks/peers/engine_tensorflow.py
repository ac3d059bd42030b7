"""Paribus' engine `tensorflow`, as the clock lane runs it."""

from __future__ import annotations

from benchmarks.peers._engine import trains

PACKAGES = ("paribus", "keras", "tensorflow-cpu")
train = trains("tensorflow")

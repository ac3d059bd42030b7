"""Paribus' engine `torch`, as the clock lane runs it."""

from __future__ import annotations

from benchmarks.peers._engine import trains

PACKAGES = ("paribus", "torch")
train = trains("torch")

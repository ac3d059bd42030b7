"""Where and with what a study is trained."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paribus.engines.base import Record
from paribus.environment import require_cuda
from paribus.errors import InputError
from paribus.study.plan import Plan
from paribus.workers.base import Site
from paribus.workers.here import Here
from paribus.workers.messages import DoneElsewhere, EpochDone, Notice

DEFAULT_STORE = Path(".paribus/store.sqlite")


@dataclass(frozen=True)
class Settings:
    """Where and with what a study is trained; nothing here changes a result on a CPU.

    `profile`: wait for a GPU after each phase, and train without graphs, so that a profile can
    tell the phases apart. `skip_unavailable`: leave out arms whose engine or device is not to be
    had here. `limit`: seconds for one run that is timed. `on`: where runs are trained: "ray", a
    cluster that is started on this machine, or "ray://HOST:PORT"; by default in processes here.
    """

    store: Path = DEFAULT_STORE
    workers: int | None = None  # one per core
    device: str = "auto"
    checkpoints: bool = False
    profile: bool = False
    skip_unavailable: bool = False
    limit: float = 3600.0
    on: str | None = None

    def __post_init__(self) -> None:
        """Check what can be asked for here; InputError with what is allowed."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise InputError(f"device must be auto, cpu or cuda (got {self.device})")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers must be at least 1 (got {self.workers})")
        if self.on is not None and not re.fullmatch(r"ray|ray://[^\s/]+:\d+", self.on):
            raise InputError(f"--on must be ray or ray://HOST:PORT (got {self.on})")
        if self.device == "cuda" and (self.on or "ray") == "ray":
            require_cuda()

    @property
    def site(self) -> Site:
        """Where runs are trained; a cluster that is not here is connected to."""
        if self.on is None:
            return Here(self.workers)
        from paribus.workers.cluster import site

        return site(self.on, self.workers)

    @property
    def checkpoint_folder(self) -> Path:
        """Where checkpoints are kept: beside the store."""
        return self.store.parent / "checkpoints"


Told = Plan | Record | EpochDone | DoneElsewhere | Notice
Watch = Callable[[Told], None]
"""Told the plan of every round, every record and epoch, and what else is to be known."""

"""The files of a user's network, taken along to machines that do not have them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from paribus.engines.base import Task
from paribus.models.fingerprint import own_files
from paribus.models.own import OwnNetwork

Sources = Mapping[str, bytes]  # by their path below a folder where Python finds modules


def of_networks(tasks: Iterable[Task]) -> Sources:
    """Return the modules that the networks of a study are written in.

    Not those that are installed, which every machine must have; nor networks given in Python, which
    travel with their tasks.
    """
    named = {task.network for task in tasks if isinstance(task.network, OwnNetwork)}
    modules = {one.factory.partition(":")[0] for one in named if not one.given}
    found = {}
    for name, file in own_files(modules):
        path = Path(*name.split("."))
        place = path / file.name if file.name == "__init__.py" else path.with_suffix(".py")
        found[place.as_posix()] = file.read_bytes()
    return found


def put_down(sources: Sources) -> Path:
    """Write them into a folder of their own, and return it."""
    folder = Path(tempfile.mkdtemp(prefix="paribus-"))
    for name, content in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder

"""The connection to Ray: started or made once for a process, and what may become of it."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from paribus.data import Dataset
from paribus.environment import version_of
from paribus.errors import InputError, RunError
from paribus.workers.environment import stacked

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_worker_niceness": "0",  # they have the priority of workers without Ray
    # What every stack needs is imported while the cluster starts.
    "RAY_preload_python_modules": "paribus.workers.node,paribus.engines.stacked.engine",
}
# What Ray starts to add machines, to gather logs and to show them: nobody asks for that here, it
# takes a part of a small machine's cores, and one does not end when it is told to.
_IDLE = ("autoscaler/_private/monitor.py", "_private/log_monitor.py", "dashboard/dashboard.py")
_ours: set[int] = set()  # this process, once it has started the cluster that it uses
_held: dict[str, Any] = {}  # by checksum: the last data set that the cluster holds


def require() -> None:
    """Raise InputError where Ray is not installed; set what it reads when it is imported."""
    if version_of("ray") is None:
        raise InputError("--on ray needs Ray, which is not installed: pip install 'paribus[ray]'")
    # It must not look for another cluster when one is lost.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")


def start(cpus: int) -> None:
    """Start a cluster on this machine, once for a process; where there is one, that is used."""
    import ray

    if ray.is_initialized():
        return
    _held.clear()
    around = _surroundings({**stacked(), **_SETTINGS})
    with around, _signals_later(), _opened("Ray could not be started here"):
        ray.init(
            address="local",
            num_cpus=cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    _ours.add(os.getpid())
    idle = {str(Path(ray.__file__).parent / name) for name in _IDLE}
    for helper in psutil.Process().children():
        with suppress(psutil.Error):
            if idle & set(helper.cmdline()):
                helper.kill()
    # Before Ray's own, which waits half a second for what workers may still print.
    atexit.register(ray.shutdown)


def connect(address: str) -> bool:
    """Connect to a cluster, and return whether that was needed."""
    token = "RAY_AUTH_TOKEN" in os.environ or (Path.home() / ".ray" / "auth_token").exists()
    if token and "ray" not in sys.modules:  # which reads this when it is imported
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray

    if ray.is_initialized():
        return False
    _held.clear()
    _ours.clear()
    with (
        _opened(
            f"the cluster {address} cannot be used (is it the port of Ray's client server, usually "
            f"10001? where it wants a token: ~/.ray/auth_token or RAY_AUTH_TOKEN)"
        ),
        warnings.catch_warnings(action="ignore"),  # of what the error says
    ):
        _knock(address)
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    return True


def _knock(address: str) -> None:
    """Raise OSError at once where nobody listens: Ray tries for half a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def is_ours() -> bool:
    """Return whether this process has started the cluster that it uses: all on this machine."""
    return os.getpid() in _ours


def surroundings() -> dict[str, dict[str, str]] | None:
    """Return the environment that processes of the cluster need, as Ray takes it.

    None where they have it already: from this process, which has started the cluster.
    """
    return None if is_ours() else {"env_vars": stacked()}


def held(dataset: Dataset) -> Any:
    """Put a data set where every node fetches it once, and return Ray's reference to it."""
    import ray

    if dataset.checksum not in _held:
        _held.clear()
        with explained():
            _held[dataset.checksum] = ray.put(dataset)
    return _held[dataset.checksum]


def end(actor: Any) -> None:
    """End an actor of a cluster that may be gone already."""
    import ray

    with left():
        ray.kill(actor)


@contextmanager
def _surroundings(additions: Mapping[str, str]) -> Iterator[None]:
    """Add to the environment for what is started meanwhile."""
    before = dict(os.environ)
    os.environ.update(additions)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def explained(what: str = "the Ray cluster is lost") -> Iterator[None]:
    """Turn Ray's errors into ours, which say what to do."""
    import ray

    try:
        yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        said = " ".join(str(error).split())[:300]
        raise RunError(
            f"{what} ({type(error).__name__}: {said}); what has finished is kept: the same command "
            f"goes on when it is there again"
        ) from error


def brief(error: Exception) -> str:
    """Return the first sentence of what Ray says."""
    return " ".join(str(error).split()).partition(". ")[0][:200]


@contextmanager
def _opened(what: str) -> Iterator[None]:
    """Explain why there is no cluster, and have done at SIGTERM what was done before.

    Ray raises many errors, for addresses, versions and networks, and puts a handler of its own.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except Exception as error:
        raise InputError(f"{what}: {brief(error)}") from error
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _signals_later() -> Iterator[None]:
    """Heed Ctrl-C and SIGTERM only at the end: Ray, half started, does not survive its own end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = list[int]()
    both = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.signal(one, lambda number, _: came.append(number)) for one in both}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler or signal.SIG_DFL)
        for number in came[:1]:
            signal.raise_signal(number)


@contextmanager
def left() -> Iterator[None]:
    """Leave a cluster that may be gone already, whatever Ray says of it."""
    with suppress(Exception):
        yield

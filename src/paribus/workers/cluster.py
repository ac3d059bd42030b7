"""Workers on Ray: a cluster that is started on this machine, or one that is there.

Each stack is a Ray task with the processor or the GPU that it needs; what it finds comes back by a
mailbox, an actor of the driver's. The stack of a worker that is lost is trained again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Self

from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.engines.proof import Trace
from paribus.environment import version_of
from paribus.errors import InputError, RunError
from paribus.study.engine import EngineId
from paribus.workers import node
from paribus.workers.base import Clock, Event, Site, Wanted, Workers
from paribus.workers.environment import stacked
from paribus.workers.here import Here
from paribus.workers.messages import Notice, StackDone
from paribus.workers.sources import of_networks

LOSSES = 3
"""How many workers a stack may lose before its runs count as failed."""

_PATIENCE = 1.0  # seconds between looks at whether a worker was lost
_SILENCE = 300.0  # seconds without an answer after which a cluster counts as lost


def site(on: str, asked: int | None) -> Site:
    """Return a cluster as a place to train: "ray", started here when it is needed, or an address.

    Raises InputError where Ray is not installed, or the cluster cannot be used.
    """
    if version_of("ray") is None:
        raise InputError("--on ray needs Ray, which is not installed: pip install 'paribus[ray]'")
    return ClusterHere(asked) if on == "ray" else Cluster(asked, _nodes(on))


class ClusterHere(Here):
    """A Ray cluster on this machine, started with the first study and ended with the process."""

    name = "Ray on this machine"

    def quality(
        self, count: int, dataset: Dataset, device: str, keep_weights: bool, settle: bool
    ) -> Workers:
        """Return so many workers that train stacks."""
        _start_here(self.workers(False, ("cpu",)))
        return RayWorkers(count, _charge(dataset, keep_weights, settle and device != "cpu"))

    def clock(self, dataset: Dataset, device: str, keep_weights: bool, limit: float) -> Clock:
        """Return what times runs one by one, all of the machine taken."""
        _start_here(self.workers(False, ("cpu",)))
        return RayClock(_charge(dataset, keep_weights, False), limit, _nodes("ray")[0])


@dataclass(frozen=True)
class Node:
    """A machine of a cluster: how many processors and GPUs Ray may give away, and its facts."""

    id: str
    cpus: int
    gpus: int
    facts: node.Facts

    def options(self) -> dict[str, Any]:
        """Return what makes Ray run something there."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return {"scheduling_strategy": NodeAffinitySchedulingStrategy(self.id, soft=False)}


class Cluster:
    """A Ray cluster somewhere; `asked` stacks are trained at once, by default all that fit."""

    def __init__(self, asked: int | None, nodes: tuple[Node, ...]):
        self.asked = asked
        self.nodes = nodes
        self._engines: dict[tuple[str, str], EngineId] = {}

    @property
    def name(self) -> str:
        """How large it is, in words."""
        parts = {"node": len(self.nodes), "core": self._count("cpu"), "GPU": self._count("cuda")}
        told = [f"{n:,} {thing}{'' if n == 1 else 's'}" for thing, n in parts.items() if n]
        return f"Ray, {', '.join(told)}"

    def device(self, wanted: str) -> str:
        """Return "cpu" or "cuda" for "auto", "cpu" or "cuda"."""
        found = self._count("cuda") > 0
        if wanted == "cuda" and not found:
            raise InputError("device cuda is not to be had: no node of the cluster offers a GPU")
        return ("cuda" if found else "cpu") if wanted == "auto" else wanted

    def engine(self, name: str, device: str) -> EngineId:
        """Return what an engine is there; InputError where it is missing, or nodes differ."""
        if (name, device) not in self._engines:
            self._engines[name, device] = self._ask(name, device)
        return self._engines[name, device]

    def workers(self, timed: bool, devices: Collection[str]) -> int:
        """Return how many stacks are trained at once: as many as there are cores, or GPUs."""
        if timed:
            return 1
        most = max(1, self._count("cuda" if "cuda" in devices else "cpu"))
        return min(self.asked or most, most)

    def free_memory(self, device: str, workers: int) -> float:
        """Return the bytes that are free for each worker, on the node that has the least."""
        if device == "cuda":
            return min((n.facts.gpu_memory for n in self.nodes if n.gpus), default=0.0)
        return min(n.facts.memory / min(workers, n.cpus) for n in self.nodes)

    def cache_bytes(self) -> float:
        """Return the size of the smallest last cache."""
        return min(n.facts.cache for n in self.nodes)

    def rates(self) -> tuple[float, float]:
        """Return FLOP/s of a core's matrix products, and bytes/s of its copies: roughly."""
        cores = self._count("cpu")
        product = sum(n.facts.product * n.cpus for n in self.nodes) / cores
        return product, sum(n.facts.copy * n.cpus for n in self.nodes) / cores

    def quality(
        self, count: int, dataset: Dataset, device: str, keep_weights: bool, settle: bool
    ) -> Workers:
        """Return so many workers that train stacks."""
        return RayWorkers(count, _charge(dataset, keep_weights, settle and device != "cpu"))

    def clock(self, dataset: Dataset, device: str, keep_weights: bool, limit: float) -> Clock:
        """Return what times runs one by one, on a node that it has for itself."""
        return RayClock(_charge(dataset, keep_weights, False), limit, self.nodes[0])

    def _count(self, device: str) -> int:
        return sum(n.gpus if device == "cuda" else n.cpus for n in self.nodes)

    def _ask(self, name: str, device: str) -> EngineId:
        import ray

        asked = [n for n in self.nodes if device == "cpu" or n.gpus]
        remote = ray.remote(node.engine_here)
        needs = {"num_cpus": 0, "num_gpus": int(device == "cuda")}
        with _explained():
            found = ray.get(
                [remote.options(**needs, **n.options()).remote(name, device) for n in asked]
            )
        for one, answer in zip(asked, found, strict=True):
            if isinstance(answer, str):
                raise InputError(f"on the cluster's node {one.facts.name}: {answer}")
        if len({one.version for one in found}) > 1:
            each = [f"{n.facts.name} has {e.version}" for n, e in zip(asked, found, strict=True)]
            raise InputError(
                f"the nodes of the cluster differ in train.engine {name}, so their numbers would: "
                f"{'; '.join(each)}: install the same on all"
            )
        if not found:
            raise InputError(f"no node of the cluster offers a GPU for train.engine {name}")
        engine: EngineId = found[0]
        return engine


@dataclass
class _Flight:
    """A stack that is being trained somewhere."""

    ref: Any
    unfinished: dict[str, Task]
    losses: int = 0


class RayWorkers:
    """Trains stacks as tasks of Ray; used as `LocalWorkers` is.

    A stack whose worker is lost is trained again, what it had handed over excepted; after `LOSSES`
    its runs count as failed.
    """

    def __init__(self, count: int, charge: node.Charge):
        self.count = count
        self.charge = charge
        self._flights: dict[int, _Flight] = {}
        self._numbers = 0
        self._came: list[Event] = []  # and may not have been kept yet

    def __enter__(self) -> Self:
        self._leave = ExitStack()
        # Ray prints what its processes say to standard output, which is for answers.
        self._leave.enter_context(redirect_stdout(sys.stderr))
        self._open_mailbox()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._leave.close()

    def run(self, stacks: Sequence[list[Task]], wanted: Wanted) -> Iterator[list[Event]]:
        """Train all stacks; yield events in the order they come in: see `base.Workers`."""
        waiting = deque(stacks)
        with _explained():
            while True:
                while waiting and len(self._flights) < self.count:
                    if tasks := wanted(waiting.popleft()):
                        self._launch({task.key: task for task in tasks})
                if not self._flights:
                    return
                self._came.extend(self._told())
                yield self._came
                self._came = []

    def arrived(self) -> Iterator[Record]:
        """End what trains, and yield the records that were sent: `run` was left by Ctrl-C, say."""

        yield from (event for event in self._came if isinstance(event, Record))
        self._end()
        with _left():
            for _, event in self._take(_PATIENCE):
                if isinstance(event, Record):
                    yield event

    def _start(self, tasks: list[Task], post: Any) -> Any:
        """Have Ray train a stack, and return the reference of its end."""
        import ray

        on_gpu = tasks[0].engine.device == "cuda"
        remote = ray.remote(node.train).options(
            num_cpus=1, num_gpus=int(on_gpu), max_retries=0, name=f"stack of {len(tasks)}"
        )
        return remote.remote(tasks, replace(self.charge, sources=of_networks(tasks)), post)

    def _launch(self, unfinished: dict[str, Task], losses: int = 0) -> None:
        self._numbers += 1
        post = partial(_post, self._mailbox, self._numbers)
        ref = self._start(list(unfinished.values()), post)
        self._flights[self._numbers] = _Flight(ref, unfinished, losses)

    def _told(self) -> Iterator[Event]:
        """Yield all that has come, after waiting a moment for it; see to what was lost."""
        import ray

        refs = {flight.ref: number for number, flight in self._flights.items()}
        ended, _ = ray.wait(list(refs), num_returns=len(refs), timeout=0)
        # What a task has told arrives before its end does.
        try:
            told = self._take(0 if ended else _PATIENCE)
        except ray.exceptions.RayActorError as error:
            yield Notice(f"What nodes had told was lost ({_brief(error)}): it is trained again.")
            self._begin_anew()
            return
        for number, event in told:
            flight = self._flights.get(number)
            if isinstance(event, StackDone):
                if flight is not None:
                    del self._flights[number]
                    yield from _failed(flight, event.error or "the engine gave no record")
                yield event
                continue
            if isinstance(event, Record) and flight is not None:
                flight.unfinished.pop(event.key, None)
            yield event
        for number in [refs[ref] for ref in ended if refs[ref] in self._flights]:
            yield from self._lost(self._flights.pop(number))

    def _open_mailbox(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # With the driver, or with the head of its cluster: any other node may be lost.
        place = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        remote = ray.remote(node.Mailbox).options(num_cpus=0, scheduling_strategy=place)
        self._mailbox = remote.remote()
        self._leave.callback(_kill, self._mailbox)

    def _take(self, patience: float) -> list[tuple[int, Event]]:
        import ray

        held: list[tuple[int, Event]] = ray.get(
            self._mailbox.take.remote(patience), timeout=_SILENCE
        )
        return held

    def _begin_anew(self) -> None:
        """Train again what was in flight, with another mailbox."""
        flights = list(self._flights.values())
        self._end()
        self._open_mailbox()
        for flight in flights:
            self._launch(flight.unfinished, flight.losses)

    def _lost(self, flight: _Flight) -> Iterator[Event]:
        """Train again what a worker was training when it ended; too often, and its runs failed."""
        import ray

        why = "it ended without a word"
        try:
            ray.get(flight.ref)
        except ray.exceptions.RayTaskError as error:  # raised by our own part of it, not the study
            yield from _failed(flight, str(error.cause))
            return
        except ray.exceptions.RayError as error:
            why = _brief(error)
        if flight.losses + 1 < LOSSES:
            runs = len(flight.unfinished)
            yield Notice(f"A worker was lost ({why}); runs that are trained again: {runs}.")
            self._launch(flight.unfinished, flight.losses + 1)
        else:
            yield from _failed(flight, f"its worker was lost {LOSSES} times: {why}")

    def _end(self) -> None:
        import ray

        with _left():
            for flight in self._flights.values():
                ray.cancel(flight.ref, force=True)
        self._flights.clear()


class RayClock(RayWorkers):
    """Times runs one by one on a node that nothing else of Ray uses meanwhile."""

    def __init__(self, charge: node.Charge, limit: float, place: Node):
        super().__init__(1, charge)
        self.limit = limit
        self.place = place

    def __enter__(self) -> Self:
        super().__enter__()
        self._engage()
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._dismiss()

    def trace(self, task: Task) -> Trace:
        """Return what the engine of a task computes first; RunError where it cannot."""
        import ray

        with _explained():
            try:
                found: Trace = ray.get(self._timer.trace.remote(task))
            except ray.exceptions.RayTaskError as error:
                raise RunError(str(error.cause)) from None
        return found

    def _start(self, tasks: list[Task], post: Any) -> Any:
        return self._timer.measure.remote(tasks, post)

    def _launch(self, unfinished: dict[str, Task], losses: int = 0) -> None:
        if losses:  # the actor was lost with its process
            self._dismiss()
            self._engage()
        super()._launch(unfinished, losses)

    def _engage(self) -> None:
        import ray

        # All that the node has, so that nothing else is put there.
        whole = {"num_cpus": self.place.cpus, "num_gpus": self.place.gpus}
        timer = ray.remote(node.Timer).options(**whole, **self.place.options())
        self._timer = timer.remote(self.charge, self.limit)

    def _dismiss(self) -> None:
        _kill(self._timer)

    def _end(self) -> None:
        if self._flights:  # a method of an actor can only be ended with it
            self._dismiss()
        self._flights.clear()


def _post(mailbox: Any, flight: int, events: list[Event]) -> None:
    """Tell the mailbox, from a node; when this returns it has arrived."""
    import ray

    ray.get(mailbox.put.remote(flight, events))


def _kill(actor: Any) -> None:
    import ray

    with _left():
        ray.kill(actor)


def _failed(flight: _Flight, reason: str) -> Iterator[Record]:
    """Yield a failed record for every run that a stack left unfinished."""
    for key in flight.unfinished:
        yield Record(key, "failed", reason)


def _charge(dataset: Dataset, keep_weights: bool, settle: bool) -> node.Charge:
    """Put the data where every node fetches it once."""
    import ray

    held = partial(ray.get, _held(dataset))
    return node.Charge(dataset.checksum, held, keep_weights, settle, tuple(sys.path))


_put: dict[str, Any] = {}  # by checksum: the last data set that Ray holds


def _held(dataset: Dataset) -> Any:
    import ray

    if dataset.checksum not in _put:
        _put.clear()
        _put[dataset.checksum] = ray.put(dataset)
    return _put[dataset.checksum]


@cache
def _start_here(cpus: int) -> None:
    """Start a cluster on this machine, once for a process; where there is one, that is used."""
    import ray

    if ray.is_initialized():
        return
    with _surroundings({**stacked(), **_SETTINGS}), _signals_kept():
        ray.init(
            address="local",
            num_cpus=cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )


_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0"}  # nothing is told to anybody


@cache
def _nodes(on: str) -> tuple[Node, ...]:
    """Connect to a cluster, and return its nodes, those with GPUs first."""
    if "RAY_AUTH_TOKEN" in os.environ or (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads it when it is imported
    import ray

    if on != "ray" and not ray.is_initialized():
        try:
            with _signals_kept():
                ray.init(
                    on,
                    runtime_env={"env_vars": stacked()},
                    log_to_driver=False,
                    logging_level="ERROR",
                )
        except Exception as error:  # it has many, for addresses, versions and networks
            said = " ".join(str(error).split())[:300]
            raise InputError(
                f"the cluster {on} cannot be used: {said} (is it the port of Ray's client server, "
                f"usually 10001? where the cluster wants a token: ~/.ray/auth_token or "
                f"RAY_AUTH_TOKEN)"
            ) from error
    with _explained(f"the cluster {on} cannot be used"):
        remote, found = ray.remote(node.facts), []
        for one in ray.nodes():
            cpus, gpus = (int(one["Resources"].get(kind, 0)) for kind in ("CPU", "GPU"))
            if one["Alive"] and cpus:
                about = Node(one["NodeID"], cpus, gpus, _UNKNOWN)
                asked = remote.options(num_cpus=0, num_gpus=int(gpus > 0), **about.options())
                found.append((about, asked.remote(gpus > 0)))
        nodes = [Node(n.id, n.cpus, n.gpus, ray.get(ref)) for n, ref in found]
    if not nodes:
        raise InputError(f"the cluster {on} has no node that offers a processor")
    ours = version_of("paribus")
    for one in nodes:
        if one.facts.paribus != ours:
            raise InputError(
                f"the cluster's node {one.facts.name} has Paribus {one.facts.paribus}, this "
                f"machine {ours}: install the same on both"
            )
    return tuple(sorted(nodes, key=lambda n: (n.gpus == 0, n.facts.name, n.id)))


_UNKNOWN = node.Facts("", None, 0.0, 0.0, 0.0, 0.0, 0.0)


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
def _signals_kept() -> Iterator[None]:
    """Have what was done at SIGTERM done again: Ray puts a handler of its own there."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread() and before is not None:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _explained(what: str = "the Ray cluster is lost") -> Iterator[None]:
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


def _brief(error: Exception) -> str:
    return " ".join(str(error).split()).partition(". ")[0][:200]


@contextmanager
def _left() -> Iterator[None]:
    """Leave a cluster that may be gone already."""
    import ray

    try:
        yield
    except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError):
        return

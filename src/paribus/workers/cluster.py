"""Ray clusters as places to train: one that is started on this machine, or one that is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from paribus.data import Dataset
from paribus.environment import version_of
from paribus.errors import InputError
from paribus.study.engine import EngineId
from paribus.workers import node
from paribus.workers.base import Clock, Site, Workers
from paribus.workers.here import Here
from paribus.workers.ray_connection import connect, explained, require, start
from paribus.workers.ray_workers import RayClock, RayWorkers, charge


def site(on: str, asked: int | None) -> Site:
    """Return a cluster as a place to train: "ray", started here when it is needed, or an address.

    Raises InputError where Ray is not installed, or the cluster cannot be used.
    """
    require()
    return ClusterHere(asked) if on == "ray" else Cluster(asked, _nodes(on))


class ClusterHere(Here):
    """A Ray cluster on this machine, started with the first study and ended with the process."""

    name = "Ray on this machine"

    def quality(
        self, count: int, dataset: Dataset, device: str, keep_weights: bool, settle: bool
    ) -> Workers:
        """Return so many workers that train stacks."""
        start(self.workers(False, ("cpu",)))
        return RayWorkers(count, charge(dataset, keep_weights, settle and device != "cpu"))

    def clock(self, dataset: Dataset, device: str, keep_weights: bool, limit: float) -> Clock:
        """Return what times runs one by one, all of the machine taken."""
        start(self.workers(False, ("cpu",)))
        return RayClock(charge(dataset, keep_weights), limit, _nodes("ray")[0].whole())


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

    def whole(self) -> dict[str, Any]:
        """Return what makes Ray run something there with all that the node has."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, **self.options()}


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
        return RayWorkers(count, charge(dataset, keep_weights, settle and device != "cpu"))

    def clock(self, dataset: Dataset, device: str, keep_weights: bool, limit: float) -> Clock:
        """Return what times runs one by one, on a node that it has for itself."""
        return RayClock(charge(dataset, keep_weights), limit, self.nodes[0].whole())

    def _count(self, device: str) -> int:
        return sum(n.gpus if device == "cuda" else n.cpus for n in self.nodes)

    def _ask(self, name: str, device: str) -> EngineId:
        import ray

        asked = [n for n in self.nodes if device == "cpu" or n.gpus]
        remote = ray.remote(node.engine_here)
        needs = {"num_cpus": 0, "num_gpus": int(device == "cuda")}
        with explained():
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


def _nodes(on: str) -> tuple[Node, ...]:
    """Connect to a cluster, and return its nodes, those with GPUs first."""
    if connect(on):
        _known.clear()
    if on not in _known:
        _known[on] = _surveyed(on)
    return _known[on]


_known: dict[str, tuple[Node, ...]] = {}  # by address, as long as the connection holds


def _surveyed(on: str) -> tuple[Node, ...]:
    """Ask every node what it is."""
    import ray

    with explained(f"the cluster {on} cannot be used"):
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

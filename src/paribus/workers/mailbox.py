"""What stacks on Ray tell their driver: by a socket of its own, or by an actor where it is remote.

The actor is one more process, which takes its part of a small machine; but only a driver on the
same machine can be reached by all workers.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Client, Listener
from typing import Any, Protocol

from paribus.workers.base import Event
from paribus.workers.ray_connection import end

Told = list[tuple[int, Event]]  # the number of a flight, and what it told
Post = Callable[[list[Event]], None]

_PATIENCE = 1.0  # seconds
_SILENCE = 300.0  # seconds without an answer after which a cluster counts as lost


class Mailbox(Protocol):
    """Holds what stacks tell until the driver has it."""

    def post(self, flight: int) -> Post:
        """Return what a stack tells by, to be pickled; when that returns, it has arrived."""
        ...

    def take(self, seen: int, ends: Collection[Any] = ()) -> Told:
        """Return all but the first `seen` of what was ever told; those are forgotten.

        What the driver was given and lost, by a Ctrl-C at a bad moment, it gets again. With `ends`,
        Ray's references, after waiting for something to come, for a stack to end, or for a moment.
        """
        ...

    def close(self) -> None:
        """Take no more."""
        ...


class Letters:
    """What has come and is not forgotten: what both kinds of mailbox have in them."""

    def __init__(self) -> None:
        self._held: Told = []
        self._forgotten = 0

    def put(self, flight: int, events: Sequence[Event]) -> None:
        """Take what a flight tells."""
        self._held += [(flight, event) for event in events]

    def take(self, seen: int) -> Told:
        """See `Mailbox`."""
        del self._held[: seen - self._forgotten]
        self._forgotten = seen
        return self._held.copy()


class MailboxHere:
    """In this process, for workers on this machine."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._listener = Listener(authkey=self._key)
        self._letters, self._some = Letters(), threading.Condition()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def post(self, flight: int) -> Post:
        """See `Mailbox`."""
        return partial(_tell, self._listener.address, self._key, flight)

    def take(self, seen: int, ends: Collection[Any] = ()) -> Told:
        """See `Mailbox`."""
        with self._some:
            told = self._letters.take(seen)
            if not told and ends:
                self._some.wait(_PATIENCE)
                told = self._letters.take(seen)
            return told

    def close(self) -> None:
        """See `Mailbox`."""
        with Client(self._listener.address, authkey=self._key) as line:
            line.send(_FAREWELL)
        self._thread.join()
        self._listener.close()

    def _listen(self) -> None:
        while True:
            # Who is no worker of ours, was killed while it told, or tells what cannot be read
            # finds its line closed.
            with suppress(Exception), self._listener.accept() as line:
                told = line.recv()
                if told == _FAREWELL:
                    return
                with self._some:
                    self._letters.put(*told)
                    self._some.notify()
                line.send(None)


_FAREWELL = "that is all"


def _tell(address: Any, key: bytes, flight: int, events: list[Event]) -> None:
    with Client(address, authkey=key) as line:
        line.send((flight, events))
        line.recv()


class MailboxActor:
    """With the driver where that is a node of the cluster, else with the cluster's head.

    Any other node may be lost. Where this one is, `take` raises Ray's RayActorError.
    """

    def __init__(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        place = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        remote = ray.remote(Letters).options(num_cpus=0, scheduling_strategy=place)
        self.actor = remote.remote()

    def post(self, flight: int) -> Post:
        """See `Mailbox`."""
        return partial(_post, self.actor, flight)

    def take(self, seen: int, ends: Collection[Any] = ()) -> Told:
        """See `Mailbox`."""
        import ray

        if ends:
            ray.wait(list(ends), timeout=_PATIENCE)
        told: Told = ray.get(self.actor.take.remote(seen), timeout=_SILENCE)
        return told

    def close(self) -> None:
        """See `Mailbox`."""
        end(self.actor)


def _post(actor: Any, flight: int, events: list[Event]) -> None:
    import ray

    ray.get(actor.put.remote(flight, events))

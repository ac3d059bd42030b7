"""From a plan to records in the store: workers train, and what they hand over is kept."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from paribus.engines.base import Record, Task
from paribus.environment import environment
from paribus.profile import Profile
from paribus.proving import prove
from paribus.settings import Settings, Told, Watch
from paribus.store.backup import Backups, is_of_an_earlier_one
from paribus.store.claims import Claims
from paribus.store.store import Store
from paribus.study.design import Design
from paribus.study.plan import Plan
from paribus.untrusted import file_name
from paribus.workers.base import Workers
from paribus.workers.messages import DoneElsewhere, Notice, StackDone

_LOOK_AGAIN = 0.5  # seconds between looks at what another process trains


def train(todo: Plan, store: Store, settings: Settings, watch: Watch, profile: Profile) -> None:
    """Train what a plan holds, and keep every run as it finishes.

    What another process on the same store trains meanwhile is left to it, and waited for.
    """
    design, site = todo.design, settings.site
    on_gpu = any(engine.device == "cuda" for engine in design.engines)
    device = "cuda" if on_gpu else "cpu"
    with profile.training(todo.workers), Claims(store) as claims:
        if design.timed:
            with site.clock(design.dataset, device, settings.checkpoints, settings.limit) as clock:
                prove(design, store, clock)
                _drive(clock, claims, todo, store, settings, watch, profile)
            return
        with site.quality(
            todo.workers, design.dataset, device, settings.checkpoints, settings.profile
        ) as workers:
            _drive(workers, claims, todo, store, settings, watch, profile)


def finished(store: Store, keys: Iterable[str], settings: Settings) -> set[str]:
    """Return the runs that need no training: done, with weights kept where asked, or diverged."""
    found = {key: status for key, status in store.statuses(keys).items() if status != "failed"}
    if settings.checkpoints:
        kept = {path.stem for path in settings.checkpoint_folder.glob("*.safetensors")}
        return {k for k, status in found.items() if status == "diverged" or k in kept}
    return set(found)


@contextmanager
def backed_up(store: Store, watch: Watch) -> Iterator[Watch]:
    """Give a watch that backs the store up about every ten minutes, and do so at the end.

    Where a store is new and the backup of an earlier one beside it, that is told first.
    """
    if is_of_an_earlier_one(store):
        watch(
            Notice(
                f"{store.path} is new, but beside it is the backup of an earlier one: "
                f"`paribus doctor --store {store.path} --restore` brings back what that had."
            )
        )
    backups = Backups(store, lambda text: watch(Notice(text)))

    def watch_too(event: Told) -> None:
        watch(event)
        if isinstance(event, Record):
            backups.when_due()

    try:
        yield watch_too
    finally:
        backups.now()


def _drive(
    workers: Workers,
    claims: Claims,
    todo: Plan,
    store: Store,
    settings: Settings,
    watch: Watch,
    profile: Profile,
) -> None:
    held: list[list[Task]] = []  # by other drivers

    def wanted(tasks: list[Task]) -> list[Task]:
        ours = claims.take([task.key for task in tasks])
        # Asked after that: what is ours now is finished already, or nobody else will finish it.
        done = finished(store, [task.key for task in tasks], settings)
        if done:
            watch(DoneElsewhere(tuple(done)))
        left = [task for task in tasks if task.key not in done]
        if others := [task for task in left if task.key not in ours]:
            held.append(others)
        return [task for task in left if task.key in ours]

    def keep(records: list[Record]) -> None:
        _keep(records, store, todo.design, settings)

    stacks: Sequence[list[Task]] = todo.stacks
    told = False
    try:
        while stacks:
            for events in workers.run(stacks, wanted):
                with profile.storing():
                    keep([event for event in events if isinstance(event, Record)])
                for event in events:
                    if isinstance(event, StackDone):
                        profile.add(event.seconds)
                    else:
                        watch(event)
            stacks, held = held, []
            if stacks and not told:
                runs = sum(map(len, stacks))
                watch(Notice(f"Another process trains what is left, {runs} runs: waiting for it."))
                told = True
            if stacks:
                time.sleep(_LOOK_AGAIN)
    except KeyboardInterrupt:
        with _no_more_interrupts():
            came = list(workers.arrived())
            done = finished(store, [record.key for record in came], settings)
            keep([record for record in came if record.key not in done])
        raise


@contextmanager
def _no_more_interrupts() -> Iterator[None]:
    """Let no second Ctrl-C keep what had finished from being kept, which takes seconds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    both = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.signal(one, signal.SIG_IGN) for one in both}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler or signal.SIG_DFL)


def _keep(records: list[Record], store: Store, design: Design, settings: Settings) -> None:
    """Keep what came together in one transaction, after the weights.

    Once they are in the store the claims are gone, and other drivers look for the weights.
    """
    arms = [design.arm_of(record.key) for record in records]
    try:
        for record, arm in zip(records, arms, strict=True):
            if record.weights is not None:
                from paribus.engines.checkpoints import save_model

                path = settings.checkpoint_folder / f"{file_name(record.key)}.safetensors"
                save_model(path, arm.network, arm.config.model.dropout, record.weights)
    finally:  # a network that cannot be written loses no run
        if records:
            store.add_records(
                (record, record.environment or environment(arm.engine.name, arm.engine.device))
                for record, arm in zip(records, arms, strict=True)
            )

"""What will run, together and where, and about what it costs; nothing is trained here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from paribus.clock.machine_profile import of_this_machine
from paribus.clock.predict import model_of, stack_seconds
from paribus.engines.base import Task, trained_once
from paribus.errors import RunError
from paribus.study.confounds import Confound, find
from paribus.study.design import Design, Run
from paribus.study.rows import Sizes, epochs_of_work, steps_of_epoch
from paribus.study.seeds import generator
from paribus.workers.base import Site

if TYPE_CHECKING:
    from paribus.prospect import Prospect

MEMORY_SHARE = 0.7
"""Of the memory that is free, the share that a study may take."""

_START_SECONDS = {"tensorflow": 8.0, "jax": 5.0}
_USUAL_START = 3.0  # until a process has loaded PyTorch and the data
_WORKER_BYTES = 250e6  # of a worker process before it has any data
_COPIES = 4  # weights, gradients and two moments of the optimizer
_EFFICIENCY = 0.8  # of the matrix-product rate, as far as this engine was seen to reach it
_SECONDS_PER_OPERATION = 12e-6  # overhead of one small operation on one layer
_BYTES_PER_WEIGHT_STEP = 40  # that an optimizer step and the gradients move


@dataclass(frozen=True)
class Group:
    """Runs of one shape: what can be trained as one program, and how it is cut into stacks."""

    label: str
    runs: int
    stack: int  # members per stack
    flops: float  # of one run
    one_by_one: str  # why its runs are not stacked; empty where they are


@dataclass(frozen=True, repr=False)
class Plan:
    """A study laid out on the place where it will run: this machine, or a cluster.

    `runs` are those up to the next look, `stacks` holds the tasks among them that are still to be
    trained; `seconds` and `bytes` estimate what these take, all workers together. `error` is the
    relative error that this machine's profile is known to make; None where the seconds are a rough
    guess. `expected` is what the seeds can show, where that was asked. Until the `tuning` is
    finished, values it has not chosen yet have stand-ins among the candidates.
    """

    design: Design
    runs: tuple[Run, ...]
    groups: tuple[Group, ...]
    stacks: tuple[list[Task], ...]
    workers: int
    finished: int
    seconds: float
    bytes: float
    error: float | None = None
    site: str = ""  # where, if not on this machine
    tuning: Plan | None = None  # of the candidates, which are trained before
    expected: Prospect | None = None

    def _repr_html_(self) -> str:
        from paribus import display

        return display.of_plan(self)

    def __repr__(self) -> str:
        names = ", ".join(one.name for one in self.confounds if not one.accepted)
        return (
            f"Plan({self.to_train} of {len(self.runs)} runs to train in {len(self.stacks)} "
            f"stacks on {self.workers} workers, about {self.seconds:.0f} s"
            f"{f', after {self.tuning.to_train} that tune' if self.tuning else ''}"
            f"{f'; may be confounded: {names}' if names else ''})"
        )

    @cached_property
    def confounds(self) -> tuple[Confound, ...]:
        """What may confound the study, what it accepts included."""
        return find(self.design)

    @property
    def parts(self) -> tuple[Plan, ...]:
        """What is trained, in order: the tuning, where there is one, and the study itself."""
        return (self.tuning, self) if self.tuning else (self,)

    @property
    def to_train(self) -> int:
        """The number of runs that are still to be trained."""
        return sum(map(len, self.stacks))


def plan(
    design: Design, finished: Collection[str], site: Site, runs: Sequence[Run] | None = None
) -> Plan:
    """Cut the unfinished runs of a design, or some of them, into stacks for the workers of a site.

    Arms that are the same run are trained once. Raises RunError where not even one member fits
    into the memory that is free.
    """
    runs = design.runs if runs is None else tuple(runs)
    tasks = _tasks(design, runs, finished)
    groups: dict[Hashable, list[Task]] = defaultdict(list)
    for task in tasks:
        groups[_signature(task, design.sizes_of(task.config, task.block))].append(task)
    dataset_bytes = design.dataset.features.nbytes * (1 if design.dataset.kind == "image" else 2)
    devices = {engine.device for engine in design.engines}
    workers = site.workers(design.timed, devices)
    free = {device: site.free_memory(device, workers) * MEMORY_SHARE for device in devices}
    described, stacks, seconds, largest = [], [], 0.0, 0.0
    profile = None if site.name else of_this_machine()
    errors: list[float | None] = []
    for members in groups.values():
        first = members[0]
        device = first.engine.device
        own = free[device]
        batch = first.config.train.batch_size
        largest_pass = _bytes(first, max(batch, 1000))  # 1000 test rows at once
        most = int((own - dataset_bytes - _WORKER_BYTES) // largest_pass)
        if most < 1:
            need = (largest_pass + dataset_bytes + _WORKER_BYTES) / 1e9
            raise RunError(
                f"one run of this size needs {need:,.1f} GB, and {own / 1e9:.1f} GB are "
                f"free for each of {workers} workers: close other programs, use fewer workers or "
                f"a smaller model"
            )
        alone = _alone(first, design)
        # Runs that differ only in how they are tested are trained once, by the stacked engine.
        trained = [[task] for task in members] if alone else trained_once(members)
        size = 1 if alone else min(most, -(-len(trained) // workers))
        if device == "cpu":
            # Stacks that outgrow the cache gain nothing, and lose more to a kill.
            size = max(1, min(size, int(site.cache_bytes() // _bytes(first, batch))))
        parts = -(-len(trained) // size)
        size = -(-len(trained) // parts)  # even stacks
        cut = [trained[i : i + size] for i in range(0, len(trained), size)]
        stacks += [[task for twins in part for task in twins] for part in cut]
        rows = design.sizes_of(first.config, first.block)
        flops = _flops(first, rows)
        described.append(Group(_label(first), len(members), size, flops, alone))
        found = profile and model_of(profile, first.engine, first.config.train)
        errors.append(found.error if found else None)
        for part in cut:
            once = [twins[0] for twins in part]
            if found:
                seconds += stack_seconds(found.model, once, rows, design.timed)
            else:
                seconds += _seconds(once, flops, rows, site)
        largest = max(largest, size * largest_pass)
    if design.timed:
        places = {key: place for place, key in enumerate(measuring_order(design))}
        stacks.sort(key=lambda stack: places[stack[0].key])
    used = min(workers, len(stacks))
    starts = [_START_SECONDS.get(one[0].engine.name, _USUAL_START) for one in stacks]
    start = sum(starts) if design.timed else _USUAL_START
    known = [error for error in errors if error is not None]
    return Plan(
        design,
        runs,
        tuple(described),
        tuple(stacks),
        used,
        sum(run.key in finished for run in runs),
        start + seconds / used if used else 0.0,
        used * (_WORKER_BYTES + dataset_bytes + largest),
        max(known) if known and len(known) == len(errors) else None,
        site.name,
    )


def measuring_order(design: Design) -> list[str]:
    """Return the runs in the order in which they are timed: block by block, each in any order.

    Arms take turns, so that what changes about the machine in the meantime befalls them all.
    """
    count, keys = len(design.trained_arms), [run.key for run in design.runs]
    blocks = [keys[start : start + count] for start in range(0, len(keys), count)]
    draw = generator(design.spec.seed, "measuring order")
    return [key for block in blocks for key in draw.permutation(block)]


def _tasks(design: Design, runs: Sequence[Run], finished: Collection[str]) -> list[Task]:
    tasks = {}
    for run in runs:
        if run.key not in finished:
            arm = design.trained_arms[run.arm]
            tasks[run.key] = Task(
                run.key, arm.config, arm.network, design.spec.seed, run.block, arm.engine
            )
    return list(tasks.values())


def _signature(task: Task, sizes: Sizes) -> Hashable:
    """Return what tasks must share to be trained as one stack; splits may differ in their sizes."""
    train = task.config.train
    alike = (
        train.epochs,
        train.steps,
        train.batch_size,
        train.loss,
        train.precision,
        train.shuffle,
        train.log_every,
        train.measure_gradients,
    )
    data = task.config.data.model_dump_json()
    return task.engine, task.network, alike, data, sizes


def _alone(task: Task, design: Design) -> str:
    """Return why a run is not trained in a stack; nothing where it is."""
    if design.timed:
        return "timed in a process of its own"
    if task.engine.name != "stacked":
        return f"{task.engine.name} trains one run at a time"
    return task.network.one_by_one(task.engine.device)


def _label(task: Task) -> str:
    train = task.config.train
    if task.config.model.kind == "surface":
        return f"{task.network.summary()}, {train.epochs} steps"
    norm = task.config.model.batch_norm
    length = f"{train.steps} steps" if train.steps else f"{train.epochs} epochs"
    parts = [task.network.summary(), f"batch {train.batch_size}", length]
    if norm != "none":
        parts.insert(1, f"batch norm {norm}")
    if task.network.dropout_shapes:
        parts.insert(-2, "dropout")
    if train.precision != "fp32":
        parts.append(train.precision)
    return ", ".join(parts)


def _bytes(task: Task, rows: int) -> float:
    """Return what one member holds: weights with their optimizer, activations of so many rows."""
    copies = _COPIES + task.config.train.measure_gradients  # whose sum over the probe is kept
    return 4.0 * (task.network.parameters * copies + task.network.activations() * rows)


def _flops(task: Task, sizes: Sizes) -> float:
    """Return the operations of one run, training and tests."""
    train, tested = task.config.train, sizes.test + sizes.validation
    trained = task.network.training_flops() * sizes.train * epochs_of_work(train, sizes.train)
    return trained + task.network.flops() * tested * train.epochs


def _seconds(part: list[Task], flops: float, sizes: Sizes, site: Site) -> float:
    """Return about how long one worker trains a stack."""
    first = part[0]
    train = first.config.train
    steps = epochs_of_work(train, sizes.train) * steps_of_epoch(train, sizes.train)
    rate, bandwidth = site.rates()
    products = flops * len(part) / (rate * _EFFICIENCY)
    moved = steps * len(part) * first.network.parameters * _BYTES_PER_WEIGHT_STEP / bandwidth
    operations = steps * (first.network.depth * 6 + 12 + 2 * len(part))
    return products + moved + operations * _SECONDS_PER_OPERATION

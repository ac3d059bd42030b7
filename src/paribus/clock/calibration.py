"""Training steps of made-up networks, timed: what a cost model is fitted to and held against.

`python -m paribus.clock.calibration ENGINE DEVICE` measures in a process of its own, as workers
train in theirs: sizes come in on standard input, and a line of JSON goes out for each time.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import numpy as np

from paribus.clock import machine
from paribus.clock.cost import Work, fit, overtakes, step_work
from paribus.clock.machine_profile import Calibrated, HeldOut, MachineProfile
from paribus.clock.rates import Rates, rates
from paribus.engines.base import Task
from paribus.engines.inputs import Inputs
from paribus.environment import choose_device, machine_name, version_of
from paribus.errors import RunError
from paribus.models.build import network
from paribus.models.layers import Network
from paribus.study.config import Config, DataConfig, ModelConfig, TrainConfig
from paribus.study.engine import EngineId
from paribus.workers.cores import available_cores, cache_bytes
from paribus.workers.environment import stacked

RANGES = {"width": (16, 2048), "depth": (1, 8), "batch": (16, 1024), "inputs": (20, 800)}
"""Of the networks that are measured; those held out are drawn from them, log-uniform."""

HELD_OUT = 12
"""Networks that the model is not fitted to, but held against."""

_CLASSES = 10
_MEMBERS = 8  # of a stack, at most
_REPEATS = 5
_PASSES = 2
_SECONDS = 0.01  # of one repeat, at least one step
_MOST_STEPS = 50
_ROWS = 4096


@dataclass(frozen=True)
class Size:
    """A multilayer perceptron and its batch; `members` of them are trained as one stack."""

    width: int
    depth: int
    batch: int
    inputs: int
    members: int = 1

    def __str__(self) -> str:
        stack = f", stack of {self.members}" if self.members > 1 else ""
        return f"{self.inputs} inputs, {self.depth} × {self.width}, batch {self.batch}{stack}"

    @property
    def network(self) -> Network:
        """The network."""
        made = network(ModelConfig(hidden=(self.width,) * self.depth), (self.inputs,), _CLASSES)
        assert isinstance(made, Network)
        return made

    def work(self) -> Work:
        """Return what one step of it costs on paper."""
        return step_work(self.network, self.batch, TrainConfig(), self.members)

    def stacked(self) -> Size:
        """Return it with as many members as a plan would put together: those the cache holds."""
        net = self.network
        each = 4 * (4 * net.parameters + net.activations() * self.batch)
        return replace(self, members=max(1, min(self.members, int(cache_bytes() // each))))


FITTED = tuple(
    Size(*numbers)
    for numbers in (
        (16, 1, 16, 20, 1),
        (16, 8, 16, 100, 4),
        (16, 2, 1024, 800, 2),
        (16, 8, 1024, 20, 1),
        (32, 1, 64, 50, 8),
        (32, 4, 128, 400, 2),
        (64, 1, 64, 800, 4),
        (64, 8, 64, 50, 1),
        (64, 3, 512, 200, 8),
        (128, 2, 32, 100, 3),
        (128, 5, 256, 50, 6),
        (256, 1, 1024, 100, 2),
        (256, 3, 16, 400, 1),
        (256, 8, 128, 800, 1),
        (512, 2, 64, 50, 2),
        (512, 4, 512, 200, 1),
        (1024, 1, 128, 800, 1),
        (1024, 4, 16, 20, 1),
        (1024, 2, 256, 400, 1),
        (2048, 1, 1024, 20, 1),
        (2048, 3, 32, 200, 1),
    )
)
"""What a model is fitted to: corners of those ranges, and places between."""

QUICK = FITTED[::2]
"""Half of them, for a rougher model in half the time."""


def held_out(count: int, seed: int = 0) -> tuple[Size, ...]:
    """Return sizes drawn at random, none of which a model is fitted to."""
    draw = np.random.default_rng(seed)
    low, high = np.log(list(RANGES.values())).T
    found: list[Size] = []
    while len(found) < count:
        numbers = np.exp(draw.uniform(low, high)).round().astype(int).tolist()
        size = Size(*[*numbers, int(draw.integers(1, _MEMBERS + 1))])
        if size not in FITTED:
            found.append(size)
    return tuple(found)


def measured_here() -> list[tuple[str, str]]:
    """Return the engines and devices that this machine is measured with."""
    found = [("torch", "cpu"), ("stacked", "cpu")]
    return [*found, ("torch", "cuda")] if choose_device("auto") == "cuda" else found


def calibrate(
    fitted: Sequence[Size] = FITTED,
    held: Sequence[Size] | None = None,
    told: Callable[[str, float], None] = lambda what, share: None,
) -> MachineProfile:
    """Measure this machine, each engine in a process of its own; tells what, and the share done.

    Takes about 40 s on two cores. Raises RunError where a process ends with an error.
    """
    held = held_out(HELD_OUT) if held is None else held
    wanted = measured_here()
    models = []
    for number, (engine, device) in enumerate(wanted):

        def done(share: float, at: int = number, what: str = f"{engine} on {device}") -> None:
            told(what, (at + share) / len(wanted))

        models.append(_calibrated(engine, device, fitted, held, done))
    versions = {name: version_of(name) or "" for name in ("paribus", "torch", "numpy")}
    return MachineProfile(
        machine_name(choose_device("auto")),
        datetime.now().astimezone().isoformat(timespec="seconds"),
        versions | {"python": platform.python_version(), "system": platform.platform()},
        available_cores(),
        tuple(models),
    )


def _calibrated(
    engine: str,
    device: str,
    fitted: Sequence[Size],
    held: Sequence[Size],
    done: Callable[[float], None],
) -> Calibrated:
    sizes = [
        size.stacked() if engine == "stacked" else replace(size, members=1)
        for size in (*fitted, *held)
    ]
    threads = 1 if engine == "stacked" else available_cores()
    own = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    start = machine.read()
    told = []
    for line in _process(engine, device, sizes, stacked() if engine == "stacked" else own):
        told.append(json.loads(line))
        done(len(told) / (1 + _PASSES * len(sizes)))
    busy = machine.disturbance(machine.between(start, machine.read()), os.cpu_count() or 1)
    # The best of all repeats: what else uses the machine only ever adds to a time.
    seconds = np.reshape(told[1:], (_PASSES, len(sizes))).min(0).tolist()
    works = [size.work() for size in sizes]
    count = len(fitted)
    model = fit(works[:count], seconds[:count], cache_bytes() if device == "cpu" else 0.0)
    checks = tuple(
        HeldOut(str(size), model.seconds(work), taken)
        for size, work, taken in zip(sizes, works, seconds, strict=True)
    )[count:]
    return Calibrated(engine, device, threads, Rates(**told[0]), model, checks, busy)


def _process(
    engine: str, device: str, sizes: Sequence[Size], environment: Mapping[str, str]
) -> Iterator[str]:
    """Measure the sizes in a process of its own, and yield the lines that it prints."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "paribus.clock.calibration", engine, device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **environment},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with suppress(BrokenPipeError):  # it has ended already: its code says why
                process.stdin.write(json.dumps([asdict(size) for size in sizes]))
                process.stdin.close()
            yield from process.stdout
            if process.wait():
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip()[-500:]
                raise RunError(f"{engine} on {device} could not be measured: {said}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def gpu_pays(profile: MachineProfile) -> int | None:
    """Return the hidden width from which on a GPU is predicted to be faster; None if none is."""
    cpu, gpu = (profile.model("torch", device) for device in ("cpu", "cuda"))
    if cpu is None or gpu is None:
        return None
    sizes = [Size(2**power, 2, 128, 100) for power in range(4, 12)]
    first = overtakes(cpu.model, gpu.model, Size.work, sizes)
    return first.width if first else None


def torch_seconds(size: Size, device: str) -> float:
    """Return the seconds that a training step takes, as the clock lane's epochs take them."""
    from paribus.engines.torch import TorchLearner

    draw = np.random.default_rng(0)
    x = draw.standard_normal((_ROWS, size.inputs), np.float32)
    y = draw.integers(0, _CLASSES, _ROWS)
    held = Inputs({"train": x}, {"train": y}, True, 1.0, 0, 0, True)
    learner = TorchLearner(_task(size, EngineId("torch", "", device), epochs=1), held)
    steps = _steps(size)
    taken = []
    for _ in range(1 + _REPEATS):  # the first warms up
        order = draw.integers(0, _ROWS, size.batch * steps)
        start = time.perf_counter()
        learner.epoch(order)
        taken.append(time.perf_counter() - start)
    return min(taken[1:]) / steps


def stacked_seconds(size: Size, device: str) -> float:
    """Return the seconds that a step of a stack takes, as the quality lane's epochs take them."""
    from paribus.data import Dataset
    from paribus.engines.stacked.engine import StackedEngine

    draw = np.random.default_rng(0)
    steps = _steps(size)
    rows = size.batch * steps + 1  # the last is the test
    dataset = Dataset(
        "made-up",
        "classification",
        draw.standard_normal((rows, size.inputs), np.float32),
        draw.integers(0, _CLASSES, rows),
        tuple(map(str, range(_CLASSES))),
        tuple(map(str, range(size.inputs))),
        test_rows=np.array([rows - 1]),
    )
    task = _task(size, EngineId("stacked", "", device), epochs=1 + _REPEATS)
    tasks = [replace(task, key=str(block), block=block) for block in range(size.members)]
    ends: list[float] = []

    def done(_: int) -> None:
        ends.append(time.perf_counter())

    for _ in StackedEngine(device).train(tasks, dataset, keep_weights=False, epoch_done=done):
        pass
    return min(b - a for a, b in itertools.pairwise(ends)) / steps


def _task(size: Size, engine: EngineId, epochs: int) -> Task:
    train = TrainConfig(
        batch_size=size.batch, learning_rate=1e-5, loss="cross-entropy", epochs=epochs
    )
    config = Config(data=DataConfig(scaling="none"), train=train)
    return Task("", config, size.network, 0, 0, engine)


def _steps(size: Size) -> int:
    """Return how many steps last about as long as a repeat should, on a usual core."""
    work = size.work()
    guess = 1e-4 * work.layers + work.flops / 5e10 + work.weights / 2e10
    return max(1, min(_MOST_STEPS, math.ceil(_SECONDS / guess)))


def main(engine: str, device: str) -> None:
    """Measure the sizes on standard input, in passes, so that what comes and goes hits them all."""
    sizes = [Size(**one) for one in json.load(sys.stdin)]
    print(json.dumps(asdict(rates(device))), flush=True)
    seconds = torch_seconds
    if engine == "stacked":
        from paribus.engines.stacked.arithmetic import one_thread

        one_thread()
        seconds = stacked_seconds
    for _ in range(_PASSES):
        for size in sizes:
            print(json.dumps(seconds(size, device)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What a machine's profile says that a study takes there: predictions, not measurements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paribus.clock.cost import CostModel, epoch_seconds, evaluation_seconds
from paribus.clock.machine_profile import Calibrated, MachineProfile
from paribus.engines.base import Task
from paribus.study.config import TrainConfig
from paribus.study.design import Design
from paribus.study.engine import EngineId
from paribus.study.rows import Sizes, epochs_of_work


@dataclass(frozen=True)
class Prediction:
    """The seconds of one run of an arm per epoch of training.

    `error` is the median relative error of the cost model over networks that it was not fitted to.
    Both are None where the profile has no model of the arm's engine, device and threads.
    """

    arm: str
    engine: str
    device: str
    seconds_per_epoch: float | None
    error: float | None


def model_of(profile: MachineProfile, engine: EngineId, train: TrainConfig) -> Calibrated | None:
    """Return the model of what trains a run; None where there is none, or not for its precision."""
    if train.precision != "fp32":
        return None
    return profile.model(engine.name, engine.device, train.threads)


def predict(profile: MachineProfile, design: Design) -> list[Prediction]:
    """Return a prediction for each arm; a run in a stack has its share of the stack's time.

    A stack is taken to hold all seeds of an arm.
    """
    return list(_predictions(profile, design))


def _predictions(profile: MachineProfile, design: Design) -> Iterator[Prediction]:
    for arm in design.arms:
        train, engine = arm.config.train, arm.engine
        rows = design.sizes_of(arm.config, design.first_block).train
        found = model_of(profile, engine, train)
        if found is None:
            yield Prediction(arm.name, engine.name, engine.device, None, None)
            continue
        stacked = engine.name == "stacked" and not arm.network.one_by_one(engine.device)
        members = design.spec.blocks if stacked else 1
        seconds = epoch_seconds(found.model, arm.network, rows, train, members) / members
        yield Prediction(arm.name, engine.name, engine.device, seconds, found.error)


def stack_seconds(model: CostModel, stack: list[Task], sizes: Sizes, timed: bool) -> float:
    """Return how long a stack trains and is tested: after each epoch, or once where it is timed."""
    first, members = stack[0], len(stack)
    train = first.config.train
    of_epoch = epoch_seconds(model, first.network, sizes.train, train, members)
    training = of_epoch * epochs_of_work(train, sizes.train)
    testing = sum(
        evaluation_seconds(model, first.network, rows, members)
        for rows in (sizes.test, sizes.validation)
    )
    return training + testing * (1 if timed else train.epochs)

"""Proof that engines do the same maths: from the same weights and batches, the same numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paribus.data import Dataset
from paribus.engines.base import Learner, Task
from paribus.engines.inputs import Inputs, inputs
from paribus.models.weights import Weights
from paribus.study.engine import GRADIENT_TOLERANCE, LOSS_TOLERANCE, UPDATE_TOLERANCE

STEPS = 4


@dataclass(frozen=True)
class Trace:
    """What an engine computed first.

    Loss and gradients of the first batch; what the first four steps changed each weight by; the
    mean loss of the first epoch.
    """

    loss: float
    gradients: Weights
    updates: Weights
    epoch_loss: float


@dataclass(frozen=True)
class Agreement:
    """How far two traces are apart, relative to the second.

    `gradient` is |a - b| / |b| over all parameters together (Euclidean norms). `update` is the
    median of |a - b| / |b| over all weights that moved: Adam and RMSprop turn the rounding of a
    gradient that is zero otherwise into whole steps of some weights.
    """

    gradient: float
    loss: float
    update: float
    epoch_loss: float

    @property
    def holds(self) -> bool:
        """Whether they are the same maths; nan is not."""
        return (
            self.gradient <= GRADIENT_TOLERANCE
            and self.loss <= GRADIENT_TOLERANCE
            and self.update <= UPDATE_TOLERANCE
            and self.epoch_loss <= LOSS_TOLERANCE
        )


def trace(learner: Learner, held: Inputs, batch_size: int) -> Trace:
    """Trace a learner that has not been trained yet; it is trained for an epoch."""
    order, before = held.order(0), learner.weights()
    loss, gradients = learner.gradients(order[:batch_size])
    begun, rest = order[: STEPS * batch_size], order[STEPS * batch_size :]
    total = learner.epoch(begun) * len(begun)
    after = learner.weights()
    if len(rest):
        total += learner.epoch(rest) * len(rest)
    updates = {name: after[name] - before[name] for name in gradients}
    return Trace(loss, gradients, updates, total / len(order))


def trace_of(task: Task, dataset: Dataset) -> Trace:
    """Trace the engine of a run that trains by itself."""
    from paribus.engines.choice import learner

    held = inputs(task, dataset)
    return trace(learner(task, held), held, task.config.train.batch_size)


def agreement(ours: Trace, reference: Trace) -> Agreement:
    """Compare two traces of the same run."""
    names = list(reference.gradients)
    g, h = (_flat(one.gradients, names) for one in (ours, reference))
    a, b = (_flat(one.updates, names) for one in (ours, reference))
    return Agreement(
        gradient=float(np.linalg.norm(g - h) / np.linalg.norm(h)),
        loss=abs(ours.loss - reference.loss) / abs(reference.loss),
        update=float(np.median(np.abs(a - b)[b != 0] / np.abs(b[b != 0]))),
        epoch_loss=abs(ours.epoch_loss - reference.epoch_loss) / abs(reference.epoch_loss),
    )


def _flat(weights: Weights, names: list[str]) -> np.ndarray:
    return np.concatenate([weights[name].ravel() for name in names])

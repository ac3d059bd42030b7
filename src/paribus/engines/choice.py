"""An engine by its name; a framework is imported when one of its engines is made."""

from __future__ import annotations

from paribus.engines.base import Engine, Learner, Task
from paribus.engines.inputs import Inputs
from paribus.engines.laps import Laps
from paribus.engines.single import SingleEngine
from paribus.study.engine import EngineId


def engine(wanted: EngineId, laps: Laps) -> Engine:
    """Return what trains the tasks of an engine."""
    if wanted.name == "stacked":
        from paribus.engines.stacked.engine import StackedEngine

        return StackedEngine(wanted.device, laps)
    return SingleEngine(learner, laps)


def learner(task: Task, inputs: Inputs) -> Learner:
    """Return the learner of a task's engine."""
    match task.engine.name:
        case "torch":
            from paribus.engines.torch import TorchLearner

            return TorchLearner(task, inputs)
        case "tensorflow":
            from paribus.engines.tensorflow import TensorFlowLearner

            return TensorFlowLearner(task, inputs)
        case "jax":
            from paribus.engines.jax import JaxLearner

            return JaxLearner(task, inputs)
        case name:
            raise ValueError(f"no engine {name} trains one run at a time")

"""Tasks for engines, made from a specification."""

from __future__ import annotations

from paribus.data import Dataset, load
from paribus.engines.base import Task
from paribus.study.design import Design, design
from paribus.study.engine import EngineId
from paribus.study.spec import from_values


def tasks_of(
    data: object = "digits", dataset: Dataset | None = None, **values: object
) -> tuple[list[Task], Dataset]:
    laid_out = design_of(data, dataset, **values)
    tasks = [
        Task(run.key, arm.config, arm.network, 0, run.block, arm.engine)
        for run in laid_out.runs
        for arm in [laid_out.arms[run.arm]]
    ]
    return tasks, laid_out.dataset


def design_of(data: object = "digits", dataset: Dataset | None = None, **values: object) -> Design:
    spec = from_values({"question": "Same?", "data": data, **values})
    return design(spec, dataset or load(spec.data.source), EngineId("stacked", "test", "cpu"))

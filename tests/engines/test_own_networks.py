"""A user's own `nn.Module` trains as in a plain loop, stacked where it can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from paribus.data import Dataset, fit_scaling
from paribus.engines.base import Record, Task
from paribus.engines.stacked.engine import StackedEngine
from paribus.errors import RunError, SpecError
from paribus.models.own import OwnNetwork, torch_seed
from paribus.study.confounds import find
from paribus.study.plan import plan
from paribus.study.rows import split_rows
from paribus.study.seeds import generator
from paribus.workers.here import Here
from tests.engines.tasks import design_of, tasks_of

HERE = "tests.engines.own_networks"
REASONS = {
    "Plain": "",
    "Normed": "BatchNorm1d keeps the buffer running_mean",
    "Dropping": "it draws random numbers of its own",
    "Frozen": "the parameter body.1.weight is frozen",
    "Convolving": "convolutions are faster one by one on a CPU",
    "Branching": "torch.func cannot batch it",
    "Checking": "torch.func cannot batch it",
    "Standardising": "",
    "MixingUp": "stacked it gives other numbers than alone",
}


def own_tasks(name: str, **train: object) -> tuple[list[Task], Dataset]:
    settings = {"epochs": 1, "batch_size": 100, "log_every": 1, **train}
    return tasks_of(model=f"{HERE}:{name}", train=settings, seeds=3)


def train(tasks: list[Task], dataset: Dataset, keep_weights: bool = False) -> list[Record]:
    engine = StackedEngine("cpu")
    records = engine.train(tasks, dataset, keep_weights=keep_weights, epoch_done=lambda runs: None)
    return list(records)


def plain_loop(task: Task, dataset: Dataset) -> tuple[list[float], float]:
    """Train an epoch as a person would; return the loss of each step and the test accuracy."""
    assert isinstance(task.network, OwnNetwork)
    module = task.network.make(task.seed, task.block)
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], 0.001)
    split = split_rows(dataset, task.config.data, task.seed)
    x = torch.from_numpy(fit_scaling(dataset, split.train, "unit").apply(dataset.features))
    y = torch.from_numpy(dataset.targets)
    order = generator(task.seed, "batches 0", task.block).permutation(len(split.train))
    torch.manual_seed(torch_seed(task.seed, "own draws", task.block))
    losses = []
    module.train()
    for rows in torch.from_numpy(split.train[order]).split(100):
        loss = F.cross_entropy(module(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    module.eval()
    with torch.no_grad():
        right = module(x[split.test]).argmax(1) == y[split.test]
    return losses, right.double().mean().item()


@pytest.mark.parametrize(
    "name",
    ["Plain", "Normed", "Dropping", "Strided", "Checking", "Standardising", "Frozen", "Convolving"],
)
def test_a_network_of_ones_own_trains_as_in_a_plain_loop(name: str) -> None:
    tasks, dataset = own_tasks(name)
    alone = bool(tasks[0].network.one_by_one("cpu"))
    stacks = [[task] for task in tasks] if alone else [tasks]
    records = [record for stack in stacks for record in train(stack, dataset)]
    for task, record in zip(tasks, records, strict=True):
        losses, accuracy = plain_loop(task, dataset)
        np.testing.assert_allclose(record.curves["step_loss"], losses, rtol=1e-4)
        assert record.metrics["test_accuracy"] == pytest.approx(accuracy, abs=2 / 359)


@pytest.mark.parametrize(("name", "reason"), REASONS.items())
def test_a_plan_stacks_what_can_be_and_says_why_the_rest_cannot(name: str, reason: str) -> None:
    design = design_of(model=f"{HERE}:{name}", seeds=3)
    (group,) = plan(design, finished=(), site=Here(1)).groups
    assert group.stack == (1 if reason else 3)
    assert group.one_by_one.startswith(reason)
    assert bool(group.one_by_one) == bool(reason)


def test_dropout_of_ones_own_does_not_depend_on_what_ran_before() -> None:
    tasks, dataset = own_tasks("Dropping")
    first = {t.key: train([t], dataset)[0].curves["step_loss"] for t in tasks}
    torch.manual_seed(1)
    for task in reversed(tasks):
        np.testing.assert_array_equal(
            train([task], dataset)[0].curves["step_loss"], first[task.key]
        )
    outside = torch.random.get_rng_state()
    train(tasks[:1], dataset)
    assert torch.equal(torch.random.get_rng_state(), outside)


@pytest.mark.parametrize("name", ["Normed", "Dropping"])
def test_testing_in_training_mode_changes_nothing_of_the_training(name: str) -> None:
    weights = {}
    for mode in ("evaluation", "training"):
        tasks, dataset = tasks_of(
            model=f"{HERE}:{name}", train={"epochs": 2}, evaluate={"mode": mode}, seeds=1
        )
        (record,) = train(tasks, dataset, keep_weights=True)
        weights[mode] = record.weights
    assert ("body.2.running_mean" in weights["training"]) == (name == "Normed")
    for name, array in weights["evaluation"].items():
        np.testing.assert_array_equal(weights["training"][name], array)


def test_bf16_reaches_ones_own_network() -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        tasks, dataset = own_tasks("Plain", precision=precision)
        losses[precision] = train(tasks, dataset)[0].curves["step_loss"]
    np.testing.assert_allclose(losses["bf16"], losses["fp32"], rtol=2**-6)
    assert not np.array_equal(losses["bf16"], losses["fp32"])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("no_such_place:make", "there is no module no_such_place"),
        (f"{HERE}:Plane", "has no function or class Plane (did you mean Plain?)"),
        (f"{HERE}:NOT_CALLABLE", "has no function or class NOT_CALLABLE"),
        (f"{HERE}:too_few", "too_few failed: TypeError: too_few() missing 1 required"),
        (f"{HERE}:images_only", "does not take inputs of [4, 1, 8, 8]: RuntimeError"),
        (f"{HERE}:no_module", "must return a torch.nn.Module (got str)"),
        (f"{HERE}:untrainable", "without anything to train"),
        ("nets.py:Plain:x", "model.factory must be written as package.module:name"),
        ({"kind": "module"}, "model.factory is missing: package.module:name of your network"),
        (
            {"kind": "module", "factory": f"{HERE}:too_few", "arguments": {"width": 5}},
            "must make a network with outputs [batch, 10] (got [4, 5] for a batch of 4)",
        ),
        (
            {"kind": "module", "factory": f"{HERE}:Plain", "dropout": 0.5},
            "model.dropout does nothing for a network of your own (got 0.5)",
        ),
        ({"factory": f"{HERE}:Plain"}, "need model.kind module (got mlp)"),
        (
            {"kind": "module", "factory": f"{HERE}:Plain", "arguments": {"width": object()}},
            "allowed are texts, numbers, true and false, lists, and sections of them",
        ),
    ],
)
def test_a_network_that_does_not_fit_is_refused(model: object, expected: str) -> None:
    with pytest.raises(SpecError) as raised:
        design_of(model=model)
    assert expected in str(raised.value)


def test_arguments_of_the_factory_can_be_a_factor() -> None:
    design = design_of(model=f"{HERE}:Plain", factors={"model.arguments.width": [5, 50]})
    assert [arm.network.parameters for arm in design.arms] == [385, 3760]
    assert [arm.name for arm in design.arms] == ["width 5", "width 50"]


def test_a_last_batch_of_one_row_is_refused_where_batches_are_normalised() -> None:
    with pytest.raises(SpecError, match="leaves one row for the last batch of 1438 training rows"):
        design_of(model=f"{HERE}:Normed", train={"batch_size": 1437})
    design_of(model=f"{HERE}:Plain", train={"batch_size": 1437})


def test_a_network_edited_after_the_plan_is_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from torch import nn\nmake = lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    file = tmp_path / "edited_after_the_plan.py"
    file.write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    tasks, dataset = tasks_of(model="edited_after_the_plan:make", seeds=1)
    file.write_text(source + "# another line\n")
    with pytest.raises(RunError, match="was edited after the study had been laid out"):
        train(tasks, dataset)


def test_another_factory_is_one_difference_with_its_arguments() -> None:
    plain, normed = {"model.factory": f"{HERE}:Plain"}, {"model.factory": f"{HERE}:Normed"}
    own = {"kind": "module", "factory": f"{HERE}:Plain"}

    def confounds(a: dict, b: dict) -> list[str]:
        return [one.what for one in find(design_of(model=own, factors={"x": {"a": a, "b": b}}))]

    wide, narrow = ({**plain, "model.arguments.width": width} for width in (40, 10))
    assert not confounds(wide, normed)
    assert not confounds(wide, narrow)
    more = confounds(wide, {**normed, "train.shuffle": False})[0]
    assert more.count("model.") == more.count("train.") == 1

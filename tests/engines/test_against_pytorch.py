"""The stacked engine does the maths of a plain `nn.Module` and `torch.optim` loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import curve_fit
from scipy.special import expit
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.utils.class_weight import compute_class_weight

from paribus.data import Dataset, fit_scaling, load
from paribus.engines.base import Record, Task
from paribus.engines.stacked import layers
from paribus.engines.stacked.batches import Batches
from paribus.engines.stacked.stack import Stack
from paribus.engines.torch import build, state_dict
from paribus.models.weights import initial_weights
from paribus.study.rows import split_rows
from paribus.study.seeds import generator
from tests.engines.tasks import tasks_of

OPTIMIZERS = {
    "sgd": ({"optimizer": "sgd"}, lambda p: torch.optim.SGD(p, 0.001)),
    "momentum": (
        {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
        lambda p: torch.optim.SGD(p, 0.001, momentum=0.9, weight_decay=0.01),
    ),
    "nesterov": (
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
        lambda p: torch.optim.SGD(p, 0.001, momentum=0.9, nesterov=True),
    ),
    "rmsprop": (
        {"optimizer": "rmsprop", "weight_decay": 0.01, "momentum": 0.5, "smoothing": 0.95},
        lambda p: torch.optim.RMSprop(p, 0.001, alpha=0.95, weight_decay=0.01, momentum=0.5),
    ),
    "adam": (
        {"optimizer": "adam", "weight_decay": 0.01, "epsilon": 1e-7},
        lambda p: torch.optim.Adam(p, 0.001, weight_decay=0.01, eps=1e-7),
    ),
    "adamw": (
        {"optimizer": "adamw", "weight_decay": 0.1, "beta1": 0.8, "beta2": 0.99},
        lambda p: torch.optim.AdamW(p, 0.001, betas=(0.8, 0.99), weight_decay=0.1),
    ),
}

CNN = {
    "kind": "cnn",
    "conv": [{"channels": 4, "kernel": 3}, {"channels": 5, "kernel": 2, "pool": 1}],
    "hidden": [20],
}
NETWORKS = {
    "mlp": {"hidden": [40, 20]},
    "mlp, batch norm after": {"hidden": [40], "batch_norm": "after"},
    "mlp, batch norm before, tanh": {"hidden": [40], "batch_norm": "before", "activation": "tanh"},
    "mlp, sigmoid": {"hidden": [40], "activation": "sigmoid"},
    "cnn": CNN,
    "cnn, batch norm": {**CNN, "batch_norm": "after"},
}


def plain_epoch(task: Task, dataset: Dataset, make_optimizer: object) -> tuple[list[float], list]:
    """Train an epoch as a person would; return the loss of each step and the first gradients."""
    config = task.config
    module = build(task.network)
    weights = initial_weights(task.network, config.model.init, task.seed, task.block)
    module.load_state_dict(state_dict(task.network, weights), strict=False)
    optimizer = make_optimizer(module.parameters())
    split = split_rows(dataset, config.data, task.seed, task.block)
    scaling = fit_scaling(dataset, split.train, config.data.scaling)
    targets = dataset.targets
    if dataset.task == "regression":
        learned_from = targets[split.train].astype(np.float64)
        targets = ((targets - learned_from.mean()) / learned_from.std()).astype(np.float32)
    order = generator(task.seed, "batches 0", task.block).permutation(len(split.train))
    module.train()
    bf16 = config.train.precision == "bf16"
    losses, first = [], []
    for rows in np.array_split(
        split.train[order], range(config.train.batch_size, len(order), config.train.batch_size)
    ):
        x = torch.from_numpy(scaling.apply(dataset.features[rows]))
        y = torch.from_numpy(targets[rows])
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs = module(x).float()
        if dataset.task == "regression":
            loss = F.mse_loss(outputs.squeeze(1), y)
        elif config.train.loss == "mse":
            loss = F.mse_loss(outputs, F.one_hot(y, dataset.outputs).float())
        elif config.train.loss == "softmax-cross-entropy":
            loss = F.cross_entropy(torch.softmax(outputs, 1), y)
        else:
            loss = F.cross_entropy(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        if not first:
            first = [p.grad.clone() for p in module.parameters()]
        optimizer.step()
        losses.append(loss.item())
    return losses, first


def stacked_epoch(task: Task, dataset: Dataset) -> tuple[list[float], list]:
    """Do the same with a stack of one."""
    stack = Stack([task], dataset, torch.device("cpu"))
    losses, first = [], []
    for rows in stack.batches.epoch(0):
        batch, gradients = stack.gradients(rows)
        if not first:
            arrays = {name: g[0].numpy() for name, g in gradients.items()}
            first = list(state_dict(task.network, arrays).values())
        for optimizer in stack.optimizers:
            optimizer.step(gradients)
        stack.step += 1
        losses.append(batch.losses.mean().item())
    return losses, first


def assert_alike(task: Task, dataset: Dataset, make_optimizer: object) -> None:
    plain, plain_gradients = plain_epoch(task, dataset, make_optimizer)
    stacked, stacked_gradients = stacked_epoch(task, dataset)
    for ours, theirs in zip(stacked_gradients, plain_gradients, strict=True):
        difference = torch.linalg.norm(ours - theirs) / torch.linalg.norm(theirs)
        # Batch norm makes the gradient of a bias before it zero but for rounding.
        assert difference < 1e-5 or torch.linalg.norm(theirs) < 1e-6
    np.testing.assert_allclose(stacked, plain, rtol=1e-4)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_the_first_epoch_equals_a_plain_loop(network: dict, optimizer: tuple) -> None:
    settings, make_optimizer = optimizer
    tasks, dataset = tasks_of(
        model=network,
        train={"epochs": 1, "batch_size": 100, "learning_rate": 0.001, **settings},
        seeds=1,
    )
    assert_alike(tasks[0], dataset, make_optimizer)


@pytest.mark.parametrize("network", ["cnn", "cnn, batch norm"])
def test_convolutions_in_groups_equal_those_by_member(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPUs take the members of a stack as groups; the arithmetic is the same on a CPU."""
    tasks, dataset = tasks_of(
        model=NETWORKS[network],
        train={"epochs": 2, "batch_size": 100, "log_every": 1},
        factors={"train.optimizer": ["sgd", "adam"]},
        seeds=2,
    )

    def train() -> list[Record]:
        stack = Stack(tasks, dataset, torch.device("cpu"))
        return list(stack.train(keep_weights=True, epoch_done=lambda runs: None))

    by_member = train()
    monkeypatch.setattr(layers, "_spatial_by_member", layers._spatial_grouped)
    for one, other in zip(train(), by_member, strict=True):
        np.testing.assert_allclose(one.curves["step_loss"], other.curves["step_loss"], rtol=1e-4)
        assert one.metrics["test_accuracy"] == pytest.approx(
            other.metrics["test_accuracy"], abs=2 / 359
        )
        for name, statistic in other.weights.items():
            if "running" in name:
                np.testing.assert_allclose(one.weights[name], statistic, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("network", ["mlp", "mlp, batch norm after", "cnn"])
def test_bf16_equals_a_plain_loop_under_autocast(network: str) -> None:
    settings, make_optimizer = OPTIMIZERS["adam"]
    losses = {}
    for precision in ("fp32", "bf16"):
        train = {"epochs": 1, "batch_size": 100, "learning_rate": 0.001, **settings}
        tasks, dataset = tasks_of(
            model=NETWORKS[network], train={**train, "precision": precision}, seeds=1
        )
        losses[precision], _ = stacked_epoch(tasks[0], dataset)
    plain, _ = plain_epoch(tasks[0], dataset, make_optimizer)
    # bf16 has 8 significant bits: roundings differ, and add up to far less than one of them.
    np.testing.assert_allclose(losses["bf16"], plain, rtol=2**-8)
    assert losses["bf16"] != losses["fp32"]


@pytest.mark.parametrize("loss", ["mse", "softmax-cross-entropy"])
def test_other_losses_equal_a_plain_loop(loss: str) -> None:
    settings, make_optimizer = OPTIMIZERS["momentum"]
    train = {"epochs": 1, "batch_size": 100, "learning_rate": 0.001, "loss": loss, **settings}
    tasks, dataset = tasks_of(model={"hidden": [30]}, train=train, seeds=1)
    assert_alike(tasks[0], dataset, make_optimizer)


@pytest.mark.parametrize("split", ["fixed", "resampled"])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_class_weights_equal_a_plain_loop(loss: str, split: str) -> None:
    """Weights by scikit-learn, in `CrossEntropyLoss`; those of mse are a mean of the same kind."""
    imbalance = {"class_weights": "balanced", "subsample": {"3": 0.1, "8": 0.5}}
    tasks, dataset = tasks_of(
        data={"source": "digits", "split": split, **imbalance},
        model={"hidden": [30]},
        train={"epochs": 1, "batch_size": 100, "loss": loss, "optimizer": "sgd"},
        seeds=2,
    )
    stack = Stack(tasks, dataset, torch.device("cpu"))
    for task, record in zip(
        tasks, stack.train(keep_weights=True, epoch_done=lambda runs: None), strict=True
    ):
        assert_weighted_alike(task, dataset, record)


def assert_weighted_alike(task: Task, dataset: Dataset, record: Record) -> None:
    loss = task.config.train.loss
    split = split_rows(dataset, task.config.data, task.seed, task.block)
    y = dataset.targets[split.train]
    assert 10 < np.bincount(y)[3] < 20
    weights = compute_class_weight("balanced", classes=np.arange(10), y=y)
    weights = torch.tensor(weights, dtype=torch.float32)
    criterion = torch.nn.CrossEntropyLoss(weight=weights)

    def weighted(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if loss == "cross-entropy":
            return criterion(outputs, y)
        errors = (outputs - F.one_hot(y, 10)).square().mean(1)
        return torch.dot(errors, weights[y]) / weights[y].sum()

    module = build(task.network)
    weights_before = initial_weights(task.network, "pytorch", task.seed, task.block)
    module.load_state_dict(state_dict(task.network, weights_before))
    optimizer = torch.optim.SGD(module.parameters(), task.config.train.learning_rate)
    scaling = fit_scaling(dataset, split.train, "unit")
    order = generator(task.seed, "batches 0", task.block).permutation(len(split.train))
    for rows in torch.from_numpy(split.train[order]).split(100):
        x = torch.from_numpy(scaling.apply(dataset.features[rows]))
        optimizer.zero_grad()
        weighted(module(x), torch.from_numpy(dataset.targets[rows])).backward()
        optimizer.step()
    for name, ours in state_dict(task.network, record.weights).items():
        theirs, start = module.state_dict()[name], state_dict(task.network, weights_before)[name]
        difference = torch.linalg.norm(ours - theirs) / torch.linalg.norm(theirs - start)
        assert difference < 1e-4
    # What is reported stays the plain mean over rows.
    outputs = module(torch.from_numpy(scaling.apply(dataset.features[split.test])))
    y_test = torch.from_numpy(dataset.targets[split.test])
    plain = F.cross_entropy(outputs, y_test).item()
    assert record.metrics["test_log_loss"] == pytest.approx(plain, rel=1e-4)


def test_class_weights_are_those_of_each_blocks_training_rows() -> None:
    digits = load("digits")
    few = np.concatenate([np.flatnonzero(digits.targets == code)[:5] for code in range(10)])
    dataset = replace(digits, features=digits.features[few], targets=digits.targets[few])
    data = {"source": "digits", "split": "resampled", "test": 0.3, "class_weights": "balanced"}
    factors = {"train.optimizer": ["sgd", "adam"]}
    tasks, _ = tasks_of(data=data, dataset=dataset, factors=factors, seeds=3)
    found = Batches(tasks, dataset, torch.device("cpu")).class_weights
    for task, weights in zip(tasks, found, strict=True):
        y = dataset.targets[split_rows(dataset, task.config.data, task.seed, task.block).train]
        theirs = compute_class_weight("balanced", classes=np.arange(10), y=y)
        np.testing.assert_allclose(weights, theirs, rtol=1e-6)
    assert not torch.equal(found[0], found[2])  # another block, whose classes have other numbers


@pytest.mark.parametrize("scaling", ["none", "unit", "symmetric", "standard"])
def test_every_scaling_equals_a_plain_loop(scaling: str) -> None:
    settings, make_optimizer = OPTIMIZERS["adam"]
    tasks, dataset = tasks_of(
        data="digits",
        model={"hidden": [30]},
        train={"epochs": 1, "batch_size": 100, "learning_rate": 0.001, **settings},
        factors={"data.scaling": [scaling, "unit" if scaling != "unit" else "none"]},
        seeds=1,
    )
    assert tasks[0].config.data.scaling == scaling
    assert_alike(tasks[0], dataset, make_optimizer)


@pytest.mark.parametrize("split", ["resampled", "kfold", "cross-validation"])
@pytest.mark.parametrize("data", ["digits", "breast-cancer", "diabetes"])
def test_each_block_with_a_split_of_its_own_equals_a_plain_loop_on_its_rows(
    data: str, split: str
) -> None:
    settings, make_optimizer = OPTIMIZERS["adam"]
    tasks, dataset = tasks_of(
        data={
            "source": data,
            "scaling": "standard",
            "split": split,
            **({} if split == "cross-validation" else {"validation": 0.2}),
        },
        model={"hidden": [20]},
        train={"epochs": 1, "batch_size": 100, "log_every": 1, **settings},
        seeds=10,
    )
    tasks = [task for task in tasks if task.block % 5 == 4]  # folds of one size
    stack = Stack(tasks, dataset, torch.device("cpu"))
    records = stack.train(keep_weights=True, epoch_done=lambda runs: None)
    for task, record in zip(tasks, records, strict=True):
        plain, _ = plain_epoch(task, dataset, make_optimizer)
        np.testing.assert_allclose(record.curves["step_loss"], plain, rtol=1e-4)
        module = build(task.network).eval()
        module.load_state_dict(state_dict(task.network, record.weights), strict=False)
        own = split_rows(dataset, task.config.data, task.seed, task.block)
        scaling = fit_scaling(dataset, own.train, "standard")
        for part, rows in (("validation", own.validation), ("test", own.test)):
            with torch.no_grad():
                outputs = module(torch.from_numpy(scaling.apply(dataset.features[rows]))).numpy()
            y = dataset.targets[rows]
            if dataset.task == "classification":
                accuracy = np.mean(outputs.argmax(1) == y)
                assert record.metrics[f"{part}_accuracy"] == pytest.approx(accuracy)
            else:
                learned_from = dataset.targets[own.train].astype(float)
                errors = outputs[:, 0] * learned_from.std() + learned_from.mean() - y
                rmse = np.sqrt(np.mean(errors**2))
                assert record.metrics[f"{part}_rmse"] == pytest.approx(rmse, rel=1e-4)
                r2 = 1 - np.mean(errors**2) / np.var(y)
                assert record.metrics[f"{part}_r2"] == pytest.approx(r2, rel=1e-4)


@pytest.mark.parametrize("split", ["fixed", "resampled"])
@pytest.mark.parametrize("data", ["digits", "breast-cancer"])
def test_a_batch_has_the_scaled_inputs_of_its_rows_bit_for_bit(data: str, split: str) -> None:
    dataset = load(data)
    if dataset.kind == "table":
        features = dataset.features.copy()
        features[::7, 3] = np.nan
        dataset = replace(dataset, features=features)
    tasks, _ = tasks_of(
        data={"source": data, "scaling": "standard", "split": split}, dataset=dataset, seeds=3
    )
    batches = Batches(tasks, dataset, torch.device("cpu"))
    rows = next(batches.epoch(0))
    x, y = batches.gather(rows)
    for block in range(3):
        own = split_rows(dataset, tasks[0].config.data, 0, block)
        assert np.isin(rows[block], own.train).all()
        scaled = fit_scaling(dataset, own.train, "standard").apply(dataset.features[rows[block]])
        np.testing.assert_array_equal(x[block], scaled)
        np.testing.assert_array_equal(y[block], dataset.targets[rows[block]])


def test_the_default_cnn_on_28_by_28_pixels_equals_a_plain_loop() -> None:
    settings, make_optimizer = OPTIMIZERS["adam"]
    digits = load("digits")
    images = np.kron(digits.features[:300, :, :7, :7], np.ones((1, 1, 4, 4), np.uint8))
    dataset = Dataset(
        "large digits",
        "classification",
        images,
        digits.targets[:300],
        classes=digits.classes,
        value_range=(0, 16),
    )
    train = {"epochs": 1, "batch_size": 64, "learning_rate": 0.001, **settings}
    tasks, _ = tasks_of(dataset=dataset, model={"kind": "cnn"}, train=train, seeds=1)
    shapes = tasks[0].network.parameter_shapes()
    assert [shape for name, shape in shapes.items() if "weight" in name] == [
        (16, 1, 5, 5),
        (32, 16, 5, 5),
        (512, 120),
        (120, 84),
        (84, 10),
    ]
    assert_alike(tasks[0], dataset, make_optimizer)


def test_evaluation_uses_running_statistics_and_no_dropout() -> None:
    tasks, dataset = tasks_of(
        model={"hidden": [30], "batch_norm": "after", "dropout": 0.5},
        train={"epochs": 2, "batch_size": 100},
        seeds=1,
    )
    stack = Stack(tasks, dataset, torch.device("cpu"))
    (record,) = stack.train(keep_weights=True, epoch_done=lambda runs: None)
    module = build(tasks[0].network, 0.5).eval()
    module.load_state_dict(state_dict(tasks[0].network, record.weights), strict=False)
    split = split_rows(dataset, tasks[0].config.data, 0)
    scaling = fit_scaling(dataset, split.train, "unit")
    with torch.no_grad():
        outputs = module(torch.from_numpy(scaling.apply(dataset.features[split.test])))
    y = torch.from_numpy(dataset.targets[split.test])
    assert record.metrics["test_accuracy"] == (outputs.argmax(1) == y).double().mean().item()
    loss = F.cross_entropy(outputs, y).item()
    assert record.metrics["test_loss"] == pytest.approx(loss, rel=1e-5)


def test_testing_in_training_mode_uses_the_test_batch() -> None:
    accuracy = {}
    for mode in ("evaluation", "training"):
        tasks, dataset = tasks_of(
            model={"hidden": [30], "batch_norm": "after", "dropout": 0.5},
            train={"epochs": 3, "batch_size": 50},
            evaluate={"mode": mode},
            seeds=3,
        )
        stack = Stack(tasks, dataset, torch.device("cpu"))
        records = list(stack.train(keep_weights=True, epoch_done=lambda runs: None))
        accuracy[mode] = [record.metrics["test_accuracy"] for record in records]
        weights = [
            record.weights["0.weight" if "0.weight" in record.weights else "1.weight"]
            for record in records
        ]
        accuracy[mode, "weights"] = weights
    # The same training, another test: dropout while testing costs accuracy.
    for one, other in zip(
        accuracy["evaluation", "weights"], accuracy["training", "weights"], strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert np.mean(accuracy["training"]) < np.mean(accuracy["evaluation"])


def test_regression_reports_rmse_in_the_unit_of_the_target() -> None:
    tasks, dataset = tasks_of(
        data="diabetes", model={"kind": "linear"}, train={"epochs": 60, "batch_size": 32}, seeds=1
    )
    stack = Stack(tasks, dataset, torch.device("cpu"))
    (record,) = stack.train(keep_weights=False, epoch_done=lambda runs: None)
    # Ordinary least squares on the same rows is the floor that a linear model approaches.
    split = split_rows(dataset, tasks[0].config.data, 0)
    x = np.c_[np.ones(dataset.rows), dataset.features]
    found, *_ = np.linalg.lstsq(x[split.train], dataset.targets[split.train], rcond=None)
    errors = x[split.train] @ found - dataset.targets[split.train]
    floor = float(np.sqrt(np.mean(errors**2)))
    assert floor < record.metrics["train_rmse"] < 1.1 * floor
    assert 0.4 < record.metrics["train_r2"] < 0.6


@pytest.mark.parametrize("split", ["fixed", "resampled"])
def test_a_logistic_curve_of_a_number_equals_a_plain_loop(split: str) -> None:
    train = {"epochs": 3, "batch_size": 50, "learning_rate": 0.01}
    data = {"source": "diabetes", "split": split}
    tasks, dataset = tasks_of(data=data, model={"kind": "logistic"}, train=train, seeds=2)
    stack = Stack(tasks, dataset, torch.device("cpu"))
    records = stack.train(keep_weights=True, epoch_done=lambda runs: None)
    for task, record in zip(tasks, records, strict=True):
        rows = split_rows(dataset, task.config.data, 0, task.block)
        x = torch.from_numpy(fit_scaling(dataset, rows.train, "standard").apply(dataset.features))
        seen = dataset.targets[rows.train]
        low, high = float(seen.min()), float(seen.max())
        y = torch.from_numpy((dataset.targets - low) / (high - low))
        line = torch.nn.Linear(10, 1)
        initial = initial_weights(task.network, "pytorch", 0, task.block)
        line.load_state_dict(
            {"weight": torch.from_numpy(initial["0.weight"].T.copy())}
            | {"bias": torch.from_numpy(initial["0.bias"])}
        )
        optimizer = torch.optim.Adam(line.parameters(), 0.01)
        for epoch in range(3):
            order = generator(0, f"batches {epoch}", task.block).permutation(len(rows.train))
            for batch in torch.from_numpy(rows.train[order]).split(50):
                optimizer.zero_grad()
                F.mse_loss(torch.sigmoid(line(x[batch])).squeeze(1), y[batch]).backward()
                optimizer.step()
        with torch.no_grad():
            predicted = low + (high - low) * torch.sigmoid(line(x[rows.test])).squeeze(1).numpy()
        known = dataset.targets[rows.test]
        expected = {
            "test_rmse": root_mean_squared_error(known, predicted),
            "test_mae": mean_absolute_error(known, predicted),
            "test_r2": r2_score(known, predicted),
        }
        assert {name: record.metrics[name] for name in expected} == pytest.approx(
            expected, rel=1e-4
        )


def test_a_logistic_curve_of_a_number_comes_to_that_of_scipy() -> None:
    tasks, dataset = tasks_of(
        data="diabetes",
        model={"kind": "logistic"},
        train={"epochs": 1000, "batch_size": 1000, "learning_rate": 0.01},
        seeds=1,
    )
    stack = Stack(tasks, dataset, torch.device("cpu"))
    (record,) = stack.train(keep_weights=False, epoch_done=lambda runs: None)
    rows = split_rows(dataset, tasks[0].config.data, 0)
    seen = dataset.targets[rows.train].astype(float)

    def curve(x: np.ndarray, *weights: float) -> np.ndarray:
        return seen.min() + np.ptp(seen) * expit(np.c_[np.ones(len(x)), x] @ weights)

    x = fit_scaling(dataset, rows.train, "standard").apply(dataset.features)
    fitted, _ = curve_fit(curve, x[rows.train], seen, p0=np.zeros(11))
    for part, tolerance in (("train", 1e-3), ("test", 1e-2)):
        at = getattr(rows, part)
        known, predicted = dataset.targets[at], curve(x[at], *fitted)
        assert record.metrics[f"{part}_rmse"] == pytest.approx(
            root_mean_squared_error(known, predicted), rel=tolerance
        )
        assert record.metrics[f"{part}_r2"] == pytest.approx(
            r2_score(known, predicted), abs=tolerance
        )


def test_the_mean_absolute_error_is_in_the_unit_of_the_target() -> None:
    tasks, dataset = tasks_of(data="diabetes", model={"hidden": [9]}, train={"epochs": 3}, seeds=1)
    stack = Stack(tasks, dataset, torch.device("cpu"))
    (record,) = stack.train(keep_weights=True, epoch_done=lambda runs: None)
    module = build(tasks[0].network)
    module.load_state_dict(state_dict(tasks[0].network, record.weights))
    split = split_rows(dataset, tasks[0].config.data, 0)
    scaling = fit_scaling(dataset, split.train, "standard")
    with torch.no_grad():
        outputs = module(torch.from_numpy(scaling.apply(dataset.features[split.test])))
    known = dataset.targets[split.train].astype(float)
    predicted = outputs.squeeze(1).double().numpy() * known.std() + known.mean()
    expected = mean_absolute_error(dataset.targets[split.test], predicted)
    assert record.metrics["test_mae"] == pytest.approx(expected, rel=1e-5)
    assert "train_mae" not in record.metrics
    assert not record.tables


def test_dropout_drops_at_its_rate_and_keeps_the_mean() -> None:
    tasks, dataset = tasks_of(
        model={"hidden": [400]}, factors={"model.dropout": [0.2, 0.5]}, seeds=2
    )
    stack = Stack(tasks, dataset, torch.device("cpu"))
    drawn = [stack.dropout.draw("dropout", step, 100) for step in range(20)]
    masks = torch.cat([mask for one in drawn for mask in one.values()], 1)
    for task, mask in zip(tasks, masks, strict=True):
        dropped = (mask == 0).double().mean().item()
        assert dropped == pytest.approx(task.config.model.dropout, abs=0.004)
        assert mask.double().mean().item() == pytest.approx(1, abs=0.01)
    # Arms of a block share the stream: what is dropped at 0.2 is dropped at 0.5.
    first = {
        task.config.model.dropout: mask
        for task, mask in zip(tasks, masks, strict=True)
        if task.block == 0
    }
    assert torch.all(first[0.5][first[0.2] == 0] == 0)

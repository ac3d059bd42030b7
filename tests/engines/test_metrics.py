"""Metrics of stacks against scikit-learn, and the same bits for a member alone as in a stack."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from paribus.engines.stacked.losses import sample_losses
from paribus.engines.stacked.metrics import Pass, Totals, evaluation_sums, metrics_of, tables_of

NO_NUMBERS = (np.ones(1), np.zeros(1))  # scale and spread of targets, which classes have not


def made_up(members: int, rows: int, classes: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Outputs that lean to the right class, and codes of which class 1 has no rows."""
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, classes, rows)
    codes[codes == 1] = 0
    outputs = draw.normal(0, 1.5, (members, rows, classes))
    outputs[:, np.arange(rows), codes] += 2
    targets = torch.from_numpy(codes).expand(members, -1)
    return torch.from_numpy(outputs.astype(np.float32)), targets


def totals_of(outputs: torch.Tensor, targets: torch.Tensor, loss: str, size: int = 64) -> Totals:
    totals = Totals()
    for x, y in zip(outputs.split(size, 1), targets.split(size, 1), strict=True):
        batch = Pass(sample_losses(loss, x, y), x, y)
        totals.add(evaluation_sums(batch, loss, classify=loss != "regression"), y.shape[1])
    return totals


def expected_calibration_error(outputs: np.ndarray, codes: np.ndarray) -> float:
    """Guo et al. (2017), equation 3, bin by bin."""
    powers = np.exp(outputs - outputs.max(1, keepdims=True))
    shares = powers / powers.sum(1, keepdims=True)
    confidence, right = shares.max(1), shares.argmax(1) == codes
    found = 0.0
    for low in range(15):
        inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            found += inside.mean() * gap
    return found


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@pytest.mark.parametrize("classes", [2, 7, 101])
@pytest.mark.parametrize("loss", ["cross-entropy", "softmax-cross-entropy", "mse"])
def test_metrics_of_classes_equal_scikit_learns(classes: int, loss: str) -> None:
    outputs, targets = made_up(3, 500, classes)
    totals = totals_of(outputs, targets, loss)
    found, held = metrics_of("test", totals, *NO_NUMBERS), tables_of("test", totals)
    codes, labels = targets[0].numpy(), np.arange(classes)
    for member in range(3):
        own = outputs[member].double().numpy()
        predicted = own.argmax(1)
        shares = torch.softmax(outputs[member].double(), 1).numpy()
        expected = {
            "test_accuracy": sk.accuracy_score(codes, predicted),
            "test_balanced_accuracy": sk.balanced_accuracy_score(codes, predicted),
            "test_macro_f1": sk.f1_score(codes, predicted, average="macro"),
            "test_log_loss": sk.log_loss(codes, shares, labels=labels),
            "test_ece": expected_calibration_error(own, codes),
        }
        for name, value in expected.items():
            assert found[name][member] == pytest.approx(value, rel=1e-6), name
        matrix = sk.confusion_matrix(codes, predicted, labels=labels)
        there = matrix.sum(1) > 0
        recall = sk.recall_score(codes, predicted, labels=labels[there], average=None)
        np.testing.assert_allclose(held["test_recall"][member][there], recall)
        assert np.isnan(held["test_recall"][member][1])
        if classes <= 100:
            np.testing.assert_array_equal(held["test_confusion"][member], matrix)
        else:
            assert "test_confusion" not in held


@pytest.mark.parametrize("shift", [0.0, 1e-3, 100.0])
def test_confidence_at_the_edge_of_a_bin_belongs_to_the_lower_one(shift: float) -> None:
    outputs = torch.full((1, 4, 5), shift)  # confidence 1/5 = 3/15, and one row in four is right
    targets = torch.tensor([[0, 1, 2, 3]])
    totals = totals_of(outputs, targets, "cross-entropy")
    assert metrics_of("test", totals, *NO_NUMBERS)["test_ece"] == pytest.approx(0.05, abs=1e-7)
    sure = torch.tensor([[[1e9, 0.0], [1e9, 0.0]]])  # confidence 1, and one row in two is right
    totals = totals_of(sure, torch.tensor([[0, 1]]), "mse")
    assert metrics_of("test", totals, *NO_NUMBERS)["test_ece"] == 0.5


@pytest.mark.parametrize("classes", [2, 3, 10, 17, 101])
@pytest.mark.parametrize("rows", [1, 63, 130])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_a_member_has_the_same_metrics_alone_and_in_a_stack(
    classes: int, rows: int, loss: str
) -> None:
    outputs, targets = made_up(5, rows, classes)
    totals = totals_of(outputs, targets, loss)
    together, tables = metrics_of("test", totals, *NO_NUMBERS), tables_of("test", totals)
    for member in range(5):
        for members in (slice(member, member + 1), slice(member, None), slice(0, member + 1)):
            totals = totals_of(outputs[members].clone(), targets[members], loss)
            place = member - (members.start or 0)
            for name, values in metrics_of("test", totals, *NO_NUMBERS).items():
                assert values[place] == together[name][member], name
            for name, values in tables_of("test", totals).items():
                np.testing.assert_array_equal(values[place], tables[name][member])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e38])
def test_outputs_that_are_no_numbers_stop_nothing(value: float) -> None:
    outputs, targets = made_up(2, 20, 3)
    outputs[1, 4] = value
    found = metrics_of("test", totals_of(outputs, targets, "cross-entropy"), *NO_NUMBERS)
    alone = metrics_of("test", totals_of(outputs[:1], targets[:1], "cross-entropy"), *NO_NUMBERS)
    for name, values in found.items():
        assert values[0] == alone[name][0]

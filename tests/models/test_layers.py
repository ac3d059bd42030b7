"""The neutral description of networks: shapes, parameters, operations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy.stats import kstest, truncnorm

from paribus.engines.checkpoints import load_model, save_model
from paribus.engines.torch import build, state_dict
from paribus.models.build import network
from paribus.models.layers import Network
from paribus.models.weights import initial_weights
from paribus.study.config import ModelConfig


def test_an_mlp_has_the_parameters_and_operations_of_its_layers() -> None:
    net = network(ModelConfig(hidden=(500,)), (1, 28, 28), 10)
    assert net.summary() == "784-500-10"
    assert net.parameters == 784 * 500 + 500 + 500 * 10 + 10 == 397_510
    assert net.flops() == 2 * (784 * 500 + 500 * 10)
    # The first layer's inputs need no gradient: forward and weights, not a third product.
    assert net.training_flops() == 2 * 2 * 784 * 500 + 3 * 2 * 500 * 10


def test_the_default_cnn_is_that_of_the_reference() -> None:
    net = network(ModelConfig(kind="cnn"), (1, 28, 28), 10)
    assert net.summary() == "conv 16 of 5×5, pool 2, conv 32 of 5×5, pool 2, 512-120-84-10"
    assert net.parameters == (25 * 16 + 16) + (16 * 25 * 32 + 32) + (512 * 120 + 120) + (
        120 * 84 + 84
    ) + (84 * 10 + 10)
    assert net.flops() == 2 * (25 * 16 * 24**2 + 16 * 25 * 32 * 8**2 + 512 * 120 + 120 * 84 + 840)


def test_batch_norm_stands_before_or_after_the_activation_and_dropout_last() -> None:
    def kinds(**settings: object) -> list[str]:
        net = network(ModelConfig(hidden=(9,), **settings), (4,), 2)
        return [type(layer).__name__ for layer in net.layers]

    assert kinds(batch_norm="after", dropout=0.5) == [
        "Dense", "Activation", "BatchNorm", "Dropout", "Dense",
    ]  # fmt: skip
    assert kinds(batch_norm="before", activation="none") == ["Dense", "BatchNorm", "Dense"]


def test_a_logistic_model_of_a_number_ends_in_a_sigmoid_and_a_checkpoint_keeps_it(
    tmp_path: Path,
) -> None:
    model = ModelConfig(kind="logistic")
    assert network(model, (10,), 2).summary() == "10-2"  # logits of classes
    curve = network(model, (10,), 1)
    assert curve.summary() == "10-1, sigmoid"
    weights = initial_weights(curve, "pytorch", 0, 0)
    save_model(tmp_path / "m.safetensors", curve, 0.0, weights)
    x = 1000 * torch.randn(50, 10)
    with torch.no_grad():
        outputs = load_model(tmp_path / "m.safetensors")(x)[:, 0]
    logits = x @ torch.from_numpy(weights["0.weight"][:, 0]) + float(weights["0.bias"][0])
    torch.testing.assert_close(outputs, 1 / (1 + torch.exp(-logits)))
    assert {outputs.min().item(), outputs.max().item()} == {0.0, 1.0}  # it saturates


def test_resnet18_is_the_published_one() -> None:
    made = network(ModelConfig(kind="resnet18"), (3, 224, 224), 1000)
    assert made.parameters == 11_689_512  # of torchvision's
    assert made.flops() == pytest.approx(2 * 1.814e9, rel=1e-3)  # multiplications and additions


def test_lecun_weights_are_normal_cut_at_two_standard_deviations() -> None:
    made = network(ModelConfig(hidden=(500,)), (400,), 3)
    weights = initial_weights(made, "lecun", seed=0, block=0)
    dense = weights["0.weight"] * 20  # variance 1/400
    assert dense.std() == pytest.approx(1, rel=0.01)
    assert 2.2 < abs(dense).max() <= 2 / 0.87962
    inside = truncnorm(-2, 2, scale=1 / truncnorm.std(-2, 2))
    assert kstest(dense.ravel()[:5000], inside.cdf).pvalue > 0.001
    assert not weights["0.bias"].any()


def test_a_checkpoint_keeps_residual_blocks(tmp_path: Path) -> None:
    made = network(ModelConfig(kind="resnet18"), (1, 28, 28), 10)
    assert isinstance(made, Network)
    weights = initial_weights(made, "pytorch", seed=0, block=0)
    save_model(tmp_path / "m.safetensors", made, 0.0, weights)
    loaded = load_model(tmp_path / "m.safetensors")
    plain = build(made)
    plain.load_state_dict(state_dict(made, weights), strict=False)
    x = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(loaded(x), plain.eval()(x))

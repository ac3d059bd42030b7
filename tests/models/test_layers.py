"""The neutral description of networks: shapes, parameters, operations."""

from __future__ import annotations

from paribus.models.build import network
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

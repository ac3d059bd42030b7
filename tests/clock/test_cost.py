"""The cost model: what it is fitted to, what it predicts, where one machine overtakes another."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from paribus.clock.calibration import FITTED, Size, held_out
from paribus.clock.cost import (
    CostModel,
    Work,
    epoch_seconds,
    evaluation_seconds,
    evaluation_work,
    fit,
    overtakes,
    step_work,
)
from paribus.models.build import network
from paribus.study.config import ConvBlock, ModelConfig, TrainConfig

CACHE = 32e6
KNOWN = CostModel(3e-4, 4e-5, 2e-5, 1e-11, 2e-10, 5e-11, 1e-10, 7e-11, CACHE)
SIZES = st.builds(
    Size,
    width=st.integers(1, 4096),
    depth=st.integers(1, 8),
    batch=st.integers(1, 2048),
    inputs=st.integers(1, 1000),
    members=st.integers(1, 8),
)
AMOUNT = st.floats(0, 1e-3)
MODELS = st.builds(CostModel, *[AMOUNT] * 8, st.floats(0, 1e9))


def test_a_step_of_a_perceptron_costs_what_is_counted_by_hand() -> None:
    net = network(ModelConfig(hidden=(5,)), (3,), 2)  # 3-5-2: dense, relu, dense
    adam = step_work(net, 4, TrainConfig(optimizer="adam"))
    weights = 3 * 5 + 5 + 5 * 2 + 2
    assert adam == Work(
        layers=3,
        extra=0,
        flops=4 * (3 * (30 + 20) - 30),  # nothing is differentiated by the inputs
        edges=3 * (2 * 4 * 5 + 2 * 4 * 5),  # sides 4, 3, 5 and 4, 5, 2
        weights=weights * 4 * 10,
        activations=(5 + 5 + 2) * 4 * 4 * 3,
    )
    stack = step_work(net, 4, TrainConfig(), members=3)
    assert stack == Work(3, 2, *(3 * part for part in astuple(adam)[2:]))
    plain = step_work(net, 4, TrainConfig(optimizer="sgd"))
    momentum = step_work(net, 4, TrainConfig(optimizer="sgd", momentum=0.9))
    assert plain.weights < momentum.weights < adam.weights
    tested = evaluation_work(net, 4)
    assert (tested.flops, tested.layers) == (4 * (30 + 20), 1)


def test_a_convolution_is_a_product_over_all_its_places() -> None:
    conv = (ConvBlock(channels=2, kernel=3, pool=1),)
    net = network(ModelConfig(kind="cnn", conv=conv, hidden=()), (1, 5, 5), 2)
    # 9 places × 9 inputs × 2 channels, and 18 × 2 after it, for one image
    assert evaluation_work(net, 1).edges == 2 * 9 * 9 + 2 * 18 * 2


def test_known_coefficients_are_recovered() -> None:
    works = [size.work() for size in FITTED]
    found = fit(works, [KNOWN.seconds(work) for work in works], CACHE)
    assert astuple(found) == pytest.approx(astuple(KNOWN), rel=1e-6)


def test_noisy_times_of_known_coefficients_are_predicted_within_the_noise() -> None:
    draw = np.random.default_rng(0)
    works = [size.work() for size in FITTED]
    noisy = [KNOWN.seconds(work) * draw.normal(1, 0.05) for work in works]
    found = fit(works, noisy, CACHE)
    checks = [size.work() for size in held_out(50)]
    errors = [found.seconds(work) / KNOWN.seconds(work) - 1 for work in checks]
    assert np.median(np.abs(errors)) < 0.05


@given(st.lists(st.floats(1e-9, 1e3), min_size=len(FITTED), max_size=len(FITTED)))
def test_no_coefficient_is_ever_negative(seconds: list[float]) -> None:
    found = fit([size.work() for size in FITTED], seconds, CACHE)
    assert all(number >= 0 for number in astuple(found))


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_times_that_are_none_are_refused(bad: float) -> None:
    works = [size.work() for size in FITTED]
    with pytest.raises(ValueError, match="above 0"):
        fit(works, [bad] + [1.0] * (len(works) - 1), CACHE)


def test_a_fit_needs_more_steps_than_coefficients() -> None:
    works = [size.work() for size in FITTED]
    with pytest.raises(ValueError, match="8 steps or more"):
        fit(works[:7], [1.0] * 7, CACHE)
    with pytest.raises(ValueError, match="do not go with"):
        fit(works, [1.0], CACHE)


@given(MODELS, SIZES, st.sampled_from(["width", "depth", "batch", "inputs", "members"]))
def test_more_of_anything_never_takes_less_time(model: CostModel, size: Size, what: str) -> None:
    more = replace(size, **{what: getattr(size, what) + 1})
    assert model.seconds(more.work()) >= model.seconds(size.work()) * (1 - 1e-12)


def test_weights_beyond_the_cache_take_longer() -> None:
    work = Work(0, 0, 0, 0, CACHE + 1e6, 0)
    least = KNOWN.step + KNOWN.weight_byte * work.weights
    assert KNOWN.seconds(work) == pytest.approx(least + 1e6 * KNOWN.byte_beyond)


def test_an_epoch_is_its_batches_with_a_short_last_one() -> None:
    net, train = FITTED[0].network, TrainConfig(batch_size=32)
    full, short = (KNOWN.seconds(step_work(net, rows, train)) for rows in (32, 4))
    assert epoch_seconds(KNOWN, net, 100, train) == pytest.approx(3 * full + short)
    assert epoch_seconds(KNOWN, net, 96, train) == pytest.approx(3 * full)
    assert evaluation_seconds(KNOWN, net, 1000) == KNOWN.seconds(evaluation_work(net, 1000))
    assert evaluation_seconds(KNOWN, net, 0) == 0


def test_a_machine_with_more_overhead_and_a_higher_rate_overtakes_where_the_lines_cross() -> None:
    nothing = CostModel(0, 0, 0, 0, 0, 0, 0, 0, 0)
    slow, fast = replace(nothing, flop=1.0), replace(nothing, step=10.0, flop=0.5)

    def work(flops: int) -> Work:
        return Work(0, 0, flops, 0, 0, 0)

    assert overtakes(slow, fast, work, range(10, 40)) == 21  # at 20 both take 20 s
    assert overtakes(slow, fast, work, range(10, 20)) is None
    assert overtakes(fast, slow, work, range(10, 40)) is None  # ahead at first, not to the end
    assert overtakes(slow, slow, work, range(10)) is None


@given(MODELS)
def test_a_model_comes_back_from_json(model: CostModel) -> None:
    adapter = TypeAdapter(CostModel)
    assert adapter.validate_json(adapter.dump_json(model)) == model


def test_held_out_networks_are_in_the_ranges_and_never_fitted_to() -> None:
    drawn = held_out(200)
    assert not set(drawn) & set(FITTED)
    assert drawn == held_out(200)
    assert drawn != held_out(200, seed=1)
    assert {size.depth for size in drawn} == set(range(1, 9))
    assert min(size.width for size in drawn) >= 16
    assert max(size.width for size in drawn) <= 2048

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import made_up_analyses
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paribus.errors import InputError
from paribus.findings import Analysis
from paribus.report import charts, frames
from paribus.report.charts import curves, forest, interaction, seeds, sensitivity, twin
from paribus.study.outcomes import OUTCOMES

CHARTS = [curves.loss_curves, curves.metric_curves, seeds.draw, forest.draw]
KINDS = [
    made_up_analyses.two_arms,
    made_up_analyses.twenty_four_arms,
    made_up_analyses.one_factor_of_24,
    made_up_analyses.all_diverged,
    made_up_analyses.regression,
    made_up_analyses.clock,
]


def texts(chart: charts.Chart | None) -> list[str]:
    assert chart is not None
    root = ET.fromstring(charts.to_svg(chart))
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def recorded(values: dict[tuple[str, int, int], float], metric: str = "test_loss") -> pd.DataFrame:
    rows = [(arm, block, metric, epoch, v) for (arm, block, epoch), v in values.items()]
    return pd.DataFrame(rows, columns=["arm", "block", "metric", "epoch", "value"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_chart_of_every_kind_of_study_can_be_drawn(kind: Callable[[], Analysis]) -> None:
    study = kind()
    for draw in CHARTS:
        chart = draw(study)
        if draw is curves.metric_curves and study.outcome.lane == "clock":
            assert chart is None
            continue
        assert chart is not None
        drawn = chart.to_dict()["datasets"].values()
        assert 0 < sum(len(rows) for rows in drawn) <= frames.MOST_ROWS


def test_curves_are_means_with_a_t_interval() -> None:
    study = made_up_analyses.two_arms()
    arm = study.arms[0].name
    values = {(arm, block, 1): value for block, value in enumerate([1.0, 2.0, 6.0])}
    (row,) = frames.curve_means(replace(study, curves=recorded(values)), ["test_loss"]).itertuples()
    half = stats.t.ppf(0.975, 2) * np.std([1, 2, 6], ddof=1) / math.sqrt(3)
    assert row.n == 3
    assert (row.mean, row.low, row.high) == pytest.approx((3.0, 3 - half, 3 + half))


def test_what_is_not_finite_is_left_out_of_the_mean() -> None:
    study = made_up_analyses.two_arms()
    arm = study.arms[0].name
    values = {(arm, 0, 1): 2.0, (arm, 1, 1): math.nan, (arm, 2, 1): math.inf}
    (row,) = frames.curve_means(replace(study, curves=recorded(values)), ["test_loss"]).itertuples()
    assert (row.mean, row.n) == (2.0, 1)
    assert math.isnan(float(str(row.low)))


@settings(max_examples=25)
@given(epochs=st.integers(1, 6000))
def test_long_training_is_thinned_but_keeps_its_ends(epochs: int) -> None:
    study = made_up_analyses.single_arm()
    arm = study.arms[0].name
    frame = pd.DataFrame(
        {"arm": arm, "block": 0, "metric": "test_loss", "epoch": range(1, epochs + 1), "value": 1.0}
    )
    means = frames.curve_means(replace(study, curves=frame), ["test_loss"])
    assert len(means) == min(epochs, frames.MEAN_ROWS)
    assert (means["epoch"].min(), means["epoch"].max()) == (1, epochs)


def test_the_factor_that_contrasts_vary_is_coloured() -> None:
    study = made_up_analyses.twenty_four_arms()
    plan = frames.layout(study)
    assert plan.factor == "batch norm"
    assert plan.series == ("no", "yes")
    assert len(plan.panels) == 12
    assert plan.place[study.arms[0].name] == ("optimizer sgd · dropout 0", "no")


def test_more_levels_than_colours_get_a_panel_each() -> None:
    plan = frames.layout(made_up_analyses.one_factor_of_24())
    assert plan.factor is None
    assert len(plan.series) == 24


def test_losses_over_more_than_two_decades_are_drawn_on_a_log_scale() -> None:
    study = made_up_analyses.two_arms()
    arm = study.arms[0].name

    def scale(last: float) -> str | None:
        values = {(arm, b, e): v for b in (0, 1) for e, v in ((1, 2.0 + b), (2, last))}
        chart = curves.loss_curves(replace(study, curves=recorded(values)))
        assert chart is not None
        layer: dict[str, Any] = chart.to_dict()["spec"]["layer"][1]
        kind: str | None = layer["encoding"]["y"]["scale"].get("type")
        return kind

    assert scale(0.02) == "log"
    assert scale(0.2) is None
    assert scale(-0.2) is None


def drawn_rows(chart: charts.Chart | None) -> pd.DataFrame:
    assert chart is not None
    (rows,) = chart.to_dict()["datasets"].values()
    return pd.DataFrame(rows)


def test_each_seed_is_a_thin_line_behind_the_mean() -> None:
    study = made_up_analyses.two_arms(seeds=3)
    rows = drawn_rows(curves.loss_curves(study))
    seeds = rows[rows["kind"] == "seed"]
    own = study.curves[study.curves["metric"].isin(["train_loss", "test_loss"])]
    assert len(seeds) == len(own) == 2 * 2 * 3 * 5
    assert sorted(seeds["value"]) == pytest.approx(sorted(own["value"]))
    assert "Thin lines: all 3 seeds." in curves.caption(study, ["test_loss"])
    alone = made_up_analyses.two_arms(seeds=1)
    assert set(drawn_rows(curves.loss_curves(alone))["kind"]) == {"mean"}
    assert "Thin lines" not in curves.caption(alone, ["test_loss"])


def test_of_many_seeds_and_epochs_some_are_drawn_and_the_caption_says_which() -> None:
    factors = {"optimizer": tuple(made_up_analyses.OPTIMIZERS), "batch norm": ("no", "yes")}
    study = made_up_analyses.made_up(
        {**factors, "dropout": ("0", "0.2", "0.5")},
        made_up_analyses.accuracy,
        made_up_analyses.within("batch norm"),
        seeds=30,
        epochs=100,
    )
    metrics = ["train_loss", "test_loss"]
    chart = curves.loss_curves(study)
    rows = drawn_rows(chart)
    assert len(rows) <= frames.MOST_ROWS
    seeds = rows[rows["kind"] == "seed"]
    assert set(seeds["block"]) == set(range(5))
    assert (seeds["epoch"].min(), seeds["epoch"].max()) == (1, 100)
    told = {"mean": "the mean as a band", "seed": "Thin lines: the first 5 of 30 seeds"}
    for kind, words in told.items():
        epochs = rows[rows["kind"] == kind]["epoch"].nunique()
        assert f"{words}, thinned to {epochs} of 100 epochs." in curves.caption(study, metrics)
    assert len(charts.to_svg(chart)) < 400_000  # type: ignore[arg-type]


def test_lines_of_seeds_that_nobody_could_tell_apart_are_left_out() -> None:
    study = made_up_analyses.made_up(
        {"width": [str(i) for i in range(40)], "depth": ["1", "2", "3", "4", "5"]},
        lambda levels: 0.9,
        made_up_analyses.within("depth"),
        seeds=2,
        epochs=2,
    )
    caption = curves.caption(study, ["test_loss"])
    assert "Single seeds are too many to draw. 150 of 200 arms are drawn." in caption
    assert {row["kind"] for _, row in drawn_rows(curves.loss_curves(study)).iterrows()} == {"mean"}


def test_seeds_that_are_not_finite_end_where_they_stop() -> None:
    study = made_up_analyses.all_diverged()
    rows = curves.seed_lines(study, ["test_loss"])
    never = study.arms[2].name
    assert set(rows[rows["arm"] == never]["epoch"]) == {1}
    assert np.isfinite(rows["value"]).all()


def scale_of(chart: charts.Chart | None) -> str | None:
    assert chart is not None
    layers = chart.to_dict()["spec"]["layer"]
    return layers[0]["encoding"]["y"]["scale"].get("type")  # type: ignore[no-any-return]


def test_a_log_scale_can_be_asked_for_or_refused() -> None:
    study = made_up_analyses.two_arms()
    for draw in (curves.loss_curves, curves.metric_curves):
        assert scale_of(draw(study, log=True)) == "log"
        assert scale_of(draw(study)) is scale_of(draw(study, log=False)) is None
    arm = study.arms[0].name
    wide = replace(study, curves=recorded({(arm, 0, 1): 2.0, (arm, 0, 2): 0.001}))
    assert scale_of(curves.loss_curves(wide)) == "log"
    assert scale_of(curves.loss_curves(wide, log=False)) is None
    below = replace(study, curves=recorded({(arm, 0, 1): 2.0, (arm, 0, 2): -1.0}))
    with pytest.raises(InputError, match="a log scale has no place for a mean loss of -1"):
        curves.loss_curves(below, log=True)


def test_the_forest_names_each_verdict_and_shows_each_interval(study: Analysis) -> None:
    words = texts(forest.draw(study))
    assert words.count("better") == 3
    assert words.count("equivalent") == 1
    assert "+14.42 [14.33, 14.52]" in words
    assert "Mean and 95 % t interval, n = 10 seeds; shaded: within ±0.2 points, too small to matter" in words  # fmt: skip  # noqa: E501


def test_the_better_side_of_the_forest_follows_the_outcome() -> None:
    (title,) = (word for word in texts(forest.draw(made_up_analyses.regression())) if "←" in word)
    assert title.startswith("← better")
    assert "difference in test RMSE" in title


def test_every_finished_run_is_a_dot_and_every_arm_has_its_mean(study: Analysis) -> None:
    rows = seeds.tabulated(study)
    assert rows["kind"].value_counts().to_dict() == {"seed": 80, "mean": 8}
    mean = rows[(rows["kind"] == "mean") & (rows["arm"] == study.arms[0].name)]["value"].item()
    assert mean == pytest.approx(100 * study.arms[0].mean)


def test_an_arm_without_finished_runs_keeps_its_place() -> None:
    assert "no finished run" in texts(seeds.draw(made_up_analyses.all_diverged()))


def test_what_was_not_recorded_is_not_drawn() -> None:
    study = made_up_analyses.single_arm()
    nothing = replace(study, curves=study.curves.iloc[:0], arms=())
    assert [draw(nothing) for draw in CHARTS] == [None] * 4
    assert curves.metric_curves(replace(study, outcome=OUTCOMES["test_loss"])) is None


def test_names_cannot_leave_the_text_of_a_chart() -> None:
    bad = "</text><script>alert(1)</script>\x00\"' + alert(1) //"
    study = made_up_analyses.two_arms()
    arms = tuple(replace(a, levels={bad: bad + a.name}) for a in study.arms)
    levels = tuple(arm.levels[bad] for arm in arms)
    contrasts = tuple(replace(c, varies=bad) for c in study.contrasts)
    hostile = replace(study, arms=arms, factors={bad: levels}, contrasts=contrasts)
    for draw in CHARTS:
        chart = draw(hostile)
        assert chart is not None
        svg = charts.to_svg(chart)
        assert "<script" not in svg
        assert ET.fromstring(svg).tag.endswith("svg")


def test_alternative_texts_say_what_is_seen(study: Analysis) -> None:
    assert forest.alternative(study).startswith(
        "Forest plot of 4 contrasts. batch norm yes against no, sgd: +14.42 points, "
        "95 % interval 14.33 to 14.52, better."
    )
    assert "Dot plot of the test accuracy of 80 runs. Lowest mean 78.18 % for sgd" in (
        seeds.alternative(study)
    )
    alt = curves.alternative(study, ["train_accuracy", "test_accuracy"])
    assert "Line chart of train accuracy and test accuracy by epoch for 8 arms." in alt
    assert "Test accuracy ends lowest at 78.18 % for sgd" in alt


def test_arms_without_curves_are_named_in_the_caption() -> None:
    study = made_up_analyses.all_diverged()
    gone = study.arms[2].name
    cut = replace(study, curves=study.curves[study.curves["arm"] != gone])
    assert f"Without any finite value: {gone}." in curves.caption(cut, ["test_loss"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_candidates_of_every_kind_of_study_can_be_drawn(kind: Callable[[], Analysis]) -> None:
    study = made_up_analyses.tuned(kind())
    assert study.tuning
    for path, axis in (("train.learning_rate", "log"), ("model.activation", None)):
        chart = sensitivity.draw(study, path)
        assert chart is not None
        drawn = chart.to_dict()
        layer = drawn.get("spec", drawn)["layer"][0]
        assert layer["encoding"]["x"].get("scale", {}).get("type") == axis
        assert charts.to_svg(chart).startswith("<svg")
    assert sensitivity.draw(kind(), "train.learning_rate") is None


def test_a_candidate_is_a_point_unless_it_lost_a_seed_and_the_chosen_one_is_known() -> None:
    study = made_up_analyses.tuned()
    rows = sensitivity.tabulated(study, "train.learning_rate")
    assert sorted(rows["value"]) == [0.0004, 0.0004, 0.002, 0.002, 0.05, 0.05]
    assert list(rows[rows["chosen"]]["value"]) == [0.05, 0.05]
    best = rows[rows["chosen"]].iloc[0]
    assert (best["low"], best["mean"], best["high"]) == pytest.approx((89, 90, 91))
    assert "2 candidates that lost a seed, by divergence, are not drawn" in (
        sensitivity.caption(study)
    )
    assert "Chosen: batch norm no at 0.05 with 90.00 %; batch norm yes at 0.05" in (
        sensitivity.alternative(study, "train.learning_rate")
    )


def encodings(chart: charts.Chart | None, channel: str) -> list[dict[str, Any]]:
    assert chart is not None
    layers = chart.to_dict()["layer"]
    return [layer["encoding"][channel] for layer in layers if channel in layer["encoding"]]


def test_the_forest_of_ratios_stands_around_one_on_a_log_scale() -> None:
    study = made_up_analyses.clock()
    chart = forest.draw(study)
    rows = [row for rows in chart.to_dict()["datasets"].values() for row in rows]  # type: ignore[union-attr]
    (band,) = (row for row in rows if set(row) == {"low", "high"})
    assert (band["low"], band["high"]) == pytest.approx((1 / 1.05, 1.05))
    assert {"difference": 1.0} in rows
    (narrow,) = (c for c in study.contrasts if c.condition == "width 2048")
    (drawn,) = (row for row in rows if "width 2048" in row.get("label", ""))
    assert drawn["difference"] == pytest.approx(math.exp(narrow.difference))
    assert drawn["figures"].startswith("×0.05")
    scales = [x["scale"]["type"] for x in encodings(chart, "x") if "scale" in x]
    assert set(scales) == {"log"}
    words = texts(chart)
    assert "0.05" in words  # a label of the axis
    assert any("← better" in word and "ratio of time per epoch" in word for word in words)
    assert any("shaded: within 5 % (1/1.05 to 1.05)" in word for word in words)
    assert "of the line at one" in forest.caption(study)
    assert "width 16: ×0.996, 95 % interval 0.977 to 1.016, equivalent." in (
        forest.alternative(study)
    )


def test_times_of_every_run_are_in_seconds_on_a_log_scale() -> None:
    study = made_up_analyses.clock()
    chart = seeds.draw(study)
    assert chart is not None
    assert "time per epoch (s)" in texts(chart)
    layer = chart.to_dict()["spec"]["layer"][0]
    assert layer["encoding"]["x"]["scale"]["type"] == "log"


def test_two_factors_are_crossed_with_devices_as_lines() -> None:
    study = made_up_analyses.clock()
    crossed = interaction.crossing(study)
    assert crossed is not None
    assert (crossed.x, crossed.lines, crossed.series) == ("width", "device", ["cpu", "cuda"])
    assert crossed.levels == ["16", "128", "2048"]
    assert list(crossed.rows["mean"]) == pytest.approx([arm.mean for arm in study.arms])
    assert crossed.logarithmic
    chart = interaction.draw(study)
    assert {y["scale"]["type"] for y in encodings(chart, "y") if "scale" in y} == {"log"}
    assert "0.05" in texts(chart)
    cpu = f"{study.arms[0].mean:.3g} s at 16, {study.arms[4].mean:.3g} s at 2048"
    assert interaction.alternative(study).startswith(
        f"Line chart of the time per epoch by width, 2 lines. device cpu: {cpu}. device cuda:"
    )
    assert "the effect of device seems to depend on width" in interaction.caption(study)


def test_numbers_along_the_axis_are_in_order_and_further_factors_have_panels() -> None:
    factors = {"width": ("64", "8", "16"), "engine": ("torch", "jax"), "norm": ("no", "yes")}
    study = made_up_analyses.made_up(
        factors, lambda levels: float(levels["width"]), made_up_analyses.within("norm")
    )
    crossed = interaction.crossing(study)
    assert crossed is not None
    assert (crossed.x, crossed.lines) == ("width", "engine")
    assert crossed.levels == ["8", "16", "64"]
    assert crossed.panels == ["norm no", "norm yes"]
    line = crossed.rows[(crossed.rows["panel"] == "norm no") & (crossed.rows["series"] == "jax")]
    assert list(line["mean"].round()) == [800, 1600, 6400]
    assert not crossed.logarithmic
    assert "norm yes" in texts(interaction.draw(study))


def test_lines_are_the_factor_with_the_fewest_levels(study: Analysis) -> None:
    crossed = interaction.crossing(study)
    assert crossed is not None
    assert (crossed.x, crossed.lines) == ("optimizer", "batch norm")
    assert not crossed.logarithmic
    assert "sgd" in texts(interaction.draw(study))


@pytest.mark.parametrize("kind", [made_up_analyses.two_arms, made_up_analyses.all_diverged])
def test_one_factor_or_an_arm_without_a_value_cannot_be_crossed(kind: Any) -> None:
    study = kind()
    assert interaction.draw(study) is None
    assert interaction.caption(study) == interaction.alternative(study) == ""


def test_an_interval_below_zero_ends_on_the_log_axis() -> None:
    study = made_up_analyses.clock(seeds=2, noise=2.0)
    crossed = interaction.crossing(study)
    assert crossed is not None
    assert any(arm.low < 0 for arm in study.arms)
    assert (crossed.rows["low"] > 0).all()
    assert charts.to_svg(interaction.draw(study)).startswith("<svg")  # type: ignore[arg-type]


def logged(study: Analysis, epochs: int = 2) -> Analysis:
    """The same, with the means of every ten steps of 25 in each epoch."""
    rows = [
        (arm.name, block, metric, epoch, step, 25, value - (epoch + step / 25) / 10)
        for arm in study.arms
        for block in range(2)
        for metric, value in (("step_mean_loss", 2.0 + block), ("step_mean_accuracy", 0.5))
        for epoch in range(1, epochs + 1)
        for step in (10, 20)
    ]
    columns = ["arm", "block", "metric", "epoch", "step", "steps", "value"]
    return replace(study, steps=pd.DataFrame(rows, columns=columns))


def axes(chart: charts.Chart | None) -> list[tuple[str, str]]:
    """The title and the side of both axes, once each."""
    assert chart is not None
    found = [
        (layer["encoding"]["y"]["title"], layer["encoding"]["y"]["axis"]["orient"])
        for side in chart.to_dict()["spec"]["layer"]
        for layer in side["layer"]
        if "axis" in layer["encoding"]["y"]
    ]
    return list(dict.fromkeys(found))


def test_loss_and_accuracy_have_an_axis_each_and_every_arm_a_panel(study: Analysis) -> None:
    chart = twin.loss_and_metric(study)
    assert axes(chart) == [("training loss", "left"), ("test accuracy (%)", "right")]
    words = texts(chart)
    for arm in study.arms:
        assert arm.name in words
    regression = twin.loss_and_metric(made_up_analyses.regression())
    assert axes(regression) == [("training loss", "left"), ("test RMSE", "right")]
    assert twin.loss_and_metric(made_up_analyses.clock()) is None


def test_steps_are_counted_over_all_epochs() -> None:
    study = logged(made_up_analyses.two_arms())
    drawn = twin.by_step(study)
    assert drawn is not None
    one = drawn.rows[(drawn.rows["arm"] == study.arms[0].name)]
    loss = one[one["metric"] == "train_loss"]
    assert list(loss["epoch"]) == [10, 20, 35, 45]
    assert list(loss["mean"]) == pytest.approx([2.36, 2.32, 2.26, 2.22])
    chart = twin.loss_by_step(study)
    assert axes(chart) == [("training loss", "left"), ("training accuracy (%)", "right")]
    assert "step" in texts(chart)
    assert twin.loss_by_step_alternative(study).startswith(
        "Line chart of training loss and training accuracy by step, 2 panels. batch norm no ends "
        "at 2.2200 and 22.00 %."
    )
    assert twin.loss_by_step(made_up_analyses.two_arms()) is None


def test_of_many_arms_some_are_drawn_with_the_first_and_the_last() -> None:
    study = made_up_analyses.one_factor_of_24()
    drawn = twin.by_epoch(study)
    assert drawn is not None
    assert len(drawn.panels) == frames.MOST_PANELS
    assert (drawn.panels[0], drawn.panels[-1]) == (study.arms[0].name, study.arms[-1].name)
    assert "12 of 24 arms are drawn." in twin.loss_and_metric_caption(study)
    texts(twin.loss_and_metric(study))


def test_an_arm_without_any_finite_loss_has_no_panel() -> None:
    study = made_up_analyses.two_arms()
    lost = study.curves["arm"] == study.arms[0].name
    nothing = study.curves.assign(value=study.curves["value"].mask(lost))
    drawn = twin.by_epoch(replace(study, curves=nothing))
    assert drawn is not None
    assert drawn.panels == [study.arms[1].name]
    nowhere = study.curves.assign(value=math.nan)
    assert twin.loss_and_metric(replace(study, curves=nowhere)) is None

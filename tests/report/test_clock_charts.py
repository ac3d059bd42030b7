"""Charts of time: against a size, against the floor of the machine, and of curves by seconds."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import made_up_analyses
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paribus.analysis import analyse
from paribus.data import load
from paribus.engines.base import Record
from paribus.errors import InputError
from paribus.findings import Analysis, ArmSummary, Floor
from paribus.report import charts, frames
from paribus.report.charts import curves, duration, floor
from paribus.report.durations import durations
from paribus.store.store import Store
from paribus.study.declaration import declaration
from paribus.study.design import EngineId, design
from paribus.study.spec import from_values

WIDTHS = ("16", "64", "256", "1024")


def texts(chart: charts.Chart | None) -> list[str]:
    assert chart is not None
    root = ET.fromstring(charts.to_svg(chart))
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def timed(arms: dict[tuple[str, str], Sequence[float]], outcome: str = "train_seconds") -> Analysis:
    """A study of width × device with these times, by width and device."""
    study = made_up_analyses.made_up(
        {"width": WIDTHS, "device": ("cpu", "cuda")},
        lambda levels: 1.0,
        made_up_analyses.within("device"),
        outcome=outcome,
    )

    def summary(arm: ArmSummary) -> ArmSummary:
        values = arms[arm.levels["width"], arm.levels["device"]]
        mean = float(np.mean(values))
        return replace(arm, values=dict(enumerate(values)), mean=mean, low=mean, high=mean)

    return replace(study, arms=tuple(summary(arm) for arm in study.arms))


def power_laws(cpu: float, slope: float, gpu: float, other: float) -> Analysis:
    """Times that are powers of the width, the same in both seeds but for a factor they share."""
    times = {
        (width, device): [factor * at * float(width) ** power for factor in (1.0, 3.0)]
        for width in WIDTHS
        for device, at, power in (("cpu", cpu, slope), ("cuda", gpu, other))
    }
    return timed(times)


@settings(max_examples=30, deadline=None)
@given(crossing=st.floats(20, 900), slope=st.floats(0.5, 2), gap=st.floats(0.2, 1))
def test_times_that_are_powers_of_a_size_cross_where_algebra_says(
    crossing: float, slope: float, gap: float
) -> None:
    study = power_laws(1.0, slope, crossing**gap, slope - gap)
    laid_out = durations(study)
    assert laid_out is not None
    (found,) = laid_out.crossings
    assert found.size == pytest.approx(crossing)
    assert found.ahead
    assert found.between[0] <= crossing <= found.between[1]


def test_the_crossing_is_written_out_in_the_chart_and_in_words() -> None:
    study = power_laws(1.0, 1.0, 100.0, 0.0)
    assert "at 100" in texts(duration.draw(study))
    said = "cuda overtakes cpu at width 100, interpolated between 64 and 256."
    assert said in duration.caption(study)
    assert said in duration.alternative(study)
    back = power_laws(100.0, 0.0, 1.0, 1.0)
    assert "cuda falls behind cpu at width 100" in duration.caption(back)


@pytest.mark.parametrize(("gpu", "word"), [(0.5, "above"), (2.0, "below"), (1.0, "not below")])
def test_without_a_crossing_it_says_so(gpu: float, word: str) -> None:
    study = power_laws(1.0, 1.0, gpu, 1.0)
    said = f"no crossing: the speed-up of cuda over cpu is {word} 1 at every width that"
    assert said in duration.caption(study)
    duration.draw(study)


def test_a_crossing_between_sizes_that_are_not_decided_is_said_to_be_unsure() -> None:
    times = {(w, "cpu"): [1.0, 1.0, 1.0] for w in WIDTHS}
    times |= {("16", "cuda"): [1.9, 2.0, 2.1], ("64", "cuda"): [0.2, 2.5, 6.0]}
    times |= {("256", "cuda"): [0.5, 0.4, 0.6], ("1024", "cuda"): [0.2, 0.3, 0.2]}
    laid_out = durations(timed(times))
    assert laid_out is not None
    (found,) = laid_out.crossings
    assert found.open == (64.0,)
    assert "; at 64 that is not shown." in duration.caption(timed(times))
    said = "is above 1 at every width that was measured; at 16 that is not shown."
    assert said in duration.caption(made_up_analyses.clock())


def test_speed_ups_are_the_contrasts_turned_round() -> None:
    study = made_up_analyses.clock()
    rows = duration.tabulated(study)
    of_gpu = rows[rows["series"] == "cuda"].reset_index(drop=True)
    assert list(of_gpu["size"]) == [16, 128, 2048]
    assert list(of_gpu["speed_up"]) == pytest.approx(
        [math.exp(-contrast.difference) for contrast in study.contrasts]
    )
    assert list(of_gpu["speed_up_low"]) == pytest.approx(
        [math.exp(-contrast.high) for contrast in study.contrasts]
    )
    assert rows[rows["series"] == "cpu"]["speed_up"].isna().all()


def test_both_parts_have_log_axes_and_the_line_at_one() -> None:
    words = texts(duration.draw(made_up_analyses.clock()))
    for word in ("time per epoch (s)", "speed-up over cpu", "width", "2,048", "cpu", "cuda"):
        assert word in words
    assert words.count("1") == 2  # of the speed-up, and of the time


def test_further_factors_have_panels_and_sizes_are_in_order() -> None:
    study = made_up_analyses.made_up(
        {"width": ("64", "8"), "engine": ("torch", "jax", "tensorflow"), "norm": ("no", "yes")},
        lambda levels: float(levels["width"]),
        made_up_analyses.within("engine"),
        outcome="seconds_per_epoch",
    )
    laid_out = durations(study)
    assert laid_out is not None
    assert laid_out.panels == ["norm no", "norm yes"]
    assert laid_out.series == ["torch", "jax", "tensorflow"]
    line = laid_out.rows[laid_out.rows["series"] == "jax"]
    assert list(line["size"]) == [8, 8, 64, 64]
    assert texts(duration.draw(study)).count("norm yes") == 2


def test_arms_without_a_time_are_left_out_and_the_rest_is_drawn() -> None:
    study = made_up_analyses.clock(
        diverged=lambda levels, block: levels["width"] == "128" and levels["device"] == "cpu"
    )
    rows = duration.tabulated(study)
    assert len(rows) == 5
    assert rows[(rows["size"] == 128)]["speed_up"].isna().all()
    texts(duration.draw(study))


@pytest.mark.parametrize(
    "study",
    [
        made_up_analyses.eight_arms(),
        made_up_analyses.clock(outcome="peak_memory"),
        made_up_analyses.made_up(
            {"norm": ("no", "yes"), "device": ("cpu", "cuda")},
            lambda levels: 1.0,
            made_up_analyses.within("device"),
            outcome="train_seconds",
        ),
    ],
    ids=["no times", "no time is judged", "no size"],
)
def test_other_studies_have_no_chart_of_durations(study: Analysis) -> None:
    assert duration.draw(study) is None
    assert duration.caption(study) == duration.alternative(study) == ""
    assert duration.tabulated(study).empty


def on_floor(study: Analysis, times: float = 4.0, seeds: int = 3) -> Analysis:
    """The same with a floor of a tenth of a second, and epochs that take so many times that."""
    floors = {b: Floor(0.1 * (times + b), 0.1, 150e9, (10 + b) * 1e9) for b in range(seeds)}
    return replace(study, arms=tuple(replace(arm, floors=floors) for arm in study.arms))


def test_each_arm_has_its_median_over_the_floor_and_a_dot_per_seed() -> None:
    study = on_floor(made_up_analyses.clock())
    rows = floor.tabulated(study)
    assert len(rows) == len(study.arms)
    one = rows.iloc[0]
    assert (one["times"], one["low"], one["high"]) == pytest.approx((5.0, 4.0, 6.0))
    assert (one["seconds"], one["least"]) == pytest.approx((0.5, 0.1))
    chart = floor.draw(study)
    assert "×5.00: 0.500 s over 0.100 s" in texts(chart)
    drawn = chart.to_dict()["datasets"].values()  # type: ignore[union-attr]
    assert {len(rows) for rows in drawn} == {6, 1, 18}
    caption = floor.caption(study)
    assert "a matrix product (150 GFLOP/s)" in caption
    assert "a copy (10 to 12 GB/s)" in caption
    assert "×5.00, 0.500 s where 0.100 s is the least" in floor.alternative(study)


def test_the_floor_comes_out_of_the_store_of_finished_runs(tmp_path: Path) -> None:
    values = {"question": "?", "data": "digits", "outcome": "seconds_per_epoch", "seeds": 2}
    laid_out = design(from_values(values), load("digits"), EngineId("torch", "1", "cpu"))
    metrics = {"seconds_per_epoch": 3.0, "times_the_floor": 6.0}
    metrics |= {"product_rate": 2e11, "copy_rate": 1e10}
    first, second = laid_out.runs
    with Store(tmp_path / "s.sqlite", create=True) as store:
        planned = [(run.block, run.arm, run.key) for run in laid_out.runs]
        store.add_study(laid_out.key, "s", "?", declaration(laid_out, ""), planned)
        store.add_record(Record(first.key, "done", "", metrics, {}), {})
        store.add_record(Record(second.key, "failed", "disturbed", metrics, {}), {})
        study = analyse(store, "s")
    (arm,) = study.arms
    assert arm.floors == {0: Floor(3.0, 0.5, 2e11, 1e10)}
    assert floor.tabulated(study)["times"].item() == 6.0


def test_arms_without_a_floor_are_named_and_studies_without_one_have_no_chart() -> None:
    study = on_floor(made_up_analyses.clock())
    first, *others = study.arms
    assert f"Without a floor: {first.name}." in floor.caption(
        replace(study, arms=(replace(first, floors={}), *others))
    )
    without = made_up_analyses.clock()
    assert floor.draw(without) is None
    assert floor.caption(without) == floor.alternative(without) == ""


def test_names_cannot_leave_the_text_of_charts_of_time() -> None:
    bad = "</text><script>alert(1)</script>\x00\"' + alert(1) //"
    study = on_floor(made_up_analyses.clock())
    arms = tuple(
        replace(
            arm,
            name=bad + arm.name,
            levels={bad: arm.levels["width"], "device": bad + arm.levels["device"]},
        )
        for arm in study.arms
    )
    factors = {bad: study.factors["width"], "device": (f"{bad}cpu", f"{bad}cuda")}
    hostile = replace(study, arms=arms, factors=factors)
    for draw in (duration.draw, floor.draw):
        chart = draw(hostile)
        assert chart is not None
        assert "<script" not in charts.to_svg(chart)
        texts(chart)


def with_seconds(study: Analysis) -> Analysis:
    """The same, with epochs of 2 seconds, and of one more for each seed."""
    of_loss = study.curves[study.curves["metric"] == "train_loss"]
    seconds = of_loss.assign(metric="epoch_seconds", value=2.0 + of_loss["block"])
    return replace(study, curves=pd.concat([study.curves, seconds], ignore_index=True))


def test_curves_by_seconds_stand_at_what_the_epochs_took_together() -> None:
    study = with_seconds(made_up_analyses.clock(seeds=3))
    chart = curves.loss_curves(study, by="seconds")
    assert chart is not None
    (rows,) = (rows for rows in chart.to_dict()["datasets"].values() if len(rows) > 1)
    arm = study.arms[0].name
    own = [row for row in rows if row["arm"] == arm]
    mean = [row["seconds"] for row in own if row["kind"] == "mean"]
    assert mean == [3, 6, 9, 12, 15]
    seed = [row["seconds"] for row in own if row["kind"] == "seed" and row["block"] == 2]
    assert seed == [4, 8, 12, 16, 20]
    assert "seconds of training" in texts(chart)
    assert "mean seconds of its seeds" in curves.caption(study, ["train_loss"], "seconds")
    names = [figure.name for figure in charts.figures(study)]
    assert "loss-by-seconds" in names


def test_only_times_of_runs_that_finished_count() -> None:
    study = with_seconds(made_up_analyses.clock(seeds=3))
    first, second, *others = study.arms
    arms = (
        replace(first, values={0: 1.0, 1: 1.0}),
        replace(second, values={}),
        *others,
    )
    disturbed = replace(study, arms=arms)
    times = frames.elapsed(frames.timed(disturbed))
    assert set(times[times["arm"] == first.name]["block"]) == {0, 1}
    assert second.name not in set(times["arm"])
    caption = curves.caption(disturbed, ["train_loss"], "seconds")
    assert f"Without any finite value: {second.name}." in caption
    texts(curves.loss_by_seconds(disturbed))
    nothing = replace(study, arms=tuple(replace(arm, values={}) for arm in study.arms))
    assert curves.loss_by_seconds(nothing) is None


def test_what_was_trained_in_a_stack_is_never_drawn_by_seconds() -> None:
    study = made_up_analyses.two_arms()
    assert frames.elapsed(study).empty
    for draw in (curves.loss_curves, curves.metric_curves):
        with pytest.raises(InputError, match="no run of batch-norm that finished was timed"):
            draw(study, by="seconds")
        with pytest.raises(InputError, match="by must be epoch or seconds"):
            draw(study, by="steps")  # type: ignore[arg-type]
    assert curves.loss_by_seconds(study) is None

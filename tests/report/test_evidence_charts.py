import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up_analyses as made
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import paribus
from paribus import class_tables
from paribus.analysis import analyse
from paribus.api import Result
from paribus.findings import Analysis, Evidence, Standing
from paribus.report import charts, frames, html
from paribus.report.charts import confusion, heat_map, ranking, trend
from paribus.report.record import to_record
from paribus.store.store import Store

KINDS = ("heat-map", "trend", "ranking", "confusion")
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>\x00\"' + alert(1) //"


def svg_of(chart: charts.Chart | None) -> ET.Element:
    assert chart is not None
    return ET.fromstring(charts.to_svg(chart))


def texts(chart: charts.Chart | None) -> list[str]:
    lines = (node.itertext() for node in svg_of(chart).iter(f"{SVG}text"))
    return [line.strip() for text in lines for line in text]


def matrix(classes: int, wrong: int) -> list[list[int]]:
    """100 rows of each class, so many of them taken for the next one."""
    right = np.eye(classes, dtype=int)
    cells: list[list[int]] = (right * (100 - wrong) + np.roll(right, 1, 1) * wrong).tolist()
    return cells


def full(study: Analysis, classes: int = 10) -> Analysis:
    """The same, with everything that these charts draw."""
    best, worst = study.arms[-1].name, study.arms[0].name
    matrices = {best: matrix(classes, 1), worst: matrix(classes, 9)}
    names = [f"class {number}" for number in range(classes)]
    return made.with_confusions(made.with_evidence(study), names, matrices)


def drawn(study: Analysis) -> set[str]:
    """The kinds that have something to draw; each is drawn and told, or neither."""
    found = set()
    for name in KINDS:
        kind = charts.CHARTS[name]
        chart = kind.draw(study)
        caption, alternative = kind.caption(study), kind.alternative(study)
        if chart is None:
            assert caption == alternative == ""
        else:
            assert 0 < sum(map(len, chart.to_dict()["datasets"].values())) <= frames.MOST_ROWS
            assert len(caption) > 40
            assert len(alternative) > 40
            found.add(name)
    return found


def first_depth_fails() -> Analysis:
    return made.grid(4, 3, diverged=lambda levels, block: levels["depth"] == "1")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (made.single_arm, {"confusion"}),
        (made.two_arms, {"confusion"}),
        (lambda: made.grid(4, 3), set(KINDS)),
        (lambda: made.grid(20, 10, epochs=1), set(KINDS)),
        (lambda: made.grid(4, 3, seeds=1), {"heat-map", "confusion"}),
        (lambda: made.grid(4, 3, seeds=6), {"heat-map", "trend", "confusion"}),
        (first_depth_fails, {"heat-map", "confusion"}),
    ],
    ids=["1 arm", "2 arms", "12 arms", "200 arms", "1 seed", "6 seeds", "failed arms"],
)
def test_what_the_runs_can_show_is_drawn_and_nothing_else(
    kind: Callable[[], Analysis], expected: set[str]
) -> None:
    assert drawn(full(kind())) == expected


def test_a_study_without_any_of_it_has_none_of_the_charts() -> None:
    assert drawn(made.regression()) == drawn(made.all_diverged()) == set()


def test_hostile_and_very_long_names_stay_text() -> None:
    bad = HOSTILE + "a very long name " * 3
    levels = {"depth": tuple(f"{i}{bad}" for i in "123"), bad: ("1", "2", "4")}
    study = made.made_up(levels, lambda one: 0.9 + float(one[bad]) / 100, lambda combinations: [])
    study = made.with_evidence(study)
    matrices = {arm.name: matrix(2, 3) for arm in study.arms[:2]}
    study = made.with_confusions(study, [bad, "b"], matrices)
    assert {one.factor for one in study.evidence.trends} == {bad}
    for name in KINDS:
        chart = charts.CHARTS[name].draw(study)
        assert chart is not None
        svg = charts.to_svg(chart)
        assert "<script" not in svg
        assert 700 < float(ET.fromstring(svg).attrib["width"]) < 1000, name


# The heat map


def test_a_heat_map_has_the_mean_of_every_arm_and_levels_in_order() -> None:
    study = made.grid(12, 3)
    found = heat_map.tabulated(study)
    assert found is not None
    assert (found.down, found.across, found.panels) == ("width", "depth", [""])
    assert found.rows == [str(2**power) for power in range(3, 15)]
    assert found.columns == ["1", "2", "3"]
    assert list(found.cells["mean"]) == pytest.approx([100 * arm.mean for arm in study.arms])
    words = texts(heat_map.draw(study))
    assert all(f"{100 * arm.mean:.2f}" in words for arm in study.arms)
    alternative = heat_map.alternative(study)
    assert f"Lowest mean {100 * study.arms[0].mean:.2f} % for depth 1 · width 8;" in alternative
    assert f"highest {100 * study.arms[-1].mean:.2f} % for depth 3 · width 16384." in alternative


def test_further_factors_have_panels() -> None:
    factors = {"a": ("x", "y", "z"), "b": ("10", "9", "8"), "norm": ("no", "yes")}
    study = made.made_up(factors, lambda levels: 0.9, lambda combinations: [])
    found = heat_map.tabulated(study)
    assert found is not None
    assert found.panels == ["norm no", "norm yes"]
    assert found.columns == ["8", "9", "10"]
    assert {"norm no", "norm yes"} <= set(texts(heat_map.draw(study)))


def test_an_arm_without_a_finished_run_is_a_dash() -> None:
    def lost(levels: made.Levels, block: int) -> bool:
        return dict(levels) == {"depth": "2", "width": "16"}

    study = made.grid(4, 3, diverged=lost)
    assert texts(heat_map.draw(study)).count("–") == 1
    assert "A dash: no run has finished." in heat_map.caption(study)
    assert "dash" not in heat_map.caption(made.grid(4, 3))
    assert heat_map.draw(made.grid(4, 3, diverged=lambda *_: True)) is None


def test_all_arms_alike_have_one_colour() -> None:
    study = made.grid(3, 3)
    arms = tuple(replace(arm, mean=0.5) for arm in study.arms)
    cells, _ = painted(heat_map.draw(replace(study, arms=arms)))
    assert len(set(cells)) == 1


def painted(chart: charts.Chart | None) -> tuple[list[str], list[str]]:
    """The colours of the cells and of the figures in them, in the same order."""
    found: dict[str, list[str]] = {"mark-rect": [], "mark-text": []}
    for node in svg_of(chart).iter(f"{SVG}g"):
        kind, _, role = node.attrib.get("class", "").partition(" ")
        if kind in found and role.startswith("role-mark"):
            found[kind] += [one.attrib["fill"] for one in node]
    assert len(found["mark-rect"]) == len(found["mark-text"]) > 0
    return found["mark-rect"], found["mark-text"]


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    colour = {"black": "rgb(0, 0, 0)", "white": "rgb(255, 255, 255)"}.get(colour, colour)
    if colour.startswith("#"):
        parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    else:
        parts = [int(part) for part in re.findall(r"\d+", colour)]
    shares = [part / 255 for part in parts]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrasts(cells: list[str], figures: list[str]) -> list[float]:
    found = []
    for pair in zip(cells, figures, strict=True):
        dark, bright = sorted(map(luminance, pair))
        found.append((bright + 0.05) / (dark + 0.05))
    return found


def evenly(outcome: str) -> Analysis:
    """A grid of 64 arms whose means are spread evenly over their range, in order."""
    study = made.grid(8, 8, epochs=1)
    means = np.linspace(0.2, 0.9, 64)
    arms = tuple(replace(arm, mean=float(m)) for arm, m in zip(study.arms, means, strict=True))
    return replace(study, arms=arms, outcome=made.OUTCOMES[outcome])


@pytest.mark.parametrize("outcome", ["test_accuracy", "test_loss", "seconds_per_epoch"])
def test_every_figure_is_legible_and_the_lighter_a_cell_the_better(outcome: str) -> None:
    study = evenly(outcome)
    cells, figures = painted(heat_map.draw(study))
    assert min(contrasts(cells, figures)) >= 4.4
    shades = [luminance(cell) for cell in cells]
    assert shades == sorted(shades, reverse=not study.outcome.higher_is_better)
    found = heat_map.tabulated(study)
    assert found is not None
    assert found.logarithmic == study.outcome.ratio == ("equal ratios" in heat_map.caption(study))


# The ranking


def standings(count: int) -> tuple[Standing, ...]:
    """Of arms that surely rank as they are numbered."""
    return tuple(
        Standing(f"arm {number}", float(number), float(number == 1), number - 0.5, number + 0.5)
        for number in range(1, count + 1)
    )


def ranked(count: int) -> Analysis:
    return replace(made.two_arms(), evidence=Evidence(10, count, standings=standings(count)))


def test_the_best_arm_stands_first_with_its_rank_and_its_chance() -> None:
    study = made.with_evidence(made.grid(4, 3))
    rows, found = ranking.tabulated(study), study.evidence.standings
    assert list(rows["arm"]) == [one.arm for one in found]
    assert list(rows["rank"]) == sorted(rows["rank"])
    assert list(rows["best"]) == [one.best for one in found]
    words = texts(ranking.draw(study))
    places = [words.index(one.arm) for one in found]
    assert places == sorted(places)
    assert "chance to be the best" in words
    assert "is not a test" in ranking.caption(study)
    assert f"{found[0].arm}: {found[0].mean_rank:.1f} (" in ranking.alternative(study)


@pytest.mark.parametrize(
    ("best", "written"),
    [
        (0.0, "< 1 %"),
        (0.004, "< 1 %"),
        (0.006, "1 %"),
        (0.43, "43 %"),
        (0.99, "99 %"),
        (1, "> 99 %"),
    ],
)
def test_no_arm_is_told_to_be_certain_or_impossible(best: float, written: str) -> None:
    one = replace(standings(3)[0], best=best)
    study = replace(ranked(3), evidence=Evidence(10, 3, standings=(one, *standings(3)[1:])))
    assert ranking.tabulated(study)["chance"].iloc[0] == written


def test_beyond_sixty_arms_the_best_are_drawn_and_it_is_said() -> None:
    study = ranked(61)
    assert len(ranking.tabulated(study)) == 60
    assert "The best 60 of 61 arms are drawn." in ranking.caption(study)
    assert any("the best 60 of 61 arms" in word for word in texts(ranking.draw(study)))
    assert "of 60 arms" not in ranking.caption(ranked(60))
    assert ranking.draw(ranked(2)) is None


# The trend


def test_a_trend_is_of_means_over_all_else_with_a_t_interval_over_the_seeds() -> None:
    study = made.with_evidence(made.grid(4, 3))
    rows = trend.tabulated(study)
    assert list(dict.fromkeys(rows["factor"])) == ["depth", "width"]
    second = [arm for arm in study.arms if arm.levels["depth"] == "2"]
    own = np.mean([[100 * arm.values[block] for block in range(10)] for arm in second], 0)
    at = rows[(rows["factor"] == "depth") & (rows["level"] == "2")]
    assert list(at[at["kind"] == "seed"]["value"]) == pytest.approx(list(own))
    mean = at[at["kind"] == "mean"].iloc[0]
    half = stats.t.ppf(0.975, 9) * stats.sem(own)
    assert (mean["value"], mean["low"], mean["high"]) == pytest.approx(
        (own.mean(), own.mean() - half, own.mean() + half)
    )
    words = texts(trend.draw(study))
    assert {"Rises with depth", "Page's test, p < 0.001", "depth", "width", "16"} <= set(words)


def test_ratios_have_geometric_means() -> None:
    study = made.grid(3, 3, outcome="seconds_per_epoch", margin=0.05)
    rows = trend.tabulated(made.with_evidence(study))
    mean = rows[(rows["kind"] == "mean") & (rows["factor"] == "width")].iloc[0]
    values = [v for a in study.arms if a.levels["width"] == "8" for v in a.values.values()]
    assert mean["value"] == pytest.approx(stats.gmean(values))


def test_only_seeds_that_all_arms_finished_are_drawn() -> None:
    study = made.grid(3, 3, diverged=lambda levels, block: levels["width"] == "8" and block == 4)
    rows = trend.tabulated(made.with_evidence(study))
    assert 4 not in set(rows["block"])
    assert rows["block"].nunique() == 9


def test_the_level_from_which_on_no_gain_matters_is_marked_and_named() -> None:
    values = {"1": 0.8, "2": 0.9, "3": 0.9, "4": 0.9}
    study = made.made_up({"depth": tuple(values)}, lambda one: values[one["depth"]], made.all_pairs)
    study = made.with_evidence(study)
    assert study.evidence.trends[0].enough == "2"
    assert "from 2 on, dashed, no higher level gains 0.2 points" in texts(trend.draw(study))
    assert "no higher one gains 0.2 points or more: depth 2." in trend.caption(study)
    assert "no gain from 2 on" in trend.alternative(study)
    unknown = replace(study.evidence, trends=(replace(study.evidence.trends[0], enough=None),))
    words = texts(trend.draw(replace(study, evidence=unknown)))
    assert "from where on no level gains 0.2 points is not shown" in words
    assert "dashed" not in trend.caption(replace(study, evidence=unknown))


@pytest.mark.parametrize(
    ("levels", "kind"),
    [
        (("1", "2", "3"), None),
        (("0", "0.2", "0.5"), None),
        (("0.8", "0.9", "1"), None),
        (("8", "32", "128", "512"), "log"),
        (("0.01", "0.03", "0.1"), "log"),
        (("1", "10", "101"), "log"),
        (("1", "40", "50", "101"), "log"),
        (("0", "1e-05", "0.001", "0.1"), "symlog"),
        (("-2", "-1", "0"), None),
    ],
)
def test_the_axis_follows_how_the_levels_are_spread(levels: tuple[str, ...], kind: str) -> None:
    study = made.made_up({"f": levels}, lambda one: 0.9, made.all_pairs)
    chart = trend.draw(made.with_evidence(study))
    assert chart is not None
    layer = chart.to_dict()["concat"][0]["layer"][0]
    assert layer["encoding"]["x"]["scale"].get("type") == kind
    assert layer["encoding"]["x"]["axis"]["values"] == [float(level) for level in levels]
    if kind == "symlog":
        assert set(levels) <= set(texts(chart))


# The confusion matrices


CLASSES = ["true", "predicted", "<b>"]  # names that a table could take for its own


def confused(**matrices: list[list[int]]) -> Analysis:
    study = made.two_arms()
    named = {f"batch norm {level}": cells for level, cells in matrices.items()}
    return made.with_confusions(study, CLASSES, named)


def test_a_matrix_has_the_shares_of_each_class_and_its_errors() -> None:
    study = confused(
        yes=[[90, 10, 0], [0, 4000, 1], [0, 0, 7]], no=[[50, 50, 0], [0, 0, 9], [0, 0, 0]]
    )
    cells = confusion.tabulated(study)
    sums = cells.groupby(["arm", "true"])["share"].sum(min_count=1).dropna()
    assert list(sums) == pytest.approx([1.0] * 5)  # no row of <b> in the second
    best = cells[cells["arm"] == "batch norm yes"]
    assert list(best["figure"]) == ["90.0", "10.0", "", "", ">99.9", "<0.1", "", "", "100"]
    words = texts(confusion.draw(study))
    assert {"best: batch norm yes", "11 of 4,108 wrong"} <= set(words)
    assert {"worst: batch norm no", "59 of 109 wrong"} <= set(words)
    assert words.count("<b>") == 3  # down, and across in both panels
    alternative = confusion.alternative(study)
    assert "batch norm yes: 11 of 4,108 wrong, lowest recall 90.0 % of true" in alternative
    assert "most often true taken for predicted (10.0 %)" in alternative
    assert "test rows" in confusion.caption(study)
    assert "and the worst mean: batch norm yes and batch norm no." in confusion.caption(study)


def test_one_matrix_is_neither_the_best_nor_the_worst() -> None:
    study = confused(yes=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    words = texts(confusion.draw(study))
    assert "batch norm yes" in words
    assert "0 of 3 wrong" in words
    assert "best" not in confusion.caption(study)
    assert confusion.alternative(study).endswith("batch norm yes: 0 of 3 wrong.")


def test_every_share_is_legible_on_its_colour() -> None:
    cells = [[20 * i + j + 1 for j in range(20)] for i in range(20)]
    for place, row in enumerate(cells):
        row[0] += place * sum(row)  # so that there are shares above a half too
    study = made.with_confusions(made.single_arm(), [str(i) for i in range(20)], {"base": cells})
    assert min(contrasts(*painted(confusion.draw(study)))) >= 4.4


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.data())
def test_any_counts_can_be_told(classes: int, data: st.DataObject) -> None:
    counts = st.lists(st.integers(0, 10_000), min_size=classes, max_size=classes)
    cells = data.draw(st.lists(counts, min_size=classes, max_size=classes))
    study = made.with_confusions(
        made.single_arm(), [str(i) for i in range(classes)], {"base": cells}
    )
    table = confusion.tabulated(study)
    assert table["share"].dropna().between(0, 1).all()
    assert confusion.alternative(study)


def table(classes: int) -> pd.DataFrame:
    y = np.arange(40 * classes) % classes
    x = np.random.default_rng(0).normal(size=(len(y), 3)) + y[:, None]
    return pd.DataFrame(x, columns=list("abc")).assign(y=[f"c{value:02}" for value in y])


def result_of(classes: int, store: Path, **changes: Any) -> Result:
    settings = {"model": {"hidden": [4]}, "train": {"epochs": 1}, "seeds": 2} | changes
    data = {"source": table(classes), "target": "y", "validation": 0.2}
    return paribus.Study("?", data=data, **settings).run(store=store, workers=1, progress=False)


def test_up_to_twenty_classes_the_best_and_the_worst_arm_have_a_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, factors = tmp_path / "s.sqlite", {"train.learning_rate": [1e-6, 0.03, 0.001]}
    for outcome, part in (("test_loss", "test"), ("validation_loss", "validation")):
        result = result_of(20, store, factors=factors, outcome=outcome)
        means = result.arms.set_index("name")["mean"]
        found = result.analysis.confusions
        assert list(dict.fromkeys(found["arm"])) == [means.idxmin(), means.idxmax()]
        for arm, cells in found.groupby("arm"):
            wide = cells.pivot(index="true", columns="predicted", values="count")
            expected = result.confusion(str(arm), part)
            pd.testing.assert_frame_equal(wide, expected, check_dtype=False)
        assert f"the {part} rows of one class" in confusion.caption(result.analysis)
    monkeypatch.setattr(class_tables, "_MOST_DRAWN", 19)
    with Store(store) as opened:
        assert analyse(opened, result.analysis.key).confusions.empty


def test_matrices_are_part_of_the_page_and_not_of_the_record() -> None:
    study = confused(yes=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    more = study.confusions.assign(count=study.confusions["count"] + 1)
    assert html.fingerprint(study) != html.fingerprint(replace(study, confusions=more))
    assert "confusion" in [figure.name for figure in charts.figures(study)]
    assert "confusions" not in json.loads(json.dumps(to_record(study)))

"""The charts of a study, each defined once with Altair, for the page, a notebook or a file.

`draw` returns a chart, or None where the study has nothing to draw; `caption` says how to read it,
`alternative` in words what it shows, to those who cannot see it. Each sentence is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from paribus.errors import InputError, nearest
from paribus.findings import Analysis
from paribus.report import frames, paths
from paribus.report.charts import (
    architecture,
    confusion,
    curves,
    duration,
    floor,
    forest,
    heat_map,
    interaction,
    layers,
    ranking,
    seeds,
    sensitivity,
    trend,
    twin,
    walks,
)
from paribus.report.charts.files import to_bytes
from paribus.report.charts.looks import Chart, to_svg

__all__ = [
    "CHARTS",
    "Chart",
    "Figure",
    "Kind",
    "every",
    "figures",
    "named",
    "of_surfaces",
    "of_tuning",
    "to_bytes",
    "to_svg",
]

_Draw = Callable[[Analysis], Chart | None]
_Words = Callable[[Analysis], str]


@dataclass(frozen=True)
class Kind:
    """A kind of chart: the section of a report that it belongs to, its drawing, and its words."""

    section: str
    draw: _Draw
    caption: _Words
    alternative: _Words


@dataclass(frozen=True)
class Figure:
    """A chart with its words; the name is unique within a report."""

    name: str
    section: str
    chart: Chart
    caption: str
    alternative: str


def _curves(section: str, draw: _Draw, metrics: curves.Metrics, by: curves.By = "epoch") -> Kind:
    return Kind(
        section,
        draw,
        lambda analysis: curves.caption(analysis, metrics(analysis), by),
        lambda analysis: curves.alternative(analysis, metrics(analysis), by),
    )


def _by_layer(draw: _Draw, prefix: str) -> Kind:
    def alternative(analysis: Analysis) -> str:
        return layers.alternative(analysis, prefix)

    return Kind("training", draw, layers.caption, alternative)


def _losses(analysis: Analysis) -> tuple[str, ...]:
    return frames.metrics_like(analysis, "test_loss")


CHARTS = {
    "forest": Kind("answer", forest.draw, forest.caption, forest.alternative),
    "seeds": Kind("arms", seeds.draw, seeds.caption, seeds.alternative),
    "confusion": Kind("arms", confusion.draw, confusion.caption, confusion.alternative),
    "interaction": Kind("evidence", interaction.draw, interaction.caption, interaction.alternative),
    "heat-map": Kind("evidence", heat_map.draw, heat_map.caption, heat_map.alternative),
    "trend": Kind("evidence", trend.draw, trend.caption, trend.alternative),
    "ranking": Kind("evidence", ranking.draw, ranking.caption, ranking.alternative),
    "metric": _curves("training", curves.metric_curves, curves.of_outcome),
    "value": _curves("training", curves.value_by_step, lambda _: ("excess",)),
    "loss": _curves("training", curves.loss_curves, _losses),
    "loss-by-seconds": _curves("training", curves.loss_by_seconds, _losses, "seconds"),
    "loss-and-metric": Kind(
        "training",
        twin.loss_and_metric,
        twin.loss_and_metric_caption,
        twin.loss_and_metric_alternative,
    ),
    "steps": Kind(
        "training",
        twin.loss_by_step,
        twin.loss_by_step_caption,
        twin.loss_by_step_alternative,
    ),
    "gradients": _by_layer(layers.gradient_norms, layers.NORM),
    "inactive": _by_layer(layers.inactive_units, layers.INACTIVE),
    "duration": Kind("time", duration.draw, duration.caption, duration.alternative),
    "times": _curves("time", curves.epoch_times, lambda one: frames.timed_metrics(one, "s")),
    "floor": Kind("time", floor.draw, floor.caption, floor.alternative),
    "memory": _curves("time", curves.memory, lambda one: frames.timed_metrics(one, "MB")),
    "architecture": Kind(
        "architecture", architecture.draw, architecture.caption, architecture.alternative
    ),
}
"""The kinds of charts that every study is asked for, in the order of a report."""


def figures(analysis: Analysis) -> Iterator[Figure]:
    """Yield a figure for every kind of chart that the study has something to draw for."""
    for name in CHARTS:
        yield from _of_kind(analysis, name)


def _of_kind(analysis: Analysis, name: str) -> Iterator[Figure]:
    kind = CHARTS[name]
    chart = kind.draw(analysis)
    if chart is not None:
        words = kind.caption(analysis), kind.alternative(analysis)
        yield Figure(name, kind.section, chart, *words)


def of_tuning(analysis: Analysis) -> Iterator[Figure]:
    """Yield a figure for every tuned setting that has candidates to show."""
    for number, path in enumerate(analysis.tuning.parameters if analysis.tuning else (), 1):
        chart = sensitivity.draw(analysis, path)
        if chart is not None:
            words = sensitivity.caption(analysis), sensitivity.alternative(analysis, path)
            yield Figure(f"tuning-{number}", "tuning", chart, *words)


def of_surfaces(analysis: Analysis) -> Iterator[Figure]:
    """Yield a figure of the paths on every surface that has some."""
    for surface, ends in paths.surfaces(analysis).items():
        chart = walks.draw(analysis, surface)
        if chart is not None:
            words = walks.caption(), walks.alternative(surface, ends)
            yield Figure(surface, "ends", chart, *words)


def every(analysis: Analysis) -> Iterator[Figure]:
    """Yield every figure of a report: all kinds of charts, then surfaces, then tuning."""
    yield from figures(analysis)
    yield from of_surfaces(analysis)
    yield from of_tuning(analysis)


def named(analysis: Analysis, name: str) -> Figure:
    """Return the figure of a name; InputError, with the names that there are, for another."""
    if name in CHARTS and (drawn := next(_of_kind(analysis, name), None)):
        return drawn
    found = {}
    for figure in every(analysis):
        if figure.name == name:
            return figure
        found[figure.name] = figure
    lacks = "has nothing to draw for the chart" if name in CHARTS else "has no chart"
    raise InputError(
        f"{analysis.name} {lacks} {name}{nearest(name, list(found))}; "
        f"it has {', '.join(found) or 'none'}"
    )

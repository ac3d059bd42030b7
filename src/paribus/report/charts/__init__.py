"""The charts of a study, each defined once with Altair, for the page, a notebook or a file.

`draw` returns a chart, or None where the study has nothing to draw; `caption` says how to read it,
`alternative` in words what it shows, to those who cannot see it. Each sentence is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from paribus.findings import Analysis
from paribus.report import frames, paths
from paribus.report.charts import (
    curves,
    forest,
    interaction,
    layers,
    seeds,
    sensitivity,
    twin,
    walks,
)
from paribus.report.charts.looks import Chart, to_svg

__all__ = ["CHARTS", "Chart", "Figure", "Kind", "figures", "of_surface", "of_tuning", "to_svg"]

_Words = Callable[[Analysis], str]


@dataclass(frozen=True)
class Kind:
    """A kind of chart: how it is drawn, and how it is told."""

    draw: Callable[[Analysis], Chart | None]
    caption: _Words
    alternative: _Words


@dataclass(frozen=True)
class Figure:
    """A chart with its words; the name is unique within a report."""

    name: str
    chart: Chart
    caption: str
    alternative: str


def _curves(draw: Callable[[Analysis], Chart | None], metrics: curves.Metrics) -> Kind:
    return Kind(
        draw,
        lambda analysis: curves.caption(analysis, metrics(analysis)),
        lambda analysis: curves.alternative(analysis, metrics(analysis)),
    )


def _by_layer(draw: Callable[[Analysis], Chart | None], prefix: str) -> Kind:
    return Kind(draw, layers.caption, lambda analysis: layers.alternative(analysis, prefix))


CHARTS = {
    "forest": Kind(forest.draw, forest.caption, forest.alternative),
    "interaction": Kind(interaction.draw, interaction.caption, interaction.alternative),
    "seeds": Kind(seeds.draw, seeds.caption, seeds.alternative),
    "metric": _curves(curves.metric_curves, curves.of_outcome),
    "value": _curves(curves.value_by_step, lambda _: ("excess",)),
    "loss": _curves(curves.loss_curves, lambda one: frames.metrics_like(one, "test_loss")),
    "loss-and-metric": Kind(
        twin.loss_and_metric, twin.loss_and_metric_caption, twin.loss_and_metric_alternative
    ),
    "steps": Kind(twin.loss_by_step, twin.loss_by_step_caption, twin.loss_by_step_alternative),
    "gradients": _by_layer(layers.gradient_norms, layers.NORM),
    "inactive": _by_layer(layers.inactive_units, layers.INACTIVE),
    "times": _curves(curves.epoch_times, lambda one: frames.timed_metrics(one, "s")),
    "memory": _curves(curves.memory, lambda one: frames.timed_metrics(one, "MB")),
}
"""The kinds of charts that every study is asked for, in the order of a report."""


def figures(analysis: Analysis) -> Iterator[Figure]:
    """Yield a figure for every kind of chart that the study has something to draw for."""
    for name, kind in CHARTS.items():
        chart = kind.draw(analysis)
        if chart is not None:
            yield Figure(name, chart, kind.caption(analysis), kind.alternative(analysis))


def of_tuning(analysis: Analysis) -> Iterator[Figure]:
    """Yield a figure for every tuned setting that has candidates to show."""
    for number, path in enumerate(analysis.tuning.parameters if analysis.tuning else (), 1):
        chart = sensitivity.draw(analysis, path)
        if chart is not None:
            words = sensitivity.caption(analysis), sensitivity.alternative(analysis, path)
            yield Figure(f"tuning-{number}", chart, *words)


def of_surface(analysis: Analysis, surface: str) -> Figure | None:
    """Return the figure of the paths on a surface."""
    chart = walks.draw(analysis, surface)
    if chart is None:
        return None
    ends = paths.surfaces(analysis)[surface]
    return Figure(surface, chart, walks.caption(), walks.alternative(surface, ends))

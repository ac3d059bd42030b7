"""The charts of a result from Python: `result.plot.forest()`."""

from __future__ import annotations

from collections.abc import Sequence

from paribus.errors import InputError, nearest
from paribus.findings import Analysis
from paribus.report import paths as walks_of
from paribus.report.charts import CHARTS, Chart, curves, sensitivity, walks
from paribus.report.wording import listed


class Plots:
    """The charts of a study, a method for each.

    Every method returns an Altair chart: a notebook shows it, and `.save("forest.pdf")` writes PDF,
    SVG or PNG. Raises InputError where the study has nothing to draw, with the charts that it has.
    """

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis

    def forest(self) -> Chart:
        """Each contrast's difference with its interval, the margin shaded, and the verdict."""
        return self._chart("forest", "contrasts, so a factor with two levels that were trained")

    def seeds(self) -> Chart:
        """A dot per arm and seed, with the seeds joined where they are paired."""
        return self._chart("seeds", "a run that finished")

    def interaction(self) -> Chart:
        """The mean outcome over the levels of one factor, a line per level of another."""
        return self._chart("interaction", "two factors")

    def metric(self, *, log: bool | None = None) -> Chart:
        """The outcome against epochs: mean and 95 % band over the seeds, of each part of the data.

        Accuracy, say, of training and of test rows. `log` draws it on a log scale, or never; by
        default where the means span more than two decades.
        """
        chart = curves.metric_curves(self._analysis, log=log)
        return chart or self._nothing("metric", "an outcome that is measured after every epoch")

    def value(self) -> Chart:
        """The value on a surface against steps: mean and 95 % band over the starts."""
        return self._chart("value", "a surface (model.kind surface)")

    def loss(self, *, log: bool | None = None) -> Chart:
        """The loss against epochs: mean and 95 % band over the seeds, of each part of the data.

        `log` as for `metric`.
        """
        chart = curves.loss_curves(self._analysis, log=log)
        return chart or self._nothing("loss", "a loss that is measured after every epoch")

    def loss_and_metric(self) -> Chart:
        """Loss and outcome against epochs on two axes, a panel per arm."""
        return self._chart("loss-and-metric", "both a loss and another metric of every epoch")

    def steps(self) -> Chart:
        """The loss of batches within epochs, as logged."""
        return self._chart("steps", 'logged steps: train={"log_every": 100}, say')

    def gradients(self) -> Chart:
        """The norms of the gradients by layer, against epochs."""
        return self._chart("gradients", 'measured gradients: train={"measure_gradients": True}')

    def inactive(self) -> Chart:
        """The share of hidden units that are inactive, by layer, against epochs."""
        return self._chart(
            "inactive", 'measured gradients of ReLU layers: train={"measure_gradients": True}'
        )

    def times(self) -> Chart:
        """The seconds that each epoch took."""
        return self._chart("times", "timed epochs: an outcome such as seconds_per_epoch")

    def memory(self) -> Chart:
        """The memory after each epoch."""
        return self._chart("memory", "timed epochs: an outcome such as peak_memory")

    def heat_map(self) -> Chart:
        """The mean of each arm as a coloured cell with its figure, by the levels of two factors."""
        return self._chart("heat-map", "two factors of three levels or more")

    def trend(self) -> Chart:
        """The outcome over the ordered levels of a factor, averaged over all others."""
        return self._chart("trend", "a factor with ordered levels, and seeds that all finished")

    def ranking(self) -> Chart:
        """Each arm's mean rank with its 95 % interval, and its chance to be the best."""
        return self._chart("ranking", "three arms, and seeds that all of them finished")

    def confusion(self) -> Chart:
        """The confusion matrices of the arms with the best and the worst mean."""
        return self._chart("confusion", "classes, and not too many of them to draw")

    def duration(self) -> Chart:
        """Times against size, and the speed-up over the first device or engine."""
        return self._chart("duration", "a timed outcome over a size such as model.width")

    def loss_by_seconds(self) -> Chart:
        """The loss against seconds of training: mean and 95 % band over the seeds."""
        return self._chart("loss-by-seconds", "timed epochs and their loss")

    def floor(self) -> Chart:
        """How many times the least time of the machine an epoch took, a dot per seed."""
        return self._chart("floor", "timed epochs on a machine whose rates were measured")

    def architecture(self) -> Chart:
        """The network of each architecture, layer by layer from its input to its output."""
        return self._chart("architecture", "a network that is described by layers")

    def tuning(self, path: str | None = None) -> Chart:
        """The tuning outcome of every candidate against its value of one tuned setting.

        `path` names the setting ("train.learning_rate"), where several were tuned.
        """
        settings = list(self._analysis.tuning.parameters) if self._analysis.tuning else []
        path = self._one_of("tuning", path, settings, "tune: settings that are chosen for each arm")
        chart = sensitivity.draw(self._analysis, path)
        return chart if chart is not None else self._nothing("tuning", "a candidate that finished")

    def paths(self, surface: str | None = None) -> Chart:
        """The paths of the first runs of every arm on a surface, over its contour lines.

        `surface` names it ("saddle"), where the study has several.
        """
        surfaces = list(walks_of.surfaces(self._analysis))
        needs = "a surface (model.kind surface)"
        surface = self._one_of("paths", surface, surfaces, needs)
        chart = walks.draw(self._analysis, surface)
        return chart if chart is not None else self._nothing("paths", "a run that finished")

    def _chart(self, name: str, needs: str) -> Chart:
        chart = CHARTS[name].draw(self._analysis)
        return chart if chart is not None else self._nothing(name, needs)

    def _one_of(self, name: str, given: str | None, known: Sequence[str], needs: str) -> str:
        """Return which of several is meant."""
        if not known:
            self._nothing(name, needs)
        if given in known or (given is None and len(known) == 1):
            return given or known[0]
        got = f"there is no {given}{nearest(given, known)}" if given else "say which"
        raise InputError(f"plot.{name}: {got}; there are {listed(known)}")

    def _nothing(self, name: str, needs: str) -> Chart:
        there = [f"{one}()" for one in self._there()]
        raise InputError(
            f"this study has no chart {name.replace('-', '_')}, which needs {needs}; it has "
            f"{listed(there) or 'none'}"
        )

    def _there(self) -> list[str]:
        """Return the charts that the study has, by the names of their methods."""
        found = [name.replace("-", "_") for name, k in CHARTS.items() if k.draw(self._analysis)]
        others = {"tuning": self._analysis.tuning, "paths": self._analysis.ends}
        return found + [name for name, has in others.items() if has]

    def __repr__(self) -> str:
        return f"Plots: {listed([f'{name}()' for name in self._there()]) or 'none'}"

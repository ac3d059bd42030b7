"""Studies from Python: `Study(...)`, `study.plan()`, `study.run()`, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from paribus import agreement
from paribus.analysis import analyse
from paribus.checkpoints import checkpoint
from paribus.class_tables import confusion, recall
from paribus.comparison import TwoStudies
from paribus.comparison import compare as compare_sides
from paribus.data import Dataset, from_frame
from paribus.data import load as load_data
from paribus.differing import Side
from paribus.errors import SpecError
from paribus.findings import Analysis, Contrast
from paribus.models.given import named
from paribus.report import comparison
from paribus.run import foresee, lay_out, make_plan, run_study
from paribus.settings import DEFAULT_STORE, Settings
from paribus.store.export import runs_frame
from paribus.store.store import Store
from paribus.study import spec as specs
from paribus.study.plan import Plan
from paribus.study.spec import Spec
from paribus.training_log import training_log

if TYPE_CHECKING:
    from paribus.report.plots import Plots


class Study:
    """A question, what is held equal, what differs, and how the answer is judged.

    The arguments are the settings of a study file: `question`, `data`, `model`, `train`,
    `evaluate`, `factors`, `seeds`, `outcome`, `margin`, `baseline`, `contrasts`, `tune`, `accept`.
    `data` may be a DataFrame too, with `target` the column to predict.

    `model` may be a network of your own: a subclass of `torch.nn.Module`, or a function that
    returns one, made anew for every seed. `model={"factory": Net, "arguments": {"width": 64}}`
    calls it with arguments, which a factor can set: `{"model.arguments.width": [64, 512]}`; so does
    `{"model.factory": [Net, Other]}` compare networks. One that a notebook or a script defines is
    sent to the processes that train as it is then; an edit of its source text, or of what it uses,
    makes new runs.

    Raises SpecError with every problem at once, DataError where the data cannot be used.
    """

    def __init__(
        self,
        question: str,
        *,
        data: str | pd.DataFrame | Mapping[str, Any] = "digits",
        target: str | None = None,
        name: str = "study",
        data_root: str | Path | None = None,
        **settings: Any,
    ) -> None:
        section = dict(data) if isinstance(data, Mapping) else {"source": data}
        frame = section.get("source")
        if isinstance(frame, pd.DataFrame):
            section["source"] = "DataFrame"
        if target is not None:
            section["target"] = target
        settings, given = named(settings)
        values = {"name": name, "question": question, "data": section, **settings}
        self._set(specs.from_values(values, given=given), frame, data_root)

    @classmethod
    def load(
        cls,
        study: str | Path,
        *,
        data_root: str | Path | None = None,
        allow_code: bool = False,
        **set_: Any,
    ) -> Study:
        """Return a built-in study or the one in a YAML file.

        A file that names a network of its author's own takes `allow_code=True`: to plan or run it
        imports that code, with all your rights.

        `set_` replaces settings: a dotted path with its dots as double underscores, as in
        `Study.load("optimizers", seeds=20, train__epochs=3)`.
        """
        overrides = {path.replace("__", "."): value for path, value in set_.items()}
        made = cls.__new__(cls)
        spec = specs.load(str(study), overrides, allow_code=allow_code)
        made._set(spec, None, data_root)
        return made

    def _set(self, spec: Spec, frame: Any, data_root: str | Path | None) -> None:
        self.spec = spec
        data = spec.data
        if isinstance(frame, pd.DataFrame):
            if data.target is None:
                raise SpecError("target is missing: name the column of the DataFrame to predict")
            self.dataset: Dataset = from_frame(
                frame, data.target, name="DataFrame", missing=data.missing, task=data.task
            )
        else:
            self.dataset = load_data(
                data.source,
                target=data.target,
                missing=data.missing,
                task=data.task,
                root=Path(data_root) if data_root is not None else None,
            )

    def plan(
        self,
        *,
        store: str | Path = DEFAULT_STORE,
        workers: int | None = None,
        on: str | None = None,
    ) -> Plan:
        """Return what `run` would train, together with what, and about how long; train nothing.

        A notebook shows it with the arms, what may confound the study, and how small a difference
        its seeds can show.
        """
        settings = Settings(Path(store), workers, on=on)
        made = make_plan(lay_out(self.spec, self.dataset, settings), settings)
        return replace(made, expected=foresee(made.design, settings))

    def run(
        self,
        *,
        store: str | Path = DEFAULT_STORE,
        workers: int | None = None,
        device: str = "auto",
        checkpoints: bool = False,
        progress: bool = True,
        skip_unavailable: bool = False,
        limit: float = 3600.0,
        on: str | None = None,
    ) -> Result:
        """Train what is not in the store yet and return the result.

        Every run is kept in the store as soon as it has finished; `workers` processes train, by
        default one per core. A progress bar is shown on a terminal and in a notebook unless
        `progress` is False. Ctrl-C, or a notebook's stop button, ends the processes and raises
        KeyboardInterrupt; the same call goes on. `skip_unavailable` leaves out arms whose engine or
        device is not to be had here; a run that is timed may take `limit` seconds. `on`: "ray" or
        "ray://HOST:PORT" trains on a Ray cluster; one that is started here ends with this process.
        """
        from paribus.screen import bars, plans

        settings = Settings(
            Path(store),
            workers,
            device,
            checkpoints,
            skip_unavailable=skip_unavailable,
            limit=limit,
            on=on,
        )
        design = lay_out(self.spec, self.dataset, settings)
        shown = bars.training() if progress else nullcontext(lambda event: None)
        try:
            with shown as watch:
                analysis = run_study(design, settings, watch=watch)
        except KeyboardInterrupt:
            kept, runs = plans.kept(make_plan(design, settings))
            raise KeyboardInterrupt(
                f"{kept} of {runs} runs are kept: the same call goes on"
            ) from None
        return Result(analysis, settings.store)

    def _repr_html_(self) -> str:
        from paribus import display

        return display.of_study(self.spec, self.dataset)

    def __repr__(self) -> str:
        from paribus import display

        return f"Study({self.spec.question!r}: {display.size(self.spec)}, {self.dataset.name})"


class Result:
    """What a study found: the answer in words, the numbers as DataFrames, and the charts.

    Differences and intervals are in the units that the store has: 0.01 of an accuracy is a
    percentage point. Those of an outcome that is compared as a ratio, a time say, are of natural
    logarithms. NaN where a number cannot be computed.
    """

    def __init__(self, analysis: Analysis, store: Path) -> None:
        self.analysis = analysis
        self._store = store

    @classmethod
    def load(cls, study: str, *, store: str | Path = DEFAULT_STORE) -> Result:
        """Return what a study in a store found, by its name or its key; nothing is trained.

        Of several with the same name, the newest. Raises StoreError where there is no such study
        or store.
        """
        with Store(Path(store)) as opened:
            return cls(analyse(opened, study), Path(store))

    @property
    def answer(self) -> str:
        """The answer, in one or a few sentences."""
        return self.analysis.answer

    @property
    def plot(self) -> Plots:
        """The charts, a method for each: `result.plot.forest()` returns an Altair chart.

        A notebook shows it as a picture, which needs no network, unless another of Altair's
        renderers was enabled.
        """
        import altair

        from paribus.report.plots import Plots
        from paribus.screen import console

        if console.err.is_jupyter and altair.renderers.active == "default":
            altair.renderers.enable("png", scale_factor=2)
        return Plots(self.analysis)

    @property
    def contrasts(self) -> pd.DataFrame:
        """One row per contrast: an arm against its baseline, within seeds.

        - arm, baseline: names, as in `arms`
        - varies, condition: what the two differ in, and what they share of the other factors
        - n: seeds that both finished
        - difference, low, high: mean of the paired differences, and its interval
        - confidence: of the interval; 0.95, or more after a look that was not planned
        - effect_size: mean of the paired differences over their standard deviation
        - superiority: share of the seeds in which the arm is the better one, ties half
        - p: paired t-test, two-sided
        - p_sign_flip: sign-flip test, exact up to 16 seeds; NaN where seeds have their own splits
        - p_adjusted: p by Holm over all contrasts; NaN where the study was judged several times
        - p_equivalence: two one-sided tests against the margin, by Holm; NaN without a margin
        - verdict: better, worse, equivalent, inconclusive, pilot or not comparable
        - seeds_needed: seeds that would decide an inconclusive one with 80 % power
        - asked: seeds after which it was judged
        - looks: the looks that led to the verdict, where there was more than one
        """
        columns = [field.name for field in fields(Contrast) if field.name != "differences"]
        rows = [[getattr(one, name) for name in columns] for one in self.analysis.contrasts]
        return pd.DataFrame(rows, columns=columns)

    @property
    def arms(self) -> pd.DataFrame:
        """One row per arm, and its outcome over the seeds.

        - a column per factor: its level
        - name: unique within the study
        - mean, sd, low, high: of the outcome; low and high are the 95 % t interval of the mean
        - diverged, failed, missing: runs that did, and that are not trained yet
        - asked: seeds that it is trained with
        - parameters: trainable ones of its network
        - architecture: the network in words
        """
        left_out = ("levels", "values", "reasons", "layers", "floors")
        return pd.DataFrame(
            [
                {**arm.levels, **{k: v for k, v in vars(arm).items() if k not in left_out}}
                for arm in self.analysis.arms
            ]
        )

    @property
    def runs(self) -> pd.DataFrame:
        """One row per run.

        - study, arm, seed
        - status: done, diverged, failed or not trained; reason: why it diverged or failed
        - a column per factor: its level
        - a column per setting, by its dotted path: `train.epochs`
        - parameters: trainable ones of its network
        - a column per final metric: `test_accuracy`, `train_loss`; NaN where it has none
        - finished: when, ISO 8601 in UTC; run: its key in the store
        """
        with Store(self._store) as store:
            return runs_frame(store.study(self.analysis.key))

    @property
    def curves(self) -> pd.DataFrame:
        """One row per run, metric and epoch.

        - arm: as in `arms`; block: the seed
        - metric: `train_loss`, `test_accuracy` and the like
        - epoch: 1 after the first
        - value: after the epoch; of training losses the mean over it
        """
        return self.analysis.curves

    @property
    def steps(self) -> pd.DataFrame:
        """One row per run, metric and logged step, where `train.log_every` asked for them.

        - arm, block, metric, epoch, value: as in `curves`; metrics begin with `step_`
        - step: of the epoch, from 1; steps: how many the epoch has
        """
        return self.analysis.steps

    @property
    def log(self) -> pd.DataFrame:
        """One row per arm and epoch, after those of its logged steps: means over the seeds.

        Training loss, its improvement on the epoch before, test loss and the like, each with its
        lowest and highest value over the seeds; see `training_log.training_log`.
        """
        return training_log(self.curves, self.steps)

    def checkpoint(self, arm: str, seed: int) -> Path:
        """Return the file of a trained network, for `paribus.load_model`.

        Raises StoreError where there is none: the study must have run with `checkpoints=True`.
        """
        with Store(self._store) as store:
            study = store.study(self.analysis.key)
        return checkpoint(study, Settings(self._store).checkpoint_folder, arm, seed)

    def confusion(self, arm: str, part: str = "test") -> pd.DataFrame:
        """The confusion matrix of an arm, summed over its seeds: a row per true class.

        `part` may be "validation". Raises StoreError where there is none: for regression, for more
        than 100 classes, or where no run of the arm has finished.
        """
        with Store(self._store) as store:
            return confusion(store, store.study(self.analysis.key), arm, part)

    def recall(self, part: str = "test") -> pd.DataFrame:
        """One row per arm and class: mean and standard deviation of its recall over the seeds."""
        with Store(self._store) as store:
            return recall(store, store.study(self.analysis.key), part)

    def report(self, path: str | Path) -> Path:
        """Write the report in the form that the suffix names, and return its path.

        `.html` opens offline; `.md` and `.tex` have their charts in a folder beside them; `.ipynb`
        is executed; `.json` is for programs. See `report.forms`.
        """
        from paribus.report import forms

        return forms.write(self.analysis, Path(path), forms.form_of(Path(path)), self._store)

    def _side(self) -> Side:
        with Store(self._store) as store:
            return Side(store.study(self.analysis.key), self.analysis, self._store)

    def _repr_html_(self) -> str:
        from paribus import display

        return display.of_result(self.analysis)

    def __repr__(self) -> str:
        return f"Result({self.analysis.question!r}: {self.answer!r})"


class Comparison:
    """Two results held against each other: what differs, and whether the verdicts agree."""

    def __init__(self, found: TwoStudies) -> None:
        self.found = found

    @property
    def answer(self) -> str:
        """What differs, whether the verdicts agree, and how the arms compare, in sentences."""
        return agreement.answer(self.found)

    @property
    def notes(self) -> list[str]:
        """How the two were compared, how sure that is, and what it does not say."""
        return agreement.notes(self.found)

    @property
    def differences(self) -> pd.DataFrame:
        """One row per thing that differs: kind, what, here (the first result), there."""
        return pd.DataFrame(
            comparison.difference_rows(self.found), columns=["kind", "what", "here", "there"]
        )

    @property
    def arms(self) -> pd.DataFrame:
        """One row per arm that both have: means, here - there with its interval, verdict."""
        return pd.DataFrame(comparison.arm_rows(self.found))

    @property
    def contrasts(self) -> pd.DataFrame:
        """One row per contrast that both have: differences, verdicts, and whether these agree."""
        return pd.DataFrame(comparison.contrast_rows(self.found))

    def __repr__(self) -> str:
        return f"Comparison({self.answer!r})"


def compare(here: Result, there: Result) -> Comparison:
    """Hold two results against each other: this run and last month's, two machines, two settings.

    Where both share the data, its split and the study's seed, runs are paired within seeds;
    otherwise arms are compared by Welch's t. Raises InputError where both are one study of one
    store.
    """
    return Comparison(compare_sides(here._side(), there._side()))

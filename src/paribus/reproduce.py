"""The reference notebooks run again: as they were written, and corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paribus.clock.loading import loading_seconds
from paribus.data import load as load_data
from paribus.findings import Analysis
from paribus.judging import testable_margin
from paribus.reference.compare import Ran, Reproduction, Timed, assess, compare
from paribus.reference.notebooks import Notebook, Timing
from paribus.run import lay_out, make_plan, run_study
from paribus.settings import Settings, Watch
from paribus.store.store import Store
from paribus.study.design import Design
from paribus.study.plan import Plan
from paribus.study.spec import load

_TIMED_ROWS = 640


def lay_out_all(
    notebook: Notebook, settings: Settings, overrides: Mapping[str, Any], data_root: Path | None
) -> dict[str, Design]:
    """Return the designs of a notebook's studies by name, as written and then corrected.

    `overrides` are settings for all of them; where a factor of one sets the same, it stays.
    """
    designs = {}
    for name, own in {**notebook.written, **notebook.corrected}.items():
        factors = load(name, own).arms_differ_in
        set_by_factors = {path for f in factors for level in f.levels for path in level.settings}
        more = {path: value for path, value in overrides.items() if path not in set_by_factors}
        spec = load(name, {**own, **more})
        dataset = load_data(spec.data.source, target=spec.data.target, root=data_root)
        designs[name] = lay_out(spec, dataset, settings)
    return designs


def plans(designs: Mapping[str, Design], settings: Settings) -> list[Plan]:
    """Return what is still to be trained, study by study; nothing is written."""
    return [make_plan(design, settings) for design in designs.values()]


def reproduce(
    notebook: Notebook,
    designs: Mapping[str, Design],
    settings: Settings,
    overrides: Mapping[str, Any],
    data_root: Path | None = None,
    watch: Watch = lambda event: None,
) -> Reproduction:
    """Train what is missing of a notebook's studies, and compare."""
    ran = {}
    for name, design in designs.items():
        command = f"paribus reproduce {notebook.letter}"
        ran[name] = _ran(run_study(design, settings, command, watch), settings.store)
    judged = [assess(claim, ran) for claim in notebook.claims]
    return Reproduction(
        notebook,
        ran,
        tuple(compare(figure, ran[figure.study]) for figure in notebook.figures),
        tuple(one for one in judged if one is not None),
        {path: value for path, value in overrides.items() if path != "seeds"},
        time_again(notebook.timing, settings, data_root, watch) if notebook.timing else None,
    )


def time_again(timing: Timing, settings: Settings, data_root: Path | None, watch: Watch) -> Timed:
    """Time what a notebook's loop did, loading, and what it meant to do, training.

    Training is timed in the clock lane on a few rows, in proportion.
    """
    changes = {"data.rows": _TIMED_ROWS, "seeds": 1, "outcome": "seconds_per_epoch"}
    spec = load(timing.study, {"name": f"{timing.study} in short", **changes})
    dataset = load_data(spec.data.source, root=data_root)
    rows = len(dataset.features) - len(dataset.test_rows if dataset.test_rows is not None else ())
    analysis = run_study(lay_out(spec, dataset, settings), settings, "paribus reproduce", watch)
    on_cpu = next(arm for arm in analysis.arms if "cuda" not in arm.name)
    training = on_cpu.mean * rows / _TIMED_ROWS * timing.epochs
    loading = loading_seconds(dataset, timing.batch_size, rows) * timing.epochs
    return Timed(loading, training, "; ".join(on_cpu.reasons))


def _ran(analysis: Analysis, path: Path) -> Ran:
    """Return a study with what its analysis leaves in the store."""
    metrics: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    with Store(path) as store:
        study = store.study(analysis.key)
    for run in study.runs:
        for metric, value in run.metrics.items():
            metrics[study.content["arms"][run.arm]["name"], metric][run.block] = value
    return Ran(analysis, testable_margin(study.content), metrics)

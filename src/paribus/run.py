"""The main path: spec → design → plan → train → store → analyse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from paribus.analysis import analyse
from paribus.clock import machine
from paribus.data import Dataset
from paribus.errors import InputError, RunError
from paribus.findings import Analysis
from paribus.judging import open_contrasts, undecided
from paribus.profile import Profile
from paribus.prospect import Prospect, prospect
from paribus.settings import Settings, Watch
from paribus.stats.verdicts import FEWEST_SEEDS
from paribus.store.connection import is_made
from paribus.store.store import Store, StoredRun
from paribus.study.declaration import declaration
from paribus.study.design import Design, Run, design
from paribus.study.plan import Plan, plan
from paribus.study.spec import Spec
from paribus.study.tuning import awaits_tuning, search_design, tuned_design
from paribus.training import backed_up, finished, train
from paribus.workers.base import Site


def lay_out(spec: Spec, dataset: Dataset, settings: Settings) -> Design:
    """Return the design of a study for the engine that will train it."""
    site, skip = settings.site, settings.skip_unavailable
    own = site.engine("stacked", site.device(settings.device))
    laid_out = design(spec, dataset, own, (), site.engine, skip)
    if settings.checkpoints and laid_out.outcome.lane == "surface":
        raise InputError("a surface has no network to keep: leave out --checkpoints")
    if "energy" in (laid_out.outcome.name, *spec.also):
        gpu = any(engine.device == "cuda" for engine in laid_out.engines)
        now = machine.read(gpu)
        if now.energy is None and now.gpu_joules is None:
            raise InputError(
                "outcome energy: this machine does not tell what it uses (Linux tells by "
                "/sys/class/powercap, often to root alone; NVIDIA's GPUs by the package "
                "nvidia-ml-py): use train_seconds"
            )
    return laid_out


def make_plan(design: Design, settings: Settings) -> Plan:
    """Return what is to be trained next and how, a tuning included; nothing is written."""
    if awaits_tuning(design):
        return _plan_tuned(design, settings)
    if not is_made(settings.store):
        return plan(design, set(), settings.site, next(_rounds(design)))
    with Store(settings.store) as store:
        for runs in _rounds(design, store):
            found = plan(design, *_todo(design, runs, store, settings))
            if found.stacks:
                break
        return found


def run_study(
    design: Design,
    settings: Settings,
    command: str = "",
    watch: Watch = lambda event: None,
    profile: Profile | None = None,
) -> Analysis:
    """Train what is not in the store yet, keeping every run as it finishes; then analyse.

    `watch` is told the plan of every round, every record and every finished epoch; `profile` learns
    where the time went. Where the study tunes, its candidates are trained first, as a study of
    their own. The backup of the store follows in the course of it, and whatever ends it.
    """
    profile = profile or Profile()
    if awaits_tuning(design):
        design = _tune(design, settings, command, watch, profile)
    declared = declaration(design, command)
    with Store(settings.store, create=True) as store, backed_up(store, watch) as watch:
        named = (design.key, design.spec.name, design.spec.question, declared)
        for runs in _rounds(design, store):
            # What an earlier command has planned beyond stays until it is known to be too much.
            store.add_study(*named, _places(runs), so_far=True)
            todo = plan(design, *_todo(design, runs, store, settings))
            if todo.stacks:
                watch(todo)
                train(todo, store, settings, watch, profile)
            disturbed = _disturbed(todo, store) if design.timed else []
            if 0 < 2 * len(disturbed) <= len(todo.stacks):  # else the machine is not to be had
                again = plan(design, *_todo(design, disturbed, store, settings))
                watch(again)
                train(again, store, settings, watch, profile)
        store.add_study(*named, _places(runs))
        return analyse(store, design.key)


def foresee(design: Design, settings: Settings, guess: float | None = None) -> Prospect:
    """Return what a study can show, by the runs of it that are in the store, or by a guess."""
    content, runs = declaration(design, ""), list[StoredRun]()
    if is_made(settings.store):
        with Store(settings.store) as store:
            runs = store.runs(_places(design.runs))
    return prospect(content, runs, guess)


def extension(design: Design, settings: Settings) -> dict[str, Any]:
    """Return the settings that add the seeds which a finished study needs; none where it has all.

    Raises InputError where it plans its looks by itself, where each seed has a split of its own,
    where it has not been run to its end, or where no number of seeds is known to decide it.
    """
    spec = design.spec
    if spec.seeds == "auto":
        raise InputError(
            f"seeds: auto adds seeds by itself, up to max_seeds ({spec.max_seeds}); to allow more, "
            f"raise max_seeds before the first run"
        )
    if spec.data.split != "fixed":
        raise InputError(
            f"more seeds need data.split fixed (got {spec.data.split}): splits share rows, and no "
            f"levels are known for several looks at such seeds"
        )
    plan = make_plan(design, settings)
    if any(part.stacks for part in plan.parts):
        raise InputError("run the study to its end before it gets more seeds")
    with Store(settings.store) as store:
        planned = _places(list(_rounds(plan.design, store))[-1])
        left = open_contrasts(declaration(plan.design, ""), store.runs(planned))
    if not left:
        return {}
    if all(one.verdict == "pilot" for one in left) and spec.blocks < FEWEST_SEEDS:
        return {"seeds": FEWEST_SEEDS}  # a pilot has spent nothing
    needed = max((one.seeds_needed for one in left if one.seeds_needed), default=None)
    if needed is None:
        raise InputError(
            "how many more seeds would decide it is not known: that takes a margin of a row or "
            "more, and six pairs whose differences vary"
        )
    return {"seeds": needed, "extends": [n for n in spec.looks if n >= FEWEST_SEEDS]}


def _rounds(design: Design, store: Store | None = None) -> Iterator[Sequence[Run]]:
    """Yield the runs up to each look; from the second on only arms that are not decided get more.

    The runs of a round must be in the store before the next one is asked for.
    """
    seen, runs, count = 0, list[Run](), len(design.arms)
    arms = set(range(count))
    for seeds in design.spec.looks:
        blocks = range(design.first_block + seen, design.first_block + seeds)
        # An alternative of an arm gets the seeds that the arm gets.
        runs += [run for run in design.runs if run.block in blocks and run.arm % count in arms]
        yield runs
        seen = seeds
        if store is None or seeds == design.spec.blocks:
            return
        planned = _places(runs)
        arms &= undecided(declaration(design, ""), store.runs(planned))
        if not arms:
            return


def _places(runs: Iterable[Run]) -> list[tuple[int, int, str]]:
    return [(run.block, run.arm, run.key) for run in runs]


def _todo(
    design: Design, runs: Sequence[Run], store: Store, settings: Settings
) -> tuple[set[str], Site, Sequence[Run]]:
    return finished(store, [run.key for run in runs], settings), settings.site, runs


def _disturbed(todo: Plan, store: Store) -> list[Run]:
    """Return the runs just measured that others disturbed: they are worth a second try."""
    measured = {task.key for stack in todo.stacks for task in stack}
    runs = [run for run in todo.runs if run.key in measured]
    found = store.runs(_places(runs))
    disturbed = {one.key for one in found if one.reason.startswith(machine.DISTURBED)}
    return [run for run in runs if run.key in disturbed]


def _tune(
    design: Design, settings: Settings, command: str, watch: Watch, profile: Profile
) -> Design:
    """Train the candidates of a study, and return its design with the best of them filled in."""
    search = search_design(design)
    found = run_study(search, _without_checkpoints(settings), command, watch, profile)
    reasons = [reason for arm in found.arms if arm.failed for reason in arm.reasons]
    if reasons:
        failed = sum(arm.failed for arm in found.arms)
        raise RunError(
            f"{failed} of {len(search.runs)} tuning runs failed, so that nothing can be chosen "
            f"fairly ({reasons[0]}): the same command tries them again"
        )
    return tuned_design(design, search, [arm.values for arm in found.arms])


def _plan_tuned(design: Design, settings: Settings) -> Plan:
    """Return the plan of a study that tunes, by the values in the store or by stand-ins."""
    search = search_design(design)
    tuning = make_plan(search, _without_checkpoints(settings))
    outcomes = None
    if not tuning.to_train:
        outcomes = [dict[int, float]() for _ in search.arms]
        with Store(settings.store) as store:
            for run in store.runs(_places(search.runs)):
                if run.status == "done":
                    outcomes[run.arm][run.block] = run.metrics[search.outcome.name]
    return replace(make_plan(tuned_design(design, search, outcomes), settings), tuning=tuning)


def _without_checkpoints(settings: Settings) -> Settings:
    return replace(settings, checkpoints=False)

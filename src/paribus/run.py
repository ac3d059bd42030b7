"""The main path: spec → design → plan → train → store → analyse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paribus.analysis import analyse, open_contrasts, undecided
from paribus.clock import machine
from paribus.data import Dataset
from paribus.engines.base import Record, Task
from paribus.environment import environment, require_cuda
from paribus.errors import InputError, RunError
from paribus.findings import Analysis
from paribus.profile import Profile
from paribus.prospect import Prospect, prospect
from paribus.proving import prove
from paribus.stats.verdicts import FEWEST_SEEDS
from paribus.store.backup import Backups
from paribus.store.store import Store, StoredRun
from paribus.study.declaration import declaration
from paribus.study.design import Design, Run, design
from paribus.study.plan import Plan, plan
from paribus.study.spec import Spec
from paribus.study.tuning import awaits_tuning, search_design, tuned_design
from paribus.workers.base import Site, Workers
from paribus.workers.here import Here
from paribus.workers.messages import EpochDone, Notice, StackDone

DEFAULT_STORE = Path(".paribus/store.sqlite")


@dataclass(frozen=True)
class Settings:
    """Where and with what a study is trained; nothing here changes a result on a CPU.

    `profile`: wait for a GPU after each phase, and train without graphs, so that a profile can
    tell the phases apart. `skip_unavailable`: leave out arms whose engine or device is not to be
    had here. `limit`: seconds for one run that is timed. `on`: where runs are trained: "ray", a
    cluster that is started on this machine, or "ray://HOST:PORT"; by default in processes here.
    """

    store: Path = DEFAULT_STORE
    workers: int | None = None  # one per core
    device: str = "auto"
    checkpoints: bool = False
    profile: bool = False
    skip_unavailable: bool = False
    limit: float = 3600.0
    on: str | None = None

    def __post_init__(self) -> None:
        """Check what can be asked for here; InputError with what is allowed."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise InputError(f"device must be auto, cpu or cuda (got {self.device})")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers must be at least 1 (got {self.workers})")
        if self.on is not None and not re.fullmatch(r"ray|ray://[^\s/]+:\d+", self.on):
            raise InputError(f"--on must be ray or ray://HOST:PORT (got {self.on})")
        if self.device == "cuda" and (self.on or "ray") == "ray":
            require_cuda()

    @property
    def site(self) -> Site:
        """Where runs are trained; a cluster that is not here is connected to."""
        if self.on is None:
            return Here(self.workers)
        from paribus.workers.cluster import site

        return site(self.on, self.workers)

    @property
    def checkpoint_folder(self) -> Path:
        """Where checkpoints are kept: beside the store."""
        return self.store.parent / "checkpoints"


Watch = Callable[[Plan | Record | EpochDone | Notice], None]


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
    if not settings.store.exists():
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
    with Store(settings.store, create=True) as store, _backed_up(store, watch) as watch:
        for runs in _rounds(design, store):
            planned = ((run.block, run.arm, run.key) for run in runs)
            store.add_study(design.key, design.spec.name, design.spec.question, declared, planned)
            todo = plan(design, *_todo(design, runs, store, settings))
            if todo.stacks:
                watch(todo)
                _train(todo, store, settings, watch, profile)
            disturbed = _disturbed(todo, store) if design.timed else []
            if 0 < 2 * len(disturbed) <= len(todo.stacks):  # else the machine is not to be had
                again = plan(design, *_todo(design, disturbed, store, settings))
                watch(again)
                _train(again, store, settings, watch, profile)
        return analyse(store, design.key)


def foresee(design: Design, settings: Settings, guess: float | None = None) -> Prospect:
    """Return what a study can show, by the runs of it that are in the store, or by a guess."""
    content, runs = declaration(design, ""), list[StoredRun]()
    if settings.store.exists():
        with Store(settings.store) as store:
            runs = store.runs((run.block, run.arm, run.key) for run in design.runs)
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
        planned = [(run.block, run.arm, run.key) for run in list(_rounds(plan.design, store))[-1]]
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
        planned = ((run.block, run.arm, run.key) for run in runs)
        arms &= undecided(declaration(design, ""), store.runs(planned))
        if not arms:
            return


def _todo(
    design: Design, runs: Sequence[Run], store: Store, settings: Settings
) -> tuple[set[str], Site, Sequence[Run]]:
    return _finished(store, [run.key for run in runs], settings), settings.site, runs


def _disturbed(todo: Plan, store: Store) -> list[Run]:
    """Return the runs just measured that others disturbed: they are worth a second try."""
    measured = {task.key for stack in todo.stacks for task in stack}
    runs = [run for run in todo.runs if run.key in measured]
    found = store.runs((run.block, run.arm, run.key) for run in runs)
    disturbed = {one.key for one in found if one.reason.startswith(machine.DISTURBED)}
    return [run for run in runs if run.key in disturbed]


@contextmanager
def _backed_up(store: Store, watch: Watch) -> Iterator[Watch]:
    """Give a watch that backs the store up about every ten minutes, and do so at the end."""
    backups = Backups(store, lambda text: watch(Notice(text)))

    def watch_too(event: Plan | Record | EpochDone | Notice) -> None:
        watch(event)
        if isinstance(event, Record):
            backups.when_due()

    try:
        yield watch_too
    finally:
        backups.now()


def _train(todo: Plan, store: Store, settings: Settings, watch: Watch, profile: Profile) -> None:
    design, site = todo.design, settings.site
    on_gpu = any(engine.device == "cuda" for engine in design.engines)
    device = "cuda" if on_gpu else "cpu"
    with profile.training(todo.workers):
        if design.timed:
            with site.clock(design.dataset, device, settings.checkpoints, settings.limit) as clock:
                prove(design, store, clock)
                _drive(clock, todo, store, settings, watch, profile)
            return
        with site.quality(
            todo.workers, design.dataset, device, settings.checkpoints, settings.profile
        ) as workers:
            _drive(workers, todo, store, settings, watch, profile)


def _drive(
    workers: Workers, todo: Plan, store: Store, settings: Settings, watch: Watch, profile: Profile
) -> None:
    """Have workers train what is to be trained, and keep what they hand over."""
    try:
        for event in workers.run(todo.stacks, _still_wanted(store, settings)):
            if isinstance(event, StackDone):
                profile.add(event.seconds)
                continue
            if isinstance(event, Record):
                with profile.storing():
                    _keep(event, store, todo.design, settings)
            watch(event)
    except KeyboardInterrupt:
        for record in workers.arrived():
            _keep(record, store, todo.design, settings)
        raise


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
            for run in store.runs((run.block, run.arm, run.key) for run in search.runs):
                if run.status == "done":
                    outcomes[run.arm][run.block] = run.metrics[search.outcome.name]
    return replace(make_plan(tuned_design(design, search, outcomes), settings), tuning=tuning)


def _without_checkpoints(settings: Settings) -> Settings:
    return replace(settings, checkpoints=False)


def _keep(record: Record, store: Store, design: Design, settings: Settings) -> None:
    arm = design.arm_of(record.key)
    where = record.environment or environment(arm.engine.name, arm.engine.device)
    store.add_record(record, where)
    if record.weights is not None:
        from paribus.engines.checkpoints import save_model

        path = settings.checkpoint_folder / f"{record.key}.safetensors"
        save_model(path, arm.network, arm.config.model.dropout, record.weights)


def _still_wanted(store: Store, settings: Settings) -> Callable[[list[Task]], list[Task]]:
    """Return a filter that leaves out what another process has finished in the meantime."""

    def wanted(tasks: list[Task]) -> list[Task]:
        done = _finished(store, [task.key for task in tasks], settings)
        return [task for task in tasks if task.key not in done]

    return wanted


def _finished(store: Store, keys: list[str], settings: Settings) -> set[str]:
    """Return the runs that need no training: done, with weights kept where asked, or diverged."""
    finished = {key: status for key, status in store.statuses(keys).items() if status != "failed"}
    if settings.checkpoints:
        kept = {path.stem for path in settings.checkpoint_folder.glob("*.safetensors")}
        return {k for k, status in finished.items() if status == "diverged" or k in kept}
    return set(finished)

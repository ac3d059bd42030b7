"""The main path: spec → design → plan → train → store → analyse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paribus.analysis import analyse
from paribus.data import Dataset
from paribus.engines import stacked
from paribus.engines.base import Record, Task
from paribus.environment import choose_device, environment, require_cuda, version_of
from paribus.errors import InputError
from paribus.findings import Analysis
from paribus.profile import Profile
from paribus.store.store import Store
from paribus.study.declaration import declaration
from paribus.study.design import Design, EngineId, design
from paribus.study.plan import Plan, plan
from paribus.study.spec import Spec
from paribus.workers.cores import available_cores
from paribus.workers.local import LocalWorkers
from paribus.workers.messages import EpochDone, StackDone

DEFAULT_STORE = Path(".paribus/store.sqlite")


@dataclass(frozen=True)
class Settings:
    """Where and with what a study is trained; nothing here changes a result on a CPU.

    `profile`: wait for a GPU after each phase, and train without graphs, so that a profile can
    tell the phases apart.
    """

    store: Path = DEFAULT_STORE
    workers: int | None = None  # one per core
    device: str = "auto"
    checkpoints: bool = False
    profile: bool = False

    def __post_init__(self) -> None:
        """Check what can be asked for here; InputError with what is allowed."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise InputError(f"device must be auto, cpu or cuda (got {self.device})")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers must be at least 1 (got {self.workers})")
        if self.device == "cuda":
            require_cuda()

    @property
    def checkpoint_folder(self) -> Path:
        """Where checkpoints are kept: beside the store."""
        return self.store.parent / "checkpoints"


Watch = Callable[[Record | EpochDone], None]


def lay_out(spec: Spec, dataset: Dataset, settings: Settings) -> Design:
    """Return the design of a study for the engine that will train it."""
    device = choose_device(settings.device)
    version = f"{stacked.VERSION} torch {(version_of('torch') or '').partition('+')[0]}"
    return design(spec, dataset, EngineId("stacked", version, device))


def make_plan(design: Design, settings: Settings) -> Plan:
    """Return what is still to be trained and how; nothing is written."""
    done: set[str] = set()
    if settings.store.exists():
        with Store(settings.store) as store:
            done = _finished(store, [run.key for run in design.runs], settings)
    return plan(design, done, _worker_count(design, settings))


def run_study(
    design: Design,
    settings: Settings,
    command: str = "",
    watch: Watch = lambda event: None,
    profile: Profile | None = None,
) -> Analysis:
    """Train what is not in the store yet, keeping every run as it finishes; then analyse.

    `watch` is told every record and every finished epoch; `profile` learns where the time went.
    """
    profile = profile or Profile()
    declared = declaration(design, command)
    keys = [run.key for run in design.runs]
    with Store(settings.store, create=True) as store:
        runs = ((run.block, run.arm, run.key) for run in design.runs)
        store.add_study(design.key, design.spec.name, design.spec.question, declared, runs)
        todo = plan(design, _finished(store, keys, settings), _worker_count(design, settings))
        if todo.stacks:
            where = environment(design.engine.device)
            keep = settings.checkpoints
            device, settle = design.engine.device, settings.profile
            with (
                profile.training(todo.workers),
                LocalWorkers(todo.workers, design.dataset, device, keep, settle) as workers,
            ):
                try:
                    for event in workers.run(todo.stacks, _still_wanted(store, settings)):
                        if isinstance(event, StackDone):
                            profile.add(event.seconds)
                            continue
                        if isinstance(event, Record):
                            with profile.storing():
                                _keep(event, store, where, design, settings)
                        watch(event)
                except KeyboardInterrupt:
                    for record in workers.arrived():
                        _keep(record, store, where, design, settings)
                    raise
        return analyse(store, design.key)


def _keep(
    record: Record, store: Store, where: dict[str, str], design: Design, settings: Settings
) -> None:
    store.add_record(record, where)
    if record.weights is not None:
        from paribus.engines.torch import save_model

        arm = design.arm_of(record.key)
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


def _worker_count(design: Design, settings: Settings) -> int:
    if design.engine.device != "cpu":
        return 1
    return settings.workers or available_cores()

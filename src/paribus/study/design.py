"""The design of a study: its arms, its blocks, and every run with all that can change its result.

Pure: the same specification and data always give the same design.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from paribus.data import Dataset
from paribus.errors import InputError, SpecError
from paribus.models.build import AnyNetwork, network
from paribus.models.own import OwnNetwork
from paribus.study.config import Config, DataConfig
from paribus.study.conflicts import (
    also_conflicts,
    batch_norm_conflicts,
    conflicts,
    idle_parameters,
    misplaced,
    outcome_conflicts,
    row_conflicts,
    unfit_subsamples,
)
from paribus.study.engine import EngineId
from paribus.study.factors import Factor
from paribus.study.outcomes import OUTCOMES, Outcome
from paribus.study.resolved import default_outcome, framework_defaults, resolved, thinned_once
from paribus.study.rows import (
    Sizes,
    split_sizes,
)
from paribus.study.source import put
from paribus.study.spec import Spec

FindEngine = Callable[[str, str], EngineId]
"""Returns the engine of a name on a device; InputError with what is missing for it."""


@dataclass(frozen=True)
class Arm:
    """One combination of levels, with the whole configuration that it stands for."""

    name: str
    levels: Mapping[str, str]  # factor key -> level label
    config: Config
    network: AnyNetwork
    engine: EngineId


@dataclass(frozen=True)
class Run:
    """One arm in one block; `key` is a hash of all that can change its result."""

    key: str
    arm: int
    block: int


@dataclass(frozen=True)
class Design:
    """A study laid out: arms × blocks.

    Where parameters are tuned, `arms` have the chosen values, `alternatives` are the same arms with
    other ones, and `tuning` is the key of the study that they were chosen by. `engine` is that of
    arms that name none; `unavailable` says which arms are left out, because this machine lacks
    something, and why.
    """

    spec: Spec
    dataset: Dataset
    engine: EngineId
    outcome: Outcome
    arms: tuple[Arm, ...]
    sizes: Mapping[Hashable, tuple[Sizes, ...]]  # of each block's split, by what thins its classes
    first_block: int = 0
    alternatives: Mapping[str, tuple[Arm, ...]] = field(default_factory=dict)
    tuning: str = ""
    unavailable: tuple[str, ...] = ()
    find: FindEngine | None = field(default=None, repr=False)

    @property
    def timed(self) -> bool:
        """Whether it is in the clock lane: one run at a time, in a fresh process."""
        return self.outcome.lane == "clock"

    @cached_property
    def engines(self) -> tuple[EngineId, ...]:
        """What trains the arms, each once."""
        return tuple(dict.fromkeys(arm.engine for arm in self.trained_arms))

    def sizes_of(self, config: Config, block: int) -> Sizes:
        """Return the numbers of rows that a run of a block trains, validates and tests on."""
        sizes = self.sizes[_thinning(config.data)][block - self.first_block]
        return sizes._replace(train=min(sizes.train, config.data.rows or sizes.train))

    def shape_of(self, config: Config) -> tuple[int, ...]:
        """Return the shape of one row of a configuration's inputs."""
        return _shape(config, self.dataset)

    @cached_property
    def trained_arms(self) -> tuple[Arm, ...]:
        """All arms that have runs: those that are judged, then those of each alternative."""
        return sum(self.alternatives.values(), self.arms)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """All runs, block by block, so that the arms of a block stand together."""
        stems = [self._stem(arm) for arm in self.trained_arms]
        return tuple(
            Run(hashlib.sha256(f"{stem}|{block}".encode()).hexdigest()[:32], arm, block)
            for block in range(self.first_block, self.first_block + self.spec.blocks)
            for arm, stem in enumerate(stems)
        )

    @cached_property
    def _arm_by_run(self) -> dict[str, int]:
        return {run.key: run.arm for run in self.runs}

    def arm_of(self, run_key: str) -> Arm:
        """Return the arm of a run (the last of several arms that are the same run)."""
        return self.trained_arms[self._arm_by_run[run_key]]

    @cached_property
    def key(self) -> str:
        """A hash of the whole study, its question and judgement included.

        What only explains it, `reason` and `asks`, stays out.
        """
        spec = self.spec.model_dump(mode="json", exclude={"reason", "asks"})
        content = [spec, [run.key for run in self.runs]]
        return hashlib.sha256(_canonical(content).encode()).hexdigest()[:32]

    def _stem(self, arm: Arm) -> str:
        # Settings at their default stay out, so that a new setting leaves old results valid.
        config = arm.config.model_dump(mode="json", exclude_defaults=True)
        config["data"] = {**config.get("data", {}), "source": self.dataset.checksum}
        config["data"].pop("target", None)  # the checksum is of the numbers that are learned from
        config["data"].pop("task", None)
        for name in ("engine", "device"):  # those of `arm.engine`
            config.get("train", {}).pop(name, None)
        engine = [arm.engine.name, arm.engine.version, arm.engine.device]
        if self.timed:
            engine += ["timed", arm.engine.machine]
        if isinstance(arm.network, OwnNetwork):
            engine.append(arm.network.fingerprint)
        return _canonical([config, self.spec.seed, engine])


def design(
    spec: Spec,
    dataset: Dataset,
    engine: EngineId,
    tuned: Sequence[Mapping[str, Any]] = (),
    find: FindEngine | None = None,
    skip_unavailable: bool = False,
) -> Design:
    """Lay out a study on its data; SpecError with every arm that cannot be trained or judged.

    `engine` is that of arms that name none, `find` returns those that others name. An arm whose
    engine or device is not to be had is a problem, or with `skip_unavailable` left out. `tuned`
    holds, for each arm in order, values of its own: dotted path -> value.
    """
    problems = list(unfit_subsamples(spec, dataset))
    fitting = not problems
    arms: list[Arm] = []
    unavailable: list[str] = []
    outcome = OUTCOMES[spec.outcome or default_outcome(spec, dataset)]
    judged_by = [outcome, *(OUTCOMES[name] for name in spec.also)]
    sizes: dict[Hashable, tuple[Sizes, ...]] = {}
    for index, levels in enumerate(_combinations(spec.arms_differ_in)):
        name = _arm_name(spec.arms_differ_in, levels)
        values = spec.settings()
        own_settings = {
            path: value
            for factor in spec.arms_differ_in
            for path, value in factor.settings(levels[factor.key]).items()
        }
        for path, value in own_settings.items():
            put(values, path, value)
        if spec.defaults == "framework":
            for path, value in framework_defaults(values, dataset).items():
                if path not in own_settings and not spec.says(path):
                    put(values, path, value)
        for path, value in tuned[index].items() if tuned else ():
            put(values, path, value)
        if not fitting:
            values["data"]["subsample"] = None
        written = Config.model_validate(values)
        data = thinned_once(written.data, dataset)
        thinning = _thinning(data)
        if thinning not in sizes:
            every_row = data.model_copy(update={"rows": None})
            sizes[thinning] = split_sizes(dataset, every_row, spec.seed, spec.blocks)
        learned = {min(one.train, data.rows or one.train) for one in sizes[thinning]}
        written = written.model_copy(update={"data": data})
        config = resolved(written, dataset, outcome, judged_by, learned)
        prefix = f"arm {name}: " if spec.arms_differ_in else ""
        try:
            own = _engine(config, engine, outcome, find)
        except InputError as error:
            unavailable.append(f"{prefix}{error}")
            continue
        found = [*misplaced(written), *conflicts(config, dataset, own, outcome)]
        found += row_conflicts(config, learned)
        try:
            net = network(config.model, _shape(config, dataset), dataset.outputs, spec.given)
        except ValueError as error:
            found.append(str(error))
        else:
            numbers_of_rows = zip(*sizes[thinning], strict=True)
            for part, numbers in zip(Sizes._fields, numbers_of_rows, strict=True):
                if part == "train" or config.evaluate.mode == "training":
                    for rows in sorted(set(numbers)):
                        if part == "train":
                            rows = min(rows, config.data.rows or rows)
                        found += batch_norm_conflicts(config, net, part, rows)
            arms.append(Arm(name, levels, config, net, own))
        problems += [prefix + text for text in found]
    if unavailable and not (skip_unavailable and arms):
        problems += unavailable
        if arms:
            problems.append(
                "--skip-unavailable leaves such arms out and runs the others; `paribus plan STUDY "
                "--machine FILE` predicts their times by the profile of a machine that has it all"
            )
    problems += outcome_conflicts(spec, outcome, dataset)
    for name, margin in spec.also.items():
        problems += also_conflicts(spec, outcome, OUTCOMES[name], margin, dataset)
    problems += idle_parameters(spec, {arm.name: arm.config for arm in arms})
    if problems:
        raise SpecError(problems)
    return Design(
        spec,
        dataset,
        engine,
        outcome,
        tuple(arms),
        sizes,
        unavailable=tuple(unavailable),
        find=find,
    )


def _thinning(data: DataConfig) -> Hashable:
    """Return what tells the splits of the arms of a block apart, but for `data.rows`."""
    return tuple((data.subsample or {}).items()), data.subsample_test


def _engine(
    config: Config, default: EngineId, outcome: Outcome, find: FindEngine | None
) -> EngineId:
    """Return the engine of an arm: as it says, else what suits the lane and the model."""
    one_at_a_time = outcome.lane == "clock" or config.model.kind == "resnet18"
    name = config.train.engine or ("torch" if one_at_a_time else default.name)
    device = config.train.device or default.device
    if (name, device) == (default.name, default.device):
        return default
    return find(name, device) if find else replace(default, name=name, device=device)


def _combinations(factors: tuple[Factor, ...]) -> Iterator[dict[str, str]]:
    for combination in itertools.product(*(factor.levels for factor in factors)):
        yield {f.key: level.label for f, level in zip(factors, combination, strict=True)}


def _arm_name(factors: tuple[Factor, ...], levels: Mapping[str, str]) -> str:
    return " · ".join(factor.phrase(levels[factor.key]) for factor in factors) or "the model"


def _shape(config: Config, dataset: Dataset) -> tuple[int, ...]:
    """Return the shape of one row of an arm's inputs."""
    columns = config.data.columns
    return dataset.shape if columns is None else (min(columns, *dataset.shape),)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

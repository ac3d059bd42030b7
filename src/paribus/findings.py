"""What a study found, as its readers get it: arms, contrasts, curves, and the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from paribus.models.outline import LayerSummary
from paribus.stats.verdicts import Look, Looks, Verdict
from paribus.study.confounds import Confound
from paribus.study.outcomes import Outcome


@dataclass(frozen=True)
class Floor:
    """The time of an epoch of a run that was timed, and the least that it could take."""

    seconds: float  # measured
    least: float  # that its operations and bytes need at the rates of the machine
    product_rate: float  # FLOP/s of a matrix product, measured beside the run
    copy_rate: float  # bytes/s of a copy, likewise


@dataclass(frozen=True)
class ArmSummary:
    """One arm: its levels, its outcome over the seeds, and what went wrong."""

    name: str  # "sgd · batch norm yes"; unique within a study
    levels: Mapping[str, str]  # factor -> level, in the order of the factors
    values: Mapping[int, float]  # block (seed number) -> final outcome of its finished run
    mean: float  # nan when no run finished; sd, low, high nan when fewer than two did
    sd: float
    low: float  # 95 % t interval of the mean
    high: float
    diverged: int  # runs that diverged
    failed: int  # runs that failed
    missing: int  # runs that are not trained yet
    asked: int  # seeds that it is trained with
    reasons: tuple[str, ...]  # distinct reasons of diverged and failed runs
    parameters: int  # trainable parameters
    architecture: str  # "784-500-10, relu, batch norm after the activation"
    layers: tuple[LayerSummary, ...] = ()  # none on surfaces, and in what older versions declared
    floors: Mapping[int, Floor] = field(default_factory=dict)  # block -> that of its timed run


def comparable_arms(arms: Sequence[ArmSummary], outcome: Outcome) -> bool:
    """Return whether it makes sense to ask which arm is best: not so on different surfaces."""
    return outcome.lane != "surface" or len({arm.architecture for arm in arms}) == 1


@dataclass(frozen=True)
class Contrast:
    """A comparison of an arm with its baseline on the outcome, within blocks.

    Differences are of stored values, or of their natural logarithms where the outcome is compared
    as a ratio; so are those of effects.
    """

    arm: str  # ArmSummary.name
    baseline: str
    varies: str  # what the comparison is about: "batch norm yes against no"
    condition: str  # what both arms share where other factors exist: "sgd"; may be empty
    n: int  # paired seeds
    differences: Mapping[int, float]  # block -> arm - baseline
    difference: float  # mean difference; nan when n = 0
    low: float  # t interval; nan when n < 2
    high: float
    confidence: float  # of the interval: 0.95, or more after a look that was not planned
    effect_size: float  # d of the paired differences (mean / sd)
    superiority: float  # share of pairs in which the arm has the better outcome, ties half
    p: float  # t-test, two-sided
    p_sign_flip: float  # exact sign-flip test, two-sided; nan where seeds have their own splits
    p_adjusted: float  # Holm over the study's contrasts; nan where there were several looks
    p_equivalence: float  # TOST against the margin, likewise; nan without a margin
    verdict: Verdict
    seeds_needed: int | None  # where inconclusive: that would decide it with 80 % power
    asked: int  # seeds after which it was judged, pairs that are missing included
    looks: tuple[Look, ...]  # those that led to the verdict, where there was more than one


@dataclass(frozen=True)
class Part:
    """One degree of freedom of an effect: levels against the reference level of their factors."""

    levels: Mapping[str, str]  # factor -> level; several for an interaction
    difference: float  # for an interaction, the difference of differences
    low: float  # 95 % t interval
    high: float
    effect_size: float
    p: float
    p_adjusted: float  # Holm over the parts of the effect


@dataclass(frozen=True)
class SimpleEffect:
    """What a level of one factor makes, against its reference, at a level of another."""

    factor: str
    level: str
    at_factor: str
    at: str
    difference: float  # averaged over all other factors


@dataclass(frozen=True)
class FactorEffect:
    """A main effect or an interaction: repeated-measures analysis of variance over the seeds."""

    factors: tuple[str, ...]
    reference: tuple[str, ...]  # the level of each that its others are compared with
    f: float
    df: int
    df_error: int
    epsilon: float  # Greenhouse and Geisser's correction
    p: float  # with it
    p_adjusted: float  # Holm over all effects
    partial_eta_squared: float
    parts: tuple[Part, ...]
    simple: tuple[SimpleEffect, ...]  # of an interaction of two


@dataclass(frozen=True)
class LevelTrend:
    """The outcome over ordered levels of a factor, averaged over all others (Page's test)."""

    factor: str
    levels: tuple[str, ...]  # in increasing order
    statistic: float
    p: float
    direction: str
    enough: str | None  # the level from which on no higher one gains the margin or more


@dataclass(frozen=True)
class Standing:
    """Where an arm stands among all (Bayesian bootstrap over the seeds; not a test)."""

    arm: str
    mean_rank: float
    best: float  # probability that its mean is the best
    low: float  # 95 % interval of its rank
    high: float


@dataclass(frozen=True)
class Learning:
    """The curves of an arm: slopes per doubling of the epochs, and where they turn."""

    arm: str
    held_out: str  # the metric that turns: validation_loss, or test_loss
    train_slope: tuple[float, float, float]  # mean, and its 95 % interval
    slope: tuple[float, float, float]
    turn: int  # epoch after which the held-out loss is lowest
    turn_low: int | None
    turn_high: int | None
    epochs: int
    rise: float  # of the held-out loss from there to the end
    p_rise: float  # Holm over the arms
    area: float  # mean of the outcome over the epochs
    epochs_to_reach: float  # median, infinite where half never do; nan where nothing is declared
    reached: int  # seeds that reached it
    seeds: int


@dataclass(frozen=True)
class Evidence:
    """What the runs say besides the contrasts."""

    seeds: int  # that all arms finished
    arms: int = 0
    effects: tuple[FactorEffect, ...] = ()
    trends: tuple[LevelTrend, ...] = ()
    standings: tuple[Standing, ...] = ()  # the best first
    learning: tuple[Learning, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """Values that an arm was tried with, and how it did on the tuning seeds."""

    arm: str  # ArmSummary.name
    number: int  # its place, from 1: half of the budget is the first half
    values: Mapping[str, Any]  # path -> value
    mean: float  # of the tuning outcome; nan when no run finished
    sd: float  # nan when fewer than two did
    finished: int  # tuning seeds; one that lost a seed is chosen only where all did


@dataclass(frozen=True)
class Alternative:
    """The same arms and contrasts with other values of what was tuned."""

    name: str  # "half the budget", "untuned"
    values: Mapping[str, Mapping[str, Any]]  # arm of the study -> path -> value
    arms: tuple[ArmSummary, ...]  # in the order of the study's
    contrasts: tuple[Contrast, ...]  # in the order of the study's
    holds: tuple[bool | None, ...]  # is each verdict the study's? None where one has none yet
    same: bool = False  # whether its values are those of the study

    @property
    def phrase(self) -> str:
        """Where its values come from, in a sentence."""
        return self.name if self.name == "untuned" else f"with {self.name}"


@dataclass(frozen=True)
class Tuning:
    """What was tuned, what was chosen, and whether the verdicts survive another choice."""

    parameters: Mapping[str, str]  # path -> "log", "linear" or "choices"
    budget: int  # candidates per arm
    seeds: int  # per candidate, none of them the verdict's
    outcome: Outcome  # on validation rows
    chosen: Mapping[str, Mapping[str, Any]]  # arm -> path -> value
    candidates: tuple[Candidate, ...]
    alternatives: tuple[Alternative, ...]
    survival: tuple[str, ...]  # sentences


@dataclass(frozen=True)
class Selected:
    """An arm that cross-validation chose."""

    arm: str  # ArmSummary.name
    validated: float  # mean of its runs on the validation folds
    tested: float  # mean of the same runs on the test rows


@dataclass(frozen=True)
class Selection:
    """What cross-validation chooses among the arms."""

    best: Selected  # by the mean on the validation folds
    simplest: Selected  # the first arm whose mean is within one standard error of that
    standard_error: float  # of the mean of the best, with the correction for shared rows
    candidates: int  # arms that finished with every seed
    outcome: Outcome  # on the test rows


@dataclass(frozen=True)
class Proof:
    """How far two arms with different engines are apart in what they compute; see engines.proof."""

    arm: str
    reference: str
    gradient: float  # relative difference of the first gradients
    loss: float  # relative difference of the first loss
    update: float  # median relative difference of the first updates of a weight
    epoch_loss: float  # relative difference of the mean loss of the first epoch
    without_dropout: bool = False


@dataclass(frozen=True)
class Ends:
    """Where the finished runs of an arm end on its surface."""

    arm: str  # ArmSummary.name
    surface: str
    others: str  # the levels that tell it from the other arms on the surface: "momentum 0.9"
    counts: Mapping[str, int]  # place -> runs, global minima first; those without any run too

    @property
    def runs(self) -> int:
        """The number of finished runs."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Analysis:
    """Everything a reader of a study is told; computed from the store alone."""

    name: str
    question: str
    answer: str  # one or two sentences
    notes: tuple[str, ...]  # how sure, scope, what failed: sentences shown below the answer
    outcome: Outcome
    margin: float | None
    seeds: int  # the most that any arm was trained with
    looks: Looks | None  # where the study was looked at more than once
    factors: Mapping[str, tuple[str, ...]]  # factor -> its levels, in order
    arms: tuple[ArmSummary, ...]
    contrasts: tuple[Contrast, ...]
    evidence: Evidence
    remarks: tuple[str, ...]  # what the evidence says
    confounds: tuple[Confound, ...]  # found in the design, accepted ones included
    curves: pd.DataFrame  # columns: arm, block, metric, epoch (1 = after the first), value
    controls: Mapping[str, str]  # dotted path -> value of everything held equal
    data: Mapping[str, str]  # "data set", "rows", "features", "split", "checksum", ...
    environment: Mapping[str, str]  # "Paribus", "PyTorch", "Python", "CPU", ...
    command: str  # the shell command that reproduces it; empty where Python asked
    spec: str  # the study as YAML
    created: str  # ISO 8601, UTC
    overlap: float = 0.0  # rows judged by / trained on where seeds have their own splits, else 0
    key: str = ""  # of the study in its store
    tuning: Tuning | None = None
    selection: Selection | None = None  # where it cross-validates
    proofs: tuple[Proof, ...] = ()  # that engines do the same maths
    ends: tuple[Ends, ...] = ()  # of walks on surfaces, an entry per arm
    secondary: tuple[Analysis, ...] = ()  # the same runs, judged by each other declared outcome
    reason: str | None = None  # why, as the study says: written before anything was measured
    # As curves, of what was logged within epochs, with step and steps (of the epoch); or nothing.
    steps: pd.DataFrame = field(default_factory=pd.DataFrame)
    # Of the arms with the best and the worst mean, over their seeds: arm, true, predicted, count.
    confusions: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def trained_arms(self) -> tuple[ArmSummary, ...]:
        """All arms that have runs: those that are judged, then those of each alternative."""
        alternatives = self.tuning.alternatives if self.tuning else ()
        return sum((one.arms for one in alternatives), self.arms)

"""Analyses of studies that never ran, whose statistics are nevertheless right."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from paribus.evidence import evidence
from paribus.findings import (
    Alternative,
    Analysis,
    ArmSummary,
    Candidate,
    Contrast,
    Evidence,
    Tuning,
)
from paribus.sensitivity import survival
from paribus.stats.verdicts import FEWEST_SEEDS, Verdict
from paribus.study.confounds import Confound
from paribus.study.outcomes import OUTCOMES

Levels = Mapping[str, str]
NAN = math.nan


def made_up(
    factors: Mapping[str, Sequence[str]],
    expected: Callable[[Levels], float],
    contrasts: Callable[[list[Levels]], list[tuple[Levels, Levels]]],
    *,
    outcome: str = "test_accuracy",
    seeds: int = 10,
    epochs: int = 5,
    margin: float | None = 0.002,
    noise: float = 0.001,
    diverged: Callable[[Levels, int], bool] = lambda levels, block: False,
    question: str = "Does batch normalisation help, and does it depend on the optimizer?",
    answer: str = "Yes with SGD and with momentum; no with RMSprop and Adam.",
    notes: Sequence[str] = ("10 seeds, paired; Holm over 4 contrasts; this test set.",),
    command: str = "paribus run batch-norm --data mnist",
    confounds: Sequence[Confound] = (),
) -> Analysis:
    generator = np.random.default_rng(7)
    combinations: list[Levels] = [
        dict(zip(factors, levels, strict=True)) for levels in itertools.product(*factors.values())
    ]
    shared = generator.normal(0, noise, seeds)
    arms, rows = [], []
    for levels in combinations:
        final = expected(levels) + shared + generator.normal(0, noise, seeds)
        if OUTCOMES[outcome].ratio:  # noise in proportion
            final = expected(levels) * np.exp(final - expected(levels))
        lost = [diverged(levels, block) for block in range(seeds)]
        arms.append(_arm(levels, final, lost))
        rows += _curves(arms[-1].name, final, lost, epochs, outcome)
    by_name = {arm.name: arm for arm in arms}
    pairs = contrasts(combinations)
    return Analysis(
        name="batch-norm",
        question=question,
        answer=answer,
        notes=tuple(notes),
        outcome=OUTCOMES[outcome],
        margin=margin,
        seeds=seeds,
        looks=None,
        factors={factor: tuple(levels) for factor, levels in factors.items()},
        arms=tuple(arms),
        contrasts=tuple(
            _contrast(by_name[_name(a)], by_name[_name(b)], a, b, outcome, margin, len(pairs))
            for a, b in pairs
        ),
        evidence=Evidence(seeds),
        remarks=(),
        confounds=tuple(confounds),
        curves=pd.DataFrame(rows, columns=["arm", "block", "metric", "epoch", "value"]),
        controls={"training.epochs": str(epochs), "training.batch_size": "100", "model.kind": "mlp"}
        | {"model.hidden": "500", "optimizer.learning_rate": "0.001"},
        data={"data set": "mnist", "rows": "60000", "split": "60000 train, 10000 test, fixed"},
        environment={"Paribus": "0.1.0", "PyTorch": "2.13.0", "CPU": "a quick one, 2 cores"},
        command=command,
        spec="question: Does batch normalisation help?\nfactors:\n  model.norm: [none, batch]\n",
        created="2026-11-22T04:05:42+00:00",
    )


def _name(levels: Levels) -> str:
    return " · ".join(v if v.isalpha() and f == "optimizer" else f"{f} {v}" for f, v in
                      levels.items()) or "base"  # fmt: skip


def _arm(levels: Levels, final: np.ndarray, lost: list[bool]) -> ArmSummary:
    values = {b: float(v) for b, v in enumerate(final) if not lost[b]}
    kept = np.array(list(values.values()))
    n = len(kept)
    sd = float(kept.std(ddof=1)) if n > 1 else NAN
    mean = float(kept.mean()) if n else NAN
    half = float(stats.t.ppf(0.975, n - 1)) * sd / math.sqrt(n) if n > 1 else NAN
    return ArmSummary(
        name=_name(levels),
        levels=levels,
        values=values,
        mean=mean,
        sd=sd,
        low=mean - half,
        high=mean + half,
        diverged=sum(lost),
        failed=0,
        missing=0,
        asked=len(lost),
        reasons=("the loss was not finite in epoch 2",) if any(lost) else (),
        parameters=397_510 + 1000 * (levels.get("batch norm") == "yes"),
        architecture="784-500-10, relu"
        + (", batch norm after the activation" if levels.get("batch norm") == "yes" else ""),
    )


def _curves(
    arm: str, final: np.ndarray, lost: list[bool], epochs: int, outcome: str
) -> list[tuple[str, int, str, int, float]]:
    rows = []
    kind = outcome.partition("_")[2]
    for block, end in enumerate(final):
        for epoch in range(1, epochs + 1):
            away = (epochs - epoch) / epochs
            if kind == "accuracy":
                metric, loss = end - 0.2 * away**2, 4 * (1 - end) * (1 + 2 * away)
            else:
                metric, loss = end * (1 + away), end**2 * (1 + away)
            if lost[block] and epoch > 1:
                metric = loss = NAN
            if OUTCOMES[outcome].ratio:  # no curve of its own, and no test rows
                rows.append((arm, block, "train_loss", epoch, 0.5 + away))
                continue
            for name, value in (
                ("train_loss", loss * 0.8),
                (f"train_{kind}", metric + (0.01 if kind == "accuracy" else -0.05)),
                ("test_loss", loss),
                (f"test_{kind}", metric),
            ):
                rows.append((arm, block, name, epoch, float(value)))
    return rows


def _contrast(
    arm: ArmSummary,
    baseline: ArmSummary,
    a: Levels,
    b: Levels,
    outcome: str,
    margin: float | None,
    contrasts: int,
) -> Contrast:
    both = sorted(set(arm.values) & set(baseline.values))
    value, bound = OUTCOMES[outcome].comparable, OUTCOMES[outcome].bound
    d = np.array([value(arm.values[block]) - value(baseline.values[block]) for block in both])
    n = len(d)
    varied = [f for f in a if a[f] != b[f]]
    numbers = dict.fromkeys(
        ("low", "high", "effect_size", "p", "p_sign_flip", "p_adjusted", "p_equivalence"), NAN
    )
    mean, verdict, needed = (float(d.mean()) if n else NAN), _too_few(n), None
    if n > 1:
        se = float(d.std(ddof=1)) / math.sqrt(n)
        half = float(stats.t.ppf(0.975, n - 1)) * se
        p = float(2 * stats.t.sf(abs(mean) / se, n - 1))
        signs = np.array(list(itertools.product([-1, 1], repeat=min(n, 10))))
        flipped = np.abs(signs @ d[:10])
        numbers |= {"low": mean - half, "high": mean + half, "effect_size": mean / se / n**0.5}
        numbers |= {"p": p, "p_adjusted": min(1.0, p * contrasts)}
        numbers["p_sign_flip"] = float((flipped >= abs(d[:10].sum()) - 1e-12).mean())
        if margin is not None:
            numbers["p_equivalence"] = float(stats.t.sf((bound(margin) - abs(mean)) / se, n - 1))
        if verdict == "inconclusive":
            good = mean > 0 if OUTCOMES[outcome].higher_is_better else mean < 0
            if numbers["p_equivalence"] < 0.05:
                verdict = "equivalent"
            elif numbers["p_adjusted"] < 0.05:
                verdict = "better" if good else "worse"
            else:
                needed = 24
    ahead = d if OUTCOMES[outcome].higher_is_better else -d
    return Contrast(
        arm=arm.name,
        baseline=baseline.name,
        varies=", ".join(f"{f} {a[f]} against {b[f]}" for f in varied),
        condition=" · ".join(v if f == "optimizer" else f"{f} {v}" for f, v in a.items()
                             if f not in varied),
        n=n,
        differences={block: float(x) for block, x in zip(both, d, strict=True)},
        difference=mean,
        superiority=float(((ahead > 0) + 0.5 * (ahead == 0)).mean()) if n else NAN,
        verdict=verdict,
        seeds_needed=needed,
        confidence=0.95,
        asked=n,
        looks=(),
        **numbers,
    )  # fmt: skip


def _too_few(n: int) -> Verdict:
    return "not comparable" if n == 0 else "pilot" if n < FEWEST_SEEDS else "inconclusive"


def within(factor: str) -> Callable[[list[Levels]], list[tuple[Levels, Levels]]]:
    """Each other level of `factor` against its first, everything else alike."""

    def pairs(combinations: list[Levels]) -> list[tuple[Levels, Levels]]:
        first = combinations[0][factor]
        return [
            (levels, {**levels, factor: first})
            for levels in combinations
            if levels[factor] != first
        ]

    return pairs


def all_pairs(combinations: list[Levels]) -> list[tuple[Levels, Levels]]:
    return [(b, a) for a, b in itertools.combinations(combinations, 2)]


OPTIMIZERS = {"sgd": 0.7824, "momentum": 0.906, "rmsprop": 0.9803, "adam": 0.979}
GAINS = {"sgd": 0.1444, "momentum": 0.064, "rmsprop": -0.0004, "adam": 0.0016}


def accuracy(levels: Levels) -> float:
    optimizer = levels.get("optimizer", "sgd")
    gain = GAINS[optimizer] if levels.get("batch norm") == "yes" else 0.0
    return OPTIMIZERS[optimizer] + gain - 0.02 * float(levels.get("dropout", "0"))


def eight_arms(**changes: object) -> Analysis:
    """The main case: optimizer × batch norm, 10 seeds, 5 epochs."""
    factors = {"optimizer": tuple(OPTIMIZERS), "batch norm": ("no", "yes")}
    return made_up(factors, accuracy, within("batch norm"), **changes)  # type: ignore[arg-type]


def two_arms(**changes: object) -> Analysis:
    return made_up({"batch norm": ("no", "yes")}, accuracy, within("batch norm"), **changes)  # type: ignore[arg-type]


def twenty_four_arms() -> Analysis:
    factors = {
        "optimizer": tuple(OPTIMIZERS),
        "batch norm": ("no", "yes"),
        "dropout": ("0", "0.2", "0.5"),
    }
    return made_up(factors, accuracy, within("batch norm"))


def grid(rows: int, columns: int, **changes: object) -> Analysis:
    """Width × depth, best at the last of both; no contrasts."""
    factors = {
        "depth": tuple(str(level) for level in range(1, columns + 1)),
        "width": tuple(str(2 ** (level + 3)) for level in range(rows)),
    }

    def expected(levels: Levels) -> float:
        width = math.log2(float(levels["width"])) / (rows + 2)
        return 0.8 + 0.1 * float(levels["depth"]) / columns + 0.1 * (width**0.1 - 1)

    return made_up(factors, expected, lambda combinations: [], **changes)  # type: ignore[arg-type]


def with_evidence(study: Analysis) -> Analysis:
    """The same, with what its runs say besides its contrasts."""
    reference = {factor: levels[0] for factor, levels in study.factors.items()}
    found = evidence(
        study.arms, study.factors, reference, study.outcome, study.margin, None, study.curves
    )
    return replace(study, evidence=found)


def with_confusions(
    study: Analysis, classes: Sequence[str], matrices: Mapping[str, Sequence[Sequence[int]]]
) -> Analysis:
    """The same, with the confusion matrices of these arms: a row per true class."""
    rows = [
        (arm, true, predicted, count)
        for arm, matrix in matrices.items()
        for true, row in zip(classes, matrix, strict=True)
        for predicted, count in zip(classes, row, strict=True)
    ]
    columns = ["arm", "true", "predicted", "count"]
    return replace(study, confusions=pd.DataFrame(rows, columns=columns))


def one_factor_of_24() -> Analysis:
    rates = tuple(f"{10 ** (-4 + i / 6):.2g}" for i in range(24))
    return made_up(
        {"learning rate": rates},
        lambda levels: 0.95 - 0.05 * math.log10(float(levels["learning rate"]) * 100) ** 2,
        within("learning rate"),
        question="Which learning rate?",
        answer="About 0.01.",
    )


def all_diverged() -> Analysis:
    """One arm of eight never finishes, another does so in 7 of 10 seeds."""

    def lost(levels: Levels, block: int) -> bool:
        never = levels["batch norm"] == "no" and levels["optimizer"] == "momentum"
        return never or (levels == {"optimizer": "sgd", "batch norm": "no"} and block in (1, 5, 8))

    return eight_arms(diverged=lost)


def pilot() -> Analysis:
    return two_arms(seeds=3)


def no_margin() -> Analysis:
    return two_arms(margin=None)


def regression() -> Analysis:
    return made_up(
        {"hidden layers": ("0", "1", "2")},
        lambda levels: 58.2 - 2 * float(levels["hidden layers"]),
        all_pairs,
        outcome="test_rmse",
        noise=1.1,
        margin=1.0,
        epochs=40,
        question="Does a hidden layer help on the diabetes data?",
        answer="Yes: two hidden layers lower the test RMSE by 4.",
        command="",
    )


SECONDS = {"16": 0.031, "128": 0.052, "2048": 6.15}
GPU = {"16": 1.0, "128": 0.31, "2048": 0.0512}


def clock(**changes: object) -> Analysis:
    """Times per epoch by width and device, which are compared as ratios."""
    return made_up(
        {"width": tuple(SECONDS), "device": ("cpu", "cuda")},
        lambda levels: (
            SECONDS[levels["width"]] * (GPU[levels["width"]] if levels["device"] == "cuda" else 1.0)
        ),
        within("device"),
        **{"outcome": "seconds_per_epoch", "margin": 0.05, "noise": 0.02}
        | {"question": "What does a GPU gain, by the width of the network?"}
        | changes,  # type: ignore[arg-type]
    )


def single_arm(**changes: object) -> Analysis:
    return made_up({}, lambda levels: 0.97, lambda combinations: [], question="How good is it?",
                   answer="97 % of the test images are recognised.", **changes)  # type: ignore[arg-type]  # fmt: skip


def tuned(study: Analysis | None = None) -> Analysis:
    """A study that tuned two settings; untuned, each of its verdicts is another."""
    study = study or two_arms()
    rates = [0.0004, 0.9, 0.05, 0.002]
    names = [arm.name for arm in study.arms]
    chosen = {name: {"train.learning_rate": 0.05, "model.activation": "tanh"} for name in names}
    default = {name: {"train.learning_rate": 0.001, "model.activation": "relu"} for name in names}
    other: Verdict = "inconclusive"
    contrasts = tuple(replace(c, verdict=other, difference=-0.001) for c in study.contrasts)
    verdicts = len(study.contrasts)
    alternatives = (
        Alternative("half the budget", chosen, study.arms, study.contrasts, (True,) * verdicts),
        Alternative("untuned", default, study.arms, contrasts, (False,) * verdicts),
    )
    candidates = tuple(
        Candidate(
            arm=name,
            number=number,
            values={"train.learning_rate": rate, "model.activation": ("relu", "tanh")[number % 2]},
            mean=NAN if rate == 0.9 else 0.9 - abs(math.log10(rate / 0.05)) / 10,
            sd=NAN if rate == 0.9 else 0.01,
            finished=0 if rate == 0.9 else 3,
        )
        for name in names
        for number, rate in enumerate(rates, 1)
    )
    return replace(
        study,
        tuning=Tuning(
            parameters={"train.learning_rate": "log", "model.activation": "choices"},
            budget=4,
            seeds=3,
            outcome=OUTCOMES["validation_accuracy"],
            chosen=chosen,
            candidates=candidates,
            alternatives=alternatives,
            survival=tuple(survival(study.contrasts, alternatives, study.outcome)),
        ),
    )

"""Small real studies that tune, from specification to verdict."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from paribus import Study
from paribus.analysis import analyse
from paribus.data import load
from paribus.engines.base import Record
from paribus.errors import RunError, SpecError
from paribus.findings import Analysis
from paribus.run import Settings, lay_out, make_plan, run_study
from paribus.screen import plans
from paribus.store.store import Store
from paribus.study.design import Design
from paribus.study.spec import from_values
from paribus.study.tuning import FIRST_BLOCK
from tests.test_cli import paribus, refused

CRIPPLED = {
    "question": "Is SGD as good as Adam?",
    "name": "optimizer",
    "data": {"source": "digits", "validation": 0.25},
    "model": {"hidden": [32]},
    "train": {"epochs": 10, "learning_rate": 0.003},
    "factors": {"train.optimizer": ["adam", "sgd"]},
    "seeds": 6,
    "margin": 0.03,
    "tune": {
        "parameters": {"train.learning_rate": {"low": 0.001, "high": 1, "scale": "log"}},
        "budget": 4,
        "seeds": 2,
    },
}
TINY = {
    **CRIPPLED,
    "name": "tiny",
    "data": {"source": "breast-cancer", "validation": 0.25},
    "model": {"hidden": [4]},
    "train": {"epochs": 1, "batch_size": 64},
    "seeds": 1,
    "tune": {**CRIPPLED["tune"], "budget": 2, "seeds": 1},  # type: ignore[dict-item]
}


def laid_out(folder: Path, values: dict) -> tuple[Design, Settings]:
    spec = from_values(values)
    settings = Settings(folder / "store.sqlite", workers=1)
    return lay_out(spec, load(spec.data.source), settings), settings


def run(folder: Path, values: dict) -> Analysis:
    return run_study(*laid_out(folder, values))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tuned")


@pytest.fixture(scope="module")
def tuned(folder: Path) -> Analysis:
    return run(folder, CRIPPLED)


def test_tuning_changes_the_verdict_and_the_study_says_so(tuned: Analysis) -> None:
    (contrast,) = tuned.contrasts
    assert contrast.verdict == "equivalent"
    assert tuned.tuning
    half, untuned = tuned.tuning.alternatives
    assert (half.holds, untuned.holds) == ((False,), (False,))
    assert untuned.contrasts[0].verdict == "worse"
    assert untuned.contrasts[0].difference < -0.6
    assert untuned.values == {arm: {"train.learning_rate": 0.003} for arm in ("adam", "sgd")}
    (told,) = tuned.tuning.survival
    assert told.startswith("The verdict differs with half the budget: sgd worse by ")
    assert f"untuned: sgd worse by {-100 * untuned.contrasts[0].difference:.2f} points" in told
    assert "one-learning-rate" not in [one.name for one in tuned.confounds]


def test_the_best_by_mean_validation_accuracy_was_chosen(folder: Path, tuned: Analysis) -> None:
    found = tuned.tuning
    assert found
    with Store(folder / "store.sqlite") as store:
        search = store.study("optimizer (tuning)")
    assert {run.block for run in search.runs} == {FIRST_BLOCK, FIRST_BLOCK + 1}
    for index, arm in enumerate(("adam", "sgd")):
        means = [
            math.fsum(run.metrics["validation_accuracy"] for run in search.runs if run.arm == place)
            / 2
            for place in range(4 * index, 4 * index + 4)
        ]
        candidates = [one for one in found.candidates if one.arm == arm]
        assert [one.mean for one in candidates] == pytest.approx(means)
        best = max(candidates, key=lambda one: one.mean)
        assert found.chosen[arm] == best.values
        first = max(candidates[:2], key=lambda one: one.mean)
        assert found.alternatives[0].values[arm] == first.values


def test_the_verdict_is_that_of_the_same_study_with_the_values_written_in(
    tmp_path: Path, tuned: Analysis
) -> None:
    assert tuned.tuning
    levels = {
        arm: {"train.optimizer": arm, **values} for arm, values in tuned.tuning.chosen.items()
    }
    by_hand = run(tmp_path, {**CRIPPLED, "factors": {"optimizer": levels}, "tune": None})
    assert [arm.values for arm in by_hand.arms] == [arm.values for arm in tuned.arms]
    assert by_hand.contrasts[0].differences == tuned.contrasts[0].differences


def test_a_tuned_study_is_not_trained_again(folder: Path, tuned: Analysis) -> None:
    events: list = []
    design, settings = laid_out(folder, CRIPPLED)
    made = make_plan(design, settings)
    assert [part.to_train for part in made.parts] == [0, 0]
    again = run_study(design, settings, watch=events.append)
    assert not events
    assert again.tuning == tuned.tuning
    more = make_plan(*laid_out(folder, {**CRIPPLED, "seeds": 7}))
    assert more.tuning
    assert (more.tuning.to_train, more.to_train) == (0, 5)  # half the budget chose the same Adam
    run_study(*laid_out(folder, {**CRIPPLED, "margin": 0.02}), watch=events.append)
    assert not events


def test_twice_the_budget_trains_the_new_half_alone(folder: Path, tuned: Analysis) -> None:
    assert tuned.tuning
    tune = {**CRIPPLED["tune"], "budget": 8}  # type: ignore[dict-item]
    made = make_plan(*laid_out(folder, {**CRIPPLED, "tune": tune}))
    assert made.tuning
    assert (len(made.tuning.design.runs), made.tuning.to_train) == (32, 16)


def test_the_store_alone_tells_the_same(folder: Path, tuned: Analysis) -> None:
    with Store(folder / "store.sqlite") as store:
        assert {row.name for row in store.studies()} == {"optimizer", "optimizer (tuning)"}
        assert analyse(store, tuned.key).tuning == tuned.tuning
        assert analyse(store, "optimizer (tuning)").answer.startswith("The best mean validation")


def test_a_candidate_that_diverges_never_wins(tmp_path: Path) -> None:
    train = {"epochs": 1, "batch_size": 64, "optimizer": "sgd"}
    model = {"hidden": [8], "activation": "none"}
    values = {**TINY, "train": train, "model": model, "factors": {}}

    def tune(rates: list[float]) -> Analysis:
        parameters = {"train.learning_rate": rates}
        return run(tmp_path, {**values, "tune": {"parameters": parameters, "seeds": 1}})

    found = tune([1e12, 0.01])
    assert found.tuning
    assert found.tuning.chosen == {"the model": {"train.learning_rate": 0.01}}
    finished = {one.values["train.learning_rate"]: one.finished for one in found.tuning.candidates}
    assert finished == {1e12: 0, 0.01: 1}
    lost = tune([1e12, 1e13])
    assert lost.arms[0].diverged == 1
    assert "Tuning: every candidate of the model lost a seed" in " ".join(lost.notes)


def test_ctrl_c_while_tuning_keeps_what_has_finished(tmp_path: Path) -> None:
    def interrupt(event: object) -> None:
        if isinstance(event, Record):
            raise KeyboardInterrupt

    design, settings = laid_out(tmp_path, TINY)
    with pytest.raises(KeyboardInterrupt):
        run_study(design, settings, watch=interrupt)
    made = make_plan(design, settings)
    assert made.tuning
    assert made.tuning.finished == 4
    events: list = []
    analysis = run_study(design, settings, watch=events.append)
    trained = sum(isinstance(event, Record) for event in events)
    assert trained == made.to_train  # the choice was known: each of its runs once
    assert not any(arm.missing for arm in analysis.trained_arms)


def test_a_tuning_run_that_fails_stops_the_study_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    design, settings = laid_out(tmp_path, TINY)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None")
    with monkeypatch.context() as broken:
        broken.setenv("PYTHONPATH", str(tmp_path / "site"))
        with pytest.raises(RunError, match="4 of 4 tuning runs failed, so that nothing can be"):
            run_study(design, settings)
    assert not any(arm.failed for arm in run_study(design, settings).trained_arms)


def test_a_study_from_python_is_tuned(tmp_path: Path) -> None:
    study = Study(**{**TINY, "question": "Which?"})
    store = tmp_path / "store.sqlite"
    made = study.plan(store=store)
    assert "after 4 that tune" in repr(made)
    record = plans.plan_record(made)
    assert (record["runs"], record["tuning"]["runs"]) == (6, 4)
    result = study.run(store=store, workers=1, progress=False)
    assert result.analysis.tuning
    assert set(result.runs["arm"]) >= {"sgd", "sgd (untuned)", "sgd (half the budget)"}
    assert result.runs["seed"].max() == 0
    assert len(result.contrasts) == 1
    assert "Tuned on validation accuracy" in result.report(tmp_path / "x.html").read_text()


def test_the_command_line_plans_runs_and_shows_tuning(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(json.dumps(TINY))
    planned = " ".join(paribus(tmp_path, "plan", "tiny.yaml").stdout.split())
    assert "2 arms × 1 seed × 3 sets of values = 6 runs" in planned
    assert "2 candidates × 2 arms × 1 seed = 4 runs" in planned
    assert "To train for the tuning: 4 runs in" in planned
    assert "To train for the verdict: 6 runs in" in planned
    done = paribus(tmp_path, "run", "tiny.yaml", "--no-report")
    assert done.returncode == 0, done.stderr
    assert "6 runs · after 4 runs that tune" in done.stderr
    assert "adam: learning rate " in done.stdout
    shown = json.loads(paribus(tmp_path, "show", "tiny", "--json").stdout)
    assert shown["tuning"]["budget"] == 2
    assert [one["name"] for one in shown["tuning"]["alternatives"]] == [
        "half the budget",
        "untuned",
    ]


def test_a_candidate_that_cannot_be_trained_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    outcome = {**CRIPPLED["tune"], "outcome": "validation_rmse"}  # type: ignore[dict-item]
    (tmp_path / "x.yaml").write_text(json.dumps({**TINY, "tune": outcome}))
    assert "validation_rmse does not fit the classification" in refused(tmp_path, "run", "x.yaml")


def test_alternatives_get_the_seeds_that_their_arms_get(tmp_path: Path) -> None:
    values = {**TINY, "seeds": "auto", "max_seeds": 9, "margin": 1e-6, "outcome": "test_loss"}
    analysis = run(tmp_path, values)
    assert analysis.tuning
    for alternative in analysis.tuning.alternatives:
        for arm, own in zip(alternative.arms, analysis.arms, strict=True):
            assert arm.asked == own.asked
            assert len(arm.values) == own.asked
    assert {one.seeds for one in analysis.contrasts[0].looks} <= {6, 9}


def test_tuning_on_splits_of_ones_own_is_refused() -> None:
    data = {"source": "digits", "validation": 0.25, "split": "resampled"}
    with pytest.raises(SpecError, match=r"tune needs data\.split fixed"):
        from_values({**CRIPPLED, "data": data})

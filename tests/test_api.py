"""Studies from Python."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn import metrics
from sklearn.datasets import load_iris

import paribus
from paribus.data import fit_scaling
from paribus.study.rows import split_rows
from tests.stores import with_metrics


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    iris = load_iris(as_frame=True).frame
    return iris.assign(label=iris.pop("target").map({0: "setosa", 1: "versicolor", 2: "virginica"}))


def test_a_frame_goes_in_and_an_answer_comes_out(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = paribus.Study(
        question="Does dropout help?",
        data=frame,
        target="label",
        model={"kind": "mlp", "hidden": [16]},
        train={"epochs": 3},
        factors={"model.dropout": [0, 0.2, 0.5]},
        seeds=6,
        margin=0.01,
    )
    assert study.plan().to_train == 18
    result = study.run(workers=1, progress=False)
    assert result.answer == result.analysis.answer
    assert list(result.contrasts["arm"]) == ["dropout 0.2", "dropout 0.5"]
    assert list(result.arms["name"]) == ["dropout 0", "dropout 0.2", "dropout 0.5"]
    assert len(result.runs) == 18
    assert result.runs["model.dropout"].nunique() == 3
    assert set(result.curves.columns) == {"arm", "block", "metric", "epoch", "value"}
    page = result.report(tmp_path / "x.html").read_text()
    assert "Does dropout help?" in page
    assert "The table was given in Python, so no command alone repeats the study" in page
    assert "Does dropout help?" in repr(result)


def test_what_is_logged_per_step_can_be_had(tmp_path: Path) -> None:
    study = paribus.Study(
        "How does the loss fall?",
        data="breast-cancer",
        train={"epochs": 2, "batch_size": 50, "log_every": 4},
        seeds=1,
    )
    result = study.run(store=tmp_path / "s.sqlite", workers=1, progress=False)
    steps = result.steps[result.steps["metric"] == "step_loss"]
    assert list(steps["epoch"]) == [1, 1, 2, 2]
    assert list(steps["step"]) == [4, 8, 4, 8]  # of 10 batches in each epoch
    assert steps["value"].iloc[-1] < steps["value"].iloc[0]
    assert not result.curves["metric"].str.startswith("step_").any()


def test_logged_steps_keep_their_places_where_the_last_epoch_is_cut_short(tmp_path: Path) -> None:
    study = paribus.Study(
        "How does the loss fall?",
        data="breast-cancer",
        train={"steps": 23, "batch_size": 50, "log_every": 3},  # 10 steps an epoch
        seeds=1,
    )
    result = study.run(store=tmp_path / "s.sqlite", workers=1, progress=False)
    steps = result.steps[result.steps["metric"] == "step_loss"]
    assert list(steps["epoch"]) == [1, 1, 1, 2, 2, 2, 3]
    assert list(steps["step"]) == [3, 6, 9, 3, 6, 9, 3]


def test_metrics_of_classes_equal_scikit_learns_on_the_exported_models(tmp_path: Path) -> None:
    study = paribus.Study(
        "Do class weights help the rare digits?",
        data={"source": "digits", "validation": 0.1, "subsample": {"8": 0.1, "9": 0.2}},
        model={"hidden": [12]},
        train={"epochs": 4, "learning_rate": 0.005},
        factors={"data.class_weights": ["none", "balanced"]},
        outcome="test_balanced_accuracy",
        seeds=2,
    )
    store = tmp_path / "s.sqlite"
    result = study.run(store=store, workers=1, checkpoints=True, progress=False)
    assert "The best mean" in result.answer
    dataset, spec = study.dataset, study.spec
    split = split_rows(dataset, spec.data, spec.seed)
    x = torch.from_numpy(fit_scaling(dataset, split.train, "unit").apply(dataset.features))
    for part, rows in (("test", split.test), ("validation", split.validation)):
        y, matrices, recalls = dataset.targets[rows], [], []
        for run in result.runs.itertuples():
            module = paribus.load_model(tmp_path / "checkpoints" / f"{run.run}.safetensors")
            with torch.no_grad():
                shares = torch.softmax(module(x[rows]).double(), 1).numpy()
            predicted = shares.argmax(1)
            expected = {
                "accuracy": metrics.accuracy_score(y, predicted),
                "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted),
                "macro_f1": metrics.f1_score(y, predicted, average="macro"),
                "log_loss": metrics.log_loss(y, shares),
            }
            for name, value in expected.items():
                assert getattr(run, f"{part}_{name}") == pytest.approx(value, rel=1e-5), name
            matrices.append(metrics.confusion_matrix(y, predicted))
            recalls.append(metrics.recall_score(y, predicted, average=None))
        for arm, seeds in (("class weights none", slice(0, 2)), ("balanced", slice(2, 4))):
            found = result.confusion(arm, part)
            np.testing.assert_array_equal(found, sum(matrices[seeds]))
            assert list(found.index) == list(found.columns) == list(dataset.classes)
            recall = result.recall(part).query("arm == @arm").set_index("class")
            np.testing.assert_allclose(recall["mean"], np.mean(recalls[seeds], 0))
            np.testing.assert_allclose(recall["sd"], np.std(recalls[seeds], 0, ddof=1), atol=1e-9)
            assert set(recall["n"]) == {2}
    with pytest.raises(paribus.StoreError, match=r"no arm balancd \(did you mean balanced\?\)"):
        result.confusion("balancd")


def test_a_numeric_target_has_no_confusion_matrix(tmp_path: Path) -> None:
    study = paribus.Study("?", data="diabetes", train={"epochs": 1}, outcome="test_mae", seeds=1)
    result = study.run(store=tmp_path / "s.sqlite", workers=1, progress=False)
    assert "test MAE" in result.answer
    assert result.recall().empty
    assert result.analysis.confusions.empty
    with pytest.raises(paribus.StoreError, match="no run of the model has a confusion matrix"):
        result.confusion("the model")


def test_runs_that_lack_the_outcome_are_told(tmp_path: Path) -> None:
    """As those of a store that was written before the outcome was recorded."""
    settings = {"data": "breast-cancer", "train": {"epochs": 1}, "seeds": 2}
    store = tmp_path / "s.sqlite"
    paribus.Study("?", **settings).run(store=store, workers=1, progress=False)
    with_metrics(store, lambda _, metrics: {k: v for k, v in metrics.items() if k != "test_ece"})
    study = paribus.Study("?", **settings, outcome="test_ece")
    result = study.run(store=store, workers=1, progress=False)
    assert any("2 runs are from an earlier Paribus" in note for note in result.analysis.notes)


def test_a_result_is_loaded_from_the_store_by_name_or_key(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    study = paribus.Study("?", name="mine", data="breast-cancer", train={"epochs": 1}, seeds=2)
    result = study.run(store=store, workers=1, progress=False)
    for name in ("mine", result.analysis.key, result.analysis.key[:8]):
        again = paribus.Result.load(name, store=store)
        assert again.answer == result.answer
        pd.testing.assert_frame_equal(again.runs, result.runs)
    assert again.plot.metric().to_dict() == result.plot.metric().to_dict()
    with pytest.raises(paribus.StoreError, match=r"no study mien .*did you mean mine\?"):
        paribus.Result.load("mien", store=store)
    with pytest.raises(paribus.StoreError, match="there is no store"):
        paribus.Result.load("mine", store=tmp_path / "other.sqlite")


def test_each_column_of_a_table_is_explained(tmp_path: Path) -> None:
    study = paribus.Study(
        "?",
        data="breast-cancer",
        train={"epochs": 1, "log_every": 5},
        factors={"model.width": [2, 3]},
        seeds=2,
    )
    result = study.run(store=tmp_path / "s.sqlite", workers=1, progress=False)
    described = {"arm", "block", "metric", "epoch", "value"}  # of curves, in those of steps
    for table in ("contrasts", "arms", "curves", "steps"):
        told = str(getattr(paribus.Result, table).__doc__)
        named = {w for line in told.split("\n") if "- " in line for w in re.findall(r"\w+", line)}
        columns = set(getattr(result, table).columns) - {"width"}
        assert columns <= named | (described if table == "steps" else set()), table
    assert list(result.runs.columns[:5]) == ["study", "arm", "seed", "status", "reason"]


def test_a_built_in_study_is_loaded_with_other_settings() -> None:
    study = paribus.Study.load("optimizers", seeds=3, train__epochs=1)
    assert (study.spec.seeds, study.spec.train.epochs) == (3, 1)
    assert study.dataset.name == "digits"


def test_problems_of_a_study_come_all_at_once(frame: pd.DataFrame) -> None:
    with pytest.raises(paribus.SpecError) as raised:
        paribus.Study("?", data=frame, target="label", seeds=0, model={"hiden": [3]})
    assert len(raised.value.problems) == 2
    with pytest.raises(paribus.SpecError, match="target is missing"):
        paribus.Study("?", data=frame)
    with pytest.raises(paribus.DataError, match="lable"):
        paribus.Study("?", data=frame, target="lable")


def test_every_public_name_is_there() -> None:
    for name in paribus.__all__:
        assert getattr(paribus, name)
    with pytest.raises(AttributeError):
        _ = paribus.nothing


def test_a_network_is_found_where_the_script_finds_it(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "beside.py").write_text(
        "from torch import nn\n\ndef make():\n    return nn.Linear(30, 2)\n"
    )
    (tmp_path / "script.py").write_text(
        "import sys\nsys.path.insert(0, 'lib')\nfrom paribus import Study\n"
        "study = Study('?', data='breast-cancer', model='beside:make', seeds=2)\n"
        "print(list(study.run(progress=False).runs['status']))\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "['done', 'done']", done.stderr


def test_every_seed_has_a_split_of_its_own_and_the_verdicts_allow_for_it(tmp_path: Path) -> None:
    def run(split: str, seeds: int) -> paribus.Result:
        return paribus.Study(
            "Which learning rate?",
            data={"source": "diabetes", "split": split},
            model={"hidden": [8]},
            train={"epochs": 10},
            factors={"train.learning_rate": [0.0001, 0.01]},
            seeds=seeds,
            margin=1.0,
        ).run(store=tmp_path / "s.sqlite", workers=1, progress=False)

    for split, n in (("resampled", 8), ("kfold", 12)):
        result = run(split, n)
        (contrast,), arm = result.analysis.contrasts, result.analysis.arms[0]
        overlap = result.analysis.overlap
        assert overlap == pytest.approx(0.25, abs=0.003)  # a fifth is tested on
        d = np.array(list(contrast.differences.values()))
        for values, low, high in (
            (d, contrast.low, contrast.high),
            (np.array(list(arm.values.values())), arm.low, arm.high),
        ):
            half = stats.t.ppf(0.975, n - 1) * error_of(values, overlap)
            assert (high - low) / 2 == pytest.approx(half)
        assert contrast.verdict == "better"
        t = abs(d.mean()) / error_of(d, overlap)
        assert contrast.p == pytest.approx(2 * stats.t.sf(t, n - 1))
        assert math.isnan(contrast.p_sign_flip)
        notes = " ".join(result.analysis.notes)
        assert "It holds for data like these: every seed has a split of its own" in notes
        assert ("12 seeds are no multiple of 5 folds" in notes) == (split == "kfold")
        assert "this one test set" not in notes
        page = result.report(tmp_path / f"{split}.html").read_text()
        assert "data.split" in page
        assert "Nadeau and Bengio" in page
    assert result.runs["status"].eq("done").all()
    fixed = run("fixed", 6).analysis
    assert fixed.overlap == 0
    assert "It holds for this one test set of 88 rows." in fixed.notes[0]
    assert fixed.contrasts[0].p_sign_flip == 2 / 2**6


def error_of(d: np.ndarray, overlap: float) -> float:
    return float(d.std(ddof=1)) * math.sqrt(1 / len(d) + overlap)

"""Studies from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_iris

import paribus


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
    assert list(steps["step"]) == [4, 8, 12, 16, 20]  # 2 epochs of 10 batches
    assert steps["value"].iloc[-1] < steps["value"].iloc[0]
    assert not result.curves["metric"].str.startswith("step_").any()


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

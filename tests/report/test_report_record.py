import json
import math
from dataclasses import replace

import made_up_analyses
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paribus.findings import Analysis
from paribus.report.record import to_record
from paribus.study.confounds import Confound


def test_the_record_holds_what_a_program_wants(study: Analysis) -> None:
    record = json.loads(json.dumps(to_record(study), allow_nan=False))
    assert record["answer"] == study.answer
    assert record["environment"]["PyTorch"] == "2.13.0"
    assert record["controls"]["training.batch_size"] == "100"
    assert record["factors"]["batch norm"] == ["no", "yes"]
    assert record["arms"][1]["values"]["0"] == study.arms[1].values[0]
    assert record["contrasts"][0]["difference"] == pytest.approx(0.144, abs=0.003)
    assert record["contrasts"][2]["verdict"] == "equivalent"
    assert sum(record["verdicts"].values()) == len(record["contrasts"]) == 4
    assert record["outcome"]["scale"] == 100.0
    assert "curves" not in record


def test_confounds_are_part_of_the_record() -> None:
    found = Confound("no-shuffling", "what", "why", "mend", accepted=True)
    record = to_record(made_up_analyses.single_arm(confounds=[found]))
    assert record["confounds"] == [vars(found)]


def test_what_has_no_number_is_none() -> None:
    record = to_record(made_up_analyses.all_diverged())
    gone = record["arms"][2]
    assert gone["mean"] is None
    assert gone["low"] is None
    assert record["contrasts"][1]["difference"] is None
    assert record["contrasts"][1]["verdict"] == "not comparable"


@given(st.floats(), st.floats())
def test_any_floats_give_strict_json(mean: float, effect: float) -> None:
    study = made_up_analyses.single_arm()
    study = replace(study, arms=(replace(study.arms[0], mean=mean, sd=effect),))
    record = json.loads(json.dumps(to_record(study), allow_nan=False))
    assert record["arms"][0]["mean"] == (mean if math.isfinite(mean) else None)

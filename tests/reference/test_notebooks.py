"""What the reference printed and concluded, and how our runs are held against it."""

from __future__ import annotations

import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from paribus.errors import InputError
from paribus.reference.compare import Ran, assess, compare
from paribus.reference.notebooks import Claim, Comparison, Figure, chosen, notebooks
from paribus.study.outcomes import OUTCOMES
from paribus.study.spec import as_written_names, builtin_names, load


def ran() -> Ran:
    """Return made-up runs of two arms in eight blocks, by nature paired."""
    rng = np.random.default_rng(0)
    plain = {block: 0.97 + float(rng.normal(0, 0.001)) for block in range(8)}
    values = {
        "plain": plain,
        "much better": {b: v + 0.01 + float(rng.normal(0, 1e-4)) for b, v in plain.items()},
        "as good": {b: v + float(rng.normal(0, 1e-4)) for b, v in plain.items()},
    }
    steps = pd.DataFrame(
        [
            ("plain", block, "step_mean_loss", 1, step, 1 / step + block)
            for block in range(8)
            for step in (100, 200, 300)
        ],
        columns=["arm", "block", "metric", "epoch", "step", "value"],
    )
    curves = pd.DataFrame(
        [("plain", block, "train_loss", 2, 0.5 + block / 100) for block in range(8)],
        columns=["arm", "block", "metric", "epoch", "value"],
    )
    analysis = SimpleNamespace(
        arms=[SimpleNamespace(name=name, values=own) for name, own in values.items()],
        outcome=OUTCOMES["test_accuracy"],
        overlap=0.0,
        curves=curves,
        steps=steps,
        answer="The answer.",
        remarks=("One.", "Two.", "Three."),
    )
    metrics = {(name, "test_accuracy"): own for name, own in values.items()}
    return Ran(analysis, 0.002, metrics)  # type: ignore[arg-type]


def figure(printed: str, **more: object) -> Figure:
    return Figure("it", "there", "study", "plain", printed=printed, **more)  # type: ignore[arg-type]


def test_all_figures_of_the_reference_are_there() -> None:
    count = Counter({letter: len(one.figures) for letter, one in notebooks().items()})
    assert count == {"A": 2 + 5, "B": 26 + 12 + 9, "C": 0, "D": 5 + 2, "E": 12 + 25 + 9 + 3}


def test_what_a_notebook_names_exists() -> None:
    for notebook in notebooks().values():
        studies = {**notebook.written, **notebook.corrected}
        assert set(notebook.clock) <= set(builtin_names())
        for name, own in studies.items():
            load(name, own)
        assert set(notebook.written) <= set(as_written_names())
        assert {figure.study for figure in notebook.figures} <= set(studies)
        for claim in notebook.claims:
            assert claim.corrected.study in studies
            assert claim.written is None or claim.written.study in studies


def test_notebooks_are_chosen_by_letter_once_each() -> None:
    assert [one.letter for one in chosen(["e", "B", "E"])] == ["E", "B"]
    assert len(chosen([])) == 5
    with pytest.raises(InputError, match="there is no notebook F; there are A, B, C, D, E"):
        chosen(["F"])


def test_a_figure_is_compared_with_the_final_metric_of_its_arm() -> None:
    inside = compare(figure("97.05", metric="test_accuracy", percent=True), ran())
    assert inside.n == 8
    assert inside.inside
    assert inside.least <= inside.mean <= inside.most
    outside = compare(figure("98.00", metric="test_accuracy", percent=True), ran())
    assert outside.inside is False
    assert outside.deviation == pytest.approx((0.98 - inside.mean) / inside.sd)


def test_a_figure_counts_as_rounded_as_it_was_printed() -> None:
    same = dict.fromkeys(range(8), 0.9704)
    own = ran()
    equal = Ran(own.analysis, own.margin, {("plain", "test_accuracy"): same})
    assert compare(figure("97.0", metric="test_accuracy", percent=True), equal).inside
    assert not compare(figure("97.00", metric="test_accuracy", percent=True), equal).inside


def test_points_of_curves_and_of_logged_steps_are_found() -> None:
    epoch = compare(figure("0.5", metric="train_loss", epoch=2), ran())
    assert epoch.mean == pytest.approx(np.mean([0.5 + block / 100 for block in range(8)]))
    step = compare(figure("0.5", metric="step_mean_loss", epoch=1, step=200), ran())
    assert step.least == pytest.approx(1 / 200)
    so_far = figure("0.5", metric="step_mean_loss", epoch=1, step=200, running=True)
    assert compare(so_far, ran()).least == pytest.approx((1 / 100 + 1 / 200) / 2)


def test_what_the_runs_did_not_reach_is_not_compared() -> None:
    for missing in (
        figure("0.5", metric="train_loss", epoch=3),
        figure("0.5", metric="step_mean_loss", epoch=1, step=400, running=True),
        figure("0.5", metric="test_log_loss"),
    ):
        found = compare(missing, ran())
        assert found.inside is None
        assert math.isnan(found.mean)


def test_a_claim_holds_where_the_verdict_is_what_it_said() -> None:
    pairs = {"one": ("much better", "plain"), "other": ("as good", "plain")}
    claim = Claim("It helps.", "better", None, Comparison("study", pairs))
    found = assess(claim, {"study": ran()})
    assert found is not None
    assert found.upheld == {"one": "holds", "other": "does not hold"}
    assert [one.judged.verdict for one in found.corrected] == ["better", "equivalent"]
    assert assess(claim, {}) is None


def test_a_claim_without_pairs_is_answered_by_its_study() -> None:
    claim = Claim("It helps.", "", None, Comparison("study", {}))
    found = assess(claim, {"study": ran()})
    assert found is not None
    assert found.answer == "The answer. One. Two."
    assert not found.upheld

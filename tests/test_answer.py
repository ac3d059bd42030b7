"""What the notes below an answer say of its scope and of what would decide it."""

from __future__ import annotations

import numpy as np

from paribus.answer import notes
from paribus.findings import ArmSummary, Contrast
from paribus.stats.verdicts import judge
from paribus.study.outcomes import OUTCOMES

ARM = ArmSummary(
    name="a",
    levels={},
    values={},
    mean=0.9,
    sd=0.01,
    low=0.89,
    high=0.91,
    diverged=0,
    failed=0,
    missing=0,
    asked=10,
    reasons=(),
    parameters=1,
    architecture="1-1",
)


def told(d: np.ndarray, margin: float, overlap: float) -> str:
    (judged,) = judge([d], margin, True, overlap=overlap)
    assert judged.verdict == "inconclusive"
    contrast = Contrast(
        arm="a",
        baseline="b",
        varies="a against b",
        condition="",
        differences=dict(enumerate(d)),
        p_adjusted=judged.p_adjusted,
        p_equivalence=judged.p_equivalence,
        verdict=judged.verdict,
        seeds_needed=judged.seeds_needed,
        confidence=judged.confidence,
        asked=10,
        looks=(),
        **vars(judged.paired),
    )
    outcome = OUTCOMES["test_accuracy"]
    return " ".join(notes([contrast], [ARM], outcome, margin, 10, None, 360, overlap))


def test_notes_say_what_a_verdict_holds_for_and_when_seeds_alone_cannot_decide() -> None:
    d = np.random.default_rng(0).normal(0, 0.02, 10)
    fixed, shared, hopeless = (told(d, 0.01, overlap) for overlap in (0.0, 0.005, 0.25))
    assert "It holds for this one test set of 360 rows." in fixed
    for note in (shared, hopeless):
        assert "It holds for data like these: every seed has a split of its own" in note
    for note in (fixed, shared):
        assert "The contrasts that are not decided yet would need" in note
        assert "No number of seeds" not in note
    assert "`paribus run … --more` adds them." in fixed
    assert "run them as a study with another `seed`." in shared
    assert "No number of seeds gives 1 of the contrasts an 80 % chance" in hopeless
    assert "would need" not in hopeless

"""Pages of studies that nobody would draw in a manual."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import made_up_analyses
import numpy as np
import pytest

from paribus.findings import Analysis
from paribus.report import html

MEGABYTE = 1_000_000
NAMES = [
    "a name that goes on and on, " * 12,
    "<script>alert('level')</script>",
    "数据 · ünïcödé · \U0001f9ea · العربية",
    "{{ 7 * 7 }} {% raw %} \\begin{x} $y$ %",
    "'; drop table runs; --",
    "tab\tnul\0escape\x1b[31m",
]


def page_of(study: Analysis) -> str:
    page = html.render(study)
    ET.fromstring(page)
    assert "<script" not in page
    return page


def test_a_page_of_200_arms_is_sound_and_light() -> None:
    levels = tuple(f"kind {number}" for number in range(100))
    within = made_up_analyses.within("batch norm")
    factors = {"kind": levels, "batch norm": ("no", "yes")}
    study = made_up_analyses.made_up(factors, lambda _: 0.9, within, seeds=6, epochs=3)
    page = page_of(study)
    assert len(page.encode()) < 3 * MEGABYTE
    assert page.count('<tr id="arm-') == 200


def test_a_page_of_30_seeds_and_100_epochs_is_light() -> None:
    factors = {"batch norm": ("no", "yes"), "dropout": ("0", "0.2", "0.5")}
    within = made_up_analyses.within("batch norm")
    study = made_up_analyses.made_up(factors, lambda _: 0.9, within, seeds=30, epochs=100)
    assert len(page_of(study).encode()) < 2 * MEGABYTE


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_are_a_page_without_intervals(seeds: int) -> None:
    within = made_up_analyses.within("batch norm")
    factors = {"batch norm": ("no", "yes")}
    study = made_up_analyses.made_up(factors, lambda _: 0.9, within, seeds=seeds, epochs=1)
    page = page_of(study)
    assert "pilot" in page
    assert "nan" not in page


def test_levels_of_any_characters_are_shown_as_text() -> None:
    factors = {"a & b": tuple(NAMES), "batch norm": ("no", "yes")}
    within = made_up_analyses.within("batch norm")
    study = made_up_analyses.made_up(factors, lambda _: 0.9, within, seeds=6, epochs=2)
    page = page_of(replace(study, question=NAMES[1], answer=" ".join(NAMES)))
    assert "&lt;script&gt;alert(&#39;level&#39;)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert "\x1b" not in page


def test_curves_that_are_nowhere_finite_leave_a_page_without_them() -> None:
    study = made_up_analyses.two_arms()
    lost = study.curves.assign(value=np.nan)
    page = page_of(replace(study, curves=lost))
    assert 'id="figure-loss"' not in page
    assert 'id="figure-seeds"' in page


def test_runs_that_all_failed_leave_a_page_that_says_why() -> None:
    study = made_up_analyses.two_arms()
    failed = tuple(
        replace(
            arm,
            values={},
            mean=float("nan"),
            sd=float("nan"),
            low=float("nan"),
            high=float("nan"),
            failed=arm.asked,
            reasons=("ValueError: <no> memory & no luck",),
        )
        for arm in study.arms
    )
    nothing = replace(study, arms=failed, contrasts=(), curves=study.curves[:0])
    page = page_of(nothing)
    assert "ValueError: &lt;no&gt; memory &amp; no luck" in page
    assert 'id="discussion"' not in page

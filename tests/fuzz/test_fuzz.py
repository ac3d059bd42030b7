"""A few hundred hostile inputs through every door; `make fuzz` tries many thousands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.targets import FILES, SPECS, Target, place, tried

EXAMPLES = {"study files": 60, "studies in Python": 40, "stores": 20, "commands on stores": 8}


@pytest.mark.parametrize("target", [*SPECS, *FILES], ids=lambda target: target.name)
def test_what_comes_is_taken_or_refused_with_a_message(target: Target) -> None:
    @settings(
        max_examples=EXAMPLES.get(target.name, 60),
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def each(one: Any) -> None:
        tried(target, folder, one)

    with place() as folder:
        each()


def test_the_sound_material_that_inputs_are_made_from_is_accepted() -> None:
    from tests.fuzz.files import parquets, tables
    from tests.fuzz.specs import TEXTS
    from tests.fuzz.stores import sound

    by_name = {target.name: target for target in (*SPECS, *FILES)}
    how = {"target": "y", "missing": "error", "task": None}
    with place() as folder:
        assert tried(by_name["stores"], folder, sound())
        assert tried(by_name["csv files"], folder, (("data.csv", tables()[0]), how))
        assert tried(by_name["parquet files"], folder, (("data.parquet", parquets()[0]), how))
        taken = [tried(by_name["study files"], folder, (text.encode(), {})) for text in TEXTS]
    assert sum(taken) > len(TEXTS) / 2  # the others need a GPU, or a table with another target

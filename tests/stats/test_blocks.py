"""What counts as a table of complete blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paribus.stats.blocks import complete


def test_whole_numbers_become_floats() -> None:
    table = complete(np.array([[1, 2], [3, 4]]))
    assert table.dtype == float
    assert table.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("missing", [math.nan, math.inf])
def test_an_incomplete_block_is_an_error(missing: float) -> None:
    with pytest.raises(ValueError, match="complete"):
        complete(np.array([[1.0, missing], [3.0, 4.0]]))


@pytest.mark.parametrize("shape", [(3,), (0, 2), (2, 0), (1, 2, 3)])
def test_another_shape_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        complete(np.zeros(shape))

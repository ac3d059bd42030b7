from io import StringIO

import pytest
from rich.console import Console

from paribus.screen.console import table

ROWS = [
    {"study": "optimizers", "question": "Which optimizer learns best of all?", "runs": 80},
    {"study": "dropout", "question": "Does dropout help?", "runs": 120},
]


def printed(width: int) -> list[str]:
    console = Console(width=width, file=StringIO())
    table(ROWS, right=["runs"], wrap="question", console=console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_sentence_stands_in_its_column_where_there_is_room() -> None:
    assert printed(60)[1] == "optimizers  Which optimizer learns best of all?    80"


@pytest.mark.parametrize("width", [40, 45])
def test_a_sentence_without_room_stands_below_its_row(width: int) -> None:
    assert printed(width) == [
        "study       runs",
        "optimizers    80",
        "  Which optimizer learns best of all?",
        "dropout      120",
        "  Does dropout help?",
    ]

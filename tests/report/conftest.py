"""Pages are rendered once: drawing their charts takes most of the time of these tests."""

import pytest
from made_up_analyses import eight_arms

from paribus.findings import Analysis
from paribus.report import html


@pytest.fixture(scope="session")
def study() -> Analysis:
    return eight_arms()


@pytest.fixture(scope="session")
def page(study: Analysis) -> str:
    return html.render(study)

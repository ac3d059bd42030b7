"""Pages are rendered once: drawing their charts takes most of the time of these tests."""

from pathlib import Path

import pytest
from made_up_analyses import eight_arms

from paribus import Study
from paribus.findings import Analysis
from paribus.report import charts, html


@pytest.fixture(scope="session")
def study() -> Analysis:
    return eight_arms()


@pytest.fixture(scope="session")
def page(study: Analysis) -> str:
    return html.render(study)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a small study, `tiny`, that has run."""
    path = tmp_path_factory.mktemp("stored") / ".paribus" / "store.sqlite"
    study = Study(
        "Does dropout help?",
        name="tiny",
        data="breast-cancer",
        model={"hidden": [4]},
        train={"epochs": 2},
        factors={"model.dropout": [0, 0.5]},
        seeds=2,
        margin=0.02,
    )
    study.run(store=path, workers=1, progress=False)
    return path


@pytest.fixture
def two_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts take most of the time of a report."""
    kinds = {name: charts.CHARTS[name] for name in ("forest", "loss-and-metric")}
    monkeypatch.setattr(charts, "CHARTS", kinds)

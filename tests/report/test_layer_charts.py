from dataclasses import replace

import made_up_analyses
import numpy as np
import pandas as pd
import pytest

from paribus.findings import Analysis
from paribus.report import charts, html
from paribus.report.charts import layers


def with_layers(values: dict[str, float], epochs: int = 3) -> Analysis:
    """A study whose arms have these values in the last epoch, and others before it."""
    study = made_up_analyses.two_arms()
    rows = [
        (arm.name, block, metric, epoch, value if epoch == epochs else 99.0)
        for arm in study.arms
        for block in range(2)
        for metric, value in values.items()
        for epoch in range(1, epochs + 1)
    ]
    columns = ["arm", "block", "metric", "epoch", "value"]
    curves = pd.concat([study.curves, pd.DataFrame(rows, columns=columns)])
    return replace(study, curves=curves.reset_index(drop=True))


LAYERS = {f"gradient_norm_{i}": 10.0**-i for i in range(1, 12)} | {"inactive_1": 0.25}


def test_layers_are_in_order_at_the_last_epoch() -> None:
    study = with_layers({**LAYERS, "gradient_noise": 5.0, "inactive_share": 0.25})
    rows = layers.layer_rows(study, layers.NORM)
    own = rows[rows["arm"] == study.arms[0].name].sort_values("layer")
    assert list(own["layer"]) == list(range(1, 12))
    np.testing.assert_allclose(own["mean"], [10.0**-i for i in range(1, 12)])
    (share, _) = layers.layer_rows(study, layers.INACTIVE).itertuples()
    assert (share.layer, share.mean, share.n) == (1, 0.25, 2)


def test_norms_of_zero_have_no_place_on_a_log_axis() -> None:
    rows = layers.layer_rows(
        with_layers({"gradient_norm_1": 0.0, "gradient_norm_2": 1.0}), layers.NORM
    )
    assert set(rows["layer"]) == {2}


@pytest.mark.parametrize("draw", [layers.gradient_norms, layers.inactive_units])
def test_a_chart_is_drawn_where_gradients_were_measured(draw: object) -> None:
    assert draw(made_up_analyses.two_arms()) is None
    chart = draw(with_layers(LAYERS))
    assert chart is not None
    assert "by layer" in charts.to_svg(chart)


def test_the_page_shows_the_layers_and_says_where_they_are_extreme() -> None:
    page = html.render(with_layers(LAYERS))
    assert 'id="figure-gradients"' in page
    assert 'id="figure-inactive"' in page
    assert "Lowest: 1e-11 in layer 11 of " in page
    assert "figure-gradients" not in html.render(made_up_analyses.two_arms())

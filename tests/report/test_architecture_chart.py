"""The drawing of the networks of a study, from the declaration to the picture."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import made_up_analyses
import pytest

from paribus.analysis import analyse
from paribus.data import load
from paribus.findings import Analysis
from paribus.models.build import network
from paribus.models.layers import Network
from paribus.models.outline import LayerSummary, outline
from paribus.report import charts
from paribus.report.charts import architecture
from paribus.store.store import Store
from paribus.study.config import ModelConfig
from paribus.study.declaration import declaration
from paribus.study.design import EngineId, design
from paribus.study.spec import from_values

IMAGE, TABLE = (1, 28, 28), (64,)
BLOCKS = ["residual block"] * 8


def layers_of(shape: tuple[int, ...] = IMAGE, **settings: Any) -> tuple[LayerSummary, ...]:
    model = ModelConfig(**settings)
    made = network(model, shape, 10)
    assert isinstance(made, Network)
    found = outline(made, model.dropout)
    assert sum(layer.parameters for layer in found) == made.parameters
    assert found[-1].shape == (10,)
    return found


def texts(chart: charts.Chart | None) -> list[str]:
    assert chart is not None
    root = ET.fromstring(charts.to_svg(chart))
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def having(*networks: tuple[LayerSummary, ...]) -> Analysis:
    """A study whose arms have these networks."""
    study = made_up_analyses.made_up(
        {"hidden": [str(i) for i in range(len(networks))]},
        lambda levels: 0.9,
        made_up_analyses.within("hidden"),
        seeds=2,
    )
    arms = zip(study.arms, networks, strict=True)
    return replace(
        study,
        arms=tuple(
            replace(arm, layers=own, parameters=sum(layer.parameters for layer in own))
            for arm, own in arms
        ),
    )


def test_what_follows_a_layer_stands_with_it_and_its_parameters_are_counted_once() -> None:
    found = layers_of(hidden=(500,), batch_norm="after", dropout=0.2)
    assert found == (
        LayerSummary("input", IMAGE, 0, ("flatten",)),
        LayerSummary("dense", (500,), 393_500, ("relu", "batch norm", "dropout 0.2")),
        LayerSummary("dense", (10,), 5010),
    )


@pytest.mark.parametrize(
    ("kind", "shape", "kinds"),
    [
        ("logistic", TABLE, ["input", "dense"]),
        ("cnn", IMAGE, ["input", *["conv 5×5", "max pool 2×2"] * 2, *["dense"] * 3]),
        (
            "resnet18",
            IMAGE,
            ["input", "conv 7×7, stride 2", "max pool 3×3", *BLOCKS, "average pool", "dense"],
        ),
    ],
)
def test_each_kind_of_network_has_its_layers(
    kind: str, shape: tuple[int, ...], kinds: list[str]
) -> None:
    found = layers_of(shape, kind=kind)
    assert [layer.kind for layer in found] == kinds
    study = having(found)
    words = texts(architecture.draw(study))
    assert set(kinds) - {"residual block", "dense"} <= set(words)
    assert len(architecture.tabulated(study)) == len(architecture.architectures(study)[0].layers)


def test_equal_layers_in_a_row_are_counted() -> None:
    study = having(layers_of(TABLE, width=32, depth=12))
    (one,) = architecture.architectures(study)
    assert [(layer.kind, count) for layer, count in one.layers] == [
        ("input", 1), ("dense", 1), ("dense", 11), ("dense", 1),
    ]  # fmt: skip
    words = texts(architecture.draw(study))
    assert "11 × dense" in words
    assert "1,056 each" in words
    assert "11 times dense of 32 with relu" in architecture.alternative(study)


def test_a_network_that_several_arms_have_is_drawn_once_with_their_names() -> None:
    small, large = layers_of(hidden=(8,)), layers_of(hidden=(9,))
    study = having(small, large, small)
    found = architecture.architectures(study)
    assert [one.arms for one in found] == [("hidden 0", "hidden 2"), ("hidden 1",)]
    assert "2 arms: hidden 0, hidden 2" in texts(architecture.draw(study))


def test_of_many_networks_eight_are_drawn_and_the_caption_says_so() -> None:
    study = having(*(layers_of(hidden=(units,)) for units in range(1, 25)))
    words = texts(architecture.draw(study))
    assert words.count("input") == 8
    assert "8 of 24 architectures are drawn." in architecture.caption(study)


def test_without_layers_there_is_nothing_to_draw() -> None:
    study = made_up_analyses.two_arms()
    assert architecture.draw(study) is None
    assert architecture.caption(study) == architecture.alternative(study) == ""
    assert architecture.tabulated(study).empty


def test_names_of_networks_cannot_leave_the_text_of_the_chart() -> None:
    bad = "</text><script>alert(1)</script>\x00\"' + alert(1) //"
    study = having((LayerSummary(bad, (10,), 7, (bad,)),))
    arms = tuple(replace(arm, name=bad, architecture=bad) for arm in study.arms)
    chart = architecture.draw(replace(study, arms=arms))
    assert chart is not None
    assert "<script" not in charts.to_svg(chart)
    texts(chart)


def declared(**settings: Any) -> tuple[dict[str, Any], list[tuple[int, int, str]], str]:
    values = {"question": "?", "data": "digits", "seeds": 2, "train": {"epochs": 1}, **settings}
    laid_out = design(from_values(values), load("digits"), EngineId("stacked", "1", "cpu"))
    runs = [(run.block, run.arm, run.key) for run in laid_out.runs]
    return declaration(laid_out, "paribus run"), runs, laid_out.key


def test_layers_come_out_of_a_store_as_they_were_declared(tmp_path: Any) -> None:
    content, runs, key = declared(model={"hidden": [16], "dropout": 0.5})
    with Store(tmp_path / "s.sqlite", create=True) as store:
        store.add_study(key, "s", "?", content, runs)
        (arm,) = analyse(store, "s").arms
    assert arm.layers == (
        LayerSummary("input", (1, 8, 8), 0, ("flatten",)),
        LayerSummary("dense", (16,), 64 * 16 + 16, ("relu", "dropout 0.5")),
        LayerSummary("dense", (10,), 170),
    )


def test_a_study_that_an_older_version_declared_has_no_layers(tmp_path: Any) -> None:
    content, runs, key = declared()
    for arm in content["arms"]:
        del arm["layers"]
    with Store(tmp_path / "s.sqlite", create=True) as store:
        store.add_study(key, "s", "?", content, runs)
        study = analyse(store, "s")
    assert [arm.layers for arm in study.arms] == [()]
    assert architecture.draw(study) is None


def test_a_network_of_ones_own_is_named_with_its_parameters(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drawn_nets.py").write_text(
        "from torch import nn\ndef make(width):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, 10))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    model = {"kind": "module", "factory": "drawn_nets:make", "arguments": {"width": 3}}
    content, _, _ = declared(model=model)
    (arm,) = content["arms"]
    assert arm["layers"] == [{"kind": "own network", "shape": (10,), "parameters": 235, "then": ()}]


def test_a_surface_has_no_layers() -> None:
    values = {"question": "?", "data": "plane", "model": {"kind": "surface", "surface": "saddle"}}
    laid_out = design(
        from_values({**values, "seeds": 2}), load("plane"), EngineId("stacked", "1", "cpu")
    )
    (arm,) = declaration(laid_out, "")["arms"]
    assert arm["layers"] == []

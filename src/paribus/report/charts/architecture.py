"""The network of each architecture of a study, layer by layer from its input to its output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from paribus.findings import Analysis
from paribus.models.outline import LayerSummary
from paribus.report import frames, wording
from paribus.report.charts.looks import FAINT, INK, WIDTH, Chart, finished
from paribus.report.wording import MOST_NAMED

_MOST = 8  # architectures that are drawn
_ACROSS = 6  # boxes in a line
_GAP, _LINE, _PAD = 26, 15, 9  # between boxes; of a line of text; inside a box, in pixels
_BOX = (WIDTH - 40 - (_ACROSS - 1) * _GAP) // _ACROSS
_FILLS = {"dense": "#dcebf5", "conv": "#fbe6d6", "residual": "#f6e4ee", "pool": "#e2f2ec"}
_PLAIN = "#f7f8f9"


@dataclass(frozen=True)
class Architecture:
    """A distinct network: its layers, equal ones in a row counted, and the arms that have it."""

    description: str
    parameters: int
    arms: tuple[str, ...]
    layers: tuple[tuple[LayerSummary, int], ...]


def architectures(analysis: Analysis) -> list[Architecture]:
    """Return the distinct architectures in the order of the arms; those without layers are none."""
    arms: dict[tuple[str, int, tuple[LayerSummary, ...]], list[str]] = {}
    for arm in analysis.arms:
        if arm.layers:
            arms.setdefault((arm.architecture, arm.parameters, arm.layers), []).append(arm.name)
    return [
        Architecture(description, parameters, tuple(names), _counted(layers))
        for (description, parameters, layers), names in arms.items()
    ]


def _counted(layers: tuple[LayerSummary, ...]) -> tuple[tuple[LayerSummary, int], ...]:
    found: list[tuple[LayerSummary, int]] = []
    for layer in layers:
        if found and found[-1][0] == layer:
            found[-1] = layer, found[-1][1] + 1
        else:
            found.append((layer, 1))
    return tuple(found)


def draw(analysis: Analysis) -> Chart | None:
    """A line of boxes per distinct architecture: shape, kind, what follows it, parameters.

    Up to eight are drawn. None on surfaces, and for studies that an older version declared.
    """
    found = architectures(analysis)
    if not found:
        return None
    boxes, texts, arrows, height = _placed(_drawn(found), len(analysis.arms))
    across = alt.Scale(domain=[0, WIDTH - 40], nice=False)  # places are pixels from the top left
    x, end = alt.X("x:Q", axis=None, scale=across), alt.X("x2:Q", axis=None, scale=across)
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[height, 0], nice=False))
    chart = alt.layer(
        alt.Chart(boxes)
        .mark_rect(stroke=FAINT, strokeWidth=1, cornerRadius=3)
        .encode(x=x, x2="x2:Q", y=y, y2="y2:Q", color=alt.Color("fill:N", scale=None)),
        alt.Chart(arrows).mark_rule(color=FAINT, strokeWidth=1.2).encode(x=x, x2="x2:Q", y=y),
        alt.Chart(arrows)
        .mark_point(shape="triangle-right", filled=True, color=FAINT, size=46, opacity=1)
        .encode(x=end, y=y),
        *(
            alt.Chart(texts[texts["style"] == style])
            .mark_text(baseline="middle", **look)
            .encode(x=x, y=y, text="text:N")
            for style, look in _STYLES.items()
        ),
    ).properties(width=WIDTH - 40, height=height)
    says = "Each box: the layer, what it puts out, what follows it, its trainable parameters"
    return finished(chart, f"Network{'s' if len(found) > 1 else ''}, from input to output", says)


_STYLES: dict[str, dict[str, Any]] = {
    "heading": {"align": "left", "fontWeight": "bold", "color": INK, "limit": WIDTH - 40},
    "arms": {"align": "left", "color": FAINT, "fontSize": 11, "limit": WIDTH - 40},
    "kind": {"fontWeight": "bold", "color": INK, "fontSize": 11, "limit": _BOX - 4},
    "line": {"color": INK, "fontSize": 11, "limit": _BOX - 4},
}


def _drawn(found: list[Architecture]) -> list[Architecture]:
    return [found[i] for i in frames.spread(len(found), _MOST)]


def _placed(
    found: list[Architecture], arms: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, int]:
    """Return boxes, texts and arrows with their places in pixels, and the height of all."""
    boxes, texts, arrows = [], [], []
    top = 0
    for one in found:
        heading = f"{one.description} · {_parameters(one.parameters)}"
        texts.append({"x": 0, "y": top + 8, "text": wording.clean(heading), "style": "heading"})
        top += 26
        if len(one.arms) < arms:
            named = f"{wording.counted(len(one.arms), 'arm')}: {', '.join(one.arms)}"
            texts.append({"x": 0, "y": top, "text": wording.clean(named), "style": "arms"})
            top += 18
        count = len(one.layers)
        across = -(-count // -(-count // _ACROSS))  # so that all lines are equally full
        for start in range(0, count, across):
            row = one.layers[start : start + across]
            lines = [_lines(layer, equal) for layer, equal in row]
            height = 2 * _PAD + _LINE * max(map(len, lines))
            for place, (layer, _) in enumerate(row):
                left = place * (_BOX + _GAP)
                boxes.append(
                    {"x": left, "x2": left + _BOX, "y": top, "y2": top + height}
                    | {"fill": _fill(layer.kind)}
                )
                for number, line in enumerate(lines[place]):
                    texts.append(
                        {"x": left + _BOX / 2, "y": top + _PAD + _LINE * (number + 0.5)}
                        | {"text": wording.clean(line), "style": "line" if number else "kind"}
                    )
                if start + place + 1 < count:
                    end = left + _BOX + _GAP - 5
                    arrows.append({"x": left + _BOX + 2, "x2": end, "y": top + height / 2})
            top += height + 14
        top += 14
    columns = ["x", "x2", "y"]
    return pd.DataFrame(boxes), pd.DataFrame(texts), pd.DataFrame(arrows, columns=columns), top - 28


def _lines(layer: LayerSummary, count: int) -> list[str]:
    repeated = f"{count} × {layer.kind}" if count > 1 else layer.kind
    each = f"{layer.parameters:,} each" if count > 1 else _parameters(layer.parameters)
    return [repeated, shape(layer), *layer.then, *([each] if layer.parameters else [])]


def shape(layer: LayerSummary) -> str:
    """Return the shape of what a layer puts out: '500', '16 × 12 × 12'."""
    return " × ".join(f"{size:,}" for size in layer.shape)


def _fill(kind: str) -> str:
    words = kind.split(" ")
    return _FILLS.get(words[0], _FILLS["pool"] if "pool" in words else _PLAIN)


def _parameters(count: int) -> str:
    return wording.counted(count, "parameter").replace(str(count), f"{count:,}", 1)


def tabulated(analysis: Analysis) -> pd.DataFrame:
    """Return a row per layer of each architecture, those that are not drawn included.

    Columns architecture, arms, layer (0 is the input), kind, shape, then, parameters (of one) and
    count, of equal layers in a row.
    """
    rows = [
        {
            "architecture": one.description,
            "arms": ", ".join(one.arms),
            "layer": number,
            "kind": layer.kind,
            "shape": shape(layer),
            "then": ", ".join(layer.then),
            "parameters": layer.parameters,
            "count": count,
        }
        for one in architectures(analysis)
        for number, (layer, count) in enumerate(one.layers)
    ]
    columns = ["architecture", "arms", "layer", "kind", "shape", "then", "parameters", "count"]
    return pd.DataFrame(rows, columns=columns)


def caption(analysis: Analysis) -> str:
    """Return how to read the boxes, and what is not drawn."""
    found = architectures(analysis)
    if not found:
        return ""
    without = [arm.name for arm in analysis.arms if not arm.layers]
    parts = ["Shapes are of one row of data, without the batch"]
    if len(found) > _MOST:
        parts.append(f"{_MOST} of {len(found)} architectures are drawn")
    if without:
        named = wording.listed(without[:MOST_NAMED])
        more = len(without) - MOST_NAMED
        parts.append(f"Not known: {named}" + (f" and {more} more" if more > 0 else ""))
    return wording.sentences(parts)


def alternative(analysis: Analysis) -> str:
    """Return the layers of each architecture that is drawn, in words."""
    found = architectures(analysis)
    if not found:
        return ""
    told = []
    for one in _drawn(found):
        layers = [
            " ".join(
                [f"{count} times" if count > 1 else "", layer.kind, f"of {shape(layer)}"]
                + ([f"with {wording.listed(layer.then)}"] if layer.then else [])
            ).strip()
            for layer, count in one.layers
        ]
        told.append(f"{one.description}, {_parameters(one.parameters)}: {'; '.join(layers)}")
    what = wording.counted(len(told), "network")
    return f"Drawing of {what}. " + wording.sentences(told)

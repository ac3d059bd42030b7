"""Charts as files."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

import vl_convert

from paribus.errors import InputError, nearest
from paribus.report.charts.looks import to_svg, vega_lite
from paribus.report.wording import clean

if TYPE_CHECKING:
    from paribus.report.charts import Figure

FORMATS = ("png", "svg", "pdf", "html", "json")
"""A picture in points or lines, a page with one and its words, or the Vega-Lite specification."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<title>{title}</title>
</head>
<body style="font-family: sans-serif">
<figure>
<div role="img" aria-label="{alternative}">{svg}</div>
<figcaption>{caption}</figcaption>
</figure>
</body>
</html>
"""


def checked(format: str) -> str:
    """Return a format of charts; InputError where there is no such one."""
    if format not in FORMATS:
        raise InputError(
            f"a chart is written as {', '.join(FORMATS)} (got {format or 'no suffix'})"
            f"{nearest(format, FORMATS)}: name a file such as chart.png"
        )
    return format


def to_bytes(figure: Figure, format: str, scale: float = 2.0) -> bytes:
    """Return a figure as a file of one of `FORMATS`; PNG has `scale` times the pixels of a page.

    The HTML page has no script: it shows the chart as lines, with its caption.
    """
    spec, version = vega_lite(figure.chart)
    if checked(format) == "png":
        return bytes(vl_convert.vegalite_to_png(spec, vl_version=version, scale=scale))
    if format == "pdf":
        return bytes(vl_convert.vegalite_to_pdf(spec, vl_version=version))
    if format == "json":
        return json.dumps(spec, indent=1).encode()
    svg = to_svg(figure.chart)
    if format == "svg":
        return svg.encode()
    words = {"title": figure.name, "alternative": figure.alternative, "caption": figure.caption}
    safe = {name: html.escape(clean(text)) for name, text in words.items()}
    return _PAGE.format(svg=svg, **safe).encode()

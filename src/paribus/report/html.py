"""The report as one HTML page that opens offline: no scripts, everything inline."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from paribus.files import write_whole
from paribus.findings import Analysis, Ends
from paribus.models.surfaces import NEAR, SURFACES, Surface
from paribus.report import charts, paths, wording
from paribus.report.discussion import discussion
from paribus.report.links import Linker
from paribus.report.style import VERDICTS

_ALWAYS_EXPLAINED = ("better", "worse", "equivalent", "inconclusive")


SECTIONS = {
    "why": "Why",
    "discussion": "Discussion",
    "arms": "Arms",
    "contrasts": "Contrasts",
    "evidence": "What else the runs say",
    "looks": "Looks",
    "proof": "Proof of equal maths",
    "secondary": "The same runs by other outcomes",
    "confounds": "What may confound this",
    "training": "How training went",
    "time": "Time and memory",
    "ends": "Where they end",
    "tuning": "Tuning",
    "architecture": "Architecture",
    "how": "How this was done",
    "environment": "Environment",
    "again": "Do it again",
}
_ALWAYS = ("arms", "architecture", "how", "environment", "again")


@dataclass(frozen=True)
class _Figure:
    name: str
    svg: Markup
    caption: str
    alternative: str


@dataclass(frozen=True)
class _Section:
    name: str
    title: str
    figures: list[_Figure]


@dataclass(frozen=True)
class _Architecture:
    description: str
    parameters: int
    arms: tuple[str, ...]


@dataclass(frozen=True)
class _Walked:
    surface: Surface
    ends: list[Ends]
    figure: _Figure | None


def render(analysis: Analysis) -> str:
    """Return the whole page; every string of the analysis is escaped."""
    elsewhere = analysis.tuning.alternatives if analysis.tuning else ()
    judged = [analysis.contrasts, *(one.contrasts for one in elsewhere)]
    seen = {contrast.verdict for contrasts in judged for contrast in contrasts}
    explained = {
        name: style for name, style in VERDICTS.items() if name in _ALWAYS_EXPLAINED or name in seen
    }
    figures: dict[str, list[_Figure]] = defaultdict(list)
    for one in (*charts.figures(analysis), *charts.of_tuning(analysis)):
        figures[one.section].append(_drawn(one))
    said = discussion(analysis)
    walked = _walked(analysis)
    filled = {
        "why": analysis.reason,
        "discussion": said,
        "contrasts": analysis.contrasts,
        "evidence": analysis.remarks,
        "looks": analysis.looks,
        "proof": analysis.proofs,
        "secondary": analysis.secondary,
        "confounds": analysis.confounds,
        "ends": walked,
        "tuning": analysis.tuning,
    }
    return _environment().get_template("report.html.j2").render(
        analysis=analysis,
        outcome=analysis.outcome,
        sections=[
            _Section(name, title, figures[name])
            for name, title in SECTIONS.items()
            if name in _ALWAYS or filled.get(name) or figures[name]
        ],
        top=figures["answer"],
        discussion=said,
        linked=Linker(analysis),
        architectures=_architectures(analysis),
        conditions=any(contrast.condition for contrast in analysis.contrasts),
        walked=walked,
        seeds=wording.spans({block for arm in analysis.arms for block in arm.values}),
        near=NEAR,
        styles=VERDICTS,
        explained=explained,
        fingerprint=fingerprint(analysis),
    )  # fmt: skip


def fragment(template: str, **values: Any) -> str:
    """Return a piece of HTML from one of the templates; every string is escaped."""
    return _environment().get_template(template).render(values)


def fingerprint(analysis: Analysis) -> str:
    """Return a hash of all that a page is made of, the code that makes it included."""
    told = [version(package) for package in ("paribus", "altair", "vl-convert-python")]
    told += [_code()]
    tables = ("curves", "steps", "confusions")
    told += [repr(getattr(analysis, f.name)) for f in fields(analysis) if f.name not in tables]
    digest = hashlib.sha256("\0".join(told).encode())
    for table in tables:
        digest.update(pd.util.hash_pandas_object(getattr(analysis, table)).to_numpy().tobytes())
    return digest.hexdigest()


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*")):
        if file.suffix in (".py", ".j2", ".css"):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def study_of(path: Path) -> str | None:
    """Return the key of the study that the page at `path` tells of; None where there is no page."""
    try:
        with path.open(encoding="utf-8", errors="replace") as page:
            found = re.search('<meta name="study" content="([0-9a-f]+)"', page.read(1000))
    except OSError:
        return None
    return found[1] if found else ""


def is_current(analysis: Analysis, path: Path) -> bool:
    """Return whether the page at `path` says what `render` would say."""
    try:
        with path.open(encoding="utf-8", errors="replace") as page:
            return fingerprint(analysis) in page.read(1000)
    except OSError:
        return False


def write(analysis: Analysis, path: Path) -> Path:
    """Write the page to `path` whole or not at all, making its folder, and return `path`.

    Raises `StoreError` where the folder or the file cannot be written.
    """
    write_whole({path: render(analysis).encode()}, "the report")
    return path


def _drawn(figure: charts.Figure) -> _Figure:
    """Draw a figure; a chart escapes its own text, and to trust its markup inlines it."""
    svg = Markup(charts.to_svg(figure.chart))
    return _Figure(figure.name, svg, figure.caption, figure.alternative)


def _walked(analysis: Analysis) -> list[_Walked]:
    """Where the runs on each surface end, with a figure of their paths."""
    figures = {one.name: _drawn(one) for one in charts.of_surfaces(analysis)}
    return [
        _Walked(SURFACES[name], ends, figures.get(name))
        for name, ends in paths.surfaces(analysis).items()
    ]


def _architectures(analysis: Analysis) -> list[_Architecture]:
    """The distinct architectures, each with the arms that have it."""
    arms: dict[tuple[str, int], list[str]] = {}
    for arm in analysis.arms:
        arms.setdefault((arm.architecture, arm.parameters), []).append(arm.name)
    return [_Architecture(text, size, tuple(names)) for (text, size), names in arms.items()]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("paribus.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.globals["wording"] = wording
    environment.filters["figures"] = wording.minus
    return environment


def _finalize(value: Any) -> Any:
    """Clean strings on their way into the page; markup of ours is clean already."""
    return (
        wording.clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
    )

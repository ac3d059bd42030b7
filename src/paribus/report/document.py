"""The report as a sequence of blocks, which Markdown, LaTeX and a notebook each write their way."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from paribus.findings import Analysis
from paribus.report import charts, tables, wording
from paribus.report.charts import Figure
from paribus.report.discussion import discussion
from paribus.report.html import SECTIONS
from paribus.report.style import VERDICTS
from paribus.report.tables import Table


@dataclass(frozen=True)
class Heading:
    """A title: of the whole (level 1), a section (2) or a part of one (3)."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Sentences; strong where they are the answer."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    texts: Sequence[str]


@dataclass(frozen=True)
class Listing:
    """Text that is shown as it is, in lines."""

    text: str
    language: str  # "shell", "yaml"


Block: TypeAlias = Heading | Paragraph | Items | Listing | Table | Figure


def document(analysis: Analysis) -> Iterator[Block]:
    """Yield the report from the question to the specification; nothing is escaped.

    It has the sections of the page, each with its figures; `code` in sentences stands between
    backticks.
    """
    figures: dict[str, list[Figure]] = defaultdict(list)
    for figure in charts.every(analysis):
        figures[figure.section].append(figure)
    yield Heading(analysis.question, 1)
    yield Paragraph(analysis.answer, strong=True)
    yield from _items(analysis.notes)
    yield from figures["answer"]
    for name, title in SECTIONS.items():
        blocks = [*(_TOLD[name](analysis) if name in _TOLD else ()), *figures[name]]
        if blocks:
            yield Heading(title)
            yield from blocks
    yield Paragraph(
        f"Made by Paribus from runs up to {analysis.created[:16].replace('T', ' ')} UTC. Every "
        "figure above was computed from the stored runs."
    )


def _why(analysis: Analysis) -> Iterator[Block]:
    if analysis.reason:
        yield Paragraph(analysis.reason)


def _discussion(analysis: Analysis) -> Iterator[Block]:
    for passage in discussion(analysis):
        yield Heading(passage.title, 3)
        yield Paragraph(passage.text)


def _arms(analysis: Analysis) -> Iterator[Block]:
    yield tables.arms(analysis)


def _contrasts(analysis: Analysis) -> Iterator[Block]:
    if analysis.contrasts:
        yield tables.contrasts(analysis)
        seen = {contrast.verdict for contrast in analysis.contrasts}
        known = VERDICTS.items()
        yield Items([f"{name}: {style.meaning}" for name, style in known if name in seen])


def _evidence(analysis: Analysis) -> Iterator[Block]:
    yield from _items(analysis.remarks)
    yield from tables.evidence(analysis)


def _looks(analysis: Analysis) -> Iterator[Block]:
    looks = analysis.looks
    if looks is None:
        return
    counts = ", ".join(map(str, looks.seeds))
    planned = (
        f"The study was to be judged after {counts} seeds, and a contrast gets no more seeds once "
        "it is decided. Each look has a nominal level (Lan and DeMets' spending, exact for "
        "Student's t), so that looking often does not add to the error."
    )
    extended = (
        f"The study was extended: it was judged after {counts} seeds. Each look has an error of "
        "its own."
    )
    yield Paragraph(planned if looks.planned else extended)
    if any(contrast.looks for contrast in analysis.contrasts):
        yield tables.looks(analysis)


def _proof(analysis: Analysis) -> Iterator[Block]:
    if analysis.proofs:
        yield tables.proofs(analysis)


def _secondary(analysis: Analysis) -> Iterator[Block]:
    for other in analysis.secondary:
        yield Heading(wording.capitalised(other.outcome.label), 3)
        yield Paragraph(other.answer, strong=True)
        yield tables.arms(other)
        if other.contrasts:
            yield tables.contrasts(other)


def _confounds(analysis: Analysis) -> Iterator[Block]:
    for confound in sorted(analysis.confounds, key=lambda one: one.accepted):
        yield Heading(confound.name + (", accepted by the study" * confound.accepted), 3)
        mend = "" if confound.accepted else confound.mend
        yield Paragraph(f"{confound.what} {confound.why} {mend}".rstrip())


def _ends(analysis: Analysis) -> Iterator[Block]:
    yield from tables.ends(analysis)


def _tuning(analysis: Analysis) -> Iterator[Block]:
    tuning = analysis.tuning
    if tuning is None:
        return
    yield Paragraph(
        f"{wording.budget(tuning)} They are the first points of one scrambled Sobol sequence; "
        "half the budget is the first half of them. Test rows took no part in the choice."
    )
    yield from _items(tuning.survival)
    yield tables.tuned(tuning)
    if analysis.contrasts:
        yield tables.survival(analysis, tuning)


def _architecture(analysis: Analysis) -> Iterator[Block]:
    yield tables.architectures(analysis)


def _how(analysis: Analysis) -> Iterator[Block]:
    """What was varied, what was held equal, and what the arms share within a seed."""
    varied = "; ".join(f"{f} ({', '.join(levels)})" for f, levels in analysis.factors.items())
    tuned = ", ".join(analysis.tuning.parameters) if analysis.tuning else ""
    but = f", except what was tuned for each arm ({tuned})" if tuned else ""
    factors = f"The factors were varied: {varied}. Everything else was held equal{but}. "
    seeds = wording.spans({block for arm in analysis.arms for block in arm.values})
    shared = (
        " Within a seed all arms start at the same place of the box that a surface's runs start in."
        if analysis.ends
        else " Within a seed all arms share the split of the data, the order of the batches, and "
        "the initial weights of every layer of equal shape."
    )
    yield Paragraph(
        f"{factors if analysis.factors else ''}Each arm was trained with "
        f"{'up to ' if analysis.looks else ''}{wording.counted(analysis.seeds, 'seed')}"
        f"{f' ({seeds})' if seeds else ''}.{shared if len(analysis.arms) > 1 else ''}"
    )
    accepted = [one.name for one in analysis.confounds if one.accepted]
    if accepted:
        yield Paragraph(f"Accepted by the study as meant: {', '.join(accepted)}.")
    for title, about in (
        ("Controls, the same in every arm", analysis.controls),
        ("Data", analysis.data),
    ):
        if about:
            yield Heading(title, 3)
            yield from _pairs(about)


def _environment(analysis: Analysis) -> Iterator[Block]:
    yield from _pairs(analysis.environment)


def _again(analysis: Analysis) -> Iterator[Block]:
    if analysis.command:
        yield Paragraph("This command repeats the study:")
        yield Listing(analysis.command, "shell")
    else:
        yield Paragraph(wording.by_hand(analysis))
    yield Paragraph("The study, as it was specified:")
    yield Listing(analysis.spec, "yaml")


_TOLD: dict[str, Callable[[Analysis], Iterator[Block]]] = {
    "why": _why,
    "discussion": _discussion,
    "arms": _arms,
    "contrasts": _contrasts,
    "evidence": _evidence,
    "looks": _looks,
    "proof": _proof,
    "secondary": _secondary,
    "confounds": _confounds,
    "ends": _ends,
    "tuning": _tuning,
    "architecture": _architecture,
    "how": _how,
    "environment": _environment,
    "again": _again,
}


def _items(texts: Sequence[str]) -> Iterator[Items]:
    if texts:
        yield Items(texts)


def _pairs(about: Mapping[str, str]) -> Iterator[Items]:
    yield from _items([f"{name}: {value}" for name, value in about.items()])


def parted(sentences: str) -> list[str]:
    """Return the parts of sentences: words, then code, in turn."""
    return re.split(r"`([^`\s][^`]*)`", sentences)


def picture_folder(path: Path) -> Path:
    """Return where the pictures of the report at `path` go; a name safe in every form."""
    stem = re.sub(r"[^\w.-]+", "-", path.stem, flags=re.ASCII)
    if stem != path.stem:  # two reports whose names become one keep their pictures apart
        stem += f"-{hashlib.sha256(path.stem.encode()).hexdigest()[:6]}"
    return path.with_name(f"{stem}-figures")


def pictures(blocks: Sequence[Block], path: Path, format: str) -> dict[Path, bytes]:
    """Return the figures among the blocks as files in the report's folder of pictures."""
    folder = picture_folder(path)
    return {
        folder / f"{one.name}.{format}": charts.to_bytes(one, format)
        for one in blocks
        if isinstance(one, Figure)
    }

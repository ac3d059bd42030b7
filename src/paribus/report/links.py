"""The prose of a page: its numbers link to the row of a table that they stand in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup

from paribus.findings import Analysis
from paribus.report import wording

_NUMBER = re.compile(r"(?<![\w.])[-+−×]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w]|\.\d)")
_CODE = Markup("<code>{}</code>")
_LINK = Markup('<a class="figure" href="#{}">{}</a>')


class Linker:
    """Links numbers to rows of the tables of arms and contrasts that show them.

    A number is linked where it has a decimal point, is not a part of the name of an arm or of a
    level, and stands in a row that the text names (an arm, a comparison or its condition).
    """

    def __init__(self, analysis: Analysis) -> None:
        self._rows: dict[str, list[tuple[str, tuple[str, ...]]]] = {}  # number -> anchors and names
        for anchor, names, cells in _cells(analysis):
            for cell in cells:
                for number in _NUMBER.findall(cell):
                    self._rows.setdefault(_bare(number), []).append((anchor, names))
        levels = [(f, level) for arm in analysis.arms for f, level in arm.levels.items()]
        named = {level for _, level in levels if not _NUMBER.fullmatch(level)}
        named |= {f"{factor} {level}" for factor, level in levels}
        named |= {arm.name for arm in analysis.arms} | {one.varies for one in analysis.contrasts}
        longest_first = sorted((wording.clean(n) for n in named if n), key=len, reverse=True)
        kept = [rf"(?<!\w){re.escape(name)}(?![\w.])" for name in longest_first]
        tokens = ["`(?P<code>[^`]+)`", *kept, f"(?P<number>{_NUMBER.pattern})"]
        self._tokens = re.compile("|".join(tokens))

    def __call__(self, text: str) -> Markup:
        """Return a text, escaped, with links around its numbers and `code` set as such."""
        text = wording.clean(text)
        made, end = Markup(""), 0
        for token in self._tokens.finditer(text):
            made += text[end : token.start()]
            end = token.end()
            shown = wording.minus(token[0]) if token["number"] else token[0]
            if token["code"]:
                made += _CODE.format(token["code"])
            elif anchor := self._anchor(token, text):
                made += _LINK.format(anchor, shown)
            else:
                made += shown
        return made + text[end:]

    def _anchor(self, token: re.Match[str], text: str) -> str | None:
        number = token["number"]
        if number is None or "." not in number:
            return None
        said = text.casefold()
        rows = self._rows.get(_bare(number), [])
        return next((anchor for anchor, names in rows if any(name in said for name in names)), None)


def _cells(analysis: Analysis) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Yield each row of the two tables: its anchor, names that may stand for it, and its cells."""
    outcome = analysis.outcome
    for number, contrast in enumerate(analysis.contrasts, 1):
        cells = (wording.difference(outcome, contrast), wording.decimal(contrast.effect_size))
        names = (contrast.condition or contrast.varies, contrast.varies)
        yield f"contrast-{number}", tuple(name.casefold() for name in names if name), cells
    alone = ("",) if len(analysis.arms) == 1 else ()
    for number, arm in enumerate(analysis.arms, 1):
        shown = (wording.mean_and_sd(outcome, arm), wording.mean_interval(outcome, arm))
        yield f"arm-{number}", (arm.name.casefold(), *alone), shown


def _bare(number: str) -> str:
    return number.lstrip("+-−×").replace(",", "")

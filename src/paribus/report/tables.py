"""The tables of a report, as headings and cells that every written form lays out its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paribus.findings import Analysis, Contrast, Tuning
from paribus.models.surfaces import NEAR, SURFACES
from paribus.report import paths, wording

MOST_PARTS = 24
"""Parts of one effect that a table names."""

MOST_RANKED = 50
"""Arms that the table of ranks names."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, whether it holds numbers, and its cells."""

    heading: str
    numeric: bool
    cells: tuple[str, ...]
    verdicts: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a sentence on how to read it; every column has a cell per row."""

    name: str  # "arms", "contrasts", ...
    caption: str
    columns: tuple[Column, ...]

    @property
    def rows(self) -> list[tuple[tuple[Column, str], ...]]:
        """Each row as pairs of a column and its cell."""
        cells = zip(*(column.cells for column in self.columns), strict=True)
        return [tuple(zip(self.columns, row, strict=True)) for row in cells]


def arms(analysis: Analysis) -> Table:
    """Return the arms: levels, outcome with its interval, seeds, and how the runs ended."""
    outcome, rows = analysis.outcome, analysis.arms
    better = "higher" if outcome.higher_is_better else "lower"
    return _told(
        "arms",
        f"{wording.capitalised(outcome.label)} of {wording.counted(len(rows), 'arm')}, mean ± "
        f"standard deviation over the seeds; {better} is better.",
        *_levels(analysis),
        _numbers(_measured(analysis), (wording.mean_and_sd(outcome, arm) for arm in rows)),
        _numbers(
            "95 % interval of the mean", (wording.mean_interval(outcome, arm) for arm in rows)
        ),
        _numbers("n", (str(len(arm.values)) for arm in rows)),
        _words("status", (wording.status(arm) for arm in rows)),
    )


def contrasts(analysis: Analysis) -> Table:
    """Return the contrasts: differences with their intervals, verdicts, and what they rest on."""
    outcome, rows = analysis.outcome, analysis.contrasts
    ratio = " by their ratio, judged by its natural logarithm" if outcome.ratio else ""
    margin = (
        "no margin was declared, so equivalence cannot be shown"
        if analysis.margin is None
        else f"a difference within {wording.within(outcome, analysis.margin)} was declared too "
        "small to matter"
    )
    return _told(
        "contrasts",
        f"Each row compares two arms within seeds{ratio}; {margin}. Intervals are each a "
        f"{wording.interval_name(analysis)}; d is the mean of the paired differences over their "
        "standard deviation; P(A > B) is the share of pairs in which the arm has the better "
        "outcome.",
        *_compared(rows),
        _numbers(
            f"{wording.difference_heading(analysis)}, interval",
            (wording.difference(outcome, one) for one in rows),
        ),
        _verdicts("verdict", rows),
        _numbers("n", (str(one.n) for one in rows)),
        _numbers("d", (wording.decimal(one.effect_size) for one in rows)),
        _numbers("P(A > B)", (wording.decimal(one.superiority) for one in rows)),
        _numbers("p, Holm", (wording.probability(one.p_adjusted) for one in rows)),
        _numbers("p, sign-flip", (wording.probability(one.p_sign_flip) for one in rows)),
        _numbers("p, TOST", (wording.probability(one.p_equivalence) for one in rows)),
        _numbers("seeds needed", (str(one.seeds_needed or wording.NOTHING) for one in rows)),
    )


def evidence(analysis: Analysis) -> Iterator[Table]:
    """Yield what else the runs say: effects, ranks, and learning."""
    if analysis.evidence.effects:
        yield _effects(analysis)
    if analysis.evidence.standings:
        yield _ranking(analysis)
    if analysis.evidence.learning:
        yield _learning(analysis)


def _effects(analysis: Analysis) -> Table:
    outcome = analysis.outcome
    rows: list[tuple[str, ...]] = []
    for one in analysis.evidence.effects:
        f, p = wording.decimal(one.f), wording.probability(one.p_adjusted)
        about = f"{one.df}, {one.df_error}", wording.decimal(one.epsilon)
        name = " × ".join(one.factors)
        eta = wording.decimal(one.partial_eta_squared)
        rows.append((name, "all", "", "", f, *about, eta, p))
        for part in one.parts[:MOST_PARTS]:
            difference = wording.difference(outcome, part)
            d, p = wording.decimal(part.effect_size), wording.probability(part.p_adjusted)
            rows.append((name, " × ".join(part.levels.values()), difference, d, "", "", "", "", p))
    headings = (
        "effect",
        "part",
        f"{wording.difference_heading(analysis)}, 95 % interval",
        "d",
        "F",
        "df",
        "ε",
        "η²p",
        "p, Holm",
    )
    return _told(
        "effects",
        "Repeated-measures analysis of variance, each effect against its own error term, degrees "
        "of freedom corrected after Greenhouse and Geisser, p by Holm over all effects. The parts "
        "of an effect stand against the reference levels: paired t intervals, p by Holm within "
        "the effect.",
        *_columns(headings, rows, words=2),
    )


def _ranking(analysis: Analysis) -> Table:
    rows = [
        (
            one.arm,
            wording.decimal(one.mean_rank, 1),
            f"{one.low:g} to {one.high:g}",
            f"{100 * one.best:.0f} %",
        )
        for one in analysis.evidence.standings[:MOST_RANKED]
    ]
    headings = ("arm", "mean rank", "95 % interval of the rank", "chance to be the best")
    caption = "Ranks by a Bayesian bootstrap over the seeds: a description, not a test."
    return _told("ranking", caption, *_columns(headings, rows, words=1))


def _learning(analysis: Analysis) -> Table:
    outcome = analysis.outcome
    held_out = analysis.evidence.learning[0].held_out.replace("_", " ")
    rows = [
        (
            one.arm,
            wording.slope(one.train_slope),
            wording.slope(one.slope),
            f"{one.turn} [{one.turn_low}, {one.turn_high}] of {one.epochs}",
            f"{one.rise:+.2g}",
            wording.probability(one.p_rise),
            wording.number(outcome, one.area),
        )
        for one in analysis.evidence.learning
    ]
    headings = (
        "arm",
        "slope of the training loss",
        f"slope of the {held_out}",
        "turns after epoch",
        "rise to the end",
        "p",
        f"mean {outcome.label} over the epochs",
    )
    return _told(
        "learning",
        "Slopes are the change of the loss per doubling of the epochs, with 95 % t intervals over "
        f"the seeds; the turning point is the epoch after which the mean {held_out} is lowest, "
        "with its bootstrap interval; p that it does not rise from there, by Holm over the arms.",
        *_columns(headings, rows, words=1),
    )


def looks(analysis: Analysis) -> Table:
    """Return every look that was taken at each contrast."""
    rows = [
        (
            contrast.varies,
            contrast.condition,
            f"{look.seeds}" + (f" ({look.paired.n} pairs)" if look.paired.n < look.seeds else ""),
            wording.difference(analysis.outcome, look.paired),
            wording.probability(look.paired.p),
            wording.level(look.level),
            wording.probability(look.p_equivalence),
            "" if analysis.margin is None else wording.level(look.level_equivalence),
            contrast.verdict if look is contrast.looks[-1] else "go on",
        )
        for contrast in analysis.contrasts
        for look in contrast.looks
    ]
    headings = (
        "comparison",
        "with",
        "seeds",
        f"{wording.difference_heading(analysis)}, interval",
        "p",
        "level",
        "p, TOST",
        "level, TOST",
        "verdict",
    )
    caption = "A contrast is decided where p is at most the level of its look."
    *columns, verdicts = _columns(headings, rows, words=2)
    last = Column(verdicts.heading, False, verdicts.cells, verdicts=True)
    return _told("looks", caption, *columns, last)


def proofs(analysis: Analysis) -> Table:
    """Return how far engines that were timed are apart in what they compute."""
    rows = [
        (
            f"{one.arm} and {one.reference}" + (", without dropout" * one.without_dropout),
            *(f"{value:.1e}" for _, value, _ in wording.apart(one)),
        )
        for one in analysis.proofs
    ]
    limits = wording.apart(analysis.proofs[0])
    headings = ("engines", *(f"{what} (at most {most:.0e})" for what, _, most in limits))
    return _told(
        "proofs",
        "Before anything was timed, both engines of each row were given the same initial weights "
        "and the same batches, and computed the gradients of the first batch, the first four "
        "updates and the first epoch. Relative differences; the first updates are the median over "
        "all weights.",
        *_columns(headings, rows, words=1),
    )


def ends(analysis: Analysis) -> Iterator[Table]:
    """Yield, for each surface, where the runs of its arms end."""
    for name, found in paths.surfaces(analysis).items():
        surface = SURFACES[name]
        rows = [(one.others, *map(str, one.counts.values())) for one in found]
        yield _told(
            f"ends-{name}",
            f"{wording.capitalised(name)}: {surface.formula}; {surface.source}. Finished runs of "
            f"each arm by the minimum that they are within {NEAR} of after their last step; "
            "coordinates are those of global minima.",
            *_columns(("arm", *surface.places), rows, words=1),
        )


def tuned(tuning: Tuning) -> Table:
    """Return the values that were chosen for each arm, and those it had instead."""
    rows = [
        (
            arm,
            wording.parameter(path),
            wording.setting(value),
            *(wording.setting(one.values[arm][path]) for one in tuning.alternatives),
        )
        for arm, values in tuning.chosen.items()
        for path, value in values.items()
    ]
    headings = ("arm", "setting", "chosen", *(one.phrase for one in tuning.alternatives))
    return _told("tuned", "What was chosen for each arm.", *_columns(headings, rows, words=2))


def survival(analysis: Analysis, tuning: Tuning) -> Table:
    """Return the verdicts of the contrasts with other values of what was tuned."""
    columns = [*_compared(analysis.contrasts), _verdicts("as chosen", analysis.contrasts)]
    for one in tuning.alternatives:
        heading = wording.labelled(one.phrase, analysis.outcome.difference_unit)
        differences = (wording.difference(analysis.outcome, c) for c in one.contrasts)
        columns += [_numbers(heading, differences), _verdicts("verdict", one.contrasts)]
    return _told("survival", "The verdicts with other values.", *columns)


def architectures(analysis: Analysis) -> Table:
    """Return the distinct architectures, each with the arms that have it."""
    having: dict[tuple[str, int], list[str]] = {}
    for arm in analysis.arms:
        having.setdefault((arm.architecture, arm.parameters), []).append(arm.name)
    alone = len(having) == 1 and len(analysis.arms) > 1
    rows = [
        (text, f"{size:,}", "all" if alone else "; ".join(names))
        for (text, size), names in having.items()
    ]
    (text, size, names) = _columns(("architecture", "trainable parameters", "arms"), rows, words=1)
    caption = "What was trained."
    return _told("architecture", caption, text, size, Column(names.heading, False, names.cells))


def _levels(analysis: Analysis) -> list[Column]:
    """The levels of every arm by factor, or its name where there is no factor."""
    return [
        _words(factor, (arm.levels.get(factor, wording.NOTHING) for arm in analysis.arms))
        for factor in analysis.factors
    ] or [_words("arm", (arm.name for arm in analysis.arms))]


def _measured(analysis: Analysis) -> str:
    return wording.labelled(analysis.outcome.label, analysis.outcome.unit)


def _compared(contrasts: Sequence[Contrast]) -> list[Column]:
    return [
        _words("comparison", (one.varies for one in contrasts)),
        _words("with", (one.condition for one in contrasts)),
    ]


def _verdicts(heading: str, contrasts: Sequence[Contrast]) -> Column:
    return Column(heading, False, tuple(one.verdict for one in contrasts), verdicts=True)


def _columns(
    headings: Sequence[str], rows: Sequence[Sequence[str]], words: int
) -> Iterator[Column]:
    """Columns of rows, of which the first so many hold words and the others numbers."""
    cells = zip(*rows, strict=True)
    for place, (heading, column) in enumerate(zip(headings, cells, strict=True)):
        yield Column(heading, place >= words, tuple(column))


def _words(heading: str, cells: Iterator[str]) -> Column:
    return Column(heading, False, tuple(cells))


def _numbers(heading: str, cells: Iterator[str]) -> Column:
    return Column(heading, True, tuple(cells))


def _told(name: str, caption: str, *columns: Column) -> Table:
    """A table without the columns that say nothing in any row."""
    silent = {"", wording.NOTHING}
    return Table(name, caption, tuple(c for c in columns if not silent.issuperset(c.cells)))

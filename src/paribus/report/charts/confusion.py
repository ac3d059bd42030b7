"""Which classes are taken for which, by the best and the worst arm."""

from __future__ import annotations

import altair as alt
import pandas as pd

from paribus.findings import Analysis
from paribus.report import wording
from paribus.report.charts.looks import TWO_LINES, WIDTH, Chart, finished, label_width

_COLOURS, _DARK = ("#ffffff", "#08306b"), 0.62  # from here on, white is easier to read than black
_MOST_BESIDE = 12  # classes of matrices that stand side by side
_ROW = 24  # the height of a cell, in pixels
_GAP = 18  # between panels
_LABEL = 120  # the widest name of a class, in pixels


def draw(analysis: Analysis) -> Chart | None:
    """The confusion matrices of the arms with the best and the worst mean, as shares of each class.

    None where the analysis has none: regression, more than 20 classes, or times.
    """
    cells = tabulated(analysis)
    if cells.empty:
        return None
    panels = list(dict.fromkeys(cells["panel"]))
    classes = list(dict.fromkeys(cells["true"]))
    columns = len(panels) if len(classes) <= _MOST_BESIDE else 1
    labels = label_width(classes, _LABEL)
    cell = ((WIDTH - labels - 50) / columns - _GAP) / len(classes)
    steep = labels > cell
    x = alt.X("predicted:N", sort=classes, title="predicted class").axis(
        orient="bottom",
        labelAngle=-40 if steep else 0,
        labelLimit=_LABEL,
        domain=False,
        ticks=False,
    )
    y = alt.Y("true:N", sort=classes, title="true class").axis(
        labelLimit=_LABEL, domain=False, ticks=False
    )
    # Roots, for errors are few: on an even scale they would all look like none.
    scale = alt.Scale(
        type="sqrt", domain=[0, 1], range=list(_COLOURS), interpolate="lab", clamp=True
    )
    ink = alt.condition(alt.datum.dark, alt.value("white"), alt.value("black"))
    base = alt.Chart().encode(x=x, y=y)
    chart = alt.layer(
        base.transform_filter("isValid(datum.share)")
        .mark_rect(stroke="#e3e6ea", strokeWidth=0.6, aria=False)
        .encode(color=alt.Color("share:Q", scale=scale, legend=None)),
        base.transform_filter("datum.figure")
        .mark_text(fontSize=10.5, aria=False)
        .encode(text="figure:N", color=ink),
        data=cells,
    ).properties(width=round(cell * len(classes)), height=_ROW * len(classes))
    facets = alt.Facet("panel:N", title=None, sort=panels).header(
        labelExpr=TWO_LINES, labelLimit=cell * len(classes)
    )
    return finished(
        chart.facet(facet=facets, columns=columns, spacing={"row": 18, "column": _GAP}),
        "Confusion of the classes",
        f"Of the {_rows(analysis)} rows of each true class, per cent by predicted class; all seeds",
    )


def tabulated(analysis: Analysis) -> pd.DataFrame:
    """Return a row per arm, true and predicted class.

    Columns panel, arm, true, predicted, count, share (of the rows of the true class; nan where
    it has none), figure (as it is written) and dark (whether the colour of the cell is).
    """
    cells = analysis.confusions
    if cells.empty:
        return cells
    total = cells.groupby(["arm", "true"], sort=False)["count"].transform("sum")
    share = (cells["count"] / total.where(total > 0)).astype(float)
    panels = _panels(analysis)
    return cells.assign(
        panel=[panels[arm] for arm in cells["arm"]],
        true=[wording.clean(name) for name in cells["true"]],
        predicted=[wording.clean(name) for name in cells["predicted"]],
        share=share,
        figure=[_figure(one) for one in share],
        dark=share**0.5 >= _DARK,
    )


def _panels(analysis: Analysis) -> dict[str, str]:
    """Return the heading of each arm's matrix: its name, and how many of its rows are wrong."""
    found = {}
    arms = list(dict.fromkeys(analysis.confusions["arm"]))
    for arm, wrong, rows in _errors(analysis):
        role = ("best: " if arm == arms[0] else "worst: ") if len(arms) > 1 else ""
        found[arm] = wording.clean(f"{role}{arm}") + f"\n{wrong:,} of {rows:,} wrong"
    return found


def _errors(analysis: Analysis) -> list[tuple[str, int, int]]:
    """Return of each arm its name, its errors, and how many rows there are."""
    return [
        (
            str(arm),
            int(cells.loc[cells["true"] != cells["predicted"], "count"].sum()),
            int(cells["count"].sum()),
        )
        for arm, cells in analysis.confusions.groupby("arm", sort=False)
    ]


def _figure(share: float) -> str:
    """Return a share in per cent to a decimal; nothing for none, and 100 only for all."""
    if not share > 0:
        return ""
    if share == 1:
        return "100"
    shown = f"{100 * share:.1f}"
    return {"0.0": "<0.1", "100.0": ">99.9"}.get(shown, shown)


def _rows(analysis: Analysis) -> str:
    return "validation" if analysis.outcome.part == "validation" else "test"


def caption(analysis: Analysis) -> str:
    """Return how to read the confusion matrices."""
    if analysis.confusions.empty:
        return ""
    arms = [arm for arm, *_ in _errors(analysis)]
    which = (
        f" The arms are those with the best and the worst mean: {' and '.join(arms)}."
        if len(arms) > 1
        else ""
    )
    return (
        f"Each line holds the {_rows(analysis)} rows of one class, over all seeds, in per cent of "
        "them: on the diagonal those that were recognised (recall), elsewhere what the others were "
        "taken for; blank is none. The colour goes with the root of the share, so that rare errors "
        f"show.{which}"
    )


def alternative(analysis: Analysis) -> str:
    """Return of each arm its errors, the class it knows least, and what it mistakes most often."""
    cells, told = tabulated(analysis), list[str]()
    if cells.empty:
        return ""
    for arm, wrong, rows in _errors(analysis):
        own = cells[cells["arm"] == arm]
        right = own[(own["true"] == own["predicted"]) & own["share"].notna()]
        errors = own[(own["true"] != own["predicted"]) & (own["count"] > 0)]
        said = f"{arm}: {wrong:,} of {rows:,} wrong"
        if len(errors):
            least = right.sort_values("share", kind="stable").iloc[0]
            most = errors.sort_values("share", kind="stable").iloc[-1]
            said += (
                f", lowest recall {100 * least['share']:.1f} % of {least['true']}, most often "
                f"{most['true']} taken for {most['predicted']} ({_figure(most['share'])} %)"
            )
        told.append(said)
    what = "matrix" if len(told) == 1 else "matrices"
    return f"Confusion {what} of the {_rows(analysis)} rows. {wording.sentences(told)}"

"""What each chart shows, in words: the caption below it and the text for those who cannot see it.

Each sentence is computed from the analysis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from paribus.findings import Analysis, ArmSummary, Contrast, Ends
from paribus.report import frames, wording
from paribus.study.outcomes import Outcome

_MOST_NAMED = 12  # contrasts that an alternative text names one by one


def forest_caption(analysis: Analysis) -> str:
    """Return how to read the forest plot."""
    better = "right" if analysis.outcome.higher_is_better else "left"
    margin = (
        ""
        if analysis.margin is None
        else " The shaded band is the margin, "
        f"{analysis.outcome.show_margin(analysis.margin)}: what lies inside it is too small to "
        "matter. The verdicts are corrected for the number of contrasts, the intervals are not."
    )
    ratio = analysis.outcome.ratio
    return (
        f"{'Geometric mean of the ratios' if ratio else 'Mean difference'} of the pairs of runs "
        f"that share a seed, with its {wording.interval_name(analysis)}; {better} of the line at "
        f"{'one' if ratio else 'zero'} the arm is better than its baseline.{margin}"
    )


def forest_alt(analysis: Analysis) -> str:
    """Return the contrasts in words, the first twelve one by one."""
    named = [_contrast(analysis.outcome, c) for c in analysis.contrasts[:_MOST_NAMED]]
    more = len(analysis.contrasts) - len(named)
    rest = [f"{more} more stand in the table of contrasts"] if more else []
    return f"Forest plot of {_count(len(analysis.contrasts), 'contrast')}. " + _sentences(
        [*named, *rest]
    )


def curves_caption(analysis: Analysis, metrics: Sequence[str]) -> str:
    """Return how to read the curves, and which arms have none."""
    drawn = set(frames.curve_means(analysis, metrics)["arm"])
    missing = [arm.name for arm in analysis.arms if arm.name not in drawn]
    without = f" Without any finite value: {', '.join(missing)}." if missing else ""
    return (
        "Mean over the seeds that are still finite in an epoch, with the 95 % t interval of the "
        f"mean as a band.{without}"
    )


def curves_alt(analysis: Analysis, metrics: Sequence[str]) -> str:
    """Return where the curves of the last metric end: the highest and the lowest."""
    metric = metrics[-1]
    outcome = frames.outcome_of(analysis, metric)
    means = frames.curve_means(analysis, metrics)
    means = means[means["metric"] == metric].sort_values("epoch")
    last = means.groupby("arm", sort=False).tail(1).sort_values("mean")
    labels = " and ".join(frames.outcome_of(analysis, one).label for one in metrics)
    intro = f"Line chart of {labels} by epoch for {_count(len(analysis.arms), 'arm')}."
    if last.empty:
        return intro
    ends = [
        f"at {_with_unit(wording.number(outcome, one['mean'].item() / outcome.scale), outcome)}"
        f" for {one['arm'].item()}"
        for one in (last.head(1), last.tail(1))
    ]
    if len(last) == 1:
        return f"{intro} {wording.capitalised(outcome.label)} ends {ends[0]}."
    return f"{intro} {wording.capitalised(outcome.label)} ends lowest {ends[0]}, highest {ends[1]}."


def loss_and_metric_caption(analysis: Analysis) -> str:
    """Return how to read the panels with two axes."""
    return _twin_caption(frames.loss_and_metric(analysis))


def loss_and_metric_alt(analysis: Analysis) -> str:
    """Return where both curves of each panel end."""
    return _twin_alt(analysis, frames.loss_and_metric(analysis))


def loss_by_step_caption(analysis: Analysis) -> str:
    """Return how to read the chart of logged steps."""
    return (
        "Means over the steps since the last one that was logged; steps count over all epochs. "
        + _twin_caption(frames.loss_by_step(analysis))
    )


def loss_by_step_alt(analysis: Analysis) -> str:
    """Return where the curves of each panel end."""
    return _twin_alt(analysis, frames.loss_by_step(analysis))


def _twin_caption(drawn: frames.TwinCurves | None) -> str:
    if drawn is None:
        return ""
    shown = len(drawn.panels)
    part = f" {shown} of {drawn.arms} arms are drawn." if shown < drawn.arms else ""
    axes = "Each axis is the same in all panels." if shown > 1 else ""
    return f"Mean over the seeds, with its 95 % t interval as a band. {axes}{part}".rstrip()


def _twin_alt(analysis: Analysis, drawn: frames.TwinCurves | None) -> str:
    if drawn is None:
        return ""
    metrics = [metric for metric in (drawn.left, drawn.right) if metric]
    outcomes = {metric: frames.outcome_of(analysis, metric) for metric in metrics}
    labels = " and ".join(one.label.replace("train ", "training ") for one in outcomes.values())
    last = drawn.rows.sort_values("epoch").groupby(["panel", "metric"]).tail(1)
    ends = last.set_index(["panel", "metric"])["mean"].to_dict()
    told = []
    for panel in drawn.panels[:_MOST_NAMED]:
        shown = [
            _with_unit(wording.number(one, ends[panel, metric] / one.scale), one)
            for metric, one in outcomes.items()
            if (panel, metric) in ends
        ]
        told.append(f"{panel} ends at {wording.listed(shown)}")
    return f"Line chart of {labels} by {drawn.along}, {_count(len(drawn.panels), 'panel')}. " + (
        _sentences(told)
    )


def interaction_caption(analysis: Analysis) -> str:
    """Return how to read the chart of two factors."""
    crossed = frames.crossing(analysis)
    if crossed is None:
        return ""
    scale = " On this scale equal ratios are equally far apart." if crossed.logarithmic else ""
    return (
        f"Mean of each arm over its seeds, with the 95 % t interval of the mean.{scale} Where the "
        f"lines do not run parallel, the effect of {crossed.lines} seems to depend on {crossed.x}: "
        "whether it does is for the tests to say."
    )


def interaction_alt(analysis: Analysis) -> str:
    """Return where each line starts and ends, the first twelve one by one."""
    crossed = frames.crossing(analysis)
    if crossed is None:
        return ""
    outcome, rows = analysis.outcome, crossed.rows
    told = []
    for (panel, series), line in rows.groupby(["panel", "series"], sort=False):
        first, last = line.iloc[0], line.iloc[-1]
        ends = [
            f"{_with_unit(wording.number(outcome, one['mean'] / outcome.scale), outcome)} at "
            f"{one['level']}"
            for one in (first, last)
        ]
        name = ", ".join(part for part in (f"{crossed.lines} {series}", str(panel)) if part)
        told.append(f"{name}: {ends[0]}, {ends[1]}")
    more = len(told) - _MOST_NAMED
    rest = [f"{_count(more, 'more line')} in the chart"] if more > 0 else []
    return (
        f"Line chart of the {outcome.label} by {crossed.x}, {_count(len(told), 'line')}. "
        + _sentences([*told[:_MOST_NAMED], *rest])
    )


def walks_caption() -> str:
    """Return how to read the paths on a surface."""
    return (
        "A ring is where a run is after its first step, a dot where it ends; crosses are the "
        "global minima. Contour lines are drawn where shares of the area lie below them, not at "
        "equal differences of the value."
    )


def walks_alt(surface: str, ends: Sequence[Ends]) -> str:
    """Return where the runs of each arm end."""
    told = [
        f"{one.others}: "
        + ", ".join(f"{count} at {place}" for place, count in one.counts.items() if count)
        for one in ends
    ]
    return f"Paths of runs on {surface}, over its contour lines. {_sentences(told)}"


def seeds_caption(analysis: Analysis) -> str:
    """Return how to read the dots."""
    drawn = frames.seed_rows(analysis)["block"].nunique()
    ran = len({block for arm in analysis.arms for block in arm.values})
    part = f" The first {drawn} of {ran} seeds are drawn." if drawn < ran else ""
    shared = "from the same numbers and see the same batches"
    if analysis.ends:
        shared = "at the same place"
    return (
        f"Every dot is a finished run. Runs of one seed start {shared}, so that lines which lean "
        f"the same way speak for a real difference.{part}"
    )


def seeds_alt(analysis: Analysis) -> str:
    """Return the arms with the highest and the lowest mean outcome."""
    outcome = analysis.outcome
    finished = sorted(
        (arm for arm in analysis.arms if not math.isnan(arm.mean)), key=lambda arm: arm.mean
    )
    runs = sum(len(arm.values) for arm in analysis.arms)
    intro = f"Dot plot of the {outcome.label} of {_count(runs, 'run')}."
    if len(finished) < 2:
        return intro + "".join(f" Mean {_arm(outcome, arm)}." for arm in finished)
    return (
        f"{intro} Lowest mean {_arm(outcome, finished[0])}; highest {_arm(outcome, finished[-1])}."
    )


def sensitivity_caption(analysis: Analysis) -> str:
    """Return how to read a chart of candidates, and how many of them are not drawn."""
    tuning = analysis.tuning
    lost = [c for c in tuning.candidates if c.finished < tuning.seeds] if tuning else []
    without = (
        f" {wording.capitalised(_count(len(lost), 'candidate'))} that lost a seed, by divergence, "
        f"{'is' if len(lost) == 1 else 'are'} not drawn."
        if lost
        else ""
    )
    return f"All arms tried the same values; a ring marks what was chosen for each arm.{without}"


def sensitivity_alt(analysis: Analysis, path: str) -> str:
    """Return what was chosen for each arm, and how it did."""
    tuning = analysis.tuning
    if tuning is None:
        return ""
    chosen = [c for c in tuning.candidates if c.values == tuning.chosen[c.arm]]
    best = [
        f"{one.arm} at {wording.setting(one.values[path])} with "
        f"{_with_unit(wording.number(tuning.outcome, one.mean), tuning.outcome)}"
        for one in {one.arm: one for one in reversed(chosen)}.values()
    ]
    tried = _count(len(tuning.candidates), "candidate")
    return (
        f"Scatter plot of the {tuning.outcome.label} of {tried} by {wording.parameter(path)}. "
        f"Chosen: {'; '.join(reversed(best))}."
    )


def _contrast(outcome: Outcome, contrast: Contrast) -> str:
    about = ", ".join(part for part in (contrast.varies, contrast.condition) if part)
    if math.isnan(contrast.difference):
        return f"{about}: {contrast.verdict}"
    shown = f"{wording.signed(outcome, contrast.difference)} {outcome.difference_unit}".rstrip()
    low, high = wording.bound(outcome, contrast.low), wording.bound(outcome, contrast.high)
    interval = (
        ""
        if math.isnan(contrast.low)
        else f", {100 * contrast.confidence:g} % interval {low} to {high}"
    )
    return f"{about}: {shown}{interval}, {contrast.verdict}"


def _arm(outcome: Outcome, arm: ArmSummary) -> str:
    return f"{_with_unit(wording.number(outcome, arm.mean), outcome)} for {arm.name}"


def _with_unit(shown: str, outcome: Outcome) -> str:
    return f"{shown} {outcome.unit}".rstrip()


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _sentences(parts: Sequence[str]) -> str:
    return " ".join(f"{part}." for part in parts)

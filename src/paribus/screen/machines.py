"""What a machine is and does, and where the time of a run went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from paribus.screen.console import err, out, table
from paribus.screen.words import counted, percent

if TYPE_CHECKING:
    from paribus.clock.machine_profile import MachineProfile
    from paribus.doctor import Row
    from paribus.profile import Profile


def show_machine(profile: MachineProfile, path: Path, gpu_pays: int | None) -> None:
    """Print how fast a machine is, what its cost models say, and how far off they were."""
    out.print(Text(profile.machine, style="bold"))
    out.print(f"Measured {profile.date}, {counted(profile.cores, 'core')}.")

    def per(unit: float, seconds: float) -> str:
        return f"{1 / seconds / unit:,.0f}" if seconds else "-"

    table(
        [
            {
                "measured": f"{one.engine}, {one.device}, {counted(one.threads, 'thread')}",
                "products, GFLOP/s": f"{one.rates.product / 1e9:,.0f}",
                "copies, GB/s": f"{one.rates.copy / 1e9:,.0f}",
            }
            for one in profile.models
        ],
        right=["products, GFLOP/s", "copies, GB/s"],
    )
    table(
        [
            {
                "fitted": f"{one.engine}, {one.device}",
                "µs per step": f"{one.model.step * 1e6:,.0f}",
                "per layer": f"{one.model.layer * 1e6:,.0f}",
                "GFLOP/s": per(1e9, one.model.flop),
                "GB/s": per(1e9, one.model.weight_byte + one.model.byte_beyond),
                "error": percent(one.error),
                "worst": percent(one.worst),
                "n": len(one.held_out),
            }
            for one in profile.models
        ],
        right=["µs per step", "per layer", "GFLOP/s", "GB/s", "error", "worst", "n"],
    )
    out.print(
        "The error is the median over n networks that the model was not fitted to (multilayer "
        "perceptrons): what it says of others are predictions, not measurements."
    )
    for one in profile.models:
        if one.busy:
            out.print(
                f"The machine was busy while {one.engine} on {one.device} was measured: {one.busy}."
            )
    if gpu_pays is not None:
        out.print(
            f"The GPU is predicted to pay from hidden width {gpu_pays} on "
            "(two hidden layers, batch 128)."
        )
    out.print(f"Profile: {path}", soft_wrap=True)


def machine_record(profile: MachineProfile, path: Path) -> dict[str, Any]:
    """Return a machine's profile as JSON-ready values, with the errors of its models."""
    from paribus.report.record import plain

    record: dict[str, Any] = plain(profile)
    for one, written in zip(profile.models, record["models"], strict=True):
        written |= {"median_error": one.error, "worst_error": one.worst}
    return {**record, "file": str(path)}


def show_profile(profile: Profile, path: Path) -> None:
    """Say on standard error where the time of a run went, and where that is written."""
    rows = profile.rows()
    if not rows:
        err.print("Nothing was trained: there is no time to tell of.")
        return
    workers = counted(profile.workers, "worker")
    grid = Table(
        title=f"Where the time went: {workers} for {profile.wall:.1f} s",
        title_justify="left",
        box=None,
        header_style="dim",
        pad_edge=False,
    )
    grid.add_column("phase")
    grid.add_column("seconds", justify="right")
    grid.add_column("of the workers' time", justify="right")
    for row in rows:
        share = "" if row["share"] is None else f"{row['share']:.1%}"
        grid.add_row(row["phase"], f"{row['seconds']:.2f}", share)
    err.print(grid)
    err.print(f"Profile: {path}", soft_wrap=True)


def checked(row: Row) -> dict[str, Any]:
    """Return a row of the doctor's as `table` prints it."""
    mark = Text("ok", style="green") if row.ok else Text("!!", style="bold red")
    remedy = f" ({row.remedy})" if row.remedy else ""
    return {"": mark, "what": row.what, "found": row.found + remedy}

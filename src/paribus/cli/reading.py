"""Commands that read the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paribus.cli.options import (
    DEFAULT_STORE,
    Json,
    StoredName,
    StoreFile,
    app,
    print_log,
    report_path,
    stored_analysis,
)
from paribus.errors import InputError, nearest

if TYPE_CHECKING:
    from pandas import DataFrame

_TABLES = ("runs", "curves", "contrasts", "arms")


@app.command("list")
def list_(store: StoreFile = DEFAULT_STORE, json: Json = False) -> None:
    """List the studies in a store, the newest first."""
    from paribus.screen import console
    from paribus.store.store import Store

    with Store(store) as opened:
        rows = [
            {
                "study": row.name,
                "key": row.key[:8],
                "data": row.data,
                "runs": row.planned,
                "done": row.done,
                "diverged": row.diverged,
                "failed": row.failed,
                "asked": row.asked,
                "question": row.question,
            }
            for row in opened.studies()
        ]
    if json:
        console.print_json(rows)
    elif rows:
        troubled = [w for w in ("diverged", "failed") if any(row[w] for row in rows)]
        shown = [
            {
                "study": row["study"],
                "key": row["key"],
                "data": row["data"],
                "done": f"{row['done']}/{row['runs']}",
                **{word: row[word] for word in troubled},
                "asked": str(row["asked"])[:16].replace("T", " "),
                "question": row["question"],
            }
            for row in rows
        ]
        console.table(shown, right=["done", *troubled], wrap="question")
    else:
        console.out.print(f"No studies in {store} yet: `paribus run STUDY` adds one.")


@app.command()
def show(study: StoredName, store: StoreFile = DEFAULT_STORE, json: Json = False) -> None:
    """Show the answer of a study in the store; nothing is trained.

    [bold]Examples[/bold]

      paribus show optimizers

      paribus show optimizers --json | jq .answer
    """
    from paribus.screen import console

    analysis = stored_analysis(study, store)
    if json:
        from paribus.report.record import to_record

        console.print_json(to_record(analysis))
    else:
        from paribus.report.text import render_text

        render_text(analysis, console.out)


@app.command()
def compare(
    here: Annotated[str, typer.Argument(help="A study in the store: its name or its key.")],
    there: Annotated[str, typer.Argument(help="The study that it is held against.")],
    store: StoreFile = DEFAULT_STORE,
    with_store: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The store of the second study, where it is another."),
    ] = None,
    json: Json = False,
) -> None:
    """Hold two studies against each other: this run and last month's, two machines, two settings.

    What differs comes first: controls, data, environment, margin, seeds. Then
    each arm that both have, here - there, with a verdict, and whether their
    contrasts have the same verdicts. Where both studies have the same name,
    give their keys: `paribus list` shows them.

    [bold]Examples[/bold]

      paribus compare optimizers 3fa94c17

      paribus compare optimizers optimizers --with-store last-month.sqlite

      paribus compare frameworks frameworks --with-store other-machine.sqlite --json
    """
    from paribus.comparison import compare as compare_sides
    from paribus.comparison import read_side
    from paribus.report.comparison import render, to_record
    from paribus.screen import console
    from paribus.store.store import Store

    with Store(store) as ours, Store(with_store or store) as theirs:
        found = compare_sides(read_side(ours, here), read_side(theirs, there))
    if json:
        console.print_json(to_record(found))
    else:
        render(found, console.out)


@app.command()
def log(
    study: StoredName,
    arm: Annotated[str | None, typer.Option(help="Of this arm alone.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of this seed alone, line by line as its run went.")
    ] = None,
    every_row: Annotated[
        bool, typer.Option("--every-row", help="Print all, however long it is.")
    ] = False,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    store: StoreFile = DEFAULT_STORE,
) -> None:
    """Show how the training of a study went: its losses by epoch, and by step where logged.

    By epoch: the mean training loss, its improvement on the epoch before, test loss
    and accuracy. Between them, where `paribus run STUDY --log-every N` has logged
    steps, the means since the last one. All are means over the seeds, with the
    lowest and the highest. JSON and CSV have every row.

    [bold]Examples[/bold]

      paribus log optimizers

      paribus log optimizers --arm ARM --seed 0

      paribus log optimizers --csv > log.csv
    """
    if json and csv:
        raise InputError("--json and --csv exclude each other")
    from paribus.curve_tables import curve_table
    from paribus.store.store import Store

    with Store(store) as opened:
        found = opened.study(study)
        arms = [found.arm(arm)] if arm is not None else range(len(found.content["arms"]))
        tables = [curve_table(opened, found, per_step=per_step) for per_step in (False, True)]
    names = {found.content["arms"][index]["name"] for index in arms}
    curves, steps = (table[table["arm"].isin(names)] for table in tables)
    if seed is not None:
        curves, steps = (table[table["block"] == seed] for table in (curves, steps))
    if curves.empty:
        raise InputError(f"no run of {study} that you ask for has curves in the store")
    if "train_loss" not in set(curves["metric"]):
        raise InputError(f"{study} has no losses: `paribus report {study}` draws what it has")
    if json or csv:
        from paribus.screen import console
        from paribus.training_log import records, training_log

        table = training_log(curves, steps)
        if csv:
            from paribus.store.export import spreadsheet_safe
            from paribus.untrusted import clean

            typer.echo(clean(spreadsheet_safe(table).to_csv(index=False)), nl=False)
        else:
            console.print_json(records(table))
    elif seed is not None:
        from paribus.report.log import run_lines
        from paribus.report.wording import clean

        for about in (found.content["arms"][index] for index in arms):
            if arm is None:
                typer.echo(clean(f"{about['name']}:"))
            epochs = about["settings"]["train.epochs"]
            for line in run_lines(curves, steps, about["name"], seed, epochs):
                typer.echo(line)
    else:
        print_log(found.row.name, curves, steps, every_row)


@app.command()
def checkpoints(
    study: StoredName,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Copy them there as <arm>-seed-<n>.safetensors."),
    ] = None,
    store: StoreFile = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """List the trained networks of a study that `paribus run STUDY --checkpoints` has kept.

    To use one in Python: network = paribus.load_model("PATH"). That is a
    torch.nn.Sequential in evaluation mode, whose inputs are scaled as the run's
    were (data.scaling).

    [bold]Examples[/bold]

      paribus checkpoints optimizers

      paribus checkpoints optimizers --out networks
    """
    from paribus.checkpoints import checkpoints as kept_of
    from paribus.checkpoints import copy_to
    from paribus.report.wording import labelled
    from paribus.screen import console
    from paribus.settings import Settings
    from paribus.store.store import Store
    from paribus.study.outcomes import OUTCOMES

    with Store(store) as opened:
        kept = kept_of(opened.study(study), Settings(store).checkpoint_folder)
    if out is not None:
        kept = copy_to(out, kept)
    if json:
        console.print_json(
            [{"arm": k.arm, "seed": k.seed, k.metric: k.value, "path": str(k.path)} for k in kept]
        )
        return
    outcome = OUTCOMES[kept[0].metric]
    value = labelled(outcome.label, outcome.unit)
    rows = [
        {"arm": k.arm, "seed": k.seed, value: outcome.show(k.value), "path": k.path} for k in kept
    ]
    console.lines(rows, right=["seed", value])


@app.command()
def report(
    study: StoredName,
    out: Annotated[
        Path | None, typer.Option(help="The file to write: .html, .md, .tex, .ipynb or .json.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="html, md, tex, ipynb or json; by default by --out.")
    ] = None,
    store: StoreFile = DEFAULT_STORE,
) -> None:
    """Write the report of a study: a page, Markdown, LaTeX, a notebook, or JSON.

    The HTML page is one file that opens offline. Markdown and LaTeX have their charts
    in a folder beside the file. The notebook is executed, and loads the study from
    the store (pip install 'paribus\\[notebook]').

    [bold]Examples[/bold]

      paribus report optimizers --out optimizers.html

      paribus report optimizers --out paper/optimizers.tex
    """
    from paribus.report import forms
    from paribus.screen import console

    form = forms.form_of(out, format)
    analysis = stored_analysis(study, store)
    path = out or report_path(analysis, store).with_suffix(f".{form}")
    console.out.print(f"Report: {forms.write(analysis, path, form, store)}", soft_wrap=True)


@app.command()
def chart(
    study: StoredName,
    name: Annotated[str | None, typer.Argument(help="The chart; without it, a list.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write: .png, .svg, .pdf, .html or .json.")
    ] = None,
    scale: Annotated[
        float, typer.Option(min=0.1, max=10, help="Pixels of a PNG, over those on a page.")
    ] = 2.0,
    store: StoreFile = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """List the charts that a study has, or write one to a file.

    PDF and SVG are drawn in lines; JSON is the chart's Vega-Lite specification with
    its data.

    [bold]Examples[/bold]

      paribus chart optimizers

      paribus chart optimizers forest --out forest.pdf
    """
    if (name is None) != (out is None):
        missing = "NAME: `paribus chart STUDY` lists them" if name is None else "--out FILE"
        raise InputError(f"to write a chart takes a name and a file; missing is {missing}")
    from paribus.report import charts
    from paribus.report.charts.files import checked
    from paribus.report.wording import clean
    from paribus.screen import console

    if name is not None and out is not None:
        format = checked(out.suffix.lstrip(".").lower())
        figure = charts.named(stored_analysis(study, store), name)
        from paribus.files import write_whole

        write_whole({out: charts.to_bytes(figure, format, scale)}, "the chart")
        console.out.print(f"{figure.name}: {out}", soft_wrap=True)
        return
    rows = [
        {"chart": one.name, "caption": clean(one.caption)}
        for one in charts.every(stored_analysis(study, store))
    ]
    if json:
        console.print_json(rows)
    else:
        console.table(rows, wrap="caption")


@app.command()
def export(
    study: StoredName,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    what: Annotated[str, typer.Option(help="runs, curves, contrasts or arms.")] = "runs",
    format: Annotated[str | None, typer.Option(help="csv or parquet; by default by --out.")] = None,
    store: StoreFile = DEFAULT_STORE,
) -> None:
    """Write a table: a row per run, per point of a curve, per contrast or per arm.

    Runs have every setting and every final metric. In CSV, text that a spreadsheet
    would take for a formula (it begins with = + - @ or a tab, and is no number) gets
    an apostrophe in front.

    [bold]Examples[/bold]

      paribus export optimizers --format parquet --out runs.parquet

      paribus export optimizers --what contrasts --out contrasts.csv
    """
    from paribus.screen import console

    chosen = format or out.suffix.lstrip(".")
    if chosen not in ("csv", "parquet"):
        raise InputError(f"--format must be csv or parquet (got {chosen or 'nothing'})")
    if what not in _TABLES:
        raise InputError(
            f"--what must be {', '.join(_TABLES)} (got {what}){nearest(what, _TABLES)}"
        )
    from paribus.store.export import write_frame

    frame = _table(study, what, store)
    write_frame(frame, chosen, out)
    rows = len(frame)
    console.out.print(f"{rows} {what if what == 'runs' else 'rows'}: {out}", soft_wrap=True)


def _table(study: str, what: str, store: Path) -> DataFrame:
    if what == "runs":
        from paribus.store.export import runs_frame
        from paribus.store.store import Store

        with Store(store) as opened:
            return runs_frame(opened.study(study))
    from paribus.api import Result

    result = Result(stored_analysis(study, store), store)
    tables = {"curves": result.curves, "contrasts": result.contrasts, "arms": result.arms}
    return tables[what].drop(columns="looks", errors="ignore")

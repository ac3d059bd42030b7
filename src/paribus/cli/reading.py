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
from paribus.errors import InputError

if TYPE_CHECKING:
    pass


@app.command("list")
def list_(store: StoreFile = DEFAULT_STORE, json: Json = False) -> None:
    """List the studies in a store, the newest first."""
    from paribus import screen
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
        screen.print_json(rows)
    elif rows:
        troubled = [w for w in ("diverged", "failed") if any(row[w] for row in rows)]
        shown = [
            {
                "study": row["study"],
                "key": row["key"],
                "data": row["data"],
                "done": f"{row['done']}/{row['runs']}",
                **{word: row[word] for word in troubled},
                "asked": str(row["asked"])[:10],
                "question": row["question"],
            }
            for row in rows
        ]
        screen.table(shown, right=["done", *troubled], wrap="question")
    else:
        screen.out.print(f"No studies in {store} yet: `paribus run STUDY` adds one.")


@app.command()
def show(study: StoredName, store: StoreFile = DEFAULT_STORE, json: Json = False) -> None:
    """Show the answer of a study in the store; nothing is trained.

    [bold]Examples[/bold]

      paribus show optimizers

      paribus show optimizers --json | jq .answer
    """
    from paribus import screen

    analysis = stored_analysis(study, store)
    if json:
        from paribus.report.record import to_record

        screen.print_json(to_record(analysis))
    else:
        from paribus.report.text import render_text

        render_text(analysis, screen.out)


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
    from paribus import screen
    from paribus.comparison import compare as compare_sides
    from paribus.comparison import read_side
    from paribus.report.comparison import render, to_record
    from paribus.store.store import Store

    with Store(store) as ours, Store(with_store or store) as theirs:
        found = compare_sides(read_side(ours, here), read_side(theirs, there))
    if json:
        screen.print_json(to_record(found))
    else:
        render(found, screen.out)


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
    from paribus.analysis import curve_table
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
        from paribus import screen
        from paribus.training_log import records, training_log

        table = training_log(curves, steps)
        if csv:
            typer.echo(table.to_csv(index=False), nl=False)
        else:
            screen.print_json(records(table))
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
    from paribus import screen
    from paribus.checkpoints import checkpoints as kept_of
    from paribus.checkpoints import copy_to
    from paribus.report.wording import labelled
    from paribus.run import Settings
    from paribus.store.store import Store
    from paribus.study.outcomes import OUTCOMES

    with Store(store) as opened:
        kept = kept_of(opened.study(study), Settings(store).checkpoint_folder)
    if out is not None:
        kept = copy_to(out, kept)
    if json:
        screen.print_json(
            [{"arm": k.arm, "seed": k.seed, k.metric: k.value, "path": str(k.path)} for k in kept]
        )
        return
    outcome = OUTCOMES[kept[0].metric]
    value = labelled(outcome.label, outcome.unit)
    rows = [
        {"arm": k.arm, "seed": k.seed, value: outcome.show(k.value), "path": k.path} for k in kept
    ]
    screen.lines(rows, right=["seed", value])


@app.command()
def report(
    study: StoredName,
    out: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
    store: StoreFile = DEFAULT_STORE,
) -> None:
    """Write the report of a study as one HTML file that opens offline.

    [bold]Example[/bold]

      paribus report optimizers --out optimizers.html
    """
    from paribus import screen
    from paribus.report.html import write

    analysis = stored_analysis(study, store)
    path = out or report_path(analysis, store)
    screen.out.print(f"Report: {write(analysis, path)}", soft_wrap=True)


@app.command()
def export(
    study: StoredName,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    format: Annotated[str | None, typer.Option(help="csv or parquet; by default by --out.")] = None,
    store: StoreFile = DEFAULT_STORE,
) -> None:
    """Write a table with a row per run: arm, seed, every setting, every final metric, status.

    [bold]Example[/bold]

      paribus export optimizers --format parquet --out runs.parquet
    """
    from paribus import screen
    from paribus.store.store import Store

    chosen = format or out.suffix.lstrip(".")
    if chosen not in ("csv", "parquet"):
        raise InputError(f"--format must be csv or parquet (got {chosen or 'nothing'})")
    from paribus.store.export import runs_frame, write_frame

    with Store(store) as opened:
        frame = runs_frame(opened.study(study))
    write_frame(frame, chosen, out)
    screen.out.print(f"{len(frame)} runs: {out}", soft_wrap=True)

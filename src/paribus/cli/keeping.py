"""Commands that keep stores: several made one, studies deleted, files rebuilt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paribus.cli.options import DEFAULT_STORE, Json, StoreFile, app
from paribus.errors import InputError

_NAMED = 5  # of what is damaged


@app.command()
def merge(
    file: Annotated[Path, typer.Argument(help="Another store, which stays as it is.")],
    store: StoreFile = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Copy the studies and runs of another store that are not in this one yet.

    Trained networks in a folder checkpoints beside it come along. A run that has
    finished in both stays as it is here. Ctrl-C loses nothing: the same command
    goes on.

    [bold]Examples[/bold]

      paribus merge other-machine/.paribus/store.sqlite

      paribus merge last-month.sqlite --store all.sqlite
    """
    from paribus import screen
    from paribus.report.wording import clean
    from paribus.run import Settings
    from paribus.store.merge import copy_checkpoints
    from paribus.store.merge import merge as merge_stores
    from paribus.store.store import Store

    if file.resolve() == store.resolve():
        raise InputError(f"{file} cannot be merged into itself: name another FILE or --store")
    with Store(file) as source, Store(store, create=True) as target:
        merged = merge_stores(source, target)
        folder = Settings(file).checkpoint_folder
        networks = copy_checkpoints(
            folder, Settings(store).checkpoint_folder, target, but=merged.unlike
        )
    if json:
        screen.print_json(
            {
                "runs": merged.runs,
                "studies": merged.studies,
                "there": merged.there,
                "unlike": merged.unlike,
                "damaged": merged.damaged,
                "checkpoints": networks,
            }
        )
    else:
        names = ", ".join(clean(name) for name in merged.studies)
        came = f"studies {len(merged.studies):,}{names and f' ({names})'}, "
        came += f"runs {len(merged.runs):,}, trained networks {networks:,}"
        told = [f"New in {store}: {came}.", f"Runs that were there already: {merged.there:,}."]
        if merged.unlike:
            told.append(f"{len(merged.unlike):,} of these have other results in {file}.")
        if merged.damaged:
            some = ", ".join(map(clean, merged.damaged[:_NAMED]))
            more = " …" if len(merged.damaged) > _NAMED else ""
            told.append(
                f"Left out, for they are damaged in {file}: {some}{more}. "
                f"`paribus doctor --store {file}` tells more."
            )
        screen.out.print("\n".join(told), soft_wrap=True)
    if merged.damaged:
        raise typer.Exit(1)

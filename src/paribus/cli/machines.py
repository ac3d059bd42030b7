"""Commands on this machine, its data, and the form of studies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paribus.cli.options import DataRoot, Json, app
from paribus.errors import InputError

data_app = typer.Typer(help="Data sets that go by a name.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.command()
def schema() -> None:
    """Print the JSON Schema of study files, for editors that complete and check YAML."""
    from paribus.screen import console
    from paribus.study.spec import json_schema

    console.print_json(json_schema())


@app.command()
def doctor(
    require: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Fail without these: torch, tensorflow, jax, cuda (commas between them).",
        ),
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Check this store and its backup, not the machine.")
    ] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Restore the store from what is sound.")
    ] = False,
    json: Json = False,
) -> None:
    """Check this machine: frameworks, accelerator, cores, memory, power, load, data. Or a store.

    Each framework is imported and asked what it sees. With --require, exit code 1
    if one is missing; cuda: a GPU for those named with it, or else for PyTorch.

    With --store a store is checked, every row of it, and its backup: exit code 1 if
    anything is damaged. --restore makes a new one of all that is sound in both, and
    keeps the damaged file beside it; nothing else may use the store meanwhile.

    [bold]Examples[/bold]

      paribus doctor

      paribus doctor --require torch,cuda

      paribus doctor --json | jq '.\\[] | select(.ok | not)'

      paribus doctor --store .paribus/store.sqlite
    """
    if store is not None:
        if require is not None:
            raise InputError("--require is about this machine, --store about a store")
        from paribus.cli.keeping import check_store

        check_store(store, restore, json)
        return
    if restore:
        raise InputError("--restore needs the store: `paribus doctor --store FILE --restore`")
    from paribus.doctor import examine, requirements
    from paribus.doctor import require as missing_of

    wanted = requirements(require) if require is not None else []
    from paribus.screen import console, machines

    with console.err.status("Asking each framework what it sees …"):
        rows = examine()
    missing = missing_of(rows, wanted)
    if json:
        console.print_json([row.record() for row in rows])
    else:
        console.table([machines.checked(row) for row in rows], wrap="found")
    for problem in missing:
        typer.echo(f"paribus: {problem}", err=True)
    if missing:
        raise typer.Exit(1)


@app.command()
def machine(
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The profile to write, or with --show to read."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Half the work, for a rougher model.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Print the profile that is there; measure nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Measure how fast this machine trains, for the times that `paribus plan` predicts.

    Steps of small and large networks are timed, and a model of their time is fitted: overhead +
    FLOPs / rate + bytes / bandwidth. It is held against networks that it was not fitted to, and
    the error is told. Takes about a minute; best when nothing else runs.

    [bold]Examples[/bold]

      paribus machine

      paribus machine --quick --out this-machine.json

      paribus machine --show --json
    """
    from paribus.clock import calibration
    from paribus.clock.machine_profile import default_file, read
    from paribus.screen import bars, console, machines

    path = out or default_file()
    if show:
        profile = read(path)
    else:
        with bars.measuring() as told:
            fitted = calibration.QUICK if quick else calibration.FITTED
            count = calibration.HELD_OUT // 2 if quick else calibration.HELD_OUT
            profile = calibration.calibrate(fitted, calibration.held_out(count), told)
        profile.write(path)
    if json:
        console.print_json(machines.machine_record(profile, path))
    else:
        machines.show_machine(profile, path, calibration.gpu_pays(profile))


@data_app.command("list")
def data_list(data_root: DataRoot = None, json: Json = False) -> None:
    """List the data sets that go by a name, and where they are."""
    from paribus.data import REGISTRY
    from paribus.data.registry import location
    from paribus.screen import console

    rows = []
    for name, entry in REGISTRY.items():
        found = entry.origin if entry.embedded else location(name, data_root)
        rows.append(
            {
                "data": name,
                "rows": entry.rows,
                "task": entry.task,
                "here": "yes" if found else "no",
                "what": entry.description,
                **({"where": found and str(found)} if json else {}),
            }
        )
    if json:
        console.print_json(rows)
    else:
        console.table(rows, right=["rows"], wrap="what")
        if any(row["here"] == "no" for row in rows):
            console.out.print("`paribus data get NAME` downloads what is not here.")


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="mnist, fashion-mnist, …")],
    data_root: DataRoot = None,
) -> None:
    """Download a data set into the cache, if it is not here yet, and check its checksums."""
    from paribus.data import fetch
    from paribus.screen import console

    console.out.print(f"{name}: {fetch(name, data_root)}", soft_wrap=True)

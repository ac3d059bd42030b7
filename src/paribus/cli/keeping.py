"""Commands that keep stores: several made one, studies deleted, files rebuilt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paribus.cli.options import DEFAULT_STORE, Json, StoredName, StoreFile, app
from paribus.errors import InputError

if TYPE_CHECKING:
    from paribus.store.check import Health

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
    from paribus.report.wording import clean
    from paribus.screen import console
    from paribus.settings import Settings
    from paribus.store.backup import Backups
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
        Backups(target, lambda text: console.err.print(clean(text), soft_wrap=True)).now()
    if json:
        console.print_json(
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
        console.out.print("\n".join(told), soft_wrap=True)
    if merged.damaged:
        raise typer.Exit(1)


@app.command()
def delete(
    study: StoredName,
    store: StoreFile = DEFAULT_STORE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Delete a study, and those of its runs that no other study in the store plans.

    They are gone from the store and its backup, with their curves, and with the
    trained networks that `paribus run STUDY --checkpoints` has kept. Reports stay.

    [bold]Examples[/bold]

      paribus delete optimizers

      paribus delete 3fa94c17 --yes
    """
    from paribus.report.wording import clean
    from paribus.screen import console
    from paribus.settings import Settings
    from paribus.store.deletion import delete as delete_study
    from paribus.store.deletion import deletion
    from paribus.store.store import Store

    with Store(store) as opened:
        planned = deletion(opened, study)
    what = f"{clean(planned.name)} ({planned.key[:8]}) with {len(planned.runs):,} runs of its own"
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"{what} would be deleted for good: say --yes to do so")
        typer.confirm(f"Delete {what} for good?", abort=True, err=True)
    networks = delete_study(store, planned, Settings(store).checkpoint_folder)
    if json:
        console.print_json(
            {
                "study": planned.name,
                "key": planned.key,
                "runs": len(planned.runs),
                "checkpoints": networks,
            }
        )
    else:
        beside = f" and {networks:,} trained networks" if networks else ""
        console.out.print(
            f"Deleted {what}{beside}. `paribus compact` makes the file smaller.", soft_wrap=True
        )


@app.command()
def compact(store: StoreFile = DEFAULT_STORE, json: Json = False) -> None:
    """Build the file of a store and its backup anew: smaller, where something was deleted.

    Nothing in it changes. It takes as much room again on the disk meanwhile.
    """
    from paribus.screen import console
    from paribus.store.backup import backup_of
    from paribus.store.deletion import compact as compact_file
    from paribus.store.store import Store

    Store(store).__exit__()  # which says where there is none
    files = [file for file in (store, backup_of(store)) if file.exists()]
    sizes = {str(file): compact_file(file) for file in files}
    if json:
        console.print_json({file: {"before": b, "after": a} for file, (b, a) in sizes.items()})
        return
    for file, (before, after) in sizes.items():
        console.out.print(f"{file}: {before:,} bytes before, {after:,} now", soft_wrap=True)


def check_store(store: Path, restore: bool, json: bool) -> None:
    """Say what is sound in a store and its backup, and on request restore it."""
    from paribus.screen import console
    from paribus.store.check import examine
    from paribus.store.restore import restore as restore_store

    with console.err.status(f"Reading {store} …"):
        before = examine(store)
    restored = None
    if restore and not before.ok:
        with console.err.status(f"Restoring {store} …"):
            restored = restore_store(store, before)
    health = restored.after if restored else before
    if json:
        kept = restored and restored.kept and str(restored.kept)
        console.print_json(health.record() | ({"damaged": kept} if restored else {}))
    else:
        if restored:
            _show_health(before)
            where = f" from what is sound; the damaged file is {restored.kept}"
            console.out.print(
                f"Restored{where if restored.kept else ' from the backup'}. Now:", soft_wrap=True
            )
        _show_health(health)
        if not health.ok and any(one.sound or one.backup for one in health.studies):
            console.out.print(
                f"`paribus doctor --store {health.store} --restore` makes a sound store of all "
                f"that is sound in both.",
                soft_wrap=True,
            )
    if not health.ok:
        raise typer.Exit(1)


def _show_health(health: Health) -> None:
    from paribus.report.wording import clean
    from paribus.screen.console import out
    from paribus.store.backup import backup_of

    backup = health.backup_problems
    for file, found in ((health.store, health.problems), (backup_of(health.store), backup)):
        state = "there is none" if found is None else "damaged" if found else "sound"
        out.print(f"{file}: {state}", soft_wrap=True)
        for problem in (found or ())[:_NAMED]:
            out.print(f"  {clean(problem)}", soft_wrap=True)
        if len(found or ()) > _NAMED:
            out.print(f"  and {len(found or ()) - _NAMED:,} more (--json tells all)")
    if health.journal:
        out.print(
            f"{health.journal:,} bytes in {health.store.name}-wal are part of the store: SQLite "
            f"takes them in when it is next written to",
            soft_wrap=True,
        )
    if health.partial:
        out.print(f"Damaged in part, in {health.store}:", soft_wrap=True)
    for lost in health.partial[:_NAMED]:
        out.print(f"  {clean(lost)}", soft_wrap=True)
    if len(health.partial) > _NAMED:
        out.print(f"  and {len(health.partial) - _NAMED:,} more (--json tells all)")
    for study in health.studies:
        told = [f"{study.sound:,} of {study.planned:,} runs sound"]
        if study.backup:
            told.append(f"{study.backup:,} more in the backup")
        if study.missing:
            told.append(f"{study.missing:,} not there: `paribus run` trains them")
        out.print(f"{clean(study.name)} ({study.key[:8]}): {', '.join(told)}", soft_wrap=True)
    if health.unplanned:
        out.print(
            f"{health.unplanned:,} sound runs are of no study that is here: "
            f"`paribus run` of theirs finds them",
            soft_wrap=True,
        )

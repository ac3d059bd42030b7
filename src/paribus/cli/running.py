"""Commands that plan and run studies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from paribus.cli.options import (
    DEFAULT_STORE,
    AllowCode,
    DataName,
    DataRoot,
    Device,
    Json,
    Margin,
    On,
    Seeds,
    Set,
    SkipUnavailable,
    StoreFile,
    StudyName,
    Target,
    Workers,
    app,
    command_again,
    lay_out_study,
    load_dataset,
    make_settings,
    print_log,
    read_overrides,
    write_report,
)
from paribus.errors import InputError
from paribus.untrusted import file_name


@app.command()
def run(
    study: StudyName,
    data: DataName = None,
    target: Target = None,
    seeds: Seeds = None,
    margin: Margin = None,
    set_: Set = None,
    data_root: DataRoot = None,
    store: StoreFile = DEFAULT_STORE,
    workers: Workers = None,
    device: Device = "auto",
    checkpoints: Annotated[
        bool,
        typer.Option(
            "--checkpoints",
            help="Keep every trained network: `paribus checkpoints STUDY` lists them.",
        ),
    ] = False,
    log_every: Annotated[
        int | None,
        typer.Option(min=1, help="Print the mean loss of every so many steps of each epoch."),
    ] = None,
    report: Annotated[bool, typer.Option(help="Write the HTML report.")] = True,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say and write where the time went.")
    ] = False,
    more: Annotated[
        bool, typer.Option("--more", help="Add the seeds that undecided contrasts need.")
    ] = False,
    skip_unavailable: SkipUnavailable = False,
    allow_code: AllowCode = False,
    limit: Annotated[
        float, typer.Option(min=0.1, help="Seconds for one run that is timed.")
    ] = 3600.0,
    on: On = None,
    json: Json = False,
) -> None:
    """Train what is missing of a study, and answer its question.

    Runs that are in the store already are not trained again; Ctrl-C loses none that has finished.
    Exit code 1 if a run failed (a run that diverged is a result).

    [bold]Examples[/bold]

      paribus run optimizers

      paribus run optimizers --data mnist --seeds 20 --set train.epochs=3

      paribus run optimizers --seeds auto

      paribus run optimizers --more

      paribus run optimizers --log-every 100

      paribus run my-study.yaml --data table.csv --target price

      paribus run optimizers --on ray://head.example:10001
    """
    from paribus.profile import Profile
    from paribus.run import extension, make_plan, run_study
    from paribus.screen import bars, console, machines, plans

    settings = make_settings(
        store,
        workers,
        device,
        checkpoints,
        profile,
        skip_unavailable=skip_unavailable,
        limit=limit,
        on=on,
    )
    overrides = read_overrides(data, target, seeds, margin, set_)
    if log_every is not None:
        overrides["train.log_every"] = log_every
    design = lay_out_study(study, overrides, data_root, settings, allow_code)
    plan = make_plan(design, settings)
    while more:
        added = extension(design, settings)
        if not added:
            console.err.print("Every contrast is decided: no seeds are added.")
            break
        overrides |= added
        design = lay_out_study(study, overrides, data_root, settings, allow_code)
        plan = make_plan(design, settings)
        if any(part.stacks for part in plan.parts):  # else it was extended before: once more
            console.err.print(f"What is open gets {added['seeds']} seeds in all.")
            break
    plans.headline(plan)
    try:
        with bars.training() as watch:
            spent = Profile()
            analysis = run_study(design, settings, command_again(study, overrides), watch, spent)
    except KeyboardInterrupt:
        kept, runs = plans.kept(make_plan(design, settings))
        console.err.print(f"Stopped. {kept} of {runs} runs are kept: the same command goes on.")
        raise typer.Exit(130) from None
    if json:
        from paribus.report.record import to_record

        written = write_report(analysis, settings) if report else None
        console.print_json({**to_record(analysis), "report": written and str(written)})
    else:
        from paribus.report.text import render_text

        if log_every is not None:
            if analysis.steps.empty:
                console.err.print(
                    f"No epoch has {log_every} steps: nothing is logged within epochs."
                )
            print_log(analysis.name, analysis.curves, analysis.steps)
        render_text(analysis, console.out)
        if report:
            console.out.print(f"Report: {write_report(analysis, settings)}", soft_wrap=True)
    if profile:
        path = settings.store.parent / "profiles" / f"{file_name(design.spec.name)}.json"
        if spent.workers:  # else what an earlier run has written stays
            spent.write(path)
        machines.show_profile(spent, path)
    if any(arm.failed for arm in analysis.trained_arms):
        raise typer.Exit(1)


@app.command()
def plan(
    study: StudyName,
    data: DataName = None,
    target: Target = None,
    seeds: Seeds = None,
    margin: Margin = None,
    set_: Set = None,
    data_root: DataRoot = None,
    store: StoreFile = DEFAULT_STORE,
    workers: Workers = None,
    device: Device = "auto",
    sd: Annotated[
        float | None,
        typer.Option(help="A guess of the standard deviation of paired differences (0.01 = 1 %)."),
    ] = None,
    skip_unavailable: SkipUnavailable = False,
    on: On = None,
    allow_code: AllowCode = False,
    machine: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Predict times on the machine of this profile instead."),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a study would run, about how long, and what it could show; train nothing.

    How small a difference so many seeds can show is told from the runs that are in the store (a
    pilot of three seeds or more), or from a guess. Times are predicted where `paribus machine` has
    measured this machine; with --machine, each arm's time per epoch on another one.

    [bold]Examples[/bold]

      paribus plan optimizers --data mnist

      paribus plan optimizers --seeds 20 --sd 0.005

      paribus plan my-study.yaml --json

      paribus plan my-study.yaml --machine other-machine.json
    """
    from paribus.screen import console, plans

    overrides = read_overrides(data, target, seeds, margin, set_)
    if machine is not None:
        _predict(study, overrides, data_root, machine, device, allow_code, json)
        return
    from paribus.clock.machine_profile import of_this_machine
    from paribus.clock.predict import predict
    from paribus.run import foresee, make_plan

    settings = make_settings(store, workers, device, skip_unavailable=skip_unavailable, on=on)
    design = lay_out_study(study, overrides, data_root, settings, allow_code)
    made = make_plan(design, settings)
    expected = foresee(made.design, settings, sd)
    profile = of_this_machine() if made.design.timed and not made.site else None
    predictions = predict(profile, made.design) if profile else []
    if json:
        console.print_json(plans.plan_record(made, expected, predictions))
    else:
        plans.show_plan(made, expected, predictions)


def _predict(
    study: str,
    overrides: dict[str, Any],
    data_root: Path | None,
    machine: str,
    device: str,
    allow_code: bool,
    json: bool,
) -> None:
    """Print what a study's arms would take on the machine of a profile, which may have others."""
    from paribus.clock.machine_profile import named
    from paribus.clock.predict import predict
    from paribus.report.record import plain
    from paribus.screen import console, plans
    from paribus.study.design import design
    from paribus.study.engine import EngineId
    from paribus.study.spec import load

    profile = named(machine)
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device must be auto, cpu or cuda (got {device})")
    spec = load(study, overrides, allow_code=allow_code)
    engine = EngineId("stacked", "", "cpu" if device == "auto" else device)
    laid_out = design(spec, load_dataset(spec, data_root), engine)
    found = predict(profile, laid_out)
    if json:
        console.print_json(
            {"study": spec.name, "machine": profile.machine, "predictions": plain(found)}
        )
    else:
        console.out.print(f"{laid_out.dataset.name} on {profile.machine}")
        plans.show_predictions(found)

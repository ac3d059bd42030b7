"""The command line: parse, call, print."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paribus.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

    from paribus.data import Dataset
    from paribus.findings import Analysis
    from paribus.questions import Question
    from paribus.run import Settings
    from paribus.study.design import Design
    from paribus.study.spec import Spec

app = typer.Typer(
    help="Controlled, replicated answers to small questions about training neural networks.",
    epilog="Start with: paribus ask · paribus ask which optimizer is best --run",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Data sets that go by a name.", no_args_is_help=True)
app.add_typer(data_app, name="data")

StudyName = Annotated[str, typer.Argument(help="A built-in study, or a YAML file.")]
StoredName = Annotated[str, typer.Argument(help="A study in the store: its name or its key.")]
DataName = Annotated[
    str | None, typer.Option("--data", help="A built-in data set, or a CSV, Parquet or NPZ file.")
]
Target = Annotated[str | None, typer.Option(help="The column of the file to predict.")]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto", help="Seeds (blocks): runs per arm; auto stops when all is decided."
    ),
]
Margin = Annotated[
    float | None, typer.Option(help="The smallest difference that matters (0.01 = 1 point).")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Replace a setting; may be repeated."),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(envvar="PARIBUS_DATA", help="A folder with mnist/ and fashion-mnist/ in it."),
]
StoreFile = Annotated[
    Path, typer.Option("--store", help="The file that keeps all runs.", envvar="PARIBUS_STORE")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
SkipUnavailable = Annotated[
    bool,
    typer.Option("--skip-unavailable", help="Leave out arms that need what is not here."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
_STORE = Path(".paribus/store.sqlite")


def _print_version(wanted: bool) -> None:
    if wanted:
        from paribus.environment import version_of

        typer.echo(f"paribus {version_of('paribus')}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option(help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool | None, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = None,
) -> None:
    pass


@app.command()
def run(
    study: StudyName,
    data: DataName = None,
    target: Target = None,
    seeds: Seeds = None,
    margin: Margin = None,
    set_: Set = None,
    data_root: DataRoot = None,
    store: StoreFile = _STORE,
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
    limit: Annotated[
        float, typer.Option(min=0.1, help="Seconds for one run that is timed.")
    ] = 3600.0,
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
    """
    from paribus import screen
    from paribus.profile import Profile
    from paribus.run import extension, make_plan, run_study

    settings = _settings(
        store, workers, device, checkpoints, profile, skip_unavailable=skip_unavailable, limit=limit
    )
    overrides = _overrides(data, target, seeds, margin, set_)
    if log_every is not None:
        overrides["train.log_every"] = log_every
    design = _design(study, overrides, data_root, settings)
    plan = make_plan(design, settings)
    while more:
        added = extension(design, settings)
        if not added:
            screen.err.print("Every contrast is decided: no seeds are added.")
            break
        overrides |= added
        design = _design(study, overrides, data_root, settings)
        plan = make_plan(design, settings)
        if any(part.stacks for part in plan.parts):  # else it was extended before: once more
            screen.err.print(f"What is open gets {added['seeds']} seeds in all.")
            break
    screen.headline(plan)
    try:
        with screen.progress() as watch:
            spent = Profile()
            analysis = run_study(design, settings, _command(study, overrides), watch, spent)
    except KeyboardInterrupt:
        kept, runs = screen.kept(make_plan(design, settings))
        screen.err.print(f"Stopped. {kept} of {runs} runs are kept: the same command goes on.")
        raise typer.Exit(130) from None
    if json:
        from paribus.report.record import to_record

        written = _write_report(analysis, settings) if report else None
        screen.print_json({**to_record(analysis), "report": written and str(written)})
    else:
        from paribus.report.text import render_text

        if log_every is not None:
            if analysis.steps.empty:
                screen.err.print(
                    f"No epoch has {log_every} steps: nothing is logged within epochs."
                )
            _print_log(analysis.name, analysis.curves, analysis.steps)
        render_text(analysis, screen.out)
        if report:
            screen.out.print(f"Report: {_write_report(analysis, settings)}", soft_wrap=True)
    if profile:
        path = settings.store.parent / "profiles" / f"{design.spec.name}.json"
        if spent.workers:  # else what an earlier run has written stays
            spent.write(path)
        screen.show_profile(spent, path)
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
    store: StoreFile = _STORE,
    workers: Workers = None,
    device: Device = "auto",
    sd: Annotated[
        float | None,
        typer.Option(help="A guess of the standard deviation of paired differences (0.01 = 1 %)."),
    ] = None,
    skip_unavailable: SkipUnavailable = False,
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
    from paribus import screen

    overrides = _overrides(data, target, seeds, margin, set_)
    if machine is not None:
        _predict(study, overrides, data_root, machine, device, json)
        return
    from paribus.clock.machine_profile import of_this_machine
    from paribus.clock.predict import predict
    from paribus.run import foresee, make_plan

    settings = _settings(store, workers, device, skip_unavailable=skip_unavailable)
    design = _design(study, overrides, data_root, settings)
    made = make_plan(design, settings)
    expected = foresee(made.design, settings, sd)
    profile = of_this_machine() if made.design.timed else None
    predictions = predict(profile, made.design) if profile else []
    if json:
        screen.print_json(screen.plan_record(made, expected, predictions))
    else:
        screen.show_plan(made, expected, predictions)


def _predict(
    study: str,
    overrides: dict[str, Any],
    data_root: Path | None,
    machine: str,
    device: str,
    json: bool,
) -> None:
    """Print what a study's arms would take on the machine of a profile, which may have others."""
    from paribus import screen
    from paribus.clock.machine_profile import named
    from paribus.clock.predict import predict
    from paribus.report.record import plain
    from paribus.study.design import design
    from paribus.study.engine import EngineId
    from paribus.study.spec import load

    profile = named(machine)
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device must be auto, cpu or cuda (got {device})")
    spec = load(study, overrides)
    engine = EngineId("stacked", "", "cpu" if device == "auto" else device)
    laid_out = design(spec, _dataset(spec, data_root), engine)
    found = predict(profile, laid_out)
    if json:
        screen.print_json(
            {"study": spec.name, "machine": profile.machine, "predictions": plain(found)}
        )
    else:
        screen.out.print(f"{laid_out.dataset.name} on {profile.machine}")
        screen.show_predictions(found)


@app.command()
def ask(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION", help="In any words, or the name of a study."),
    ] = None,
    data: DataName = None,
    target: Target = None,
    data_root: DataRoot = None,
    store: StoreFile = _STORE,
    run_: Annotated[bool, typer.Option("--run", help="Run what is not answered yet.")] = False,
    json: Json = False,
) -> None:
    """Find the study that a question is about, and show its answer, why, and the report.

    Where the store has no finished study of it, what would run is shown, and about how long; on
    a terminal, it can then be run at once. Without a question, all questions are listed.

    [bold]Examples[/bold]

      paribus ask does dropout help

      paribus ask which optimizer is best --data mnist

      paribus ask optimizers --run
    """
    from paribus import screen
    from paribus.matching import closest
    from paribus.questions import answered_on, questions, stored_answer

    known, text = questions(store), " ".join(words or ()).strip()
    listed = [{"study": one.name, "question": one.question} for one in known.values()]
    if not text:
        if json:
            screen.print_json(listed)
        else:
            screen.table(listed, wrap="question")
        return
    names = closest(text, {one.name: (one.question, *one.asks) for one in known.values()})
    if not names:
        screen.err.print(f"paribus: no study is about {text!r}; the questions are", soft_wrap=True)
        screen.table(listed, wrap="question", console=screen.err)
        raise typer.Exit(2)
    name, *near = names
    question = known[name]
    overrides = _overrides(data, target, None, None, None)
    found = stored_answer(question, store, _measured_on(data, target))
    if found is None and not question.builtin:
        raise InputError(
            f"{name} has an answer in {store} on {', '.join(answered_on(question, store))}, not on "
            f"{data}: run its own file with --data {data}"
        )
    if not json:
        screen.found(name, near)
    if found is None:
        if run_ or _offer(question, overrides, data_root, store, near, json):
            run(name, data, target, data_root=data_root, store=store, json=json)
        return
    path = _write_report(found, _settings(store, None, "auto"))
    if json:
        from paribus.report.record import to_record

        screen.print_json({**to_record(found), "report": str(path), "near": near})
        return
    from paribus.report.text import render_text

    render_text(found, screen.out, brief=True)
    others = [one for one in answered_on(question, store) if one != found.data["data set"]]
    screen.measured(found, [] if data else others)
    screen.out.print(f"Report: {path}", soft_wrap=True)


def _measured_on(data: str | None, target: str | None) -> Dataset | str | None:
    """Return the data set that an answer is asked for on; by its name alone where it has one."""
    from paribus.data import REGISTRY, load

    return data if data is None or data in REGISTRY else load(data, target=target)


def _offer(
    question: Question,
    overrides: dict[str, Any],
    data_root: Path | None,
    store: Path,
    near: list[str],
    json: bool,
) -> bool:
    """Say what a study that is not answered would run, and return whether it is to be run now."""
    from paribus import screen
    from paribus.questions import answered_on, outlook
    from paribus.study.spec import load

    spec = load(question.name, overrides)
    expected = outlook(spec, _settings(store, None, "auto"), data_root)
    command = _command(question.name, overrides)
    if store != _STORE:
        command += f" --store {shlex.quote(str(store))}"
    if json:
        screen.print_json(
            {
                "name": question.name,
                "question": question.question,
                "answer": None,
                "reason": question.reason,
                "plan": screen.plan_record(expected.plan) if expected.plan else None,
                "lacks": expected.lacks,
                "problems": expected.problems,
                "command": command,
                "near": near,
            }
        )
        return False
    others = [one for one in answered_on(question, store) if one != spec.data.source]
    screen.unanswered(question, spec.data.source, others, expected, command)
    return expected.can_run and screen.asks_back() and typer.confirm("Run it now?", default=False)


@app.command()
def studies(data_root: DataRoot = None, store: StoreFile = _STORE, json: Json = False) -> None:
    """List the built-in studies: question, runs, about how long they take, data, reference.

    The time is for what the store lacks, as `paribus plan` estimates it.
    """
    from paribus import screen
    from paribus.questions import outlook
    from paribus.study.spec import builtin_names, load

    rows = []
    with screen.err.status("Estimating times …"):
        for name in builtin_names():
            spec = load(name)
            expected = outlook(spec, _settings(store, None, "auto"), data_root)
            row = {"study": name, "question": spec.question, "runs": expected.runs}
            if json:
                row |= {"about_seconds": expected.seconds, "lacks": expected.lacks}
            else:
                row["about"] = screen.about(expected)
            rows.append({**row, "data": spec.data.source, "reference": spec.reference or ""})
    if json:
        screen.print_json(rows)
    else:
        screen.table(rows, right=["runs"], wrap="question")


@app.command()
def reproduce(
    notebooks: Annotated[
        list[str] | None, typer.Argument(help="Of A, B, C, D and E; by default all.")
    ] = None,
    seeds: Seeds = None,
    set_: Set = None,
    data_root: DataRoot = None,
    store: StoreFile = _STORE,
    workers: Workers = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Run the reference notebooks as they were written, and corrected.

    Prints every figure of a notebook beside ours over ten seeds, and whether it lies where one run
    would (95 %); then each conclusion beside the verdicts as written and corrected. Runs are kept:
    Ctrl-C loses none that has finished.

    [bold]Examples[/bold]

      paribus reproduce

      paribus reproduce E --data-root data

      paribus reproduce B D --seeds 3
    """
    from paribus import screen
    from paribus.reference.notebooks import chosen
    from paribus.report.reproduction import render, to_record
    from paribus.reproduce import lay_out_all, plans
    from paribus.reproduce import reproduce as run_again

    settings = _settings(store, workers, device, skip_unavailable=True)
    overrides = _overrides(None, None, seeds, None, set_)
    records = []
    for notebook in chosen(notebooks or []):
        designs = lay_out_all(notebook, settings, overrides, data_root)
        try:
            with screen.progress() as watch:
                for plan in plans(designs, settings):
                    screen.headline(plan)
                found = run_again(notebook, designs, settings, overrides, data_root, watch)
        except KeyboardInterrupt:
            screen.err.print("Stopped. Finished runs are kept: the same command goes on.")
            raise typer.Exit(130) from None
        records.append(to_record(found))
        if not json:
            render(found, screen.out)
    if json:
        screen.print_json(records)


@app.command("list")
def list_(store: StoreFile = _STORE, json: Json = False) -> None:
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
def show(study: StoredName, store: StoreFile = _STORE, json: Json = False) -> None:
    """Show the answer of a study in the store; nothing is trained.

    [bold]Examples[/bold]

      paribus show optimizers

      paribus show optimizers --json | jq .answer
    """
    from paribus import screen

    analysis = _stored(study, store)
    if json:
        from paribus.report.record import to_record

        screen.print_json(to_record(analysis))
    else:
        from paribus.report.text import render_text

        render_text(analysis, screen.out)


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
    store: StoreFile = _STORE,
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
        _print_log(found.row.name, curves, steps, every_row)


@app.command()
def checkpoints(
    study: StoredName,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Copy them there as <arm>-seed-<n>.safetensors."),
    ] = None,
    store: StoreFile = _STORE,
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
    store: StoreFile = _STORE,
) -> None:
    """Write the report of a study as one HTML file that opens offline.

    [bold]Example[/bold]

      paribus report optimizers --out optimizers.html
    """
    from paribus import screen
    from paribus.report.html import write

    analysis = _stored(study, store)
    path = out or _report_path(analysis, store)
    screen.out.print(f"Report: {write(analysis, path)}", soft_wrap=True)


@app.command()
def export(
    study: StoredName,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    format: Annotated[str | None, typer.Option(help="csv or parquet; by default by --out.")] = None,
    store: StoreFile = _STORE,
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


@app.command()
def schema() -> None:
    """Print the JSON Schema of study files, for editors that complete and check YAML."""
    from paribus import screen
    from paribus.study.spec import json_schema

    screen.print_json(json_schema())


@app.command()
def doctor(
    require: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Fail without these: torch, tensorflow, jax, cuda (commas between them).",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Check this machine: frameworks, accelerator, cores, memory, power, load, data.

    Each framework is imported and asked what it sees. With --require, exit code 1
    if one is missing; cuda: a GPU for those named with it, or else for PyTorch.

    [bold]Examples[/bold]

      paribus doctor

      paribus doctor --require torch,cuda

      paribus doctor --json | jq '.\\[] | select(.ok | not)'
    """
    from paribus.doctor import examine, requirements
    from paribus.doctor import require as missing_of

    wanted = requirements(require) if require is not None else []
    from paribus import screen

    with screen.err.status("Asking each framework what it sees …"):
        rows = examine()
    missing = missing_of(rows, wanted)
    if json:
        screen.print_json([row.record() for row in rows])
    else:
        screen.table([screen.checked(row) for row in rows], wrap="found")
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
    from paribus import screen
    from paribus.clock import calibration
    from paribus.clock.machine_profile import default_file, read

    path = out or default_file()
    if show:
        profile = read(path)
    else:
        with screen.measuring() as told:
            fitted = calibration.QUICK if quick else calibration.FITTED
            count = calibration.HELD_OUT // 2 if quick else calibration.HELD_OUT
            profile = calibration.calibrate(fitted, calibration.held_out(count), told)
        profile.write(path)
    if json:
        screen.print_json(screen.machine_record(profile, path))
    else:
        screen.show_machine(profile, path, calibration.gpu_pays(profile))


@data_app.command("list")
def data_list(data_root: DataRoot = None, json: Json = False) -> None:
    """List the data sets that go by a name, and where they are."""
    from paribus import screen
    from paribus.data import REGISTRY
    from paribus.data.registry import location

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
        screen.print_json(rows)
    else:
        screen.table(rows, right=["rows"], wrap="what")
        if any(row["here"] == "no" for row in rows):
            screen.out.print("`paribus data get NAME` downloads what is not here.")


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="mnist, fashion-mnist, …")],
    data_root: DataRoot = None,
) -> None:
    """Download a data set into the cache, if it is not here yet, and check its checksums."""
    from paribus import screen
    from paribus.data import fetch

    screen.out.print(f"{name}: {fetch(name, data_root)}", soft_wrap=True)


def _settings(
    store: Path,
    workers: int | None,
    device: str,
    checkpoints: bool = False,
    profile: bool = False,
    **more: Any,
) -> Settings:
    from paribus.run import Settings

    return Settings(store, workers, device, checkpoints, profile, **more)


def _overrides(
    data: str | None,
    target: str | None,
    seeds: str | None,
    margin: float | None,
    set_: list[str] | None,
) -> dict[str, Any]:
    from paribus.study.source import parse_value

    given = {
        "data.source": data,
        "data.target": target,
        "seeds": seeds and parse_value(seeds),
        "margin": margin,
    }
    overrides = {path: value for path, value in given.items() if value is not None}
    for one in set_ or []:
        path, equals, value = one.partition("=")
        if not equals or not path:
            raise InputError(f"--set must be PATH=VALUE, such as train.epochs=3 (got {one})")
        overrides[path.strip()] = parse_value(value)
    return overrides


def _design(
    study: str, overrides: dict[str, Any], data_root: Path | None, settings: Settings
) -> Design:
    from paribus.run import lay_out
    from paribus.study.spec import load

    spec = load(study, overrides)
    return lay_out(spec, _dataset(spec, data_root), settings)


def _dataset(spec: Spec, data_root: Path | None) -> Dataset:
    from paribus.data import load

    data = spec.data
    return load(
        data.source, target=data.target, missing=data.missing, task=data.task, root=data_root
    )


def _command(study: str, overrides: dict[str, Any]) -> str:
    """Return the command that gives the same study again."""
    short = {"data.source": "--data", "data.target": "--target", "seeds": "--seeds"}
    short |= {"train.log_every": "--log-every"}
    words = ["paribus", "run", study]
    for path, value in overrides.items():
        if path in short:
            words += [short[path], str(value)]
        else:
            import yaml

            text = yaml.safe_dump(value, default_flow_style=True).split("\n...")[0].strip()
            words += ["--set", f"{path}={text}"]
    return shlex.join(words)


def _stored(study: str, store: Path) -> Analysis:
    from paribus.analysis import analyse
    from paribus.store.store import Store

    with Store(store) as opened:
        return analyse(opened, study)


def _print_log(study: str, curves: DataFrame, steps: DataFrame, every_row: bool = False) -> None:
    """Print the log of training, and say where the rest is where it is long."""
    from paribus import screen
    from paribus.report.log import render_log
    from paribus.training_log import training_log

    if shown := render_log(training_log(curves, steps), screen.out, every_row):
        screen.out.print(
            f"Shown: {shown}. `paribus log {study} --every-row` prints all, --arm NAME one arm, "
            f"--arm NAME --seed N one run."
        )
        screen.out.print()


def _report_path(analysis: Analysis, store: Path) -> Path:
    return store.parent / "reports" / f"{analysis.name}.html"


def _write_report(analysis: Analysis, settings: Settings) -> Path:
    from paribus.report.html import is_current, write

    path = _report_path(analysis, settings.store)
    return path if is_current(analysis, path) else write(analysis, path)

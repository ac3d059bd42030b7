"""What the commands share: the program, its options, and what they make of them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paribus.errors import InputError
from paribus.untrusted import file_name

if TYPE_CHECKING:
    from pandas import DataFrame

    from paribus.data import Dataset
    from paribus.findings import Analysis
    from paribus.settings import Settings
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
    float | None,
    typer.Option(
        help="The smallest difference that matters: 0.01 is a point of accuracy; of a numeric "
        "target, in its own unit."
    ),
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
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ray|ray://HOST:PORT",
        help="Train on a Ray cluster: one started on this machine, or one that is there.",
    ),
]
SkipUnavailable = Annotated[
    bool,
    typer.Option("--skip-unavailable", help="Leave out arms that need what is not here."),
]
AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        help="Import the network that a study file names: its code runs with all your rights.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
DEFAULT_STORE = Path(".paribus/store.sqlite")


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


def make_settings(
    store: Path,
    workers: int | None,
    device: str,
    checkpoints: bool = False,
    profile: bool = False,
    **more: Any,
) -> Settings:
    """Return where and with what a study is trained."""
    from paribus.settings import Settings

    return Settings(store, workers, device, checkpoints, profile, **more)


def read_overrides(
    data: str | None,
    target: str | None,
    seeds: str | None,
    margin: float | None,
    set_: list[str] | None,
) -> dict[str, Any]:
    """Return the settings that options replace, by dotted path; InputError for a bad --set."""
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


def lay_out_study(
    study: str,
    overrides: dict[str, Any],
    data_root: Path | None,
    settings: Settings,
    allow_code: bool = False,
) -> Design:
    """Return the design of a built-in study or a YAML file."""
    from paribus.run import lay_out
    from paribus.study.spec import load

    spec = load(study, overrides, allow_code=allow_code)
    return lay_out(spec, load_dataset(spec, data_root), settings)


def load_dataset(spec: Spec, data_root: Path | None) -> Dataset:
    """Return the data that a specification names."""
    from paribus.data import load

    data = spec.data
    return load(
        data.source, target=data.target, missing=data.missing, task=data.task, root=data_root
    )


def command_again(study: str, overrides: dict[str, Any]) -> str:
    """Return the command that gives the same study again.

    Without --allow-code, which nobody should copy from a report: who runs it is asked again.
    """
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


def stored_analysis(study: str, store: Path) -> Analysis:
    """Return the analysis of a study in a store; where several have its name, say which it is."""
    from paribus.analysis import analyse
    from paribus.screen import console
    from paribus.store.store import Store

    with Store(store) as opened:
        found = analyse(opened, study)
        same = sum(row.name == study for row in opened.studies())
    if same > 1:
        console.err.print(
            f"{same} studies are called {study}; this is the newest, {found.key[:8]}. "
            "`paribus list` shows the keys of the others."
        )
    return found


def print_log(study: str, curves: DataFrame, steps: DataFrame, every_row: bool = False) -> None:
    """Print the log of training, and say where the rest is where it is long."""
    from paribus.report.log import render_log
    from paribus.screen import console
    from paribus.training_log import training_log

    if shown := render_log(training_log(curves, steps), console.out, every_row):
        console.out.print(
            f"Shown: {shown}. `paribus log {shlex.quote(study)} --every-row` prints all, --arm "
            f"NAME one arm, --arm NAME --seed N one run."
        )
        console.out.print()


def report_path(analysis: Analysis, store: Path) -> Path:
    """Return where the report of a study goes by default: not where another of its name has one."""
    from paribus.report.html import study_of

    name = file_name(analysis.name)
    path = store.parent / "reports" / f"{name}.html"
    if study_of(path) in (None, analysis.key):
        return path
    return path.with_name(f"{name}-{file_name(analysis.key[:8])}.html")


def write_report(analysis: Analysis, settings: Settings) -> Path:
    """Write the report of a study, unless it is there and current, and return its path."""
    from paribus.report.html import is_current, write

    path = report_path(analysis, settings.store)
    return path if is_current(analysis, path) else write(analysis, path)

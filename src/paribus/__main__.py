"""The program: run the command line, and turn every error into a message and an exit code."""

from __future__ import annotations

import os
import signal
import sys

import typer

from paribus.cli import app
from paribus.errors import InputError, ParibusError
from paribus.untrusted import clean


def main() -> None:
    """Run the command line; every error of ours becomes a message and an exit code."""
    debug = "--debug" in sys.argv
    if debug:  # wherever it stands
        sys.argv.remove("--debug")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except BrokenPipeError:  # `paribus list | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    except ParibusError as error:
        if debug:
            raise
        _complain(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        typer.echo(
            f"paribus: internal error: {type(error).__name__}: {clean(str(error))}\n"
            "This is a fault of Paribus. `--debug` shows where it happened.",
            err=True,
        )
        sys.exit(1)


def _complain(error: ParibusError) -> None:
    problems = error.problems if isinstance(error, InputError) else [str(error)]
    if len(problems) == 1:
        typer.echo(f"paribus: {problems[0]}", err=True)
    else:
        lines = "\n".join(f"  {problem}" for problem in problems)
        typer.echo(f"paribus: {len(problems)} problems\n{lines}", err=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()

"""The program: run the command line, and turn every error into a message and an exit code."""

from __future__ import annotations

import os
import signal
import sys

from paribus.errors import InputError, ParibusError
from paribus.untrusted import clean


class _Interrupted(KeyboardInterrupt):
    """Ctrl-C or a SIGTERM.

    After a plain KeyboardInterrupt in text that Python executes (that of a dataclass, say) it ends
    by SIGINT, whatever the exit code that was asked for.
    """


def main() -> None:
    """Run the command line; every error of ours becomes a message and an exit code."""
    debug = "--debug" in sys.argv
    if debug:  # wherever it stands
        sys.argv.remove("--debug")
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and it is not ignored
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from paribus.cli import app  # not before: Ctrl-C while it is imported gives no traceback

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
        _say(
            f"paribus: internal error: {type(error).__name__}: {clean(str(error))}\n"
            "This is a fault of Paribus. `--debug` shows where it happened."
        )
        sys.exit(1)
    finally:  # once more, on the way out, changes neither the exit code nor what was said
        for once_more in (signal.SIGINT, signal.SIGTERM):
            signal.signal(once_more, signal.SIG_IGN)


def _complain(error: ParibusError) -> None:
    problems = error.problems if isinstance(error, InputError) else [str(error)]
    if len(problems) == 1:
        _say(f"paribus: {problems[0]}")
    else:
        lines = "\n".join(f"  {problem}" for problem in problems)
        _say(f"paribus: {len(problems)} problems\n{lines}")


def _say(text: str) -> None:
    import typer

    typer.echo(text, err=True)


def _interrupt(*_: object) -> None:
    raise _Interrupted


if __name__ == "__main__":
    main()

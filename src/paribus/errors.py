"""The errors that Paribus raises.

ParibusError
├── InputError          something given to us cannot be used (exit code 2)
│   ├── SpecError       a study: every problem at once
│   ├── DataError       a data set: file, column, checksum, download
│   └── StoreError      a store: not ours, too new, unwritable, disk full
└── RunError            training could not be carried out (exit code 1)

Each message says what is wrong, what was got, what is allowed and where to mend it.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from paribus.untrusted import clean

_LONGEST = 2_000  # characters of one problem
_MOST = 15_000  # of all problems together


class ParibusError(Exception):
    """Base of all errors that Paribus raises on purpose; what they quote is clean to print."""

    exit_code = 1

    def __init__(self, text: str) -> None:
        super().__init__(clean(text))


class InputError(ParibusError):
    """Something given to us cannot be used; `problems` holds every reason found.

    They are fit to be shown, whatever they quote: without control characters, and shortened where
    they are longer than anybody reads.
    """

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        found = [problems] if isinstance(problems, str) else list(problems)
        self.problems = list[str]()
        room = _MOST
        for place, problem in enumerate(found):
            self.problems.append(_shortened(clean(problem)))
            room -= len(self.problems[-1])
            if room < 0 and place + 1 < len(found):
                self.problems.append(f"… and {len(found) - place - 1:,} more problems")
                break
        super().__init__("\n".join(self.problems))


class SpecError(InputError):
    """A study's specification is not valid."""


class DataError(InputError):
    """A data set cannot be found, read, trusted or learned from."""


class StoreError(InputError):
    """A store cannot be opened, read or written."""


class RunError(ParibusError):
    """Training could not be carried out."""


def _shortened(text: str) -> str:
    """Return `text` without its middle where it is long: its end says where to mend it."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 500]} … {text[-500:]}"


def nearest(word: str, allowed: Sequence[str]) -> str:
    """Return ' (did you mean X?)' for the closest allowed spelling, or nothing."""
    match = get_close_matches(word[:100], allowed, n=1, cutoff=0.5)
    return f" (did you mean {match[0]}?)" if match else ""

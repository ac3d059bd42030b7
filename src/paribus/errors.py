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


class ParibusError(Exception):
    """Base of all errors that Paribus raises on purpose; what they quote is clean to print."""

    exit_code = 1

    def __init__(self, text: str) -> None:
        super().__init__(clean(text))


class InputError(ParibusError):
    """Something given to us cannot be used; `problems` holds every reason found."""

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [*map(clean, [problems] if isinstance(problems, str) else problems)]
        super().__init__("\n".join(self.problems))


class SpecError(InputError):
    """A study's specification is not valid."""


class DataError(InputError):
    """A data set cannot be found, read, trusted or learned from."""


class StoreError(InputError):
    """A store cannot be opened, read or written."""


class RunError(ParibusError):
    """Training could not be carried out."""


def nearest(word: str, allowed: Sequence[str]) -> str:
    """Return ' (did you mean X?)' for the closest allowed spelling, or nothing."""
    match = get_close_matches(word, allowed, n=1, cutoff=0.5)
    return f" (did you mean {match[0]}?)" if match else ""

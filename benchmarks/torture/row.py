"""What came of one kind of fault: a row of the table."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Row:
    """How often a fault was made, and what was found after it; every count but `times` must be 0.

    A run is *lost* when it was in the store and no longer is, or when all that it took was at hand
    and it was not kept; *changed* when anything of it differs from before, or its numbers from
    those of the undisturbed study; computed *twice* when a second record of it was handed to the
    store. *Errors* are wrong exit codes, messages that are missing and tracebacks; *orphans*
    processes that outlive their driver by some seconds. `said` has the first of all these in words.
    """

    fault: str
    times: int = 0
    lost: int = 0
    changed: int = 0
    twice: int = 0
    errors: int = 0
    orphans: int = 0
    facts: dict[str, int] = field(default_factory=dict)  # what else was counted
    said: list[str] = field(default_factory=list)
    skipped: str = ""  # why it was not tried at all
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether the product kept its promises."""
        return not (self.lost or self.changed or self.twice or self.errors or self.orphans)

    def count(self, fact: str, number: int = 1) -> None:
        """Count something that is no fault."""
        self.facts[fact] = self.facts.get(fact, 0) + number

    def lose(self, what: str, number: int = 1) -> None:
        """Count runs that are lost."""
        self.lost += number
        self._say(what)

    def change(self, what: str) -> None:
        """Count a run that has changed."""
        self.changed += 1
        self._say(what)

    def repeat(self, what: str, number: int = 1) -> None:
        """Count records of runs that were there already."""
        self.twice += number
        self._say(what)

    def error(self, what: str) -> None:
        """Count something that the command did wrong."""
        self.errors += 1
        self._say(what)

    def orphan(self, what: str) -> None:
        """Count a process that outlived its driver."""
        self.orphans += 1
        self._say(what)

    def _say(self, what: str) -> None:
        if len(self.said) < 20:
            self.said.append(what)

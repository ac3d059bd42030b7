"""Factors and their levels: what the arms of a study differ in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_BARE = {"yes", "no", "none", "before", "after", "true", "false"}


@dataclass(frozen=True)
class Level:
    """One level of a factor: its label, and the settings it stands for."""

    label: str
    settings: Mapping[str, Any]  # dotted path -> value


@dataclass(frozen=True)
class Factor:
    """Something that the arms of a study differ in; `key` is its name in the specification."""

    key: str
    label: str
    levels: tuple[Level, ...]

    def phrase(self, label: str) -> str:
        """Return a level as prose, as the function of this name does."""
        return phrase(self.label, label)

    def settings(self, label: str) -> Mapping[str, Any]:
        """Return the settings that the level of a label stands for."""
        return next(level.settings for level in self.levels if level.label == label)

    def level(self, label: str) -> Level | None:
        """Return the level of that label, or None."""
        return next((level for level in self.levels if level.label == label), None)


def phrase(factor: str, level: str) -> str:
    """Return a level as prose: led by the factor where it says little by itself."""
    bare = level in _BARE or not level[:1].isalpha()
    return f"{factor} {level}" if bare else level


def level_label(value: Any) -> str:
    """Return the label of a plain value: 0.5, 'adam', 'yes', '120, 84'."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(level_label, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {level_label(inner)}" for key, inner in value.items())
    return str(value)


def factor_label(key: str) -> str:
    """Return how a factor is called in prose: the last word of its path, without underscores."""
    return key.rpartition(".")[2].replace("_", " ") if " " not in key else key


def read_factor(key: str, written: Any, is_setting: bool) -> Factor:
    """Read a factor as written: a list or named values at a setting, or named sets of settings.

    `train.optimizer: [sgd, adam]`, `train.learning_rate: {low: 0.001, high: 0.1}`, or
    `regularisation: {light: {model.dropout: 0.1}, heavy: {model.dropout: 0.5}}`.
    Raises ValueError with the reason where it is neither.
    """
    if is_setting and isinstance(written, list | tuple):
        levels = [Level(level_label(value), {key: value}) for value in written]
    elif is_setting and isinstance(written, Mapping):
        levels = [Level(str(name), {key: value}) for name, value in written.items()]
    elif isinstance(written, Mapping):
        levels = []
        for name, settings in written.items():
            if not isinstance(settings, Mapping):
                raise ValueError(
                    f"level {name} must be a set of settings such as {{train.momentum: 0.9}}"
                )
            levels.append(Level(str(name), {str(path): v for path, v in settings.items()}))
    else:
        raise ValueError("must be a list of levels, or levels by name")
    if len(levels) < 2:
        raise ValueError(f"must have at least 2 levels (got {len(levels)})")
    labels = [level.label for level in levels]
    label, times = Counter(labels).most_common(1)[0]
    if times > 1:
        raise ValueError(f"has the level {label} twice")
    return Factor(key, factor_label(key), tuple(levels))

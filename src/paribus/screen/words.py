"""Numbers and times as people say them."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return a number of things in words: '1 run', '1,000 runs'."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a time as people say it: 'about' goes before it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def short(seconds: float) -> str:
    """Return a short time with a sensible unit."""
    if seconds < 0.1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else duration(seconds)


def percent(share: float) -> str:
    """Return a share in whole percent."""
    return f"{100 * share:.0f} %"

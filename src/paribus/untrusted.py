"""Text that others wrote, in a study, a table or a store: as it is shown, and as a file's name."""

from __future__ import annotations

import re

# Unicode's categories Cc and Cs, less the tab and the end of a line, and what turns the direction
# of the text after it.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_UNSAFE = re.compile(r"[^\w.+]+")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # of Windows
_LONGEST = 100  # bytes, so that there is room for what is added


def clean(text: str) -> str:
    """Return `text` without control characters and lone surrogates, each shown as �.

    An escape sequence must not reach a terminal, nor a NUL a page.
    """
    return _UNSHOWN.sub("�", text)


def clean_json(text: str) -> str:
    """Return JSON that means the same, in which such characters are written as escapes."""
    return _UNSHOWN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def file_name(text: str) -> str:
    """Return `text` as the name of a file, its suffix still to come, that is safe on every system.

    It has no separator and is no way out of a folder, and it is 1 to 101 bytes long. What is
    neither a letter, a digit nor one of _ . + becomes a hyphen: several texts may have one name.
    """
    plain = _UNSAFE.sub("-", text).strip("-.").encode()[:_LONGEST].decode(errors="ignore")
    plain = plain.rstrip("-.") or "unnamed"
    return f"_{plain}" if _DEVICES.match(plain) else plain

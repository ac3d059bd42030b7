"""Files that people ask for are written whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

from paribus.errors import StoreError


def kind_of(path: Path) -> Literal["file", "folder", ""]:
    """Return what is at a path; nothing, too, where its name is none that a file can have."""
    try:
        return "file" if path.is_file() else "folder" if path.is_dir() else ""
    except (OSError, ValueError):  # longer than a name can be, say
        return ""


def checked(path: Path, what: str) -> Path:
    """Return the file that `path` is or links to; StoreError where it is a folder or a device."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "a device"
        raise StoreError(f"cannot write {what} {path}: it is {kind}, not a file; name another")
    return target


@contextmanager
def whole(path: Path, what: str) -> Iterator[Path]:
    """Give a file beside `path` to write, which takes its place at the end; makes the folder.

    Whatever ends it early, Ctrl-C included, leaves `path` as it was and nothing beside it; a link
    stays one. Raises StoreError, which calls the file `what`, where it or its folder cannot be
    written.
    """
    path = checked(path, what)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield unfinished
            os.replace(unfinished, path)  # noqa: PTH105 (atomic on every system)
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write {what} {path}: {error.strerror or error}; "
            f"choose a folder that you may write to instead of {path.parent}"
        ) from error


def write_whole(contents: Mapping[Path, bytes], what: str) -> None:
    """Write files that belong together: none takes its place before all are written.

    The first does so last. Raises StoreError as `whole` does.
    """
    for path in contents:
        checked(path, what)
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(whole(path, what)).write_bytes(content)

"""Fetch files from the first of several mirrors that has them whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from paribus.errors import DataError

if TYPE_CHECKING:
    from requests import Response
    from rich.progress import Progress

_TIMEOUT = 20  # seconds without an answer or a byte


def cache_folder() -> Path:
    """Return the folder in which downloads are kept: the user's cache folder, "paribus"."""
    from platformdirs import user_cache_path

    return user_cache_path("paribus", appauthor=False)


def download(files: Mapping[str, str], mirrors: Sequence[str], folder: Path) -> Path:
    """Make sure that `folder` holds every file, whole, and return it.

    files: name -> SHA-256 (hex). A file that is there and whole is not fetched again. mirrors: URLs
    to which a file's name is appended, tried in turn. A file appears under its name only when its
    checksum is right. Raises DataError once a file can be had from no mirror.
    """
    for name, sha256 in files.items():
        if reasons := _from_any(name, sha256, mirrors, folder):
            # Without this file the others are of no use, so they are not tried.
            raise DataError(_advice(name, reasons, files, folder))
    return folder


def _from_any(name: str, sha256: str, mirrors: Sequence[str], folder: Path) -> list[str]:
    """Return the reason of each mirror that failed, or nothing once one succeeds."""
    import pooch
    from rich.console import Console
    from rich.progress import Progress

    pooch.get_logger().setLevel("WARNING")
    console = Console(stderr=True)
    reasons = []
    for mirror in mirrors:
        with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
            downloader = pooch.HTTPDownloader(
                progressbar=_Bar(progress, name),
                chunk_size=1 << 16,
                timeout=_TIMEOUT,
                hooks={"response": _stay_secure},
            )
            try:
                # pooch writes to a temporary file in the same folder, checks it, then renames it.
                pooch.retrieve(
                    mirror + name, f"sha256:{sha256}", name, folder, downloader=downloader
                )
            except OSError as error:  # includes every error of requests
                reasons.append(f"{mirror}{name}: {error}")
            except ValueError:
                reasons.append(f"{mirror}{name}: its content has another SHA-256")
            else:
                return []
    return reasons


def _stay_secure(response: Response, **_: object) -> None:
    """Refuse to be sent from HTTPS to where others could read and change what is fetched."""
    there = urljoin(response.url, response.headers.get("location", ""))
    if response.url.startswith("https:") and not there.startswith("https:"):
        raise OSError(f"it sends on to {there}, which is not HTTPS")


def _advice(name: str, reasons: list[str], files: Mapping[str, str], folder: Path) -> str:
    wanted = [n for n in files if not (folder / n).is_file()]
    return "\n".join(
        [
            f"{name} could not be fetched from any mirror:",
            *(f"  {reason}" for reason in reasons),
            f"Try again later, or put these files into {folder}:",
            *(f"  {n}  (SHA-256 {files[n]})" for n in wanted),
        ]
    )


class _Bar:
    """A Rich progress bar with the interface that pooch expects of a bar."""

    def __init__(self, progress: Progress, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=None)

    @property
    def total(self) -> float | None:
        """Bytes to come; None until the server has told."""
        return self._progress.tasks[self._task].total

    @total.setter
    def total(self, count: int) -> None:
        self._progress.update(self._task, total=count or None)

    def update(self, count: int) -> None:
        """Move on by `count` bytes."""
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        """Start again from 0 bytes."""
        self._progress.reset(self._task, total=self.total)

    def close(self) -> None:
        """Do nothing: the bar ends with its Progress."""

"""Pages that are written elsewhere: the start of the README, and what `--help` says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
README = "<!-- the start of README.md -->"
_FILES = {
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that have no file in `docs/`."""
    for page, file in _FILES.items():
        files.append(File.generated(config, page, content=(ROOT / file).read_text("utf-8")))
    files.append(File.generated(config, "commands.md", content=_commands()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the start of the README; turn links of the repository into links of the site."""
    if README in markdown:
        markdown = markdown.replace(README, _start())
    markdown = re.sub(r'(\]\(|(?:href|src|srcset)=")docs/', r"\1", markdown)
    markdown = markdown.replace("](../src/paribus/studies/", "](studies/")
    for own, file in _FILES.items():
        markdown = markdown.replace(f"]({file})", f"]({own})")
    return markdown


def _start() -> str:
    """Return the README up to its second section."""
    first, second, *_ = re.split(r"^(?=## )", (ROOT / "README.md").read_text("utf-8"), flags=re.M)
    return first + second


def _commands() -> str:
    """Return the options of every command, as Typer writes them."""
    command = [sys.executable, "-m", "typer", "paribus.cli", "utils", "docs", "--name", "paribus"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told = told.replace("# `paribus`", "# The command line", 1)
    told = re.sub(r"^\*\*Commands\*\*:.*?(?=^#)", "", told, flags=re.M | re.S)  # cut short by it
    told = re.sub(r'<span style="font-weight: bold">(.*?)</span>', r"**\1**", told)
    return re.sub(r"^ {2}(?=paribus )", "    ", told, flags=re.M)  # examples are code

"""The forms that a report is written in."""

from __future__ import annotations

from pathlib import Path

from paribus.errors import InputError, nearest
from paribus.findings import Analysis

FORMS = ("html", "md", "tex", "ipynb", "json")
"""A page, Markdown, LaTeX, a notebook, a record for programs; each the suffix of its files."""


def form_of(path: Path | None, asked: str | None = None) -> str:
    """Return the form that is asked for, or else the one of the file, or else html.

    Raises InputError for a form or a suffix that is none.
    """
    form = asked or (path.suffix.lstrip(".").lower() if path else "html")
    if form not in FORMS:
        where = "--format" if asked else f"the suffix of {path}"
        raise InputError(
            f"{where} must be {', '.join(FORMS)} (got {form or 'none'}){nearest(form, FORMS)}"
        )
    return form


def write(analysis: Analysis, path: Path, form: str, store: Path) -> Path:
    """Write the report of a study in a store in one of `FORMS`, and return `path`.

    Markdown and LaTeX have their charts in a folder beside the file, `<stem>-figures`; a notebook
    loads the study from the store by a path relative to its own. Raises StoreError where a file
    cannot be written, InputError where a notebook needs what is not installed.
    """
    match form:
        case "md":
            from paribus.report import markdown

            return markdown.write(analysis, path)
        case "tex":
            from paribus.report import latex

            return latex.write(analysis, path)
        case "ipynb":
            from paribus.report import notebook

            return notebook.write(analysis, path, store)
        case "json":
            from paribus.report import record

            return record.write(analysis, path)
    from paribus.report import html

    return html.write(analysis, path)

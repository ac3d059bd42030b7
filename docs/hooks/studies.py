"""A page for every built-in study, with its answer and report from `docs/results.sqlite.xz`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files
from results import PACKED, left_out, unpacked

from paribus.findings import Analysis
from paribus.questions import questions, stored_answer
from paribus.report import html, markdown
from paribus.report.charts import Figure, to_svg
from paribus.report.document import Block, Heading, document
from paribus.study.spec import Spec, as_written_names, builtin_names, load

log = get_plugin_logger("studies")

_EXPLAINS = ("reason", "asks", "reference", "accept")  # and asks nothing itself
_ONLY_IN_REPORTS = ("looks", "proof", "confounds", "architecture", "environment", "again")
_INDEX = """---
hide: [toc]
---

# The built-in studies

Each is run by `paribus run NAME`. The answers below are on the data that a study itself names,
mostly small and embedded. On other data (`--data mnist`) a study may be answered otherwise.

| study | question | answer |
| --- | --- | --- |
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation."""
    section = next(entry["Studies"] for entry in config.nav or () if "Studies" in entry)
    section += [{name: f"studies/{name}.md"} for name in builtin_names()]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages, and beside them charts, reports and the studies' own files."""
    made = {f"as_written/{name}.yaml": _yaml(f"as_written/{name}") for name in as_written_names()}
    made["index.md"] = _INDEX
    with unpacked() as store:
        known = questions(store)
        answers = {name: stored_answer(known[name], store, None) for name in builtin_names()}
    for name, found in answers.items():
        spec = load(name)
        title, answer, *rest = _answered(found, made) if found else _unanswered(spec)
        made["index.md"] += f"| [{name}]({name}.md) | {spec.question} | {answer.strip('*')} |\n"
        made[f"{name}.md"] = "\n\n".join([title, answer, *rest, _again(spec)])
        made[f"{name}.yaml"] = _yaml(name)
    for path, content in made.items():
        files.append(File.generated(config, f"studies/{path}", content=content))
    return files


def _answered(found: Analysis, made: dict[str, str]) -> list[str]:
    """Return title, answer and the rest of a page; add its charts and the report to what is made.

    Warns where the study has been changed since it was answered.
    """
    name = found.name
    if _asked(found.spec) != _asked(load(name).to_yaml()):
        log.warning(f"{PACKED.name} answers another version of {name}: `make results`")
    blocks = list(_told(found))
    made[f"{name}/report.html"] = html.render(found)
    for one in blocks:
        if isinstance(one, Figure):
            made[f"{name}/{one.name}.svg"] = to_svg(one.chart)
    title, answer, rest = markdown.render(blocks, name).split("\n\n", 2)
    return [title, answer, f"[The whole report]({name}/report.html){{ .md-button }}", rest]


def _told(found: Analysis) -> Iterator[Block]:
    """Yield what a page tells of a report, with at most one figure in a section."""
    left = {html.SECTIONS[name] for name in _ONLY_IN_REPORTS}
    section, drawn = "", False
    for block in document(found):
        if isinstance(block, Heading) and block.level == 2:
            section, drawn = block.text, False
        if section not in left and not (isinstance(block, Figure) and drawn):
            yield block
        drawn = drawn or isinstance(block, Figure)


def _unanswered(spec: Spec) -> list[str]:
    """Return the same of a page that says why there is no answer here."""
    why = left_out(spec)
    if not why:
        why = f"docs/{PACKED.name} has no answer to it yet"
        log.warning(f"{PACKED.name} has no answer to {spec.name}: `make results`")
    return [f"# {spec.question}", f"*Not run for this site: {why}.*", f"**Why:** {spec.reason}"]


def _again(spec: Spec) -> str:
    """Return how to run a study, where it comes from, and all that it says."""
    told = f"This is [the study]({spec.name}.yaml), as it comes with Paribus."
    if spec.reference:
        told += f" Its question comes from notebook {spec.reference} of [five](../reference.md)."
    return f"## Run it\n\n    paribus run {spec.name}\n\n{told}\n\n```yaml\n{_yaml(spec.name)}```\n"


def _asked(text: str) -> dict[str, object]:
    return {key: value for key, value in yaml.safe_load(text).items() if key not in _EXPLAINS}


def _yaml(name: str) -> str:
    return (resources.files("paribus") / "studies" / f"{name}.yaml").read_text("utf-8")

"""Commands that find studies by their questions, and the reference."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paribus.cli.options import (
    DEFAULT_STORE,
    DataName,
    DataRoot,
    Device,
    Json,
    Seeds,
    Set,
    StoreFile,
    Target,
    Workers,
    app,
    command_again,
    make_settings,
    read_overrides,
    write_report,
)
from paribus.cli.running import run
from paribus.errors import InputError

if TYPE_CHECKING:
    from paribus.data import Dataset
    from paribus.questions import Question


@app.command()
def ask(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION", help="In any words, or the name of a study."),
    ] = None,
    data: DataName = None,
    target: Target = None,
    data_root: DataRoot = None,
    store: StoreFile = DEFAULT_STORE,
    run_: Annotated[bool, typer.Option("--run", help="Run what is not answered yet.")] = False,
    json: Json = False,
) -> None:
    """Find the study that a question is about, and show its answer, why, and the report.

    Where the store has no finished study of it, what would run is shown, and about how long; on
    a terminal, it can then be run at once. Without a question, all questions are listed.

    [bold]Examples[/bold]

      paribus ask does dropout help

      paribus ask which optimizer is best --data mnist

      paribus ask optimizers --run
    """
    from paribus.matching import closest
    from paribus.questions import answered_on, questions, stored_answer
    from paribus.screen import console, replies

    known, text = questions(store), " ".join(words or ()).strip()
    listed = [{"study": one.name, "question": one.question} for one in known.values()]
    if not text:
        if json:
            console.print_json(listed)
        else:
            console.table(listed, wrap="question")
        return
    names = closest(text, {one.name: (one.question, *one.asks) for one in known.values()})
    if not names:
        console.err.print(f"paribus: no study is about {text!r}; the questions are", soft_wrap=True)
        console.table(listed, wrap="question", console=console.err)
        raise typer.Exit(2)
    name, *near = names
    question = known[name]
    overrides = read_overrides(data, target, None, None, None)
    found = stored_answer(question, store, _measured_on(data, target))
    if found is None and not question.builtin:
        raise InputError(
            f"{name} has an answer in {store} on {', '.join(answered_on(question, store))}, not on "
            f"{data}: run its own file with --data {data}"
        )
    if not json:
        replies.found(name, near)
    if found is None:
        if run_ or _offer(question, overrides, data_root, store, near, json):
            run(name, data, target, data_root=data_root, store=store, json=json)
        return
    path = write_report(found, make_settings(store, None, "auto"))
    if json:
        from paribus.report.record import to_record

        console.print_json({**to_record(found), "report": str(path), "near": near})
        return
    from paribus.report.text import render_text

    render_text(found, console.out, brief=True)
    others = [one for one in answered_on(question, store) if one != found.data["data set"]]
    replies.measured(found, [] if data else others)
    console.out.print(f"Report: {path}", soft_wrap=True)


def _measured_on(data: str | None, target: str | None) -> Dataset | str | None:
    """Return the data set that an answer is asked for on; by its name alone where it has one."""
    from paribus.data import REGISTRY, load

    return data if data is None or data in REGISTRY else load(data, target=target)


def _offer(
    question: Question,
    overrides: dict[str, Any],
    data_root: Path | None,
    store: Path,
    near: list[str],
    json: bool,
) -> bool:
    """Say what a study that is not answered would run, and return whether it is to be run now."""
    from paribus.questions import answered_on, outlook
    from paribus.screen import console, plans, replies
    from paribus.study.spec import load

    spec = load(question.name, overrides)
    expected = outlook(spec, make_settings(store, None, "auto"), data_root)
    command = command_again(question.name, overrides)
    if store != DEFAULT_STORE:
        command += f" --store {shlex.quote(str(store))}"
    if json:
        console.print_json(
            {
                "name": question.name,
                "question": question.question,
                "answer": None,
                "reason": question.reason,
                "plan": plans.plan_record(expected.plan) if expected.plan else None,
                "lacks": expected.lacks,
                "problems": expected.problems,
                "command": command,
                "near": near,
            }
        )
        return False
    others = [one for one in answered_on(question, store) if one != spec.data.source]
    replies.unanswered(question, spec.data.source, others, expected, command)
    return expected.can_run and replies.asks_back() and typer.confirm("Run it now?", default=False)


@app.command()
def studies(
    data_root: DataRoot = None, store: StoreFile = DEFAULT_STORE, json: Json = False
) -> None:
    """List the built-in studies: question, runs, about how long they take, data, reference.

    The time is for what the store lacks, as `paribus plan` estimates it; `ref` is the notebook of
    `paribus reproduce` that asks the question.
    """
    from paribus.questions import outlook
    from paribus.screen import console, replies
    from paribus.study.spec import builtin_names, load

    rows = []
    with console.err.status("Estimating times …"):
        for name in builtin_names():
            spec = load(name)
            expected = outlook(spec, make_settings(store, None, "auto"), data_root)
            row = {"study": name, "question": spec.question, "runs": expected.runs}
            if json:
                row |= {"about_seconds": expected.seconds, "lacks": expected.lacks}
            else:
                row["about"] = replies.about(expected)
            reference = "reference" if json else "ref"
            rows.append({**row, "data": spec.data.source, reference: spec.reference or ""})
    if json:
        console.print_json(rows)
    else:
        console.table(rows, right=["runs"], wrap="question")


@app.command()
def reproduce(
    notebooks: Annotated[
        list[str] | None, typer.Argument(help="Of A, B, C, D and E; by default all.")
    ] = None,
    seeds: Seeds = None,
    set_: Set = None,
    data_root: DataRoot = None,
    store: StoreFile = DEFAULT_STORE,
    workers: Workers = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Run the reference notebooks as they were written, and corrected.

    Prints every figure of a notebook beside ours over ten seeds, and whether it lies where one run
    would (95 %); then each conclusion beside the verdicts as written and corrected. Runs are kept:
    Ctrl-C loses none that has finished.

    [bold]Examples[/bold]

      paribus reproduce

      paribus reproduce E --data-root data

      paribus reproduce B D --seeds 3
    """
    from paribus.reference.notebooks import chosen
    from paribus.report.reproduction import render, to_record
    from paribus.reproduce import lay_out_all
    from paribus.reproduce import plans as plans_of
    from paribus.reproduce import reproduce as run_again
    from paribus.screen import bars, console, plans

    settings = make_settings(store, workers, device, skip_unavailable=True)
    overrides = read_overrides(None, None, seeds, None, set_)
    records = []
    for notebook in chosen(notebooks or []):
        designs = lay_out_all(notebook, settings, overrides, data_root)
        try:
            with bars.training() as watch:
                for plan in plans_of(designs, settings):
                    plans.headline(plan)
                found = run_again(notebook, designs, settings, overrides, data_root, watch)
        except KeyboardInterrupt:
            console.err.print("Stopped. Finished runs are kept: the same command goes on.")
            raise typer.Exit(130) from None
        records.append(to_record(found))
        if not json:
            render(found, console.out)
    if json:
        console.print_json(records)

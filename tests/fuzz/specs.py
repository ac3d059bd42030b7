"""Strategies over specifications: the built-in studies, with a few things done to them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import yaml
from hypothesis import reject
from hypothesis import strategies as st

from paribus.study.config import Config
from paribus.study.problems import known_paths
from paribus.study.source import parse, put
from paribus.study.spec import Spec

TEXTS = [
    file.read_text("utf-8")
    for folder in ("", "as_written")
    for file in sorted((resources.files("paribus") / "studies" / folder).iterdir(), key=str)
    if file.name.endswith(".yaml")
]
STUDIES = [parse(text, "a study").values for text in TEXTS]

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 3, 7, 10**9, 2**63, -(10**19), 10**400),
    *(0.0, -0.0, 0.5, 0.9999999, 1e-320, 1e308, -1e308, math.nan, math.inf, -math.inf),
    *("", " ", "no", "none", "auto", "1e3", "\0", "\x1b[31m", "\ud800", "\u202e", "\ufeff", "é"),
    *("x" * 3000, "{0}", "%s", "{origin}", "../../up", "a:b", "<script>", "=1+1", "\n\n", "a.b.c"),
    *({}, [], [[]], {"": None}, {"a": {"b": {"c": 1}}}, [1, [2, [3]]], {"x": 1, "y": 2}),
    *(b"\0\xff", date(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC), {"a", "b"}),
]

ONLY_PYTHON: list[Any] = [
    *(
        np.float32(0.5),
        np.int64(3),
        np.array([1, 2]),
        np.array(0.5),
        np.zeros((9999, 99)),
        Path("x"),
        (1, 2),
        object(),
    ),
    *(
        np.zeros((9999, 99)),
        3 + 4j,
        range(3),
        16**5000,
        frozenset({1}),
        bytearray(b"x"),
        Config(),
        int,
        {1: 2, 16**5000: 3, False: 4},
    ),
]

_bare = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None), max_size=8),
    st.sampled_from(ODD),
)
values = st.recursive(
    _bare,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=6,
)


def _choices(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    else:
        for inner in get_args(kind):
            yield from _choices(inner)


def _pool() -> dict[str, list[Any]]:
    """Return what a setting may well be: its choices, what studies say, and numbers."""
    found: dict[str, list[Any]] = {}
    for path in known_paths(Config):
        section, _, name = path.partition(".")
        field = Config.model_fields[section].annotation.model_fields[name]  # type: ignore[union-attr]
        said = [study.get(section) for study in STUDIES]
        written = [one[name] for one in said if isinstance(one, dict) and name in one]
        found[path] = [*_choices(field.annotation), *written] or [0, 1, 2, 5, 20, 0.1, 0.5, 0.9]
    found["data.source"] = ["digits", "diabetes", "breast-cancer", "table.csv", "plane", "mnist"]
    found["data.target"] = ["y", "x", None]
    found["data.subsample"] = [{"0": 0.5}, {"no": 0.1}, {"b": 0.3}]
    found["model.factory"] = ["no_such_module:make", "no:thing"]
    found["model.arguments"] = [{"width": 3}, {}]
    found["model.arguments.width"] = [1, "a", None]
    found["model.conv"] = [[{"channels": 3}], [{"channels": 1, "kernel": 3, "pool": 1}] * 2]
    return found


POOL = _pool()
_OF_STUDIES = [name for name in Spec.model_fields if name not in Config.model_fields]

Draw = Callable[[st.SearchStrategy[Any]], Any]
Place = tuple[Any, Any]


def places(tree: Any) -> list[Place]:
    """Return every (container, key) of nested values."""
    found: list[Place] = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, inner in items:
        found.append((tree, key))
        if isinstance(inner, dict | list):
            found += places(inner)
    return found


def _plausible(draw: Draw, tree: dict[str, Any]) -> None:
    path = draw(st.sampled_from(sorted(POOL)))
    put(tree, path, copy.deepcopy(draw(st.sampled_from(POOL[path]))))


def _factor(draw: Draw, tree: dict[str, Any]) -> None:
    path = draw(st.sampled_from(sorted(POOL)))
    levels: Any = draw(st.lists(st.sampled_from(POOL[path]), min_size=1, max_size=4))
    if draw(st.booleans()):
        levels = {str(draw(_bare)): one for one in levels}
    factors = tree.get("factors")
    levels = copy.deepcopy(levels)
    tree["factors"] = {**(factors if isinstance(factors, dict) else {}), path: levels}


def _of_study(draw: Draw, tree: dict[str, Any]) -> None:
    name = draw(st.sampled_from(_OF_STUDIES))
    known = [study[name] for study in STUDIES if name in study]
    tree[name] = copy.deepcopy(draw(st.sampled_from(known) if known else values))


def _tune(draw: Draw, tree: dict[str, Any]) -> None:
    number = st.sampled_from([1e-320, 1e-4, 0.1, 1, 10, 1e300, 1e308, -1e308, 0])
    ends = {"low": draw(number), "high": draw(number)}
    path = draw(st.sampled_from(["train.learning_rate", "train.batch_size", "model.dropout"]))
    more = draw(st.sampled_from([{}, {"scale": "log"}, {"whole": True}]))
    tree["tune"] = {"parameters": {path: {**ends, **more}}, "budget": 2, "seeds": 1}
    put(tree, "data.validation", 0.2)


def _drop(draw: Draw, tree: dict[str, Any]) -> None:
    if found := places(tree):
        container, key = draw(st.sampled_from(found))
        del container[key]


def _retype(draw: Draw, tree: dict[str, Any]) -> None:
    if found := places(tree):
        container, key = draw(st.sampled_from(found))
        container[key] = copy.deepcopy(draw(values))


def _rename(draw: Draw, tree: dict[str, Any]) -> None:
    if found := [place for place in places(tree) if isinstance(place[0], dict)]:
        container, key = draw(st.sampled_from(found))
        name = copy.deepcopy(draw(st.sampled_from([*sorted(POOL), *_OF_STUDIES]) | _bare))
        if not isinstance(name, dict | list | set):
            container[name] = container.pop(key)


def _graft(draw: Draw, tree: dict[str, Any]) -> None:
    if found := places(tree):
        (here, key), (there, other) = draw(st.sampled_from(found)), draw(st.sampled_from(found))
        here[key] = copy.deepcopy(there[other])


def _nest(draw: Draw, tree: dict[str, Any]) -> None:
    if found := places(tree):
        container, key = draw(st.sampled_from(found))
        for _ in range(draw(st.sampled_from([1, 2, 5, 40, 60, 120, 400]))):
            container[key] = [container[key]] if draw(st.just(True)) else None


def _widen(draw: Draw, tree: dict[str, Any]) -> None:
    if found := places(tree):
        container, key = draw(st.sampled_from(found))
        many = draw(st.sampled_from([3, 50, 2000]))
        if isinstance(container[key], dict):
            container[key] = {f"{i} {k}": v for i in range(many) for k, v in container[key].items()}
        else:
            container[key] = [container[key]] * many


_DEEP = [_plausible, _plausible, _plausible, _factor, _factor, _of_study, _tune]
_ROUGH = [_drop, _retype, _retype, _rename, _graft, _nest, _widen]


@st.composite
def spec_values(draw: Draw, only_python: bool = False) -> dict[str, Any]:
    """Return the values of a built-in study after a few changes, most of them plausible."""
    tree = copy.deepcopy(draw(st.sampled_from(STUDIES)))
    for change in draw(st.lists(st.sampled_from(_DEEP), max_size=3)):
        change(draw, tree)
    rough = draw(st.sampled_from([0, 0, 0, 1, 1, 2]))
    for change in draw(st.lists(st.sampled_from(_ROUGH), min_size=rough, max_size=rough)):
        change(draw, tree)
    if only_python and (found := places(tree)):
        container, key = draw(st.sampled_from(found))
        container[key] = ONLY_PYTHON[draw(st.integers(0, len(ONLY_PYTHON) - 1))]
    return tree


@st.composite
def overrides(draw: Draw) -> dict[str, Any]:
    """Return settings that replace what is written, as --set gives them."""
    names = st.sampled_from([*sorted(POOL), *_OF_STUDIES, "factors.train.epochs", "a.b", ".", ""])
    return {
        path: copy.deepcopy(draw(st.sampled_from(POOL.get(path, [7])) | values))
        for path in draw(st.lists(names | st.text("a.", max_size=200), min_size=1, max_size=2))
    }


SNIPPETS = [
    *("\t", "\0", "\ufeff", "\r", "\x85", "\u2028", "\n", "  ", ": ", "- ", "? ", "#", "'", '"'),
    *(
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a ",
        "*a",
        "<<: *a\n",
        "<<: [*a, *a]\n",
        "|\n",
        ">-\n",
        "%YAML 9\n",
    ),
    *(
        "---\n",
        "...\n",
        "!!python/object/apply:os.getcwd []",
        "!!python/name:os.system ",
        "!a ",
        "!",
    ),
    *(
        "!!binary ",
        "!!set ",
        "!!omap ",
        "!!pairs ",
        "!!timestamp ",
        "!!int ",
        "!!float ",
        "!!bool ",
    ),
    *(
        "!!null ",
        "!!str ",
        "!!map ",
        "!!seq ",
        "2020-01-01",
        "1:30:00",
        "0x_",
        "~",
        "=",
        "\\",
        "`",
        "@",
    ),
    *('"\\ud800"', '"\\e[31m"', '"\\x00"', "x" * 10_000, "1" * 5_000, "0x" + "f" * 5000, "é" * 99),
]


def _laughs(levels: int, width: int, link: str) -> str:
    lines = ["question: x", "a0: &a0 {k: [1, 2, 3]}"]
    for level in range(1, levels):
        inner = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} {link.format(inner)}")
    return "\n".join(lines)


MONSTERS = [
    *("", "\n", "x", "1", "[]", "- a", "{}", "---\n---\n", "\ufeffquestion: x", "\0", "%", "? ?"),
    _laughs(9, 9, "[{}]"),
    _laughs(30, 9, "{{<<: [{}]}}"),
    _laughs(60, 2, "{{x: [{}]}}"),
    "a: &a [*a]",
    "a: &a {<<: *a}",
    "a: &a {b: &b {<<: [*a, *b]}}",
    "? &a [*a]\n: 1",
    "[" * 20_000,
    "a: " + "[" * 300 + "]" * 300,
    "{a: " * 5_000,
    "- " * 5_000,
    "? " * 5_000,
    "\n".join(" " * i + f"k{i}:" for i in range(400)),
    "question: " + "x" * 300_000,
    "asks: [" + "a, " * 80_000 + "]",
    "question: x\nasks: [" + "a, " * 60_000 + "]",
    "question: x\n" + "\n".join(f"k{i}: 1" for i in range(20_000)),
    "question: x\nfactors:\n" + "\n".join(f"  f{i}: {{a: {{}}, b: {{}}}}" for i in range(40)),
    "question: x\nseeds: 100000\nfactors:\n  train.epochs: ["
    + ", ".join(map(str, range(1, 3000)))
    + "]",
    "question: x\nfactors:\n"
    + "\n".join(
        f"  {path}: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]"
        for path in (
            *("train.learning_rate", "train.momentum", "train.weight_decay", "train.beta1"),
            *("train.beta2", "train.smoothing", "train.epsilon", "model.dropout"),
        )
    ),
    "question: x\nmodel: {hidden: [" + "1000000, " * 5000 + "1]}",
    "question: x\nmodel: {width: 1000000, depth: 1000}",
    "question: x\nmodel: {kind: cnn, conv: [" + "{channels: 1, kernel: 1, pool: 1}, " * 3000 + "]}",
    "question: x\ntrain: {epochs: 1000000, batch_size: 1, log_every: 1}\nseeds: 5000",
    "question: x\n? {a: 1}\n: 2",
    "question: x\n!!set {a, b}: 1",
    "a" * 100_000 + ": 1",
    "question: x\n" + "!" * 5000 + " a: 1",
    "question: x\nfactors: {train.epochs: [1, 2]}\nbaseline: ["
    + "{train.epochs: 1}, " * 9000
    + "]",
]


@st.composite
def spec_bytes(draw: Draw) -> bytes:
    """Return the text of a study file, most of them nearly right."""
    how = draw(st.integers(0, 19))
    if how == 0:
        return draw(st.sampled_from(MONSTERS)).encode("utf-8", "surrogatepass")
    if how < 7:
        text = draw(st.sampled_from(TEXTS))
    else:
        tree = draw(spec_values())
        try:
            text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=draw(st.booleans()))
        except RecursionError:  # too deep for the writer: among the monsters are such texts
            reject()
    if how < 10:
        for _ in range(draw(st.integers(1, 4))):
            text = _damaged(draw, text)
    content = text.encode("utf-8", "surrogatepass")
    if how == 1:
        return content.decode("utf-8", "replace").encode(
            draw(st.sampled_from(["utf-16", "cp037"])), "replace"
        )
    if how == 2:
        at = draw(st.integers(0, len(content)))
        return content[:at] + draw(st.binary(max_size=5)) + content[at:]
    return content


def _damaged(draw: Draw, text: str) -> str:
    at, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    match draw(st.integers(0, 4)):
        case 0:
            return text[:at] + draw(st.sampled_from(SNIPPETS)) + text[at:]
        case 1:
            return text[:at] + text[min(end, at + 30) :]
        case 2:
            lines = text.splitlines(keepends=True)
            one = draw(st.sampled_from(lines or [""]))
            place = draw(st.integers(0, len(lines)))
            return "".join([*lines[:place], one, *lines[place:]])
        case 3:
            return text[:at]
        case _:
            return text[:at] + draw(st.sampled_from(SNIPPETS)) + text[min(end, at + 9) :]

"""A network that is given to a study in Python, by a class or a function."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import paribus
from paribus.report.wording import by_hand
from tests.engines import own_networks

NET = """
import functools
from dataclasses import dataclass
import torch
from torch import nn

WIDTH = 8
SCALES = {"small": [0.5, 1.0]}

def block(n):
    return nn.Linear(30, n)

class Base(nn.Module):
    def forward(self, x):
        return self.head(self.body(x)) * SCALES["small"][1]

def scaled(function):
    @functools.wraps(function)
    def twice(self, x):
        return 2 * function(self, x)
    return twice

@dataclass
class Settings:
    more: int = 4

SETTINGS = Settings()
TENSOR = torch.ones(2)

class Net(Base):
    bias = True

    def __init__(self, width=WIDTH):
        super().__init__()
        make = lambda: block(width)
        self.body = make()
        self.head = nn.Linear(width + SETTINGS.more - 4, 2, bias=self.bias)

    @scaled
    def forward(self, x):
        return super().forward(x) + TENSOR

def made():
    return Net()

given = Net
"""


def study(model: Any, **settings: Any) -> paribus.Study:
    return paribus.Study(
        "?", data="breast-cancer", model=model, **{"train": {"epochs": 1}, "seeds": 1} | settings
    )


def key(model: Any) -> str:
    return study(model).plan(store="none.sqlite").design.runs[0].key


class Notebook:
    """Runs a text as a script does, each from a file of its own."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __call__(self, text: str) -> Any:
        file = self.folder / f"{len(list(self.folder.iterdir()))}.py"
        file.write_text(text)
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(text, str(file), "exec"), names)
        return names["given"]


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return Notebook(tmp_path)


def test_one_that_can_be_imported_goes_by_its_name() -> None:
    model = paribus.Study("?", model=own_networks.Plain).spec.model
    assert (model.kind, model.factory) == ("module", "tests.engines.own_networks:Plain")
    given = {"factory": own_networks.Plain, "arguments": {"width": 5}}
    spec = paribus.Study("?", model=given).spec
    assert (spec.model.factory, spec.model.arguments) == (model.factory, {"width": 5})
    assert not spec.given
    asked = study(
        "module", factors={"model.factory": [nn.Linear, "tests.engines.own_networks:Plain"]}
    )
    assert [level.label for level in asked.spec.arms_differ_in[0].levels] == ["Linear", "Plain"]


def test_one_that_cannot_trains_as_the_same_one_that_can(tmp_path: Path) -> None:
    width = 20

    class Net(own_networks.Plain):
        def __init__(self) -> None:
            super().__init__(width)

    def run(model: Any) -> paribus.Result:
        return paribus.Study("?", model=model, train={"epochs": 2}, seeds=2).run(
            store=tmp_path / "s.sqlite", workers=1, progress=False
        )

    local, imported = run(Net), run(own_networks.Plain)
    assert list(local.runs["status"]) == ["done", "done"]
    np.testing.assert_array_equal(local.runs["test_loss"], imported.runs["test_loss"])
    assert set(local.runs["run"]).isdisjoint(imported.runs["run"])
    assert local.analysis.controls["model.factory"] == "__main__:Net"
    assert "factory: __main__:Net" in local.analysis.spec
    assert local.analysis.command == ""
    told = "The network was given in Python, so no command alone repeats the study"
    assert told in local.report(tmp_path / "local.html").read_text()
    assert "save the specification below" in by_hand(imported.analysis)
    assert local.arms["architecture"][0] == "Net, given in Python"


def test_what_is_sent_is_the_network_as_it_was_when_the_study_was_asked(notebook: Notebook) -> None:
    given = notebook(NET)
    asked = study(given)
    first = asked.plan(store="none.sqlite").design
    given.__init__.__globals__["block"] = None
    network = first.arms[0].network
    (arrived,) = pickle.loads(pickle.dumps([network.given]))
    assert arrived == network.given
    assert arrived.make is None
    assert first.runs[0].key == key(notebook(NET))


@pytest.mark.parametrize(
    "edit",
    [
        ("WIDTH = 8", "WIDTH = 9"),
        ("[0.5, 1.0]", "[0.5, 2.0]"),
        ("return nn.Linear(30, n)", "return nn.Linear(30, n, bias=False)"),
        ("self.head(self.body(x))", "self.head(self.body(x).relu())"),
        ("bias = True", "bias = False"),
        ("lambda: block(width)", "lambda: block(int(width))"),
        ("2 * function", "3 * function"),
        ("torch.ones(2)", "torch.tensor([1.0, 2.0])"),
        ("more: int = 4", "more: int = 4\n    def __len__(self): return 3"),
    ],
    ids=[
        "default",
        "global",
        "function",
        "base",
        "attribute",
        "lambda",
        "decorator",
        "tensor",
        "object",
    ],
)
def test_an_edit_of_what_a_network_uses_makes_new_runs(
    notebook: Notebook, edit: tuple[str, str]
) -> None:
    assert NET.count(edit[0]) == 1
    edited = NET.replace(*edit)
    assert key(notebook(NET)) != key(notebook(edited))
    function = ("given = Net", "given = made")
    assert key(notebook(NET.replace(*function))) != key(notebook(edited.replace(*function)))


def test_another_name_for_a_function_that_is_used_already_makes_new_runs(
    notebook: Notebook,
) -> None:
    text = (
        "import torch\nfrom torch import nn\n"
        "def small(x): return x / 2\ndef zero(x): return 0 * x\nACT = small\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Linear(30, 2)\n"
        "    def forward(self, x): return ACT(self.layer(small(x) + zero(x)))\n"
        "given = Net\n"
    )
    assert key(notebook(text)) != key(notebook(text.replace("ACT = small", "ACT = zero")))


def test_an_edit_of_anything_else_makes_none(notebook: Notebook) -> None:
    same = NET.replace("= Settings()", "= Settings(2 + 2)").replace("WIDTH = 8", "WIDTH = 2**3")
    assert key(notebook(NET)) == key(notebook(same))
    elsewhere = "SEEDS = 3\n# a remark\n" + NET + "\ndef other():\n    return WIDTH\n"
    assert key(notebook(NET)) == key(notebook(elsewhere))


def test_of_a_lambda_only_the_lambda_counts(notebook: Notebook) -> None:
    text = "from torch import nn\ndef f(**given): return given['model']\n"
    text += "given = f(seeds={}, model=lambda: nn.Linear({}, out_features=2), other=lambda: 3)\n"
    first, more_seeds, edited = (
        key(notebook(text.format(*values))) for values in ((3, 30), (4, 30), (3, "in_features=30"))
    )
    assert first == more_seeds != edited


def test_its_arguments_and_the_class_itself_can_be_a_factor(notebook: Notebook) -> None:
    given = {"factory": notebook(NET), "arguments": {"width": 3}}
    design = (
        study(given, factors={"model.arguments.width": [4, 5]}).plan(store="none.sqlite").design
    )
    assert [arm.network.parameters for arm in design.arms] == [134, 167]
    others = [notebook(NET), notebook(NET.replace("WIDTH = 8", "WIDTH = 9"))]
    asked = study("module", factors={"model.factory": others})
    names = [arm.name for arm in asked.plan(store="none.sqlite").design.arms]
    assert names == ["Net", "Net_"]
    named = {"a": {"model.factory": others[0]}, "b": {"model.factory": others[1]}}
    levels = [{"model.factory": {"a": others[0], "b": others[1]}}, {"network": named}]
    for factors in levels:
        design = study({"kind": "module"}, factors=factors).plan(store="none.sqlite").design
        assert [arm.name for arm in design.arms] == ["a", "b"]
        assert design.runs[0].key == key(others[0])


def test_a_network_that_is_made_already_is_refused() -> None:
    with pytest.raises(paribus.SpecError) as raised:
        study(nn.Linear(30, 2))
    assert "model must be the class of a network" in str(raised.value)
    assert "(got a Linear that is made already): every seed needs" in str(raised.value)
    with pytest.raises(paribus.SpecError, match=r"factors.model.factory must be the class"):
        study("module", factors={"model.factory": [nn.Linear(30, 2), nn.Linear]})


def test_what_cannot_be_told_apart_or_sent_is_refused(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("def typed(): return 1", names)
    with pytest.raises(paribus.SpecError, match="source text of typed is not to be had"):
        study(names["typed"])
    with monkeypatch.context() as patched:
        given = own_networks.Plain
        patched.setattr(own_networks, "Plain", nn.Linear)
        with pytest.raises(paribus.SpecError, match="own_networks has been loaded again, and its"):
            study(given)
    with pytest.raises(paribus.SpecError, match=r"model must be a class or a function.*partial"):
        study(functools.partial(nn.Linear, 30, 2))
    with pytest.raises(paribus.SpecError, match="network uses LOCK, a lock, which cannot be sent"):
        study(notebook("import threading\nLOCK = threading.Lock()\ndef given(): return LOCK"))
    with pytest.raises(paribus.SpecError, match=r"model.factory __main__:given failed: ZeroDivis"):
        study(notebook("def given(): return 1 / 0")).plan(store="none.sqlite")


def test_the_stored_specification_says_that_the_network_was_given(notebook: Notebook) -> None:
    written = study(notebook(NET)).spec.to_yaml()
    with pytest.raises(paribus.SpecError, match="__main__:Net was given in Python, by a notebook"):
        paribus.Study("?", data="breast-cancer", model="__main__:Net").plan(store="none.sqlite")
    assert "factory: __main__:Net" in written

"""The same studies on Ray: the same numbers, and nothing lost with a worker."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from paribus.data import load
from paribus.engines.base import Record
from paribus.errors import InputError
from paribus.run import Settings, lay_out, make_plan, run_study
from paribus.store.store import Store
from paribus.study.spec import from_values
from paribus.workers.mailbox import MailboxActor, MailboxHere
from paribus.workers.messages import Notice
from paribus.workers.node import Charge
from paribus.workers.ray_connection import start
from paribus.workers.sources import of_networks

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'paribus[ray]'")

SMALL = {
    "question": "Which is better?",
    "name": "small",
    "data": "breast-cancer",
    "model": {"hidden": [8]},
    "train": {"epochs": 3, "batch_size": 64, "learning_rate": 0.01},
    "factors": {"model.hidden": [[5], [6], [7]]},
    "seeds": 3,
}


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    yield
    ray.shutdown()


def stored(folder: Path, values: dict, on: str | None, watch: list | None = None) -> dict:
    """Run a study and return what the store has of each run, to the last bit."""
    spec = from_values(values)
    settings = Settings(folder / "store.sqlite", workers=2, on=on)
    design = lay_out(spec, load(spec.data.source), settings)
    run_study(design, settings, watch=(watch if watch is not None else []).append)
    with Store(settings.store) as store:
        study = store.study(design.key)
        keys = {(run.arm, run.block): run.key for run in study.runs}
        found = {run.key: [run.status, dict(run.metrics)] for run in study.runs}
        for arm, block, metric, points in store.curves(design.key):
            found[keys[arm, block]].append((metric, points.tobytes()))
    return found


def test_a_study_has_the_same_numbers_on_ray_to_the_last_bit(tmp_path: Path) -> None:
    here = stored(tmp_path / "here", SMALL, None)
    assert len(here) == 9
    assert stored(tmp_path / "ray", SMALL, "ray") == here
    again: list = []
    stored(tmp_path / "ray", SMALL, "ray", again)
    assert not again  # nothing was left to train


def test_the_stack_of_a_worker_that_is_killed_is_trained_again(tmp_path: Path) -> None:
    values = {**SMALL, "train": {**SMALL["train"], "epochs": 300}}
    seen: list = []

    class KillOnce(list):
        def append(self, event: object) -> None:
            seen.append(event)
            if len(seen) == 2:  # the plan, and epochs
                stacks = [one for one in psutil.process_iter() if named(one, "ray::stack")]
                stacks[0].kill()

    found = stored(tmp_path / "ray", values, "ray", KillOnce())
    assert sum(isinstance(event, Notice) for event in seen) == 1
    assert sum(isinstance(event, Record) for event in seen) == 9
    assert found == stored(tmp_path / "here", values, None)


def test_what_was_told_to_a_mailbox_that_is_lost_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[MailboxActor] = []

    def open_elsewhere() -> MailboxActor:  # as where the driver is on another machine
        opened.append(MailboxActor())
        return opened[-1]

    monkeypatch.setattr("paribus.workers.ray_workers.MailboxHere", open_elsewhere)
    values = {**SMALL, "train": {**SMALL["train"], "epochs": 300}}
    seen: list = []

    class LoseOnce(list):
        def append(self, event: object) -> None:
            seen.append(event)
            if len(seen) == 2:
                ray.kill(opened[0].actor)

    found = stored(tmp_path / "ray", values, "ray", LoseOnce())
    assert len(opened) == 2
    assert any(isinstance(one, Notice) and "trained again" in one.text for one in seen)
    assert found == stored(tmp_path / "here", values, None)


def test_a_stack_that_kills_its_worker_every_time_fails_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os\nfrom torch import nn\n\n\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, deadly=False):\n"
        "        super().__init__(nn.Linear(30, 2))\n"
        "        self.deadly = deadly\n\n"
        "    def forward(self, x):\n"
        "        if self.deadly and len(x) > 50:\n"
        "            os._exit(7)\n"
        "        return super().forward(x)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    factors = {"model.arguments.deadly": [False, True]}
    model = {"kind": "module", "factory": "deadly:Net"}
    values = {**SMALL, "model": model, "factors": factors, "seeds": 2}
    found = stored(tmp_path / "ray", values, "ray")
    assert sorted(status for status, *_ in found.values()) == ["done", "done", "failed", "failed"]
    with Store(tmp_path / "ray" / "store.sqlite") as store:
        reasons = {run.reason for run in store.study("small").runs if run.status == "failed"}
    assert all(reason.startswith("its worker was lost 3 times") for reason in reasons)


def test_what_was_taken_when_ctrl_c_came_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = MailboxHere.take

    def interrupted(mailbox: MailboxHere, seen: int, ends: Collection = ()) -> list:
        told = take(mailbox, seen, ends)
        if ends and any(isinstance(event, Record) for _, event in told):
            raise KeyboardInterrupt
        return told

    monkeypatch.setattr(MailboxHere, "take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stored(tmp_path, {**SMALL, "seeds": 2, "factors": {}}, "ray")
    with Store(tmp_path / "store.sqlite") as store:
        assert store.study("small").row.done >= 1  # of two stacks


def test_starting_a_cluster_ends_no_process_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "dashboard").mkdir()
    (tmp_path / "dashboard" / "dashboard.py").write_text("import time\ntime.sleep(600)\n")
    ray.shutdown()
    with subprocess.Popen([sys.executable, str(tmp_path / "dashboard" / "dashboard.py")]) as users:
        start(2)
        ran = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
        assert users.pid in {one.pid for one in ran}
        assert not [one for one in ran if "log_monitor.py" in " ".join(one.cmdline())]
        users.kill()


@pytest.mark.parametrize("moment", ["raylet", "ray::stack"], ids=["starting", "training"])
def test_after_ctrl_c_no_process_of_ray_is_left_and_the_same_command_goes_on(
    tmp_path: Path, moment: str
) -> None:
    (tmp_path / "study.yaml").write_text(
        json.dumps({**SMALL, "train": {"epochs": 4000, "batch_size": 64}})
    )
    program = [sys.executable, "-m", "paribus", "run", "study.yaml", "--on", "ray"]
    with subprocess.Popen(
        program,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Those who run tests in the background may have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as driver:
        while not [one for one in children(driver.pid) if named(one, moment)]:
            assert driver.poll() is None
            time.sleep(0.1)
        started = children(driver.pid)
        os.killpg(driver.pid, signal.SIGINT)
        _, said = driver.communicate()
    assert driver.returncode == 130
    assert "Stopped. 0 of 9 runs are kept: the same command goes on." in said
    psutil.wait_procs(started, timeout=20)
    assert not [one for one in started if one.is_running()]


def test_a_cluster_that_nobody_listens_for_is_said_at_once(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "paribus", "plan", "optimizers", "--on", "ray://127.0.0.1:9"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "the cluster ray://127.0.0.1:9 cannot be used" in done.stderr
    assert "refused" in done.stderr
    assert "Warning" not in done.stderr


def test_a_plan_names_the_cluster_and_starts_none(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "store.sqlite", on="ray", workers=2)
    made = make_plan(lay_out(from_values(SMALL), load("breast-cancer"), settings), settings)
    assert (made.site, made.workers, made.to_train) == ("Ray on this machine", 2, 9)


@pytest.mark.parametrize("on", ["rays", "ray://", "ray://host", "http://host:1"])
def test_a_place_that_is_no_cluster_is_refused(on: str) -> None:
    with pytest.raises(InputError, match=r"--on must be ray or ray://HOST:PORT"):
        Settings(on=on)


def named(process: psutil.Process, start: str) -> bool:
    try:
        return Path(process.cmdline()[0]).name.startswith(start)
    except (psutil.Error, IndexError):
        return False


def children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_a_network_of_the_users_is_taken_along_to_where_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "here" / "travelled"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "parts.py").write_text("WIDTH = 5\n\n\ndef width():\n    return WIDTH\n")
    (package / "nets.py").write_text(
        "from torch import nn\n\nfrom travelled.parts import width\n\n\n"
        "def make():\n    return nn.Sequential(nn.Linear(30, width()), nn.Linear(width(), 2))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    values = {**SMALL, "model": "travelled.nets:make", "factors": {}, "seeds": 1}
    spec, dataset = from_values(values), load("breast-cancer")
    made = make_plan(lay_out(spec, dataset, Settings(tmp_path / "x")), Settings(tmp_path / "x"))
    (stack,) = made.stacks
    sources = of_networks(stack)
    assert sorted(sources) == [f"travelled/{n}.py" for n in ("__init__", "nets", "parts")]
    order = [stack, Charge(dataset.checksum, partial(load, "breast-cancer"), False, False, ())]
    for taken, what in (({}, "no module travelled"), (sources, "")):
        order[1] = replace(order[1], sources=taken)
        (tmp_path / "order").write_bytes(pickle.dumps(order))
        told = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, str(tmp_path / "order")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert what in told.stdout
    assert told.stdout == "done\n"


ELSEWHERE = """
import pickle
import sys
from pathlib import Path
from paribus.workers import node
from paribus.workers.messages import StackDone

events = []
node.train(*pickle.loads(Path(sys.argv[1]).read_bytes()), events.extend)
print(*[one.error or "done" for one in events if isinstance(one, StackDone)])
"""

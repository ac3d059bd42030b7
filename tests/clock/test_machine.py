"""The state of the machine around a measurement."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from paribus.clock import machine
from paribus.clock.machine import Interval, Moment, between, disturbance

START = Moment(100.0, 1000.0, 20.0, 50.0, 3, ((90.0, 2000.0), (10.0, 3000.0)), 500.0)
END = Moment(102.0, 1005.0, 20.5, 53.0, 7, ((290.0, 2000.0), (15.0, 3000.0)), 900.0)
QUIET = Interval(2.0, 0.0, 0.0, 0, None)
KEEP_BUSY = "import time\nprint(flush=True)\nwhile time.process_time() < 5: pass"  # then it ends


def test_an_interval_is_told_from_two_moments() -> None:
    # 5 CPU seconds in 2 s, of which 3 are ours: others used one core.
    assert between(START, END) == Interval(2.0, 1.0, 0.25, 4, 205.0, 400.0)


def test_an_energy_counter_may_wrap_once_but_not_unseen() -> None:
    wrapped = replace(END, energy=((40.0, 2000.0), (15.0, 3000.0)))
    assert between(START, wrapped).joules == pytest.approx(1950 + 5)
    # 10 s at the most a package may draw are more than its counter holds.
    assert between(START, replace(END, clock=110.0)).joules is None


def test_what_the_machine_does_not_tell_is_none() -> None:
    blank = Moment(0.0, None, None, 0.0, None, None)
    assert between(blank, replace(blank, clock=1.0)) == Interval(1.0, None, None, None, None)
    assert between(START, replace(END, energy=None)).joules is None
    assert between(START, replace(END, energy=END.energy[:1])).joules is None  # type: ignore[index]
    assert disturbance(Interval(1.0, None, None, None, None), 2) == ""


def test_nothing_is_ever_negative() -> None:
    # Our own time is counted finer than the machine's, and some hosts let steal slip back.
    meanwhile = between(START, replace(END, busy=1002.9, stolen=19.9))
    assert (meanwhile.elsewhere, meanwhile.stolen) == (0.0, 0.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_moments_in_the_wrong_order_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="after the first"):
        between(START, replace(END, clock=START.clock + seconds))


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (QUIET, ""),
        (replace(QUIET, elsewhere=0.19), ""),
        (replace(QUIET, elsewhere=1.0), "other programs used 1.0 of 2 cores"),
        (replace(QUIET, stolen=0.3), "the host took 0.3 cores away"),
        (replace(QUIET, throttled=4), "the processor was throttled 4 times"),
        (
            replace(QUIET, elsewhere=0.5, throttled=1),
            "other programs used 0.5 of 2 cores, the processor was throttled once",
        ),
        (replace(QUIET, seconds=0.29, elsewhere=0.9), ""),
        (replace(QUIET, seconds=0.31, elsewhere=0.9), "other programs used 0.9 of 2 cores"),
        (replace(QUIET, seconds=0.05, elsewhere=1.1), "other programs used 1.1 of 2 cores"),
    ],
)
def test_a_disturbance_is_said_as_people_do(interval: Interval, said: str) -> None:
    assert disturbance(interval, 2) == said


def test_the_more_cores_the_more_others_may_use() -> None:
    assert disturbance(replace(QUIET, elsewhere=1.0), 16) == ""


@pytest.mark.skipif(psutil.cpu_times().user == 0, reason="this system does not count CPU time")
def test_a_program_that_keeps_a_core_busy_is_seen() -> None:
    # A process that our child started and left behind is not ours.
    script = (
        "import subprocess, sys\n"
        f"burner = subprocess.Popen([sys.executable, '-c', {KEEP_BUSY!r}],\n"
        "    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)\n"
        "burner.stdout.readline()\n"
        "print(burner.pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    burner = psutil.Process(int(done.stdout))
    try:
        start = machine.read()
        time.sleep(1)
        elsewhere = between(start, machine.read()).elsewhere
    finally:
        burner.kill()
    assert elsewhere is not None
    assert elsewhere > 0.4


def test_what_a_child_uses_is_our_own_while_it_runs_and_after() -> None:
    with subprocess.Popen([sys.executable, "-c", KEEP_BUSY], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        before = machine.read().own
        while psutil.Process(child.pid).cpu_times().user < 0.2:
            time.sleep(0.01)
        during = machine.read().own
        child.kill()
    assert during > before
    assert machine.read().own > before + 0.1


def test_throttling_is_counted_once_per_core_and_package(tmp_path: Path) -> None:
    for cpu, core in enumerate("0011"):  # two threads each
        folder = tmp_path / f"cpu{cpu}"
        for name, text in {
            "topology/physical_package_id": "0",
            "topology/core_id": core,
            "thermal_throttle/core_throttle_count": "5" if core == "1" else "0",
            "thermal_throttle/package_throttle_count": "2",
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text + "\n")
    (tmp_path / "cpufreq").mkdir()
    assert machine._throttle_events(tmp_path) == 5 + 2
    assert machine._throttle_events(tmp_path / "nowhere") is None


def test_the_energy_of_packages_alone_is_read(tmp_path: Path) -> None:
    domains = {"0": "package-0", "0:0": "core", "1": "package-1", "2": "psys"}
    for number, name in domains.items():
        folder = tmp_path / f"intel-rapl:{number}"
        folder.mkdir()
        (folder / "name").write_text(name + "\n")
        (folder / "energy_uj").write_text("1500000\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
    assert machine._energy(tmp_path) == ((1.5, 262143.32885), (1.5, 262143.32885))
    (tmp_path / "intel-rapl:1/energy_uj").unlink()  # as unreadable as to anyone but root
    assert machine._energy(tmp_path) is None
    assert machine._energy(tmp_path / "nowhere") is None


def test_no_gpu_has_no_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    machine._gpu_counter.cache_clear()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert machine.read(gpu=True).gpu_joules is None


def test_the_energy_of_a_gpu_is_in_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=lambda device: 2500,
    )
    machine._gpu_counter.cache_clear()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert machine.read(gpu=True).gpu_joules == 2.5
    assert machine.read().gpu_joules is None
    machine._gpu_counter.cache_clear()


@pytest.mark.parametrize(("plugged", "battery"), [(True, False), (False, True), (None, None)])
def test_the_source_of_power(
    plugged: bool | None, battery: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = namedtuple("told", "percent secsleft power_plugged")(50, 60, plugged)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: told, raising=False)
    assert machine.on_battery() is battery


def test_no_battery_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    assert machine.on_battery() is None
    monkeypatch.delattr(psutil, "sensors_battery")
    assert machine.on_battery() is None


def test_the_peak_of_memory_stays_until_it_is_reset() -> None:
    before = machine.memory_of_process()
    block = bytearray(b"1") * 100_000_000
    assert machine.memory_of_process() > before + 90_000_000
    del block
    peak = machine.peak_memory()
    assert peak > before + 90_000_000
    if machine.reset_peak_memory():
        assert machine.peak_memory() < peak - 50_000_000


def test_without_linux_the_peak_is_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_STATUS", tmp_path / "none")
    monkeypatch.setattr(machine, "_CLEAR", tmp_path / "none/clear_refs")
    assert machine.peak_memory() > 5_000_000
    assert not machine.reset_peak_memory()


def test_it_is_light_to_import() -> None:
    script = (
        "import sys, paribus.clock.machine\n"
        "print([m for m in ('torch', 'numpy', 'scipy', 'pynvml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr

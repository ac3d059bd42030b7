"""What the machine has for training, as `paribus doctor` tells it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from paribus import doctor
from paribus.cli import app
from paribus.clock import machine
from paribus.doctor import Row
from paribus.environment import version_of
from paribus.errors import InputError

ON_CPU = {"version": "2.0", "accelerator": None, "cuda": False, "why": "a build for CPUs"}
ON_GPU = {"version": "2.0", "accelerator": "NVIDIA H200", "cuda": True, "why": ""}
SMI = """\
Driver Version                            : 580.65.06
CUDA Version                              : 13.0
Attached GPUs                             : 1
GPU 00000000:01:00.0
    Product Name                          : NVIDIA H200
    Product Brand                         : NVIDIA
    FB Memory Usage
        Total                             : 143771 MiB
        Reserved                          : 618 MiB
"""


def says(answer: Any) -> list[str]:
    return [sys.executable, "-c", f"print('a banner'); print({json.dumps(answer)!r})"]


@pytest.fixture(autouse=True)
def no_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "_DRIVER", tmp_path / "none")
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def only_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with PyTorch for CPUs, and no other framework."""
    monkeypatch.setattr(doctor, "_installed", lambda name: name == "torch")
    monkeypatch.setattr(doctor, "_command", lambda _: says({**ON_CPU, "threads": 2}))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["doctor", *arguments])


def rows_of(*arguments: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(run("--json", *arguments).stdout)}


@pytest.mark.usefixtures("only_torch")
def test_programs_get_rows_with_names() -> None:
    rows = rows_of()
    for row in rows.values():
        assert {"name", "what", "found", "ok", "remedy"} <= set(row)
    torch = rows["torch"]
    assert (torch["version"], torch["accelerator"], torch["ok"]) == ("2.0", None, True)
    assert "CPU only: a build for CPUs" in torch["found"]
    assert rows["threads"]["threads"] == 2
    assert rows["cores"]["logical"] == os.cpu_count()
    assert {"python", "nvidia", "precision", "memory", "power", "load", "data:mnist"} <= set(rows)


@pytest.mark.usefixtures("only_torch")
def test_a_framework_that_is_not_there_is_no_fault_unless_required() -> None:
    row = rows_of()["tensorflow"]
    assert (row["found"], row["ok"], row["version"]) == ("not installed", True, None)
    assert row["remedy"] == "pip install 'paribus[tensorflow]'"
    done = run("--json", "--require", "torch,tensorflow")
    assert done.exit_code == 1
    assert (
        "TensorFlow is required: not installed (pip install 'paribus[tensorflow]')" in done.stderr
    )
    assert "PyTorch" not in done.stderr
    ok = {row["name"]: row["ok"] for row in json.loads(done.stdout)}
    assert (ok["torch"], ok["tensorflow"], ok["jax"]) == (True, False, True)


@pytest.mark.usefixtures("only_torch")
def test_what_is_there_satisfies_what_is_required() -> None:
    done = run("--require", "torch")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout


@pytest.mark.usefixtures("only_torch")
def test_cuda_is_required_of_pytorch_where_no_framework_is_named() -> None:
    done = run("--require", "cuda")
    assert done.exit_code == 1
    assert "PyTorch cannot use CUDA: a build for CPUs (needs NVIDIA's driver, then" in done.stderr


def test_cuda_is_required_of_the_frameworks_named_with_it() -> None:
    driver = Row("nvidia", "NVIDIA driver", "580", facts={"driver": "580"})

    def machine_with(torch: Any, jax: Any) -> list[Row]:
        answers = {"torch": torch, "tensorflow": None, "jax": jax}
        return [doctor._framework(name, answer, driver) for name, answer in answers.items()]

    assert doctor.require(machine_with(ON_CPU, ON_GPU), ["jax", "cuda"]) == []
    assert doctor.require(machine_with(ON_GPU, ON_CPU), ["cuda"]) == []
    rows = machine_with(ON_GPU, ON_CPU)
    (missing,) = doctor.require(rows, ["torch", "jax", "cuda"])
    assert missing.startswith("JAX cannot use CUDA: a build for CPUs (pip install 'jax[cuda12]'")
    assert [row.ok for row in rows] == [True, True, False]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("torch,tensorfow", "--require tensorfow is not known (did you mean tensorflow?)"),
        ("python", "--require python is not known"),
        (" , ", "--require names nothing"),
    ],
)
def test_an_unknown_requirement_is_refused_before_anything_is_asked(
    given: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: pytest.fail("it looked"))
    raised = run("--require", given).exception
    assert isinstance(raised, InputError)
    assert raised.problems[0].startswith(problem)
    assert raised.problems[0].endswith("allowed are torch, tensorflow, jax, cuda")
    assert raised.exit_code == 2


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("import time; time.sleep(60)", "did not answer within 0.5 s"),
        ("import sys; sys.exit('ImportError: no libcuda')", "does not start: ImportError: no lib"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGABRT)", "does not start: SIGABRT"),
        ("print('nothing of use')", "does not start: exit code 0"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_framework_that_hangs_or_crashes_is_a_row(
    script: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "LIMIT", 0.5 if "sleep" in script else 30)
    monkeypatch.setattr(doctor, "_command", lambda _: [sys.executable, "-c", script])
    driver = Row("nvidia", "NVIDIA driver", "none", facts={"driver": None})
    row = doctor._framework("jax", doctor.ask("jax"), driver)
    assert not row.ok
    assert found in row.found
    assert doctor.require([row], ["jax"])


def test_the_frameworks_are_asked_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Each waits until all three have come.
    script = (
        "import pathlib, sys, time\n"
        f"here = pathlib.Path({str(tmp_path)!r}); (here / (sys.argv[1] + '.came')).touch()\n"
        "while len(list(here.glob('*.came'))) < 3: time.sleep(0.01)\n"
        f"print({json.dumps(ON_CPU)!r})"
    )
    monkeypatch.setattr(doctor, "_installed", lambda _: True)
    monkeypatch.setattr(doctor, "_command", lambda name: [sys.executable, "-c", script, name])
    rows = {row.name: row for row in doctor.examine()}
    assert [rows[name].facts["version"] for name in doctor.FRAMEWORKS] == ["2.0"] * 3


def test_why_a_framework_with_gpu_support_sees_none(monkeypatch: pytest.MonkeyPatch) -> None:
    able = {**ON_CPU, "why": ""}
    none = Row("nvidia", "NVIDIA driver", "none", facts={"driver": None})
    loaded = Row("nvidia", "NVIDIA driver", "580", facts={"driver": "580"})
    assert "no NVIDIA driver is loaded" in doctor._framework("torch", able, none).found
    row = doctor._framework("tensorflow", able, loaded)
    assert "it finds no GPU though the driver is loaded" in row.found
    assert row.remedy == "pip install 'tensorflow[and-cuda]'"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    row = doctor._framework("torch", able, loaded)
    assert "CUDA_VISIBLE_DEVICES hides every GPU" in row.found
    assert row.remedy == "unset CUDA_VISIBLE_DEVICES"


def test_pytorch_says_what_it_sees() -> None:
    answer = doctor.ask("torch")
    assert isinstance(answer, dict), answer
    assert answer["version"] == version_of("torch")
    assert answer["cuda"] == (answer["accelerator"] is not None)
    assert answer["cuda"] or answer["why"] or "+cpu" not in answer["version"]
    assert answer["threads"] >= 1


def test_a_folder_left_by_an_uninstalled_framework_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "leftover").mkdir()
    assert not doctor._installed("leftover")
    (tmp_path / "leftover/__init__.py").touch()
    assert doctor._installed("leftover")


def test_the_driver_is_read_from_nvidia_smi_or_the_kernel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert doctor._nvidia().found == "none is loaded"
    text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n"
    (tmp_path / "none").write_text(text)
    assert doctor._nvidia().facts["driver"] == "580.65.06"

    monkeypatch.setattr(doctor.shutil, "which", lambda name: name)
    monkeypatch.setattr(doctor, "_run", lambda c: subprocess.CompletedProcess(c, 0, SMI, ""))
    assert doctor._nvidia().found == "580.65.06, CUDA 13.0, NVIDIA H200 151 GB"

    failed = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    monkeypatch.setattr(doctor, "_run", lambda c: subprocess.CompletedProcess(c, 9, failed, ""))
    row = doctor._nvidia()
    assert not row.ok
    assert failed in row.found


@pytest.mark.parametrize(
    ("cpuinfo", "fast"),
    [
        ("flags\t\t: fpu sse2 avx avx2 fma", {"float32": "AVX2"}),
        ("flags\t: avx2 avx512f avx512_bf16", {"float32": "AVX-512", "bfloat16": "AVX-512"}),
        (
            "flags\t: avx512f avx512_bf16 avx512_fp16 amx_bf16",
            {"float32": "AVX-512", "bfloat16": "AMX", "float16": "AVX-512"},
        ),
        (
            "Features\t: fp asimd asimdhp bf16",
            {"float32": "NEON", "bfloat16": "NEON", "float16": "NEON"},
        ),
        ("model name: something else", {}),
    ],
)
def test_the_precisions_a_processor_computes_fast(cpuinfo: str, fast: dict[str, str]) -> None:
    assert doctor.fast_precisions(cpuinfo) == fast


@pytest.mark.parametrize(
    ("battery", "found", "ok"),
    [(True, "battery", False), (False, "mains", True), (None, "unknown", True)],
)
def test_a_battery_misleads(
    battery: bool | None, found: str, ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "on_battery", lambda: battery)
    row = doctor._power()
    assert (row.found, row.ok, bool(row.remedy)) == (found, ok, not ok)


def test_a_load_of_others_is_told_with_a_remedy() -> None:
    quiet = doctor._load(machine.Interval(3.0, 0.0, 0.0, None, None))
    assert quiet.ok
    assert not quiet.remedy
    cores = os.cpu_count() or 1
    busy = doctor._load(machine.Interval(3.0, float(cores), 0.0, None, None))
    assert not busy.ok
    assert f"other programs used {cores}.0 of {cores} cores" in busy.found
    assert busy.remedy


@pytest.mark.parametrize(
    ("governor", "driver", "ok"),
    [
        ("powersave", "intel_pstate", True),  # it goes as fast as the load needs
        ("powersave", "acpi-cpufreq", False),
        ("performance", "acpi-cpufreq", True),
    ],
)
def test_a_governor_that_holds_the_processor_back(
    governor: str, driver: str, ok: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_CPUFREQ", tmp_path)
    assert doctor._governor() == []
    (tmp_path / "scaling_governor").write_text(governor + "\n")
    (tmp_path / "scaling_driver").write_text(driver + "\n")
    (row,) = doctor._governor()
    assert row.ok is ok

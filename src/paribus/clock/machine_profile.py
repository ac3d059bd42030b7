"""What is known of a machine's speed: rates, cost models, and how well these predict.

Measured by `paribus machine` and kept as JSON, for this machine where `default_file` says.
"""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import Field, TypeAdapter, ValidationError

from paribus.clock.cost import CostModel
from paribus.clock.rates import Rates
from paribus.environment import choose_device, machine_name
from paribus.errors import InputError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class HeldOut:
    """A step that the model was not fitted to: seconds predicted and measured."""

    network: str
    predicted: Positive
    measured: Positive

    @property
    def error(self) -> float:
        """How far the prediction is from the measurement, as a share of the measurement."""
        return abs(self.predicted / self.measured - 1)


@dataclass(frozen=True)
class Calibrated:
    """The cost model of an engine on a device with so many threads, and what it was held against.

    `busy` says what else used the machine while it was measured; empty where nothing did.
    """

    engine: str
    device: str
    threads: int
    rates: Rates
    model: CostModel
    held_out: Annotated[tuple[HeldOut, ...], Field(min_length=1)]
    busy: str = ""

    @property
    def error(self) -> float:
        """The median relative error over the steps held out."""
        return statistics.median(one.error for one in self.held_out)

    @property
    def worst(self) -> float:
        """The largest relative error over the steps held out."""
        return max(one.error for one in self.held_out)


@dataclass(frozen=True)
class MachineProfile:
    """A machine, when and with what versions it was measured, and its cost models."""

    machine: str
    date: str
    versions: dict[str, str]
    cores: Annotated[int, Field(ge=1)]
    models: tuple[Calibrated, ...]

    def model(self, engine: str, device: str, threads: int | None = None) -> Calibrated | None:
        """Return the cost model of an engine, or None; `threads` are all cores where not said."""
        wanted = 1 if engine == "stacked" else threads or self.cores
        for one in self.models:
            same = one.engine == engine and one.device == device
            if same and (device != "cpu" or one.threads == wanted):
                return one
        return None

    def write(self, path: Path) -> None:
        """Write it as JSON; InputError where that cannot be."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_ADAPTER.dump_json(self, indent=2) + b"\n")
        except OSError as error:
            raise InputError(
                f"{path} cannot be written ({error.strerror}): name another file with --out"
            ) from None


_ADAPTER = TypeAdapter(MachineProfile)


def default_file() -> Path:
    """Return where the profile of this machine is kept, unless PARIBUS_MACHINE says otherwise."""
    named = os.environ.get("PARIBUS_MACHINE")
    return Path(named) if named else platformdirs.user_data_path("paribus") / "machine.json"


def read(path: Path) -> MachineProfile:
    """Read a profile; InputError where there is none, or none that can be used."""
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"there is no machine profile {path}: `paribus machine` makes one"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{path} is no machine profile of this version ({place}: {first['msg']}): "
            "`paribus machine` makes a new one"
        ) from None


def named(name: str) -> MachineProfile:
    """Return the profile in a file, or one that comes with Paribus by its name."""
    bundled = Path(str(resources.files("paribus.clock"))) / "profiles" / f"{name}.json"
    return read(bundled if bundled.is_file() else Path(name))


def of_this_machine() -> MachineProfile | None:
    """Return the profile that was measured on this machine; None where there is none to use.

    A file that cannot be used counts as none, so that it stops no study: `read` says why.
    """
    try:
        found = read(default_file())
    except InputError:
        return None
    return found if found.machine == machine_name(choose_device("auto")) else None

"""The data sets that go by a name, and the one door to all data sets."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paribus.data.dataset import Dataset, Task
from paribus.data.download import cache_folder, download
from paribus.data.idx import read_idx
from paribus.data.tables import read_table
from paribus.errors import DataError, nearest
from paribus.files import kind_of

if TYPE_CHECKING:
    from paribus.data.frames import Missing

ROOT_VARIABLE = "PARIBUS_DATA"

PLANE = "plane"
"""The data of studies that need none."""


@dataclass(frozen=True)
class Entry:
    """A data set that goes by a name."""

    description: str
    task: Task
    rows: int
    shape: tuple[int, ...]  # of one sample
    origin: str  # where it comes from, in words
    files: Mapping[str, str] = field(default_factory=dict)  # name -> SHA-256; none if embedded
    mirrors: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        """Whether it comes with an installed package, so that nothing is ever fetched."""
        return not self.files


REGISTRY: Mapping[str, Entry] = {
    "digits": Entry(
        "handwritten digits, 8 × 8 pixels, 10 classes",
        "classification",
        1797,
        (1, 8, 8),
        "comes with scikit-learn",
    ),
    "breast-cancer": Entry(
        "tumours by 30 measures of their cell nuclei, 2 classes",
        "classification",
        569,
        (30,),
        "comes with scikit-learn",
    ),
    "diabetes": Entry(
        "progression of diabetes a year after 10 measures",
        "regression",
        442,
        (10,),
        "comes with scikit-learn",
    ),
    "synthetic": Entry(
        "made-up measures, 10 classes by a small random network: for studies of speed",
        "classification",
        20_000,
        (500,),
        "made from a fixed seed",
    ),
    PLANE: Entry(
        "no data but two corners of the plane, for surfaces: starts are drawn between them",
        "regression",
        2,
        (2,),
        "made here",
    ),
    "mnist": Entry(
        "handwritten digits, 28 × 28 pixels, 10 classes; the last 10,000 rows test",
        "classification",
        70_000,
        (1, 28, 28),
        "downloaded once, 12 MB",
        {
            "train-images-idx3-ubyte.gz": (
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
            ),
            "train-labels-idx1-ubyte.gz": (
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
            ),
            "t10k-images-idx3-ubyte.gz": (
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
            ),
        },
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    "fashion-mnist": Entry(
        "pieces of clothing, 28 × 28 pixels, 10 classes; the last 10,000 rows test",
        "classification",
        70_000,
        (1, 28, 28),
        "downloaded once, 31 MB",
        {
            "train-images-idx3-ubyte.gz": (
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
            ),
            "train-labels-idx1-ubyte.gz": (
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
            ),
            "t10k-images-idx3-ubyte.gz": (
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
            ),
        },
        (
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
    ),
}

_CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
}


def load(
    source: str | Path,
    *,
    target: str | None = None,
    missing: Missing = "error",
    task: Task | None = None,
    root: Path | None = None,
) -> Dataset:
    """Return the data set of a registered name, or else the one in a file.

    target, missing, task: for files; see `read_table`. root: a folder that holds downloaded data
    sets, each in a folder of its name. Without it the folder in the environment variable
    PARIBUS_DATA is looked at, then the user's cache; what is in none of them is downloaded.

    Raises DataError where it cannot be found, read or trusted.
    """
    if source in REGISTRY:
        return _load_named(str(source), target, task, root)
    path = Path(source)
    with suppress(RuntimeError):  # of ~name where there is no user of that name
        path = path.expanduser()
    if isinstance(source, Path) or path.suffix or len(path.parts) > 1 or kind_of(path):
        return read_table(path, target, missing=missing, task=task)
    raise DataError(_unknown(source))


def fetch(name: str, root: Path | None = None) -> Path:
    """Make sure that a registered data set is here, whole, and return its folder.

    It is downloaded to the user's cache unless it is found; what is found elsewhere is only read.
    Raises DataError where a file's checksum is wrong or no mirror has it.
    """
    entry = _entry(name)
    if root is not None and not (entry.embedded or root.is_dir()):
        raise DataError(f"{root}: there is no such folder; it should hold {', '.join(_CLASSES)}")
    found, cached = location(name, root), cache_folder() / name
    if found is None or found == cached:
        return download(entry.files, entry.mirrors, cached)
    if not entry.embedded:
        _check_sums(found, entry.files)
    return found


def location(name: str, root: Path | None = None) -> Path | None:
    """Return the folder that holds a registered data set now, or None; nothing is checked."""
    entry = _entry(name)
    if name in ("synthetic", PLANE):
        return Path(__file__).parent
    if entry.embedded:
        package = importlib.util.find_spec("sklearn")
        return Path(package.origin).parent / "datasets" if package and package.origin else None
    given = os.environ.get(ROOT_VARIABLE)
    roots = [root, Path(given).expanduser() if given else None, cache_folder()]
    for folder in (place / name for place in roots if place is not None):
        if all((folder / file).is_file() for file in entry.files):
            return folder
    return None


def _entry(name: str) -> Entry:
    if name not in REGISTRY:
        raise DataError(_unknown(name))
    return REGISTRY[name]


def _unknown(name: object) -> str:
    return (
        f"there is no data set named {str(name)!r}{nearest(str(name), list(REGISTRY))}; "
        f"allowed are {', '.join(REGISTRY)}, and the path of a .csv, .parquet or .npz file"
    )


def _load_named(name: str, target: str | None, task: Task | None, root: Path | None) -> Dataset:
    problems = []
    if target is not None:
        problems.append(
            f"data.target is {target!r}, but {name} brings its own target: leave it out"
        )
    if task not in (None, REGISTRY[name].task):
        problems.append(f"data.task is {task!r}, but {name} is for {REGISTRY[name].task}")
    if problems:
        raise DataError(problems)
    if name in _CLASSES:
        return _load_mnist(name, fetch(name, root))
    return _load_embedded(name)


def _load_mnist(name: str, folder: Path) -> Dataset:
    images, labels = (
        np.concatenate([read_idx(folder / f"{part}-{kind}-ubyte.gz") for part in ("train", "t10k")])
        for kind in ("images-idx3", "labels-idx1")
    )
    return Dataset(
        name=name,
        task="classification",
        features=images[:, None],
        targets=labels.astype(np.int64),
        classes=_CLASSES[name],
        value_range=(0, 255),
        test_rows=np.arange(60_000, 70_000),
    )


def _load_embedded(name: str) -> Dataset:
    if name == "digits":
        table = _digits()
        return Dataset(
            name=name,
            task="classification",
            features=table[:, :-1].reshape(-1, 1, 8, 8).astype(np.uint8),
            targets=table[:, -1].astype(np.int64),
            classes=tuple("0123456789"),
            value_range=(0, 16),
        )
    if name == "synthetic":
        return _synthetic(REGISTRY[name])
    if name == PLANE:
        return _plane()
    from sklearn import datasets

    is_cancer = name == "breast-cancer"
    loaded: Any = (
        datasets.load_breast_cancer() if is_cancer else datasets.load_diabetes(scaled=False)
    )
    return Dataset(
        name=name,
        task=REGISTRY[name].task,
        features=loaded.data.astype(np.float32),
        targets=loaded.target.astype(np.int64 if is_cancer else np.float32),
        classes=tuple(str(c) for c in loaded.target_names) if is_cancer else (),
        columns=tuple(str(column) for column in loaded.feature_names),
        numeric=np.ones(loaded.data.shape[1], dtype=bool),
    )


def _synthetic(entry: Entry) -> Dataset:
    rng = np.random.default_rng(0)
    (columns,) = entry.shape
    features = rng.standard_normal((entry.rows, columns), np.float32)
    hidden = np.tanh(features @ rng.standard_normal((columns, 20), np.float32) / columns**0.5)
    targets = (hidden @ rng.standard_normal((20, 10), np.float32)).argmax(1)
    return Dataset(
        name="synthetic",
        task="classification",
        features=features,
        targets=targets.astype(np.int64),
        classes=tuple("0123456789"),
        columns=tuple(f"x{number}" for number in range(1, columns + 1)),
        numeric=np.ones(columns, dtype=bool),
    )


def _plane() -> Dataset:
    """Return a row to train on and one to test on, which no surface reads."""
    return Dataset(
        name=PLANE,
        task="regression",
        features=np.array([[0, 0], [1, 1]], np.float32),
        targets=np.zeros(2, np.float32),
        columns=("x", "y"),
        test_rows=np.array([1]),
    )


def _digits() -> np.ndarray:
    """Return the digits of scikit-learn, pixels and label per row.

    Read without importing it where that can be: the import takes most of a second.
    """
    package = importlib.util.find_spec("sklearn")
    for folder in package.submodule_search_locations or () if package else ():
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.exists():
            return np.loadtxt(file, delimiter=",", dtype=np.uint8)
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    return np.column_stack([digits.data, digits.target])


def _check_sums(folder: Path, files: Mapping[str, str]) -> None:
    problems = []
    for name, expected in files.items():
        try:
            with (folder / name).open("rb") as file:
                got = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            problems.append(f"{folder / name}: cannot be read: {error.strerror}")
            continue
        if got != expected:
            problems.append(
                f"{folder / name}: wrong checksum: expected SHA-256 {expected}, got {got}: "
                "the file is damaged or another one; replace it"
            )
    if problems:
        raise DataError(problems)

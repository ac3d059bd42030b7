"""Data sets: found by name, read from files, split and scaled."""

from paribus.data.dataset import Dataset
from paribus.data.frames import from_frame
from paribus.data.registry import PLANE, REGISTRY, fetch, load, location
from paribus.data.scaling import Scaling, fit_scaling, target_scale
from paribus.data.splits import Split, folds, split

__all__ = [
    "PLANE",
    "REGISTRY",
    "Dataset",
    "Scaling",
    "Split",
    "fetch",
    "fit_scaling",
    "folds",
    "from_frame",
    "load",
    "location",
    "split",
    "target_scale",
]

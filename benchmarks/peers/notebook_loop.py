"""The notebook's loop: every image decoded and normalised on its way into a batch.

As in https://docs.pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html, with MNIST. Where
the tutorial takes torchvision's MNIST, ToTensor and Normalize((0.5,), (0.5,)), the same steps are
done here per sample with PIL, NumPy and PyTorch, without torchvision's checks of its arguments:
it has no build for every platform that this benchmark runs on.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from benchmarks.peers import _loop
from benchmarks.timing import Timing
from benchmarks.workloads import TEST_ROWS, Workload
from paribus.data import Dataset

PACKAGES = ("torch", "pillow", "numpy")


class Images(TorchDataset):
    """Images and labels, one at a time: PIL image → tensor in [0, 1] → [-1, 1]."""

    def __init__(self, data: Dataset) -> None:
        assert data.value_range is not None
        self.pixels = data.features[:-TEST_ROWS, 0]
        self.labels = data.targets[:-TEST_ROWS].tolist()
        self.high = data.value_range[1]
        self.mean, self.sd = [0.5], [0.5]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = Image.fromarray(self.pixels[index])
        pixels = torch.from_numpy(np.array(image))
        pixels = pixels.view(image.height, image.width, 1).permute(2, 0, 1).contiguous()
        tensor = pixels.float().div(self.high)
        mean = torch.as_tensor(self.mean).view(-1, 1, 1)
        sd = torch.as_tensor(self.sd).view(-1, 1, 1)
        return tensor.clone().sub_(mean).div_(sd), self.labels[index]


def train(workload: Workload, data: Dataset, epochs: int) -> Timing:
    """Train one model, its images decoded in every epoch."""
    return _loop.run(workload, DataLoader(Images(data), workload.batch, shuffle=True), epochs)

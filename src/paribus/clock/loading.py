"""How long it takes to hand out images in batches: what a loop costs that trains nothing."""

from __future__ import annotations

import statistics
import time

from paribus.data import Dataset

_ROWS = 6000  # that are handed out in one pass
_PASSES = 5


def loading_seconds(dataset: Dataset, batch_size: int, rows: int) -> float:
    """Return the seconds in which a PyTorch `DataLoader` hands out so many rows once.

    Each row is made a tensor and scaled by itself, as transforms of images do. The median of five
    passes over 6,000 rows, in proportion.
    """
    import torch
    from torch.utils.data import DataLoader
    from torch.utils.data import Dataset as Rows

    class Images(Rows[tuple[torch.Tensor, int]]):
        def __len__(self) -> int:
            return min(_ROWS, len(dataset.features))

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            image = torch.from_numpy(dataset.features[row]).float()
            return image.div(255).sub(0.5).div(0.5), int(dataset.targets[row])

    images = Images()
    loader = DataLoader(images, batch_size=batch_size, shuffle=True)
    taken = []
    for _ in range(_PASSES):
        start = time.perf_counter()
        for _batch in loader:
            pass
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * rows / len(images)

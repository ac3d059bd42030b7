"""How sure a ranking of arms is: probability of being best, and the spread of each rank."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from paribus.stats.blocks import complete

_PIECE = 2**19  # means held at once


@dataclass(frozen=True)
class Ranked:
    """Where one arm stands among all; rank 1 is the best, equal arms share their mean rank."""

    mean_rank: float
    best: float  # probability that its mean is the best; equal arms share it
    low: float  # 95 % interval of its rank
    high: float


def ranking(
    table: np.ndarray, higher_is_better: bool, draws: int = 10_000, seed: int = 0
) -> list[Ranked]:
    """Rank the arms of a table [block, arm] by their means, with the doubt that the blocks leave.

    Bayesian bootstrap (Rubin, 1981): each draw weighs the blocks anew, by Dirichlet(1, ..., 1)
    weights that all arms share, so that arms are compared within blocks. The result has the order
    of the columns, and is the same for the same seed.

    It is a description, not a test: it controls no error rate, the best of many equal arms looks
    good by chance, and an arm may surely be the best by a difference that does not matter. It
    knows no values but those seen, so with few blocks it is too sure: of two equal arms with
    normal outcomes, one is given more than 95 % in 25 % of experiments with 5 blocks, 18 % with 10
    and 12 % with 30, where 10 % would be right.

    One block alone says nothing of spread: nan throughout. Raises ValueError for an incomplete
    table or without draws.
    """
    values = complete(table)
    if draws < 1:
        raise ValueError(f"there must be at least one draw, not {draws}")
    blocks, arms = values.shape
    if blocks < 2:
        return [Ranked(*[math.nan] * 4)] * arms
    # Equal arms are one column: rounding must not rank them.
    columns, column_of, alike = np.unique(values, axis=1, return_inverse=True, return_counts=True)
    loss = -columns if higher_is_better else columns
    doubled = np.empty((draws, len(alike)), np.int32)  # twice the mean rank: whole numbers
    rng = np.random.default_rng(seed)
    piece = max(1, _PIECE // len(alike))
    for start in range(0, draws, piece):
        # Exponential weights are Dirichlet's but for their sum, which leaves ranks as they are.
        weights = rng.exponential(size=(min(piece, draws - start), blocks))
        order = np.argsort(weights @ loss, axis=1)
        ranks = 2 * np.cumsum(alike[order], axis=1) - alike[order] + 1
        np.put_along_axis(doubled[start : start + piece], order, ranks.astype(np.int32), axis=1)
    mean_rank = doubled.mean(0) / 2
    best = np.mean(doubled == alike + 1, axis=0) / alike
    doubled.sort(axis=0)
    low, high = (doubled[math.ceil(share * draws) - 1] / 2 for share in (0.025, 0.975))
    found = np.stack([mean_rank, best, low, high], 1)[column_of.reshape(-1)]
    return [Ranked(*one) for one in found.tolist()]

"""The environment in which a worker process starts."""

REPRODUCIBLE = {
    # Products whose rounding does not depend on where an array begins in memory.
    "MKL_CBWR": "AUTO",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""Read by MKL before its first product: one thread, and the same kernel for the same numbers."""

"""One small file per peer: `train(workload, data, epochs)`, and the packages that it needs.

Each trains as the peer's own documentation, named in its first lines, shows its users.
"""

PEERS = (
    "paribus",
    "paribus_arms",
    "notebook_loop",
    "dataloader",
    "tuned_torch",
    "lightning",
    "skorch",
    "ictonyx",
    "torch_func",
    "keras_tensorflow",
    "keras_jax",
    "jax_vmap",
    "jax_vmap_arms",
    "jax_loop",
    "engine_torch",
    "engine_tensorflow",
    "engine_jax",
)

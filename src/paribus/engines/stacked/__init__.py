"""The project's own engine: many runs trained as one PyTorch program.

Arrays lead with the member axis: activations [member, batch, …], dense weights
[member, in, out]. A member's numbers never depend on which other members share its stack, bit for
bit on one CPU thread (see `arithmetic`).
"""

VERSION = "4"
"""Part of every run's hash: raise it with any change that changes a result."""

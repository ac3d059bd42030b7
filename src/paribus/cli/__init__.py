"""The command line: parse, call, print."""

from paribus.cli import running, asking, reading, keeping, machines  # isort: skip  # in the order of --help
from paribus.cli.options import app

__all__ = ["app", "asking", "keeping", "machines", "reading", "running"]

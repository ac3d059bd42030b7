"""Settings under which the tests run, in place before PyTorch is loaded."""

import os

from paribus.workers.environment import REPRODUCIBLE

os.environ.update(REPRODUCIBLE)

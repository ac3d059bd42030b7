"""Settings under which the tests run, in place before PyTorch is loaded."""

import os
import signal

from paribus.workers.environment import REPRODUCIBLE

os.environ.update(REPRODUCIBLE)
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where they run in the background

"""A worker process: `python -m paribus.workers.child`, driven through its standard streams."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from typing import IO

from paribus.engines.base import Engine, Task
from paribus.engines.laps import Laps
from paribus.workers.messages import (
    READY,
    Begin,
    EpochDone,
    Prove,
    Proved,
    StackDone,
    Train,
    receive,
    send,
)


def main() -> None:
    """Train the stacks that arrive on standard input, one after another, until it closes."""
    # Ctrl-C reaches the whole process group: the driver decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not end up among the messages
    outbox.write(READY)
    try:
        _serve(inbox, outbox)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # at once: the listening thread holds `inbox`, and would never let go of it


def _serve(inbox: IO[bytes], outbox: IO[bytes]) -> None:
    laps = Laps()
    begin: Begin = receive(inbox)
    sys.path += [place for place in begin.path if place not in sys.path]  # last: it hides nothing
    orders: SimpleQueue[Train | Prove] = SimpleQueue()
    threading.Thread(target=_listen, args=(inbox, orders), daemon=True).start()

    engine = _timed(begin) if begin.timed else _plain(begin, laps)
    laps.lap("start")
    while True:
        order = orders.get()
        if isinstance(order, Prove):
            send(outbox, _proved(order.task, begin))
            continue
        laps.lap("idle")
        error = ""
        try:
            for record in engine(order.tasks[0]).train(
                order.tasks,
                begin.dataset,
                keep_weights=begin.keep_weights,
                epoch_done=lambda runs: send(outbox, EpochDone(runs)),
            ):
                send(outbox, record)
        except Exception as raised:  # whatever it is becomes a stored reason
            traceback.print_exc()
            error = f"{type(raised).__name__}: {raised}"
        laps.lap("metrics")
        send(outbox, StackDone(error, laps.taken()))


def _proved(task: Task, begin: Begin) -> Proved:
    from paribus.engines.proof import trace_of

    try:
        return Proved(trace_of(task, begin.dataset))
    except Exception as raised:  # whatever it is is told to the driver
        traceback.print_exc()
        return Proved(None, f"{type(raised).__name__}: {raised}")


def _plain(begin: Begin, laps: Laps) -> Callable[[Task], Engine]:
    """Return what gives the engine of a task, in a process of one thread."""
    from paribus.engines.choice import engine
    from paribus.engines.stacked.arithmetic import one_thread

    one_thread()
    if begin.settle:
        import torch

        laps.settle = torch.cuda.synchronize
    return lambda task: engine(task.engine, laps)


def _timed(begin: Begin) -> Callable[[Task], Engine]:
    """Return what measures a task; nothing is imported but what its framework needs."""
    import psutil

    from paribus.clock.measure import TimedEngine
    from paribus.engines.choice import learner

    measured = TimedEngine(learner, psutil.cpu_count() or 1)
    return lambda task: measured


def _listen(inbox: IO[bytes], orders: SimpleQueue[Train | Prove]) -> None:
    """Take orders while another thread trains; when the driver is gone, so is this worker."""
    try:
        while True:
            orders.put(receive(inbox))
    except BaseException:  # gone, or killed in the middle of a message
        os._exit(0)


if __name__ == "__main__":
    main()

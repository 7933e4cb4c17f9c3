"""What a supervisor changes in its process while it runs, and restores."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""What a service manager, Ctrl-C, a closed terminal and Ctrl-\\ send."""

GC_THRESHOLDS = 100_000, 20, 20
"""How rarely to search for reference cycles, of which serving makes none. At Python's own rate of
one search per 700 objects, it took half of this thread's time at batches of 1000."""


@contextmanager
def stopping_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Turn signals into requests to stop; outside the main thread, leave them.

    An ignored signal stays ignored: `nohup` makes a program ignore that its terminal is closed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [sig for sig in STOPPING if signal.getsignal(sig) is not signal.SIG_IGN]
    before = {sig: signal.signal(sig, lambda *_: stop()) for sig in heeded}
    try:
        yield
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


@contextmanager
def calm_collector() -> Iterator[None]:
    """Search for reference cycles rarely, and not among the objects that exist already."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()

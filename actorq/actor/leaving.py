"""The orderly end of an actor: what a Python program does at its end, except for endless threads.

Whoever registers an exit hook relies on it, among them `tempfile`, `multiprocessing` and executors.
The supervisor limits the time that hooks take: it kills an actor that has not left in time.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from typing import NoReturn

from actorq.actor import owner

JOIN_S = 1.0
"""How long threads that are not daemons may go on. Some never end, and nobody meant them to be
waited for, because actors are commonly stopped."""


def leave_in_order(code: int) -> NoReturn:
    """End this process after its executors, its threads and its exit hooks."""
    with contextlib.suppress(BaseException):
        for end in reversed(getattr(threading, "_threading_atexits", [])):
            end()  # ends executors, which join their workers
    with contextlib.suppress(BaseException):
        _join(time.monotonic() + JOIN_S)
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    owner.leave_if_forked()
    flush_output()
    os._exit(code)


def flush_output() -> None:
    """Flush everything that was printed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _join(deadline: float) -> None:
    """Wait until a given time for the threads that a Python program waits for."""
    mine = threading.current_thread()
    threads = [t for t in threading.enumerate() if not t.daemon and t is not mine]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = ", ".join(thread.name for thread in threads if thread.is_alive())
    if left:
        logging.getLogger("actorq.actor").warning("ends without waiting for its threads: %s", left)

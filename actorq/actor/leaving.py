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


SAY_S = 1.5
"""After which it is said what keeps a process from ending; threads of its own have ended by then,
or been left."""

_TELLER = "actorq-leaving"


def leave_in_order(code: int) -> NoReturn:
    """End this process after its executors, its threads and its exit hooks."""
    with contextlib.suppress(BaseException):  # where no thread can be started any more
        threading.Thread(target=_tell, name=_TELLER, daemon=True).start()
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


def _tell() -> None:
    """Say what is waited for, if there is still something after a while."""
    time.sleep(SAY_S)
    waited = [*map(_shown_thread, _threads()), *_children()]
    if waited:
        logging.getLogger("actorq.actor").warning(
            "has ended its work, but waits for %s; the supervisor ends it if that takes too long",
            ", ".join(waited),
        )


def _threads() -> list[threading.Thread]:
    """Return the threads that a Python program waits for at its end."""
    here = (threading.current_thread(), threading.main_thread())
    return [t for t in threading.enumerate() if not t.daemon and t not in here]


def _shown_thread(thread: threading.Thread) -> str:
    return f"thread {thread.name} (id {thread.native_id})"


def _children() -> list[str]:
    """Return the child processes that exit hooks of libraries wait for."""
    found: list[str] = []
    for library in ("multiprocessing", "multiprocess"):
        process = sys.modules.get(f"{library}.process")
        children = process.active_children() if process is not None else []
        found += [f"process {c.name} (pid {c.pid})" for c in children if not c.daemon]
    return found


def flush_output() -> None:
    """Flush everything that was printed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _join(deadline: float) -> None:
    """Wait until a given time for the threads that a Python program waits for."""
    threads = _threads()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = ", ".join(thread.name for thread in threads if thread.is_alive())
    if left:
        logging.getLogger("actorq.actor").warning("ends without waiting for its threads: %s", left)

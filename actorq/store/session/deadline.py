"""Deadlines for libpq calls that block in C: shut the socket when the server does not answer.

The driver's own calls wait in Python, which costs a busy supervisor's threads a fifth of their
time, because each piece of an answer wakes one up to wait for the interpreter. A call that blocks
in C cannot look at the clock, so one thread does that for all of them.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress

LOOK_S = 0.1
"""How late a call may be ended."""

_lock = threading.Lock()
_running: set[Deadline] = set()
_watcher: threading.Thread | None = None


class Deadline:
    """A deadline that shuts a socket down if it is used for longer than `seconds`; see `missed`."""

    def __init__(self, fd: int, seconds: float) -> None:
        self.missed = False
        self._fd = fd
        self._until = time.monotonic() + seconds

    def __enter__(self) -> Deadline:
        """Begin to watch."""
        with _lock:
            _running.add(self)
            _watch()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching; the descriptor is not touched any more."""
        with _lock:
            _running.discard(self)

    def look(self, now: float) -> None:
        """Shut the socket down if it is time."""
        if now >= self._until and not self.missed:
            self.missed = True
            with suppress(OSError), socket.socket(fileno=os.dup(self._fd)) as peer:
                peer.shutdown(socket.SHUT_RDWR)


def _watch() -> None:
    """Make sure that the watching thread runs, since threads do not survive a fork."""
    global _watcher
    if _watcher is None or not _watcher.is_alive():
        _watcher = threading.Thread(target=_look_at_all, name="actorq-deadlines", daemon=True)
        _watcher.start()


def _look_at_all() -> None:
    while True:
        time.sleep(LOOK_S)
        now = time.monotonic()
        with _lock:
            for deadline in _running:
                deadline.look(now)

"""A bell that wakes a thread which also waits for a socket."""

from __future__ import annotations

import os
import selectors
from contextlib import suppress


class Bell:
    """A flag that any thread may set, and one thread waits for, together with a descriptor."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def set(self) -> None:
        """Wake the thread that waits, or the next one that will."""
        with suppress(BlockingIOError):  # full: it is set a thousand times over
            os.write(self._write, b"x")

    def wait(self, timeout_s: float, also: int | None = None) -> bool:
        """Wait for the bell, or until `also` can be read; tell whether that can be.

        The bell is not set any more afterwards.
        """
        from actorq.store.enqueue.idle import Selector

        with Selector() as selector:
            selector.register(self._read, selectors.EVENT_READ)
            if also is not None:
                selector.register(also, selectors.EVENT_READ)
            ready = {key.fd for key, _ in selector.select(timeout_s)}
        if self._read in ready:
            with suppress(BlockingIOError):
                os.read(self._read, 4096)
        return also in ready

    def close(self) -> None:
        """Close its descriptors."""
        os.close(self._read)
        os.close(self._write)

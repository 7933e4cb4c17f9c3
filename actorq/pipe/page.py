"""The page that a supervisor and one actor share: what is begun, recalled and cancelled.

A mark costs one byte stored in shared memory, where a frame would cost microseconds on both
sides. Each byte and number has one writer:

    taken    actor        the number of the batch it has last begun; 0 before the first
    recall   supervisor   batches up to this number that are not taken are to be returned
    begun    actor        per job of the batch taken: FREE, BEGUN or PASSED
    cancel   supervisor   per job of the batches in the pipe: 1 once somebody wants it cancelled

The supervisor reads `taken` and `begun` for good only after the actor is dead.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Any

FREE, BEGUN, PASSED = 0, 1, 2

MAX_IN_PIPE = 4
"""How many batches may be in an actor's pipe at once, the running one included."""

NO_FD = -1

_HEADER = struct.Struct("qq")


class Page:
    """Lay the fields out over a buffer of `Page.size(capacity)` zero bytes.

    `capacity` is the largest number of jobs a batch can have.
    """

    def __init__(self, raw: Any, capacity: int) -> None:
        self.fd = NO_FD
        self.capacity = capacity
        self._raw = raw
        self._views = [view := memoryview(raw).cast("B")]
        self._numbers = view[: _HEADER.size].cast("q")
        self.begun = view[_HEADER.size : _HEADER.size + capacity]
        self._cancel = view[_HEADER.size + capacity :]
        self._views += [self._numbers, self.begun, self._cancel]

    @staticmethod
    def size(capacity: int) -> int:
        """Return how many bytes a page needs."""
        return _HEADER.size + capacity * (1 + MAX_IN_PIPE)

    @classmethod
    def shared(cls, capacity: int) -> Page:
        """Make a page that a process which inherits its descriptor can share; see `at`."""
        fd = _memory()
        try:
            os.ftruncate(fd, cls.size(capacity))
            page = cls(mmap.mmap(fd, cls.size(capacity)), capacity)
        except BaseException:
            os.close(fd)
            raise
        page.fd = fd
        return page

    @classmethod
    def at(cls, fd: int, capacity: int) -> Page:
        """Return the page that another process has made, by its descriptor, which is closed."""
        try:
            return cls(mmap.mmap(fd, cls.size(capacity)), capacity)
        finally:
            os.close(fd)

    @classmethod
    def private(cls, capacity: int) -> Page:
        """Make a page for a handler that runs in this very process."""
        return cls(bytearray(cls.size(capacity)), capacity)

    def handed_over(self) -> None:
        """Close the descriptor of a shared page: whoever is to share it has it."""
        os.close(self.fd)
        self.fd = NO_FD

    def close(self) -> None:
        """Give the memory back, and the descriptor that a mapping keeps of its own."""
        for view in reversed(self._views):
            view.release()
        if isinstance(self._raw, mmap.mmap):
            self._raw.close()

    # ---- the actor's side ----

    @property
    def taken(self) -> int:
        """Return the number of the batch that the actor has last begun."""
        return self._numbers[0]

    def take(self, no: int) -> None:
        """Say that this batch is begun.

        The marks go first: whoever reads them for this number must not see those of the
        batch before.
        """
        self.begun[:] = bytes(self.capacity)
        self._numbers[0] = no

    def is_recalled(self, no: int) -> bool:
        """Return whether the supervisor wants this batch back, if it is not begun."""
        return no <= self._numbers[1]

    def is_cancelled(self, no: int, position: int) -> bool:
        """Return whether somebody wants this job cancelled."""
        return self._cancel[self._cancel_at(no) + position] != 0

    def cancelled(self, no: int, n: int) -> list[int]:
        """Return the positions among the first n of a batch that are to be cancelled."""
        start = self._cancel_at(no)
        marks = bytes(self._cancel[start : start + n])
        return [i for i, mark in enumerate(marks) if mark] if any(marks) else []

    # ---- the supervisor's side ----

    def recall(self, no: int) -> None:
        """Ask for every batch up to this number that is not begun."""
        self._numbers[1] = max(no, self._numbers[1])

    def cancel(self, no: int, position: int) -> None:
        """Ask for one job to be cancelled."""
        self._cancel[self._cancel_at(no) + position] = 1

    def expect(self, no: int) -> None:
        """Make room for a batch that is about to be sent."""
        start = self._cancel_at(no)
        self._cancel[start : start + self.capacity] = bytes(self.capacity)

    def running(self) -> list[int]:
        """Return the positions of the batch taken that are begun and not passed."""
        marks = bytes(self.begun)
        return [i for i, mark in enumerate(marks) if mark == BEGUN] if BEGUN in marks else []

    def _cancel_at(self, no: int) -> int:
        return no % MAX_IN_PIPE * self.capacity


def _memory() -> int:
    """Return a descriptor of memory without a name, or of a file where there is no such thing."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("actorq page")
    import tempfile

    fd, path = tempfile.mkstemp(prefix="actorq-page-")
    os.unlink(path)
    return fd

"""The page that a supervisor and one actor share: what is begun, recalled and cancelled.

A mark costs one byte written to shared memory, while a frame would cost microseconds on both sides.
A batch is known by its lease. Each byte and number has one writer:

    taken    actor        the batch it has begun last; 0 before the first
    begun    actor        per job of the batch taken: FREE, BEGUN or PASSED
    places   supervisor   which batch in the pipe has which place
    recall   supervisor   per place: 1 once its batch is to be returned, if it is not begun
    cancel   supervisor   per job of each place: 1 once somebody wants it cancelled

What the supervisor reads from `taken` and `begun` is final only after the actor is dead.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Any

FREE, BEGUN, PASSED = 0, 1, 2

MAX_IN_PIPE = 4
"""How many batches may be in an actor's pipe at once, including the running one."""

NO_FD = -1

_HEADER = struct.Struct(f"q{2 * MAX_IN_PIPE}q")
"""`taken`, then the batches of the places, then which of them are recalled."""


class Page:
    """The fields laid out over a buffer of `Page.size(capacity)` zero bytes.

    `capacity` is the largest number of jobs that a batch can have.
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
        self._n_expected = 0
        self._marks_at = 0  # where the cancel marks of the batch taken begin

    @staticmethod
    def size(capacity: int) -> int:
        """Return how many bytes a page needs."""
        return _HEADER.size + capacity * (1 + MAX_IN_PIPE)

    @classmethod
    def shared(cls, capacity: int) -> Page:
        """Make a page to be shared with a process that inherits its descriptor; see `at`."""
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
    def private(cls, capacity: int, lease: int = 1) -> Page:
        """Make a page for a handler that runs in this same process, on one batch at a time."""
        page = cls(bytearray(cls.size(capacity)), capacity)
        page.expect(lease)
        return page

    def handed_over(self) -> None:
        """Close the descriptor of a shared page, once the process that is to share it has it."""
        os.close(self.fd)
        self.fd = NO_FD

    def close(self) -> None:
        """Release the memory, and the descriptor that a mapping keeps of its own."""
        for view in reversed(self._views):
            view.release()
        if isinstance(self._raw, mmap.mmap):
            self._raw.close()

    # ---- the actor's side ----

    @property
    def taken(self) -> int:
        """Return the batch that the actor has begun last."""
        return self._numbers[0]

    def take(self, lease: int) -> None:
        """Record that this batch is begun.

        The marks are cleared first: whoever reads them for this batch must not see those of the
        batch before.
        """
        self.begun[:] = bytes(self.capacity)
        self._numbers[0] = lease
        self._marks_at = self._place(lease) * self.capacity

    def is_recalled(self, lease: int) -> bool:
        """Return whether the supervisor wants this batch back, if it is not begun."""
        return self._numbers[1 + MAX_IN_PIPE + self._place(lease)] != 0

    def is_cancelled(self, position: int) -> bool:
        """Return whether somebody wants to cancel this job of the batch taken."""
        return self._cancel[self._marks_at + position] != 0

    def cancelled(self, n: int) -> list[int]:
        """Return the positions among the first n of the batch taken that are to be cancelled."""
        start = self._marks_at
        marks = bytes(self._cancel[start : start + n])
        return [i for i, mark in enumerate(marks) if mark] if any(marks) else []

    # ---- the supervisor's side ----

    def expect(self, lease: int) -> None:
        """Give a place to a batch that is about to be sent: that of the oldest, now answered."""
        place = self._n_expected % MAX_IN_PIPE
        self._n_expected += 1
        self._cancel[place * self.capacity : (place + 1) * self.capacity] = bytes(self.capacity)
        self._numbers[1 + MAX_IN_PIPE + place] = 0
        self._numbers[1 + place] = lease

    def recall(self, lease: int) -> None:
        """Ask for a batch back unless it is begun."""
        self._numbers[1 + MAX_IN_PIPE + self._place(lease)] = 1

    def cancel(self, lease: int, position: int) -> None:
        """Ask for one job to be cancelled."""
        self._cancel[self._place(lease) * self.capacity + position] = 1

    def running(self) -> list[int]:
        """Return the positions of the batch taken that are begun and not passed."""
        marks = bytes(self.begun)
        return [i for i, mark in enumerate(marks) if mark == BEGUN] if BEGUN in marks else []

    def _place(self, lease: int) -> int:
        """Return the place of a batch that was expected."""
        for place in range(MAX_IN_PIPE):
            if self._numbers[1 + place] == lease:
                return place
        raise LookupError(f"batch {lease} is not in this pipe")


def _memory() -> int:
    """Return a descriptor of anonymous memory, or of a file on systems without such memory."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("actorq page")
    import tempfile

    fd, path = tempfile.mkstemp(prefix="actorq-page-")
    os.unlink(path)
    return fd

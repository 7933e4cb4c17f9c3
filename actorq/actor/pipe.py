"""The actor's end of its pipe: frames in and out; without the supervisor the actor ends.

Handlers close descriptors, print binary data and start processes. Therefore the pipe is moved to a
descriptor far above those that they use, programs that they start do not inherit it, and it is
checked before each write: bytes for the supervisor must not end up in some file of the handler's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import threading
from collections.abc import Iterator
from select import poll as new_poll
from typing import NoReturn

from actorq.actor.owner import leave_if_forked
from actorq.pipe import wire

FIRST_FD = 4096
"""The lowest of our descriptors; careful daemons call `os.closerange(3, 1024)`."""

READ_SIZE = 1 << 18

LOST = 70
"""The exit code of an actor that has lost its supervisor or its pipe."""


class Pipe:
    """The connection to the supervisor. Any failure ends the process: nobody is left to tell."""

    def __init__(self, fd: int) -> None:
        self._fd = _moved(fd)
        self._identity = _identity(self._fd)
        self._lock = threading.Lock()
        self._writer = wire.FrameWriter()
        self._reader = wire.FrameReader.of_actor()

    def watch(self) -> None:
        """End this process as soon as the supervisor is gone, whatever a handler is doing."""
        threading.Thread(target=self._watch, name="actorq-watch", daemon=True).start()

    def send(self, message: wire.FromActor) -> None:
        """Send a message; callable from any thread."""
        leave_if_forked()
        with self._lock:
            try:
                if _identity(self._fd) != self._identity:
                    leave(LOST)
                for part in self._writer.frame(message):
                    data = memoryview(part)
                    while data:
                        data = data[os.write(self._fd, data) :]
            except OSError:
                leave(LOST)

    def messages(self) -> Iterator[wire.Message]:
        """Yield the supervisor's messages, waiting for each."""
        while True:
            leave_if_forked()
            try:
                n = self._read()
            except OSError:
                n = 0
            if not n:
                leave(LOST)
            yield from self._reader.messages()

    def _read(self) -> int:
        """Read what has arrived, a batch's args into their place; return how many bytes."""
        room = self._reader.room()
        if room is not None:
            n = os.readv(self._fd, [room])
            self._reader.filled(n)
            return n
        data = os.read(self._fd, READ_SIZE)
        self._reader.feed(data)
        return len(data)

    def _watch(self) -> None:
        poll = new_poll()  # select.poll as it was before a handler's module could change it
        poll.register(self._fd, getattr(select, "POLLRDHUP", 0))  # POLLHUP is always reported
        with contextlib.suppress(OSError):
            poll.poll()
        leave(LOST)


def leave(code: int) -> NoReturn:
    """End this process and its group at once; no handler's thread or exit hook can delay it."""
    if code == LOST and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(code)


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _moved(fd: int) -> int:
    """Move a descriptor to a high number that programs started from here do not inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = soft > FIRST_FD or hard == resource.RLIM_INFINITY or hard > FIRST_FD
    first = FIRST_FD if room else soft // 2
    if room and soft <= FIRST_FD:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FIRST_FD + 64, hard))
    try:
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, first)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    os.close(fd)
    return high

"""The supervisor's side of its guardian: start one, have it start actors, watch that it lives."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from actorq.supervisor.local import guardian
from actorq.supervisor.local.guardian import LENGTH, MARK, STARTED, Request, receive

_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

ANSWER_S = 30.0
"""How long a start may take; on a busy machine it takes some milliseconds."""

END_S = 5.0


class Guard:
    """The guardian of one supervisor."""

    def __init__(self, started: subprocess.Popen[bytes], sock: socket.socket) -> None:
        self.pid = started.pid
        self._started, self._socket = started, sock
        self._lock = threading.Lock()
        self._mark = str(uuid.uuid4())
        self._numbers = itertools.count(1)

    @classmethod
    def start(cls) -> Guard | None:
        """Start a guardian; None if the system cannot let it adopt processes.

        Raises OSError if the system refuses a process.
        """
        if not cls.is_possible():
            return None
        ours, theirs = socket.socketpair()
        with theirs, signals_held_back():
            command = [sys.executable, "-I", "-S", guardian.__file__]
            started = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, start_new_session=True
            )
        return cls(started, ours)

    @staticmethod
    def is_possible() -> bool:
        """Return whether processes have descriptors: on Linux since 5.3."""
        try:
            os.close(os.pidfd_open(os.getpid()))
        except (AttributeError, OSError):
            return False
        return True

    def spawn(
        self, command: list[str], env: dict[str, str], log_fd: int, fds: Sequence[int]
    ) -> tuple[int, int, socket.socket]:
        """Start a program that has `fds` under their own numbers and prints to `log_fd`.

        Returns its process id, a descriptor of the process, and a socket that becomes readable when
        it and everything it has started are gone. Raises OSError if it cannot be started.
        """
        line, theirs = socket.socketpair()
        try:
            with theirs:
                mark = f"{self._mark}:{next(self._numbers)}"
                request = Request(command, {**env, MARK: mark}, list(fds))
                self._ask(request.encoded(), [theirs.fileno(), log_fd, *fds])
            line.settimeout(ANSWER_S)
            said, handles = receive(line, len(STARTED) + LENGTH, 1)
            if not said.startswith(STARTED) or not handles:
                number = int.from_bytes(said, "big")
                raise OSError(number, os.strerror(number) if said else "the guardian has died")
            line.setblocking(False)
        except BaseException:
            line.close()
            raise
        return int.from_bytes(said[len(STARTED) :], "big"), handles[0], line

    def is_alive(self) -> bool:
        """Return whether the guardian runs."""
        return self._started.poll() is None

    def end_orphans(self) -> bool:
        """Kill the processes that a dead guardian has left; return whether there were any.

        These are in its session, or have its mark in their environment.
        """
        ended = [self._is_ended(int(path.name)) for path in Path("/proc").glob("[0-9]*")]
        return any(ended)

    def close(self) -> None:
        """Let the guardian leave; it kills whatever still runs."""
        with contextlib.suppress(OSError):
            self._socket.sendall(bytes(LENGTH))
        self._socket.close()
        try:
            self._started.wait(END_S)
        except subprocess.TimeoutExpired:  # it waits for a process that cannot be killed
            self._started.returncode = 0

    def _ask(self, request: bytes, fds: list[int]) -> None:
        data = len(request).to_bytes(LENGTH, "big") + request
        with self._lock:
            sent = socket.send_fds(self._socket, [data], fds)
            self._socket.sendall(data[sent:])

    def _is_ended(self, pid: int) -> bool:
        """Kill a process if it is one of ours; return whether it was."""
        with contextlib.suppress(OSError):  # gone, or not readable for us
            handle = os.pidfd_open(pid)  # first, so that what is examined is what is killed
            try:
                if self._is_ours(pid):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    return True
            finally:
                os.close(handle)
        return False

    def _is_ours(self, pid: int) -> bool:
        proc = Path(f"/proc/{pid}")
        state, *fields = (proc / "stat").read_bytes().rpartition(b")")[2].split()
        if state in (b"Z", b"X"):
            return False
        mark = f"{MARK}={self._mark}:".encode()
        return int(fields[2]) == self.pid or mark in (proc / "environ").read_bytes()


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Block signals, in this thread and in what it starts, until the child can ignore them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""Start an actor's process, and know for certain when it and everything it has started are gone.

Its process group, environment and output are set before its first instruction. If it set them
itself later, a numeric library could already have read its thread count, and a signal to the
terminal's group could already have reached it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from actorq.actor.boot import HOME
from actorq.supervisor.local.guardian import CODE
from actorq.supervisor.local.guardian_client import Guard, signals_held_back

BOOTSTRAP = (
    "import os, sys; sys.path = [path for path in sys.path if path]; import json; "
    "pipe = os.fdopen({fd}); sys.path, sys.argv, there, args = json.load(pipe); pipe.close(); "
    "os.chdir(there); from actorq.actor.loop import main; main(*args)"
)
"""A single line, for lists of processes. Nothing is imported from the current directory before
sys.path is that of the supervisor."""


def start(
    args: tuple[int, ...],
    *,
    name: str,
    env: dict[str, str],
    log_fd: int,
    fds: Sequence[int],
    guard: Guard | None,
) -> Child | GuardedChild:
    """Start an actor with these arguments of `actor.loop.main`, through the guard if there is one.

    It has the descriptors under their own numbers. Raises OSError if no process can be started.
    It looks for modules where this process does, but is not told the main module: the actor loads
    that itself if it needs the handler in it, guarded, and with its errors reported.
    """
    theirs, ours = os.pipe()
    with open(ours, "w") as pipe:
        try:
            # The name at its end is for people who list processes.
            program = BOOTSTRAP.format(fd=theirs)
            command = [sys.executable, *_flags(), "-c", program, name]
            with signals_held_back():
                started = _executed(command, env, log_fd, [theirs, *fds], guard)
        finally:
            os.close(theirs)
        path = [str(entry) or HOME for entry in sys.path]
        with contextlib.suppress(BrokenPipeError):
            json.dump((path, sys.argv, os.getcwd(), args), pipe)
            pipe.flush()
    return started


def _flags() -> list[str]:
    """Return the options of this interpreter, which its actors have, too."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return flags


def _executed(
    command: list[str], env: dict[str, str], log_fd: int, fds: Sequence[int], guard: Guard | None
) -> Child | GuardedChild:
    if guard is not None:
        return GuardedChild(guard, *guard.spawn(command, env, log_fd, fds))
    sentinel, theirs = os.pipe()
    try:
        started = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=log_fd,
            pass_fds=[*fds, theirs],
            process_group=0,
        )
    except BaseException:
        os.close(sentinel)
        raise
    finally:
        os.close(theirs)
    started.returncode = 0  # that object must not wait for it
    return Child(started.pid, sentinel)


class GuardedChild:
    """A process that the guardian has started, until it and everything it has started are gone."""

    def __init__(self, guard: Guard, pid: int, handle: int, line: socket.socket) -> None:
        self.pid = pid
        self.is_orphaned = False  # the guardian died, and the actor with it
        self._guard, self._handle, self._line = guard, handle, line

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when it and all it has started are gone."""
        return self._line.fileno()

    def kill(self) -> None:
        """Kill the process; the guardian kills what it leaves."""
        with contextlib.suppress(OSError):  # it is dead
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def reap(self) -> int | None:
        """Return its exit code; −n is signal n. None if the guardian has died."""
        said = self._line.recv(CODE)
        self.is_orphaned = len(said) < CODE
        return None if self.is_orphaned else int.from_bytes(said, "big", signed=True)

    def is_group_gone(self) -> bool:
        """Return whether nothing is left of it; only a dead guardian leaves something."""
        return not (self.is_orphaned and self._guard.end_orphans())

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._handle)
        self._line.close()


class Child:
    """A started process, until it and its process group are gone.

    This is for systems without a guardian. Its process id cannot refer to another process
    meanwhile, because a dead process is not reaped before its group has been killed.
    """

    def __init__(self, pid: int, sentinel: int) -> None:
        self.pid = pid
        self.is_orphaned = False
        self._sentinel = sentinel
        self._lock = threading.Lock()
        self._reaped = False

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the process is dead."""
        return self._sentinel

    def kill(self) -> None:
        """Kill the process and everything in its group."""
        with self._lock:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)

    def reap(self) -> int | None:
        """Kill the group of the dead process and return its exit code; −n is signal n.

        Returns None if somebody else has reaped it.
        """
        self.kill()
        with self._lock:
            self._reaped = True
            try:
                return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except ChildProcessError:
                return None

    def is_group_gone(self) -> bool:
        """Return whether nothing is left of the group of a reaped process."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self.pid, os.WNOHANG)[0]:  # orphans, if we are their reaper
                pass
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return not any(_living(self.pid))

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._sentinel)


def _living(group: int) -> Iterator[int]:
    """Yield the members of a process group, without zombies that nobody waits for."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_bytes().rpartition(b")")[2].split()
        except OSError:  # gone in the meantime
            continue
        if int(fields[2]) == group and fields[0] not in (b"Z", b"X"):
            yield int(path.parent.name)

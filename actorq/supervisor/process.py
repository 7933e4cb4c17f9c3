"""Start an actor's process, and know for certain when it and its group are gone.

`multiprocess` makes the process; its launcher is replaced by one that gives the child its own
process group, environment and output before the child's first instruction. Set later, or by
the child itself, a numeric library would already have read its thread count, and a signal to
the terminal's group could already have reached it.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from multiprocess import popen_spawn_posix, process, reduction, spawn
from multiprocess.context import SpawnProcess, set_spawning_popen

from actorq.supervisor.guard import Guard, signals_held_back
from actorq.supervisor.guardian import CODE


class _Launcher(popen_spawn_posix.Popen):  # type: ignore[misc]
    """Launch a spawned process into a group of its own."""

    def _launch(self, child: ActorProcess) -> None:
        data = self._described(child)
        child_r, self.parent_w = os.pipe()
        try:
            self._execute(child, child_r)
        except BaseException:
            os.close(self.parent_w)
            raise
        finally:
            os.close(child_r)
        # Far below the size of a pipe: everything large travels in the first frame.
        with contextlib.suppress(BrokenPipeError):
            os.write(self.parent_w, data)

    def _described(self, child: ActorProcess) -> bytes:
        """Return what the spawned interpreter needs, without the user's main module.

        The actor loads that itself, if the handler is in there: guarded, and reported.
        """
        preparation = spawn.get_preparation_data(child.name)
        preparation.pop("init_main_from_name", None)
        preparation.pop("init_main_from_path", None)
        data = io.BytesIO()
        set_spawning_popen(self)
        try:
            reduction.dump(preparation, data)
            reduction.dump(child, data)
        finally:
            set_spawning_popen(None)
        return data.getvalue()

    def _execute(self, child: ActorProcess, child_r: int) -> None:
        # Without a tracker of resources: an actor that needs one starts its own.
        # The name at its end is for people who list processes.
        command = [*spawn.get_command_line(pipe_handle=child_r), child.name]
        fds = [child_r, *self._fds, *child.fds]
        if child.guard is not None:
            started = child.guard.spawn(command, child.env, child.log_fd, fds)
            self.pid, self.pidfd, self.line = started
            self.sentinel = self.line.fileno()
            return
        self.sentinel, child_w = os.pipe()
        try:
            self.pid = _executed(command, child, [*fds, child_w])
        except BaseException:
            os.close(self.sentinel)
            raise
        finally:
            os.close(child_w)


def _executed(command: list[str], child: ActorProcess, fds: Sequence[int]) -> int:
    """Start a child of our own and return its number."""
    started = subprocess.Popen(
        command,
        env=child.env,
        stdin=subprocess.DEVNULL,
        stdout=child.log_fd,
        stderr=child.log_fd,
        pass_fds=fds,
        process_group=0,
    )
    started.returncode = 0  # waiting for it is not that object's business
    return started.pid


class ActorProcess(SpawnProcess):  # type: ignore[misc]
    """Be a process of the spawn method with an environment, output and descriptors of its own."""

    env: dict[str, str]
    fds: Sequence[int]
    log_fd: int
    guard: Guard | None

    @staticmethod
    def _Popen(child: ActorProcess) -> _Launcher:
        return _Launcher(child)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of what is sent what the child has already."""
        return {k: v for k, v in self.__dict__.items() if k not in ActorProcess.__annotations__}


def start(
    target: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    name: str,
    env: dict[str, str],
    log_fd: int,
    fds: Sequence[int],
    guard: Guard | None,
) -> Child | GuardedChild:
    """Start a process, by the guard if there is one; raises OSError if there is none to be had."""
    started = ActorProcess(target=target, args=args, name=name, daemon=False)
    started.env, started.fds, started.log_fd, started.guard = env, fds, log_fd, guard
    with signals_held_back():
        started.start()
    # Or every later start would wait for this one's end, and so would interpreter exit.
    process._children.discard(started)
    return Child(started._popen) if guard is None else GuardedChild(started._popen, guard)


class GuardedChild:
    """Hold a process that the guardian has started until it and all its own are gone."""

    def __init__(self, popen: _Launcher, guard: Guard) -> None:
        self.pid: int = popen.pid
        self.is_orphaned = False  # the guardian died, and the actor with it
        self._popen, self._guard = popen, guard

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the process and its own are gone."""
        return int(self._popen.line.fileno())

    def kill(self) -> None:
        """Kill the process; the guardian kills what it leaves."""
        with contextlib.suppress(OSError):  # it is dead
            signal.pidfd_send_signal(self._popen.pidfd, signal.SIGKILL)

    def reap(self) -> int | None:
        """Return its exit code; −n is signal n. None if the guardian has died."""
        said = self._popen.line.recv(CODE)
        self.is_orphaned = len(said) < CODE
        return None if self.is_orphaned else int.from_bytes(said, "big", signed=True)

    def is_group_gone(self) -> bool:
        """Return whether nothing is left of it; only a guardian that died leaves some."""
        return not (self.is_orphaned and self._guard.end_orphans())

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._popen.parent_w)
        os.close(self._popen.pidfd)
        self._popen.line.close()


class Child:
    """Hold a started process until it and all it has started are gone, as far as groups tell.

    This is for systems without a guardian. Its number cannot mean somebody else meanwhile: a
    dead process is not waited for before its group has been killed.
    """

    def __init__(self, popen: _Launcher) -> None:
        self.pid: int = popen.pid
        self.is_orphaned = False
        self._popen = popen
        self._lock = threading.Lock()
        self._reaped = False

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the process is dead."""
        return int(self._popen.sentinel)

    def kill(self) -> None:
        """Kill the process and everything in its group."""
        with self._lock:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)

    def reap(self) -> int | None:
        """Kill the group of the dead process and return its exit code; −n is signal n.

        None if somebody else has waited for it.
        """
        self.kill()
        with self._lock:
            self._reaped = True
            code: int | None = self._popen.wait()
            return code

    def is_group_gone(self) -> bool:
        """Return whether nothing is left of the group of a reaped process."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self.pid, os.WNOHANG)[0]:  # orphans, where we are their reaper
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
        os.close(self._popen.sentinel)
        os.close(self._popen.parent_w)


def _living(group: int) -> Iterator[int]:
    """Yield the members of a process group that are more than zombies nobody waits for."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_bytes().rpartition(b")")[2].split()
        except OSError:  # gone while we looked
            continue
        if int(fields[2]) == group and fields[0] not in (b"Z", b"X"):
            yield int(path.parent.name)

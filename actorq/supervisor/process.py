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

from multiprocess import popen_spawn_posix, process, reduction, resource_tracker, spawn
from multiprocess.context import SpawnProcess, set_spawning_popen

_HELD_BACK = (signal.SIGINT, signal.SIGTERM)


class _Launcher(popen_spawn_posix.Popen):  # type: ignore[misc]
    """Launch a spawned process into a group of its own."""

    def _launch(self, child: ActorProcess) -> None:
        data = self._described(child)
        self.sentinel, child_w = os.pipe()
        child_r, self.parent_w = os.pipe()
        try:
            self.pid = self._execute(child, child_r, child_w)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(child_w)
            os.close(child_r)
        # Far below the size of a pipe: everything large travels in the first frame.
        with contextlib.suppress(BrokenPipeError):
            os.write(self.parent_w, data)

    def close(self) -> None:
        """Close what tells the child that its parent lives, and the parent that it does."""
        os.close(self.sentinel)
        os.close(self.parent_w)

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

    def _execute(self, child: ActorProcess, child_r: int, child_w: int) -> int:
        tracker = resource_tracker.getfd()
        command = spawn.get_command_line(tracker_fd=tracker, pipe_handle=child_r)
        started = subprocess.Popen(
            command,
            env=child.env,
            stdin=subprocess.DEVNULL,
            stdout=child.log_fd,
            stderr=child.log_fd,
            pass_fds=[tracker, child_r, child_w, *self._fds, *child.fds],
            process_group=0,
        )
        started.returncode = 0  # waiting for it is not that object's business
        return started.pid


class ActorProcess(SpawnProcess):  # type: ignore[misc]
    """Be a process of the spawn method with an environment, output and descriptors of its own."""

    env: dict[str, str]
    fds: Sequence[int]
    log_fd: int

    @staticmethod
    def _Popen(child: ActorProcess) -> _Launcher:
        return _Launcher(child)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of what is sent what the child has already."""
        return {k: v for k, v in self.__dict__.items() if k not in ("env", "fds", "log_fd")}


class Child:
    """Hold a started process until it and all it has started are gone.

    Its number cannot mean somebody else meanwhile: a dead process is not waited for before
    its group has been killed.
    """

    def __init__(self, started: ActorProcess) -> None:
        self.pid: int = started.pid
        self._popen = started._popen
        self._lock = threading.Lock()
        self._reaped = False
        self._pidfd = _pidfd(self.pid)

    @classmethod
    def start(
        cls,
        target: Callable[..., Any],
        args: tuple[Any, ...],
        *,
        name: str,
        env: dict[str, str],
        log_fd: int,
        fds: Sequence[int],
    ) -> Child:
        """Start a process; raises OSError if the system has none to give."""
        started = ActorProcess(target=target, args=args, name=name, daemon=False)
        started.env, started.fds, started.log_fd = env, fds, log_fd
        resource_tracker.ensure_running()  # here, for its start would unblock the signals
        with _signals_held_back():
            started.start()
        # Or every later start would wait for this one's end, and so would interpreter exit.
        process._children.discard(started)
        return cls(started)

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the process is dead."""
        return self._pidfd if self._pidfd is not None else int(self._popen.sentinel)

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
        if self._pidfd is not None:
            os.close(self._pidfd)
        self._popen.close()


def _pidfd(pid: int) -> int | None:
    """Return a descriptor of a process, None where the system has no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _living(group: int) -> Iterator[int]:
    """Yield the members of a process group that are more than zombies nobody waits for."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_bytes().rpartition(b")")[2].split()
        except OSError:  # gone while we looked
            continue
        if int(fields[2]) == group and fields[0] not in (b"Z", b"X"):
            yield int(path.parent.name)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Block signals, in this thread and in what is started, until the child can ignore them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""How a process ended, in words and as a cause."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec

from actorq.core.job.model import Cause, ErrorInfo


class ExitInfo(msgspec.Struct, frozen=True):
    """How an actor's process ended: by a code, a signal, or without ever having started.

    `problem` is why the supervisor itself had to end it, if it had to.
    """

    code: int | None = None
    signal: str | None = None
    oom: bool = False
    problem: str = ""
    stack: str = ""  # where the handler was when it crashed

    @property
    def cause(self) -> Cause:
        """Return the cause to record with the job that was running."""
        if self.oom:
            return "oom"
        return "exit" if self.signal is None else "signal"

    def error(self) -> ErrorInfo:
        """Return the exit as the failure of the job that was running."""
        return ErrorInfo("ActorDied", self.text, self.stack, self.cause)

    @property
    def text(self) -> str:
        """Return one sentence."""
        if self.problem:
            return f"the actor was ended: {self.problem}"
        if self.oom:
            return "the actor was killed for lack of memory"
        if self.signal is not None:
            return f"the actor was ended by {self.signal}"
        if self.code is None:
            return "the actor has ended, and its exit code is not known"
        return f"the actor left with exit code {self.code}"


CRASHES = frozenset({"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"})
"""The signals at which faulthandler prints where the threads were."""


def exit_info(status: int | None, oom: bool, problem: str, stack: str = "") -> ExitInfo:
    """Return the ExitInfo for what `subprocess` calls a return code: −n is signal n.

    `stack` is the last stack that the process printed; a child of it may have printed it.
    """
    if status is None or status >= 0:
        return ExitInfo(code=status, problem=problem)
    try:
        name = signal.Signals(-status).name
    except ValueError:  # a real-time signal has a number only
        name = f"signal {-status}"
    oom, stack = oom and -status == signal.SIGKILL, stack if name in CRASHES else ""
    return ExitInfo(signal=name, oom=oom, problem=problem, stack=stack)


class OomCounter:
    """A counter of kills in this control group for lack of memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or _own_events()
        self._last = self._read()

    def has_risen(self) -> bool:
        """Return whether there was such a kill since the last call."""
        before, self._last = self._last, self._read()
        return self._last > before

    def _read(self) -> int:
        if self._path is None:
            return 0
        try:
            fields = dict(line.split() for line in self._path.read_text().splitlines())
            return int(fields["oom_kill"])
        except (OSError, ValueError, KeyError):
            return 0


def _own_events() -> Path | None:
    """Return the events file of this process's control group, if the system has it."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("0::"):
            path = Path("/sys/fs/cgroup") / line[3:].lstrip("/") / "memory.events"
            return path if os.access(path, os.R_OK) else None
    return None

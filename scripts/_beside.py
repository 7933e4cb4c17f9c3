"""Steps that run one after the other beside something else: their output is kept and shown later.

Only the standard library, and a syntax old enough for `_env` to explain an old Python.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from typing import NamedTuple

import _env

PATIENCE_S = 30
"""An interrupted pytest stops its servers first: this is ten times what that takes."""


class Step(NamedTuple):
    """A command with a name, and what its environment has besides."""

    name: str
    command: list[str]
    more: dict[str, str] = {}  # noqa: RUF012 - never changed


class Done(NamedTuple):
    """A step that has ended: its exit code, how long it took, and all that it said."""

    name: str
    code: int
    s: float
    said: str


class Lane(threading.Thread):
    """Steps of which each begins when the one before has ended, whether it has failed or not."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__(daemon=True)
        self._steps = steps
        self._process: subprocess.Popen | None = None
        self._lock = threading.Lock()
        self._ended = False
        self.done: list[Done] = []

    def run(self) -> None:
        """Run the steps."""
        for step in self._steps:
            began = time.monotonic()
            with tempfile.TemporaryFile() as file:
                try:
                    process = self._start(step, file)
                    if process is None:
                        return
                    code = process.wait()
                except OSError as error:
                    file.write(str(error).encode())
                    code = 1
                file.seek(0)
                said = file.read().decode(errors="replace")
            self.done.append(Done(step.name, code, time.monotonic() - began, said))
            if code and not self._ended:
                _env.say(f"{step.name} failed; what it said follows at the end")

    def _start(self, step: Step, file) -> subprocess.Popen | None:
        with self._lock:
            if self._ended:
                return None
            env = dict(_env.caches(), **step.more)
            null = subprocess.DEVNULL
            self._process = _started(
                step.command, env=env, stdin=null, stdout=file, stderr=subprocess.STDOUT
            )
            return self._process

    def failed(self) -> list[str]:
        """Return the names of the steps that have failed, and of those that could not be run."""
        good = {done.name for done in self.done if not done.code}
        return [step.name for step in self._steps if step.name not in good]

    def end(self) -> None:
        """End the step that runs, with all its processes, and begin no other."""
        with self._lock:
            self._ended = True
        if self._process is not None:
            _end(self._process)
        if self.ident is not None:
            self.join()


def ran(command: list[str]) -> int:
    """Run a command and return its exit code; if we are told to end, so is all of it."""
    process = _started(command, env=_env.caches())
    try:
        return process.wait()
    finally:
        _end(process)


def _started(command: list[str], **more) -> subprocess.Popen:
    """Start a command as a group of its own: ended once, by us, and with all that it starts."""
    return subprocess.Popen(command, cwd=_env.ROOT, start_new_session=True, **more)


def _end(process: subprocess.Popen) -> None:
    """Interrupt the group of a process that runs; kill it if that has no effect."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)


def marked(done: Done) -> str:
    """Return what a step said; no line of it can be taken for another step's."""
    return "".join(f"{done.name} | {line}\n" for line in done.said.splitlines())

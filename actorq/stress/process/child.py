"""A child process that Ctrl-C reaches only through its parent, and whose output is kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

TAIL_BYTES = 4000


class LoggedChild:
    """A process in a session of its own, so that Ctrl-C reaches it only through us."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        *,
        talks: bool = False,
    ) -> None:
        pipe = subprocess.PIPE if talks else None
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                list(command),
                env={**os.environ, **env},
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    @property
    def runs(self) -> bool:
        """Return whether it has not ended."""
        return self.process.poll() is None

    def stop(self, wait_s: float) -> None:
        """Ask it to stop, and kill it if it does not within `wait_s`."""
        if self.runs:
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(wait_s)
        self.kill()

    def kill(self) -> None:
        """Kill it if it runs, and wait for its end."""
        if self.runs:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def tail(self) -> str:
        """Return the end of what it wrote."""
        data = self.log.read_bytes() if self.log.exists() else b""
        return data[-TAIL_BYTES:].decode(errors="replace").strip()

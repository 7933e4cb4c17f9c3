"""Another process that holds an embedded server, to be told to leave or killed.

It prints the server's process id once it holds it, and leaves when its stdin closes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAM = """
import os, signal, sys
from actorq import embedded
signal.signal(signal.SIGINT, signal.SIG_IGN)
server = embedded.start(sys.argv[1], durable="relaxed" not in sys.argv)
if "fork" in sys.argv:
    child = os.fork()
    if child == 0:
        server.close()
        sys.exit()
    os.waitpid(child, 0)
print(server.pid, flush=True)
sys.stdin.read()
if "close" in sys.argv:
    server.close()
"""


class Holder:
    """Hold the server in `home` from a process of its own."""

    def __init__(self, home: Path, *words: str, through: Sequence[str] = ()) -> None:
        """Start the process, by the command `through`; it may still be starting the server."""
        self._process = subprocess.Popen(
            [*through, sys.executable, "-c", PROGRAM, str(home), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def wait_for_server(self) -> int:
        """Return the process id of the server it holds."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the holder ended before it had a server"
        return int(line)

    def leave(self) -> None:
        """Let it end as a program does."""
        self._process.communicate(timeout=30)
        assert self._process.returncode == 0

    def kill(self) -> None:
        """Kill it without a chance to tidy up."""
        self._process.kill()
        self._process.communicate(timeout=30)

"""A program on a terminal of its own, whose screen can be read and resized."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping

import pyte

ALTERNATE, BACK = b"\x1b[?1049h", b"\x1b[?1049l"


class Screened:
    """A process, and the screen of its terminal."""

    def __init__(self, words: list[str], env: Mapping[str, str], columns: int, rows: int) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.sent = b""  # all that the process has written
        self.fd, theirs = pty.openpty()
        self._set_size(columns, rows)
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "actorq", *words],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**env, "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"},
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        self._theirs = theirs

    def read(self, wait_s: float = 0.05) -> str:
        """Take what was written, and return what stands on the screen."""
        while select.select([self.fd], [], [], wait_s)[0]:
            data = os.read(self.fd, 65536)
            self.sent += data
            self._stream.feed(data)
        return self.text

    @property
    def text(self) -> str:
        """Return what stands on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.fd, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        self.screen.resize(rows, columns)
        self._set_size(columns, rows)

    @property
    def is_clean(self) -> bool:
        """Tell whether the terminal is as it was: its modes, its first screen, its cursor."""
        self.read()
        same = termios.tcgetattr(self._theirs) == self.before
        shown = self.sent.rfind(b"\x1b[?25h") > self.sent.rfind(b"\x1b[?25l")
        return same and shown and self.sent.rfind(BACK) > self.sent.rfind(ALTERNATE)

    def close(self) -> None:
        """End the process, and the terminal."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for fd in (self.fd, self._theirs):
            with contextlib.suppress(OSError):
                os.close(fd)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextlib.contextmanager
def screened(
    *words: str, env: Mapping[str, str], columns: int = 80, rows: int = 24
) -> Iterator[Screened]:
    """Run a command on a terminal."""
    made = Screened(list(words), env, columns, rows)
    try:
        yield made
    finally:
        made.close()

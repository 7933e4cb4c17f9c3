"""What an actor prints, cut into lines that are safe to log. No I/O.

An actor can print binary data without end; a log line is bounded and printable, and there are
only so many per second.
"""

from __future__ import annotations

import logging

from actorq.actor.loop import LEVEL_MARK
from actorq.escape import escape

MAX_LINE = 8 * 1024
MAX_LINES_PER_S = 1000

_LEVELS = {str(level): level for level in (10, 20, 30, 40, 50)}


class LogLines:
    """Cut the output of one actor into (level, text) lines."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False  # within a line whose beginning was long enough
        self._since = float("-inf")
        self._n_lines = 0
        self._n_dropped = 0

    def feed(self, data: bytes, now: float) -> list[tuple[int, str]]:
        """Return the lines that are complete, or long enough not to wait for their end."""
        *lines, rest = (self._rest + data).split(b"\n")
        if self._skipping and lines:
            lines[0], self._skipping = b"", False
        if len(rest) > MAX_LINE:
            if not self._skipping:
                lines.append(rest)
            rest, self._skipping = b"", True
        self._rest = rest
        return self._admitted([line for line in lines if line.strip()], now)

    def end(self, now: float) -> list[tuple[int, str]]:
        """Return the last line, which has no end."""
        lines = [] if self._skipping or not self._rest.strip() else [self._rest]
        self._since = float("-inf")
        return self._admitted(lines, now)

    def _admitted(self, lines: list[bytes], now: float) -> list[tuple[int, str]]:
        said = []
        if now >= self._since + 1.0:
            if self._n_dropped:
                said.append((logging.WARNING, f"({self._n_dropped:,} lines were dropped)"))
            self._since, self._n_lines, self._n_dropped = now, 0, 0
        room = max(0, MAX_LINES_PER_S - self._n_lines)
        self._n_lines += min(room, len(lines))
        self._n_dropped += max(0, len(lines) - room)
        return said + [_read(line) for line in lines[:room]]


def _read(line: bytes) -> tuple[int, str]:
    """Return a line's level, INFO where it was merely printed, and its text."""
    text = line[: MAX_LINE + 1].decode("utf-8", "backslashreplace").rstrip()
    level = logging.INFO
    if text.startswith(LEVEL_MARK):
        _, number, text = (text + LEVEL_MARK).split(LEVEL_MARK, 2)
        level = _LEVELS.get(number, logging.INFO)
        text = text.rstrip(LEVEL_MARK).replace(LEVEL_MARK, "\n")
    return level, escape(text, MAX_LINE)

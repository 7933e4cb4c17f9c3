"""What an actor prints, cut into lines that are safe to log. No I/O.

An actor can print binary data without end; a log line is limited and printable, and so is their
number per second. What a carriage return has overwritten on a terminal, as progress bars do ten
times a second, is not logged.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

from actorq.actor.loop import LEVEL_MARK
from actorq.escape import escape

MAX_LINE = 8 * 1024
MAX_LINES_PER_S = 1000

PROGRESS_S = 10.0
"""How often to log a line that is overwritten again and again before it ends."""

_RECORD = re.compile(rf"{LEVEL_MARK}(\d\d){LEVEL_MARK}")
_LEVELS = {str(level): level for level in (10, 20, 30, 40, 50)}


class OutputLines:
    """The output of one actor, cut into (level, text) lines."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False  # within a line of which enough was logged
        self._overwritten_at: float | None = None  # when such a line was logged last, or began
        self._since = float("-inf")
        self._n_lines = 0
        self._n_dropped = 0

    def feed(self, data: bytes, now: float) -> list[tuple[int, str]]:
        """Return the lines that are complete, or too long to wait for their end."""
        *lines, rest = (self._rest + data).split(b"\n")
        if self._skipping and lines:
            lines[0], self._skipping = b"", False
        lines = [_visible(line) for line in lines]
        rest = _visible(rest) + b"\r" * rest.endswith(b"\r")
        if self._is_progress_due(b"\r" in data.rpartition(b"\n")[2], bool(lines), now):
            lines.append(rest)
        if len(rest) > MAX_LINE:
            if not self._skipping:
                lines.append(rest)
            rest, self._skipping = b"", True
        self._rest = rest
        return self._admitted([line for line in lines if line.strip()], now)

    def _is_progress_due(self, is_overwritten: bool, has_ended: bool, now: float) -> bool:
        """Return whether to log a line that has not ended as it is now."""
        if has_ended:
            self._overwritten_at = None
        if not is_overwritten:
            return False
        since = now if self._overwritten_at is None else self._overwritten_at
        is_due = now >= since + PROGRESS_S
        self._overwritten_at = now if is_due else since
        return is_due

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
        return said + [one for line in lines[:room] for one in _read(line)]


def _visible(line: bytes) -> bytes:
    """Return roughly what a terminal would show of a line: what follows its last return."""
    return line.rstrip(b"\r").rpartition(b"\r")[2]


def _read(line: bytes) -> Iterator[tuple[int, str]]:
    """Yield the text of a line and its level, which is INFO if it was merely printed.

    A log record can follow output without a line end, like a progress bar: these are two lines.
    """
    text = line[: MAX_LINE + 1].decode("utf-8", "backslashreplace").rstrip()
    record = _RECORD.search(text)
    if record is not None and text[: record.start()].strip():
        yield _leveled(text[: record.start()].rstrip())
        text = text[record.start() :]
    yield _leveled(text)


def _leveled(text: str) -> tuple[int, str]:
    level = logging.INFO
    if text.startswith(LEVEL_MARK):
        _, number, text = (text + LEVEL_MARK).split(LEVEL_MARK, 2)
        level = _LEVELS.get(number, logging.INFO)
        return level, _lines(text.rstrip(LEVEL_MARK).split(LEVEL_MARK))
    return level, escape(text, MAX_LINE)


def _lines(parts: list[str]) -> str:
    """Return a record of several lines, each escaped, and all but the first indented.

    By that nobody takes one of them for a record of its own.
    """
    lines = [escape(part) for part in parts]
    text = "\n    ".join(lines)
    return text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 3]}..."

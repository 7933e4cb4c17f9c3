"""What an actor prints, cut into lines that are safe to log. No I/O.

An actor can print binary data without end; a log line is limited and printable, and so is their
number per second. What a carriage return has overwritten on a terminal, as progress bars do ten
times a second, is not logged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from actorq.escape import escape
from actorq.pipe.logline import MARK, MAX_RECORD, LogLine, decoded

MAX_LINE = 8 * 1024
MAX_LINES_PER_S = 1000

PROGRESS_S = 10.0
"""How often to log a line that is overwritten again and again before it ends."""

TRACEBACK = b"Traceback (most recent call last):"
"""How a printed traceback begins. It goes on until a line that is not indented, its last."""

_LEVELS = (10, 20, 30, 40, 50)


class OutputLines:
    """The output of one actor, cut into log records and printed lines."""

    def __init__(self) -> None:
        self._rest = b""
        self._traceback: list[bytes] = []  # a printed one that has not ended yet
        self._skipping = False  # within a line of which enough was logged
        self._overwritten_at: float | None = None  # when such a line was logged last, or began
        self._since = float("-inf")
        self._n_lines = 0
        self._n_dropped = 0

    def feed(self, data: bytes, now: float) -> list[LogLine]:
        """Return the lines that are complete, or too long to wait for their end."""
        *lines, rest = (self._rest + data).split(b"\n")
        if self._skipping and lines:
            lines[0], self._skipping = b"", False
        lines = [_visible(line) for line in lines]
        rest = _visible(rest) + b"\r" * rest.endswith(b"\r")
        if self._is_progress_due(b"\r" in data.rpartition(b"\n")[2], bool(lines), now):
            lines.append(rest)
        if len(rest) > (MAX_RECORD if MARK in rest else MAX_LINE):
            if not self._skipping:
                lines.append(rest)
            rest, self._skipping = b"", True
        self._rest = rest
        return self._admitted(self._joined([line for line in lines if line.strip()]), now)

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

    def _joined(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines, those of a printed traceback as one; one that goes on is kept."""
        joined: list[bytes] = []
        for line in lines:
            if self._traceback and not _is_record(line):
                self._traceback.append(line)
                if line[:1].isspace() and sum(map(len, self._traceback)) < MAX_LINE:
                    continue
                joined += self._whole_traceback()
            elif line.startswith(TRACEBACK):
                self._traceback = [line]
            else:
                joined += [*self._whole_traceback(), line]
        return joined

    def _whole_traceback(self) -> list[bytes]:
        lines, self._traceback = self._traceback, []
        return [b"\n".join(lines)] if lines else []

    def end(self, now: float) -> list[LogLine]:
        """Return the last line, which has no end."""
        lines = [] if self._skipping or not self._rest.strip() else [self._rest]
        lines = self._joined(lines) + self._whole_traceback()
        self._since = float("-inf")
        return self._admitted(lines, now)

    def _admitted(self, lines: list[bytes], now: float) -> list[LogLine]:
        said = []
        if now >= self._since + 1.0:
            if self._n_dropped:
                dropped = f"({self._n_dropped:,} lines were dropped)"
                said.append(LogLine(dropped, logging.WARNING))
            self._since, self._n_lines, self._n_dropped = now, 0, 0
        room = max(0, MAX_LINES_PER_S - self._n_lines)
        self._n_lines += min(room, len(lines))
        self._n_dropped += max(0, len(lines) - room)
        return said + [one for line in lines[:room] for one in _read(line)]


def _visible(line: bytes) -> bytes:
    """Return roughly what a terminal would show of a line: what follows its last return."""
    return line.rstrip(b"\r").rpartition(b"\r")[2]


def _is_record(line: bytes) -> bool:
    return MARK in line


def _read(line: bytes) -> Iterator[LogLine]:
    """Yield the records in a line; what was merely printed is INFO.

    A log record can follow output without a line end, like a progress bar: these are two lines.
    """
    printed, mark, rest = line.partition(MARK)
    record = decoded(mark[1:] + rest) if mark else None
    if record is None:
        yield _printed(line)
        return
    if printed.strip():
        yield _printed(printed)
    yield msgspec.structs.replace(
        record, level=record.level if record.level in _LEVELS else logging.INFO
    )


def _printed(line: bytes) -> LogLine:
    text = line[: MAX_LINE + 1].decode("utf-8", "backslashreplace").rstrip()
    return LogLine(text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 3]}...")


def shown(line: LogLine) -> str:
    """Return a line as text: each line of it escaped, and all but the first indented.

    By that nobody takes one of them for a record of its own. What is too long is cut in its middle,
    because a traceback ends with the error.
    """
    text = f"{line.logger}: {line.message}" if line.logger else line.message
    lines = "\n".join(filter(None, (text, line.exc))).split("\n")
    shown = "\n    ".join(map(escape, lines))
    half = MAX_LINE // 2
    return shown if len(shown) <= MAX_LINE else f"{shown[: half - 3]}...{shown[-half:]}"

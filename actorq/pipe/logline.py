"""One line of an actor's log on its way to the supervisor: what was said, where, about which job.

A record is RS and one JSON object on a line of its own, as in RFC 7464, among whatever else the
actor prints. The JSON is pure ASCII, so neither a locale nor a line end within a text breaks it.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

MARK = b"\x1e{"
"""How a record begins; nothing but a record separator and an object."""

MAX_RECORD = 64 * 1024
"""The longest record that a supervisor reads, in bytes."""


class LogLine(msgspec.Struct, frozen=True):
    """A log record, or a printed line, which has a text and nothing else."""

    message: str
    level: int = 20
    logger: str = ""
    exc: str = ""
    created: float | None = None
    batch: int | None = None
    job: int | None = None
    attempt: int | None = None
    extra: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(LogLine)


def encoded(line: LogLine) -> str:
    """Return a record as one line of ASCII; its texts and extra fields must be bounded already.

    Where they are still too long together, the extra fields are left out and the texts cut.
    """
    text = _dumped(line)
    if len(text) > MAX_RECORD:
        room = MAX_RECORD // 32  # an escape has up to 12 characters, and there are two texts
        message, exc = line.message[:room], line.exc[-room:]
        text = _dumped(msgspec.structs.replace(line, message=message, exc=exc, extra={}))
    return text


def _dumped(line: LogLine) -> str:
    given = {name: value for name, value in msgspec.structs.asdict(line).items() if value}
    return "\x1e" + json.dumps({"message": line.message, **given})


def decoded(data: bytes) -> LogLine | None:
    """Return the record that a line is, without its RS; None if it is none."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None

"""What happened, written outside of the database: one file of JSON lines per process.

A line is written by one `write` to a file that is only appended to, so that a process killed
at any instant leaves whole lines and at most one torn one at the end. Times are
CLOCK_MONOTONIC in nanoseconds, which all processes of a machine share.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TAIL = 4 << 20
"""More than any one line has, in bytes."""

SUPERVISOR = "TORTURE_SUPERVISOR"
"""The variable by which an actor knows whose it is."""


class Writer:
    """Append lines to this process's own file."""

    def __init__(self, directory: Path, what: str) -> None:
        name = f"{what}-{os.getpid()}-{time.monotonic_ns()}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(directory / name, flags, 0o644)

    def write(self, what: str, *values: Any) -> None:
        """Append `[what, now, *values]`."""
        line = json.dumps([what, time.monotonic_ns(), *values], separators=(",", ":"))
        os.write(self._fd, line.encode() + b"\n")


def read(path: Path, tail: int | None = None) -> Iterator[list[Any]]:
    """Yield the lines of one file, without the torn one that a kill may have left.

    `tail` says how many bytes of its end suffice.
    """
    with path.open("rb") as file:
        if tail is not None and path.stat().st_size > tail:
            file.seek(-tail, os.SEEK_END)
            file.readline()
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def files(directory: Path, what: str) -> list[Path]:
    """Return the files of all processes of one sort."""
    return sorted(directory.glob(f"{what}-*.jsonl"))

"""What actors note of each batch that ran to its end: when, and which jobs it had.

One file per actor, appended to by one write per batch: begin and end in seconds since 1970, the
number of jobs, their ids. The end of a file may be half a record, of an actor that was killed.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

HEAD = struct.Struct("=ddI")
ID_BYTES = 8


class Ran(NamedTuple):
    """A batch that ran to its end."""

    begun: float
    ended: float
    ids: array[int]


class Notes:
    """The file of one actor."""

    def __init__(self, directory: Path) -> None:
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
        self._fd = os.open(directory / f"ran-{os.getpid()}", flags, 0o600)

    def add(self, begun: float, ended: float, ids: Sequence[int]) -> None:
        """Note one batch."""
        os.write(self._fd, HEAD.pack(begun, ended, len(ids)) + array("q", ids).tobytes())

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


class NotesReader:
    """All files of a directory; each reading goes on where the last one ended."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._places: dict[Path, int] = {}

    def new(self) -> list[Ran]:
        """Return the batches noted since the last call, in no order."""
        return [ran for path in sorted(self._directory.glob("ran-*")) for ran in self._of(path)]

    def _of(self, path: Path) -> list[Ran]:
        with path.open("rb") as file:
            file.seek(self._places.get(path, 0))
            data = file.read()
        found = list(parsed(data))
        used = sum(HEAD.size + ID_BYTES * len(ran.ids) for ran in found)
        self._places[path] = self._places.get(path, 0) + used
        return found


def parsed(data: bytes) -> Iterator[Ran]:
    """Yield the whole records at the beginning of the data."""
    place = 0
    while place + HEAD.size <= len(data):
        begun, ended, n = HEAD.unpack_from(data, place)
        end = place + HEAD.size + ID_BYTES * n
        if end > len(data):
            return
        yield Ran(begun, ended, array("q", data[place + HEAD.size : end]))
        place = end

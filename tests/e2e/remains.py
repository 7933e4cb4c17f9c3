"""What a scenario leaves behind once everything that it started is over."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import psutil
import psycopg

SHARED = Path("/dev/shm")
SERVERS = "PostgreSQL."
"""How servers call their shared memory, which is theirs: there may be other ones here."""

CONNECTIONS = """
SELECT application_name FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
  AND pid <> pg_backend_pid()
"""


class Remains:
    """Remember what there was at the beginning; tell what is there beyond that.

    Processes are known by the database in their environment, whoever is their parent by now:
    what a killed supervisor leaves behind is nobody's child. Their temporary files go to a
    directory of the scenario's own, for others use the usual one, too.
    """

    def __init__(self, dsn: str, temporary: Path) -> None:
        self._dsn, self._temporary = dsn, temporary
        self._children = set(_children())
        self._open = _open_files()
        self._shared = _names(SHARED)

    def left(self) -> list[str]:
        """Describe whatever is left."""
        return [
            *self._processes(),
            *(f"connection {name!r}" for name in self._connections()),
            *(f"open file {name}" for name in sorted(_open_files() - self._open)),
            *(f"shared memory {name}" for name in self._segments()),
            *(f"temporary file {name}" for name in sorted(_names(self._temporary))),
        ]

    def _processes(self) -> list[str]:
        mine = {p for p in psutil.process_iter() if p.pid != os.getpid() and self._is_ours(p)}
        mine |= set(_children()) - self._children
        return [f"process {p.pid} {_command(p)}" for p in mine if p.is_running()]

    def _is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error, OSError):
            return bool(process.environ().get("ACTORQ_DSN") == self._dsn)
        return False

    def _connections(self) -> list[str]:
        with psycopg.connect(self._dsn, autocommit=True) as conn:
            return [name for (name,) in conn.execute(CONNECTIONS)]

    def _segments(self) -> list[str]:
        """Return new segments; those that some process uses are other programs' own."""
        new = {n for n in _names(SHARED) - self._shared if not n.startswith(SERVERS)}
        return sorted(new - _used(new)) if new else []


def _children() -> list[psutil.Process]:
    return list(psutil.Process().children())


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} if directory.exists() else set()


def _open_files() -> set[str]:
    """Return this process's open files, sockets among them, each with its number."""
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that lists the directory is gone
            found.add(f"{path.name} {path.readlink()}")
    return found


def _used(names: Iterable[str]) -> set[str]:
    """Return which of these segments some process has mapped."""
    maps = []
    for path in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            maps.append(path.read_text())
    return {name for name in names if any(str(SHARED / name) in text for text in maps)}


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        if process.status() == psutil.STATUS_ZOMBIE:
            return "(not waited for)"
        return " ".join(process.cmdline())[:120]
    return "(gone)"

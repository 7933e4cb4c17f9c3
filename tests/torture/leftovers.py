"""What a run has left behind although it is over: processes, sessions, rows, shared memory."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import psycopg

SHARED = Path("/dev/shm")
TABLES = ("lease", "node", "hunger", "ready", "new_change")


def processes(mark: str) -> list[psutil.Process]:
    """Return every process of a run: known by its environment, whoever started it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get("TORTURE_DIRECTORY") == mark:
                found.append(process)
    return found


def strays(mark: str, wait_s: float = 5) -> list[str]:
    """Describe the processes that are left although everything has been ended."""
    deadline = time.monotonic() + wait_s
    while (left := processes(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [f"process {p.pid} {_command(p)}" for p in left if p.is_running()]


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())[:120]
    return "(gone)"


def rows(conn: psycopg.Connection[Any]) -> list[str]:
    """Describe what a stopped fleet should not have left in the database."""
    found = []
    for table in TABLES:
        row = conn.execute(f"SELECT count(*) FROM actorq.{table}".encode()).fetchone()
        if row and row[0]:
            found.append(f"{row[0]} rows of actorq.{table}")
    sessions = conn.execute(
        "SELECT application_name, state FROM pg_stat_activity"
        " WHERE application_name LIKE 'actorq%' AND datname = current_database()"
    ).fetchall()
    return found + [f"a session is left: {session}" for session in sessions]


def segments(pid: int) -> set[Path]:
    """Return the shared memory that a process, or a child of it, has mapped by name."""
    found: set[Path] = set()
    with contextlib.suppress(psutil.Error):
        for process in (psutil.Process(pid), *psutil.Process(pid).children()):
            with contextlib.suppress(psutil.Error, OSError):
                lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
                names = {line.split(maxsplit=5)[-1] for line in lines if f" {SHARED}/" in line}
                found |= {Path(name) for name in names if not name.endswith(" (deleted)")}
    return found


def shared(known: Iterable[Path], temporary: Path) -> list[str]:
    """Describe shared memory and temporary files that nobody needs any more.

    `known` is what a server had mapped; the pages of actors have no names.
    """
    left = {path for path in known if path.exists()}
    return [
        *(f"shared memory {path}" for path in sorted(left)),
        *(f"temporary file {path}" for path in sorted(temporary.iterdir()) if not _probe(path)),
    ]


def _probe(path: Path) -> bool:
    """Tell whether a file is one by which Python tries a directory for temporary files.

    A process that is killed in that very instant leaves it behind, whatever program it runs.
    """
    return len(path.name) == 8 and path.is_file() and path.stat().st_size <= len(b"blat")

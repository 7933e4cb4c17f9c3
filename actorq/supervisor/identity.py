"""Who this process is, in terms that another process on the same host can check."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

from actorq.core.store_values import NodeInfo


def me(ttl_s: float, guardian: int | None = None) -> NodeInfo:
    """Return a new identity: a fresh uuid for each start, and where this process runs.

    `guardian` is the process id of its guardian, if it has one.
    """
    pid = os.getpid()
    return NodeInfo(
        id=str(uuid.uuid4()),
        host=socket.gethostname(),
        pid=pid,
        ttl_s=ttl_s,
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        pid_ns=_link("/proc/self/ns/pid"),
        pid_start=start_of(pid),
        guardian_pid=guardian,
        guardian_start=None if guardian is None else start_of(guardian),
    )


def start_of(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; None if it does not exist.

    A zombie counts as gone. Without /proc no process is known: None.
    """
    stat = _read(f"/proc/{pid}/stat")
    if stat is None:
        return None
    fields = stat.rpartition(")")[2].split()  # the name in parentheses may contain anything
    return None if fields[0] in "ZX" else fields[19]


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None

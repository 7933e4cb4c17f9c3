"""The command line of a private server: settings that fit the machine, and the user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from actorq.embedded.system import memory_mb
from actorq.errors import EmbeddedError

PORT = 5432  # nothing listens on it: it is only part of the socket's name
RELAXED = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def command_line(
    bin: Path, data: Path, socket_dir: Path, durable: bool, own: Mapping[str, str | int]
) -> list[str]:
    """Return how to start `postgres`; `own` settings win over actorq's."""
    settings = _defaults(socket_dir) | ({} if durable else RELAXED) | dict(own)
    command = [str(bin / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            raise EmbeddedError(f"{name!r} is not the name of a PostgreSQL setting")
        command += ["-c", f"{name}={value}"]
    return command


def _defaults(socket_dir: Path) -> dict[str, str | int]:
    quoted = str(socket_dir).replace('"', '""')
    return {
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
        "shared_buffers": f"{min(1024, max(128, memory_mb() // 8))}MB",
        "max_wal_size": "4GB",
        "max_connections": 100,
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }

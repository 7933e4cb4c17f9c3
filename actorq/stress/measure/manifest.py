"""What the figures depend on: versions, the server's settings, the machine, the code."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from actorq.store.admin.run import run
from actorq.store.session.connection import Session
from actorq.stress.measure import machine
from actorq.stress.measure.place import StressPlace

SETTINGS = [
    "server_version", "shared_buffers", "max_wal_size", "wal_level", "wal_compression", "fsync",
    "synchronous_commit", "full_page_writes", "synchronous_standby_names", "max_connections",
    "autovacuum", "checkpoint_timeout", "track_commit_timestamp", "shared_preload_libraries",
    "work_mem", "effective_io_concurrency", "commit_delay",
]  # fmt: skip
PACKAGES = ("actorq", "psycopg", "psycopg-binary", "psycopg-c", "msgspec", "multiprocess", "numpy")
ENVIRONMENT = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONOPTIMIZE",
               "PYTHONDEVMODE", "PYTHONASYNCIODEBUG")  # fmt: skip


def manifest(conn: Session, place: StressPlace, disk: Path, clock_offset_us: int) -> dict[str, Any]:
    """Return all of it; the settings are those that this session sees."""
    rows = run(conn, place.schema, "stress_settings", names=SETTINGS)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "place": place.text,
        "is_local": conn.info.host == "" or conn.info.host.startswith("/"),
        "clock_offset_us": clock_offset_us,
        "settled_at": "the commit" if _by_commit(rows) else "the begin of the statement",
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "git": git_commit(),
        "settings": {row["name"]: row["value"] for row in rows},
        "environment": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        "machine": machine.describe(disk),
    }


def _by_commit(rows: list[dict[str, Any]]) -> bool:
    return any(row["name"] == "track_commit_timestamp" and row["value"] == "on" for row in rows)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git_commit() -> str | None:
    """Return the commit of the checkout that the code is from, None if it is from none."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None

"""pg_dump and pg_restore as an operator runs them, of the server's own version."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from actorq.embedded import binaries
from actorq.errors import EmbeddedError
from tests.support.server import DSN, MAJOR


def programs() -> Path:
    """Return the directory of the programs, or skip: with a server of somebody else's."""
    if DSN:
        pytest.skip("the programs of the server's version are not known")
    try:
        bin_dir = binaries.DEBIAN / MAJOR / "bin" if MAJOR else None
        found = binaries.find(bin_dir=bin_dir).bin
    except EmbeddedError as error:
        pytest.skip(str(error))
    if not (found / "pg_restore").exists():
        pytest.skip(f"no pg_restore in {found}")
    return found


def dump(dsn: str, to: Path, *options: str) -> None:
    """Write a dump in the custom format."""
    command = [str(programs() / "pg_dump"), "-Fc", "-d", dsn, "-f", str(to), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def restore(dsn: str, source: Path, *options: str) -> int:
    """Load a dump, going on after errors as pg_restore does, and return the exit code."""
    command = [str(programs() / "pg_restore"), "-d", dsn, *options, str(source)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode

"""The server that a test session runs on, and databases on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from actorq import embedded
from actorq.embedded import binaries

DSN = os.environ.get("ACTORQ_TEST_DSN")
MAJOR = os.environ.get("ACTORQ_TEST_PG")
A_MINUTE_S = 60
HOMES = Path(tempfile.gettempdir()) / f"actorq-test-{os.geteuid()}"


def own_server(**settings: str | int) -> embedded.Server:
    """Start a server of one's own, not durable; of the version ACTORQ_TEST_PG if set."""
    HOMES.mkdir(mode=0o711, exist_ok=True)
    _tidy_up()
    bin_dir = None
    if MAJOR:
        bin_dir = binaries.DEBIAN / MAJOR / "bin"
        if not bin_dir.exists():
            pytest.exit(f"ACTORQ_TEST_PG={MAJOR}, but there is no {bin_dir}", returncode=4)
    home = HOMES / uuid.uuid4().hex[:12]
    return embedded.start(home, durable=False, bin_dir=bin_dir, settings=settings)


def _tidy_up() -> None:
    """Remove what killed sessions have left; one process at a time, for several start at once."""
    homes = os.open(HOMES, os.O_RDONLY)
    try:
        fcntl.flock(homes, fcntl.LOCK_EX)
        for home in HOMES.iterdir():
            with contextlib.suppress(FileNotFoundError):  # a session that ends right now
                if time.time() - home.stat().st_mtime > A_MINUTE_S:  # else it may be starting
                    embedded.remove(home)  # unless it is in use
    finally:
        os.close(homes)


@contextlib.contextmanager
def running_server() -> Iterator[str]:
    """Yield the connection string of a server on which databases may be made."""
    if DSN:
        yield DSN
        return
    with own_server() as server:
        yield conninfo.make_conninfo(server.dsn, dbname="postgres")
    embedded.remove(server.home)


@contextlib.contextmanager
def database(server: str, template: str | None = None) -> Iterator[str]:
    """Yield the connection string of a fresh database, dropped afterwards with its sessions."""
    name = f"actorq_test_{uuid.uuid4().hex[:12]}"
    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template:
        create += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    _run(server, create)
    try:
        yield conninfo.make_conninfo(server, dbname=name)
    finally:
        _run(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def dbname(dsn: str) -> str:
    """Return the name of the database that a connection string names."""
    return str(conninfo.conninfo_to_dict(dsn)["dbname"])


def _run(server: str, statement: sql.SQL | sql.Composed) -> None:
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(statement)

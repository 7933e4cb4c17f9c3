"""Debian's PgBouncer before the test's server, in the pool mode that is asked for."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from tests.support.wait import wait_until

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
CONFIG = """
[databases]
* = host={host} port={server_port} user={user} pool_size={size}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
server_reset_query = {reset}
server_round_robin = {round_robin}
logfile = {home}/log
pidfile = {home}/pid
"""


@contextlib.contextmanager
def pooled(
    dsn: str, mode: str, *, size: int = 8, reset: str = "DISCARD ALL", round_robin: int = 0
) -> Iterator[str]:
    """Yield the DSN of the same database behind a pooler; skip where there is none."""
    if not os.access(PROGRAM, os.X_OK):
        pytest.skip("pgbouncer is not installed")
    given = conninfo.conninfo_to_dict(dsn)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="actorq-pooler-") as home:
        text = CONFIG.format(
            host=given["host"], server_port=given.get("port") or 5432, user=given["user"],
            size=size, port=port, mode=mode, reset=reset, round_robin=round_robin, home=home,
        )  # fmt: skip
        Path(home, "ini").write_text(text)
        process = subprocess.Popen([PROGRAM, "-q", f"{home}/ini"], **_owner(given["host"], home))
        theirs = conninfo.make_conninfo(dsn, host="127.0.0.1", port=port, sslmode="disable")
        try:
            wait_until(lambda: _answers(theirs), what="the pooler to answer")
            yield theirs
        finally:
            process.terminate()
            process.wait(10)


def _owner(socket_dir: object, home: str) -> dict[str, Any]:
    """Run it as who owns the server's socket: it refuses root, and its directory is closed."""
    if os.geteuid() != 0:
        return {}
    owner = os.stat(str(socket_dir)).st_uid
    user = pwd.getpwuid(owner)
    for path in (Path(home), Path(home, "ini")):
        os.chown(path, owner, user.pw_gid)
    return {"user": owner, "group": user.pw_gid, "extra_groups": []}


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True

"""Servers that turn read-only under a supervisor, and poolers in front of one."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import conninfo

from actorq import embedded
from actorq.core import event
from actorq.store.schema.migrate import migrate
from tests.supervisor.support import Running
from tests.support.pooler import pooled
from tests.support.server import own_server
from tests.support.wait import wait_until

IDLE = {"actorq claimer", "actorq heart", "actorq listener"}
WRITER = "actorq settler"
"""It moves with the next outcome, before it sends anything."""

PIDS = """
    SELECT application_name, pid FROM pg_stat_activity
    WHERE application_name LIKE 'actorq %' AND datname = current_database()
"""


@pytest.fixture
def fenced() -> Iterator[str]:
    """Return a database of a server whose settings may be changed."""
    with own_server() as server:
        migrate(server.dsn)
        yield server.dsn
    embedded.remove(server.home)


def fence(admin: psycopg.Connection, on: bool) -> None:
    admin.execute(f"ALTER SYSTEM SET default_transaction_read_only = {on}".encode())
    admin.execute("SELECT pg_reload_conf()")


def pids(admin: psycopg.Connection) -> dict[str, int]:
    return dict(admin.execute(PIDS).fetchall())


def test_every_connection_leaves_a_server_that_has_turned_read_only(fenced: str) -> None:
    """Also those that do nothing: what the heart learns moves the listener, too."""
    writing = conninfo.make_conninfo(fenced, options="-c default_transaction_read_only=off")
    with psycopg.connect(writing, autocommit=True) as admin:
        running = Running(fenced, ttl_s=1.0)
        try:
            assert running.completes_a_job()
            before = pids(admin)
            assert set(before) >= {*IDLE, WRITER}
            fence(admin, on=True)
            old = {before[name] for name in IDLE}
            wait_until(lambda: not old & set(pids(admin).values()), what="all of them to move")
            fence(admin, on=False)
            assert running.completes_a_job()
            assert pids(admin)[WRITER] != before[WRITER]
            assert not [e for e in running.told if isinstance(e, event.SupervisorFailed)]
        finally:
            fence(admin, on=False)
            running.stop()
    assert running.codes == [0]


def test_a_supervisor_runs_through_a_pooler_by_session(dsn: str) -> None:
    with pooled(dsn, "session") as theirs:
        running = Running(dsn, through=theirs)
        try:
            assert running.completes_a_job()
        finally:
            running.stop()
    assert running.codes == [0]

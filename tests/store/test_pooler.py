"""Behind a real pooler: nothing of ours stays on connections that are other people's, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

import actorq
from actorq.errors import ConfigError, StoreUnavailable
from actorq.store.admin import change, doctor, prune, status
from actorq.store.admin.run import connect_admin
from actorq.store.queue import cancel
from actorq.store.queue.queue import QueueStore
from actorq.store.schema.migrate import migrate
from actorq.store.session.connection import connect
from tests.store.kit import NOBODY, Kit
from tests.support.pooler import pooled
from tests.support.rows import finish

NAMES = """
    SELECT name, setting FROM pg_settings WHERE source = 'session'
    UNION ALL SELECT 'own', current_setting('actorq.own', true)
    UNION ALL SELECT 'prepared', count(*)::text FROM pg_prepared_statements
    UNION ALL SELECT 'listens', count(*)::text FROM pg_listening_channels()
    UNION ALL SELECT 'locks', count(*)::text FROM pg_locks WHERE locktype = 'advisory'
"""


@pytest.fixture
def shared(dsn: str) -> Iterator[str]:
    """Return the way through a transaction pooler with one connection to the server."""
    with pooled(dsn, "transaction", size=1) as theirs:
        yield theirs


def remains(dsn: str) -> dict[str, Any]:
    """Return what the next one finds set on the server's connection."""
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as conn:
        found: dict[str, str] = dict(conn.execute(NAMES).fetchall())
    # PgBouncer itself sets these, to what each of its clients has asked for.
    for name in ("application_name", "client_encoding", "DateStyle", "TimeZone"):
        found.pop(name, None)
    found.pop("standard_conforming_strings", None)
    # What a transaction had set for itself: each begins anew with the default.
    for name in ("transaction_isolation", "transaction_read_only"):
        assert found.pop(name, "off") in ("read committed", "off")
    return {name: value for name, value in found.items() if value not in ("0", "", None)}


def enqueue_all_ways(dsn: str, **options: Any) -> None:
    with actorq.App(dsn, **options) as app:
        kind = app.kind("k")
        for _ in range(3):
            job = kind.enqueue(1)
            kind.enqueue(1, unique_key="u")
            kind.enqueue_many([1, 2], return_ids=True)
            kind.enqueue_many(range(2000))
        assert job.state() == "ready"


def enqueue_all_ways_pooled(dsn: str) -> None:
    enqueue_all_ways(dsn, pooler=True)


def administer(dsn: str) -> None:
    with connect_admin(dsn, "actorq") as conn:
        waiting = "SELECT id FROM actorq.job WHERE state = 'pending' ORDER BY id LIMIT 4"
        ids = [row[0] for row in conn.execute(waiting)]
        assert cancel.cancel(conn, ids).cancelled == ids
        assert change.retry(conn, ids).taken == ids
        status.status(conn)
        doctor.repair(conn)
        found = {check.name: check for check in doctor.diagnose(conn)}
        assert found["connection"].level == "bad"
        assert "transaction pooler" in found["connection"].text
        list(prune.prune(conn))


def refused(dsn: str) -> None:
    with pytest.raises(ConfigError, match="a supervisor needs a direct connection"):
        QueueStore.connect(dsn, node=NOBODY)


@pytest.mark.parametrize(
    "command",
    [
        enqueue_all_ways,
        enqueue_all_ways_pooled,
        administer,
        migrate,
        refused,
    ],
    ids=["app", "app with pooler", "admin", "migrate", "run"],
)
def test_no_command_leaves_a_setting_behind(
    shared: str, kit: Kit, command: Callable[[str], object]
) -> None:
    ids = kit.enqueue(10)
    finish(kit.conn, ids[:2], "failed")
    before = remains(shared)
    command(shared)
    assert remains(shared) == before
    guarded = "UPDATE actorq.job SET priority = 1"
    with (
        psycopg.connect(shared, autocommit=True) as conn,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        conn.execute(guarded)


def test_what_a_command_needs_holds_for_its_transaction(shared: str, kit: Kit) -> None:
    kit.enqueue(1)
    kit.conn.execute("BEGIN; LOCK TABLE actorq.job")
    with connect(shared, name="test", session=False, lock_timeout_s=0.05) as conn:
        assert conn.pooling == "transaction"
        with pytest.raises(Exception, match="lock timeout"):
            cancel.cancel(conn, [1])
    kit.conn.execute("ROLLBACK")


@pytest.mark.parametrize("round_robin", [0, 1])
@pytest.mark.parametrize("size", [1, 2, 8])
def test_a_pooler_by_transaction_is_told_from_one_by_session(
    dsn: str, size: int, round_robin: int
) -> None:
    with pooled(dsn, "transaction", size=size, round_robin=round_robin) as theirs:
        for _ in range(3):
            refused(theirs)


@pytest.mark.parametrize("reset", ["DISCARD ALL", ""])
def test_a_supervisor_works_through_a_pooler_by_session(dsn: str, reset: str) -> None:
    with pooled(dsn, "session", reset=reset) as theirs, actorq.App(dsn) as app:
        store = QueueStore.connect(theirs, node=NOBODY)
        assert store._session.pooling == "session"
        lane = store.lanes([("default", "k")])["default", "k"]
        store.listen()
        assert store.due([]) == []
        with connect_admin(theirs, "actorq") as conn:
            found = {check.name: check for check in doctor.diagnose(conn)}
            assert (found["connection"].level, lane) == ("ok", 1)
            assert "by session" in found["connection"].text
        store.close()
        assert remains(theirs) == {}
        assert app.kind("k").enqueue(1).state() == "ready"


def test_a_pool_that_is_too_small_is_said_to_give_no_second_connection(dsn: str) -> None:
    with (
        pooled(dsn, "session", size=1) as theirs,
        pytest.raises(StoreUnavailable, match="second connection"),
    ):
        QueueStore.connect(theirs, node=NOBODY)


def test_without_a_pooler_nothing_is_looked_for(dsn: str) -> None:
    with connect(dsn, name="test") as conn:
        assert conn.pooling == "none"

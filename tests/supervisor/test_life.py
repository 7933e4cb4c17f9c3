"""What a supervisor does while something else is stuck, late or newer than itself."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from actorq.core import event
from tests.supervisor.support import Running
from tests.support.wait import wait_until

NODE = "SELECT id, beat_at FROM actorq.node"


@pytest.fixture
def running(dsn: str) -> Iterator[Running]:
    running = Running(dsn, ttl_s=1.0)
    yield running
    running.heard.set()
    running.stop()


def test_the_heart_beats_while_everything_else_is_stuck(
    running: Running, direct: psycopg.Connection
) -> None:
    """The engine hangs in somebody's listener, the outcomes behind somebody's lock."""
    running.wait_until_told(event.ActorReady)
    with direct.transaction():
        direct.execute("LOCK TABLE actorq.job, actorq.ready IN ACCESS EXCLUSIVE MODE")
        running.heard.clear()
        running.app.events.emit(event.ConnectionLost("nobody", "so that somebody is told"))
        seen = set(direct.execute(NODE).fetchall())
        wait_until(lambda: (seen.update(direct.execute(NODE)), len(seen) >= 5)[1])
    running.heard.set()
    assert len({node for node, _ in seen}) == 1
    assert not any(isinstance(e, event.SupervisorDisowned) for e in running.told)
    assert running.completes_a_job()


def test_a_job_that_was_enqueued_first_and_committed_last_is_run(
    running: Running, dsn: str
) -> None:
    with psycopg.connect(dsn) as slow:
        job = running.app.kinds["nothing"].enqueue(conn=slow)
        assert running.completes_a_job()
        slow.commit()
    wait_until(lambda: job.state() == "completed")


def test_a_supervisor_stops_in_order_when_the_schema_becomes_newer(
    running: Running, direct: psycopg.Connection
) -> None:
    running.wait_until_told(event.ActorReady)
    direct.execute("INSERT INTO actorq.migration (n, name) VALUES (9999, 'later')")
    direct.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'actorq %' AND datname = current_database()"
    )
    running.thread.join(20)
    assert running.codes == [4]
    failed = [e for e in running.told if isinstance(e, event.SupervisorFailed)]
    assert "too new" in str(failed[0])

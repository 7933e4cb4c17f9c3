"""What a supervisor does while something else is stuck, late or newer than itself."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import psycopg
import pytest

from actorq.core import event
from actorq.errors import StoreUnavailable
from actorq.supervisor import engine
from actorq.supervisor.local.executor import LocalExecutor
from actorq.supervisor.threads import start
from tests.supervisor.support import Running
from tests.support.wait import wait_until

FULL = """
    CREATE FUNCTION public.trouble() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER trouble BEFORE UPDATE ON actorq.job EXECUTE FUNCTION public.trouble()
"""
CURE = "DROP FUNCTION public.trouble() CASCADE"
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

        def has_moved() -> bool:
            seen.update(direct.execute(NODE))
            return len(seen) >= 5

        wait_until(has_moved)
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


def test_a_supervisor_waits_at_its_start_for_who_makes_its_lane(
    direct: psycopg.Connection, dsn: str
) -> None:
    waiting = (
        "SELECT FROM pg_stat_activity WHERE application_name = 'actorq start'"
        " AND wait_event_type = 'Lock' AND datname = current_database()"
    )
    with psycopg.connect(dsn) as slow:
        slow.execute("INSERT INTO actorq.job (kind) VALUES ('nothing')")
        slow.execute("SET CONSTRAINTS ALL IMMEDIATE")
        made: list[Running] = []
        starting = threading.Thread(target=lambda: made.append(Running(dsn)))
        starting.start()
        wait_until(lambda: direct.execute(waiting).rowcount == 1, what="it to wait")
    starting.join(30)
    try:
        assert made[0].completes_a_job()
    finally:
        made[0].stop()


CUT_OFF = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name LIKE 'actorq %' AND datname = current_database()"
)
MIGRATED = "INSERT INTO actorq.migration (n, name, min_code, n_steps, applied_at) VALUES (99, 'x',"


def test_a_supervisor_goes_on_through_an_expand_and_reconnects_after_it(
    running: Running, direct: psycopg.Connection
) -> None:
    running.wait_until_told(event.ActorReady)
    direct.execute(f"{MIGRATED} 1, 1, now())".encode())
    direct.execute(CUT_OFF.encode())
    running.wait_until_told(event.ConnectionRestored)
    assert running.completes_a_job()
    assert running.codes == []


@pytest.mark.parametrize("then", ["SELECT", CUT_OFF, "ALTER TABLE actorq.ready RENAME TO waits"])
def test_a_supervisor_stops_in_order_when_a_contract_is_begun(
    running: Running, direct: psycopg.Connection, then: str
) -> None:
    """By its heart, when it connects anew, or at a statement that the contract has broken."""
    running.wait_until_told(event.ActorReady)
    direct.execute(f"BEGIN; {MIGRATED} 99, 0, NULL); {then}; COMMIT".encode())
    running.thread.join(20)
    assert running.codes == [4]
    failed = [e for e in running.told if isinstance(e, event.SupervisorFailed)]
    assert "too new" in str(failed[0])


def stopped_at_once(running: Running, direct: psycopg.Connection) -> event.SupervisorStopped:
    """Stop a supervisor as hard as possible while an outcome cannot be written."""
    direct.execute(FULL)
    running.app.enqueue("nothing")
    running.wait_until_told(event.SettleDelayed)
    for _ in range(3):
        running.engine.stop()
    running.thread.join(30)
    (stopped,) = [e for e in running.told if isinstance(e, event.SupervisorStopped)]
    return stopped


def test_outcomes_that_are_lost_by_a_hard_stop_make_it_fail(
    running: Running, direct: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "JOIN_S", 0.5)
    assert stopped_at_once(running, direct).n_unsettled == 1
    assert running.codes == [1]
    direct.execute(CURE)
    wait_until(lambda: "actorq-settler" not in [t.name for t in threading.enumerate()])


def test_outcomes_that_are_written_at_the_very_end_are_not_said_to_be_lost(
    running: Running, direct: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = LocalExecutor.close

    def cure(executor: LocalExecutor) -> None:
        direct.execute(CURE)
        close(executor)

    monkeypatch.setattr(LocalExecutor, "close", cure)
    assert stopped_at_once(running, direct).n_unsettled == 0
    assert any(isinstance(e, event.BatchSettled) for e in running.told)
    assert running.codes == [0]


def test_a_supervisor_that_cannot_take_its_row_away_says_so(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ = start.open_store

    def refusing(options: Any, node: str, name: str, **timeouts: float) -> Any:
        if name == "actorq leave":
            raise StoreUnavailable("away")
        return open_(options, node, name, **timeouts)

    monkeypatch.setattr(start, "open_store", refusing)
    running.stop()
    assert event.ConnectionLost("leave", "away") in running.told


def test_a_dead_actor_leaves_no_open_file_behind(running: Running) -> None:
    """Its page was one: nothing but a search for cycles, which hardly ever comes, freed it."""
    me = psutil.Process()
    running.wait_until_told(event.ActorReady, 2)
    before = me.num_fds()
    gc.disable()
    try:
        for n in range(3, 6):
            family = me.children(recursive=True)
            next(p for p in family if p.name().startswith("actorq nothing")).kill()
            running.wait_until_told(event.ActorReady, n)
        wait_until(lambda: me.num_fds() <= before, what="open files to fall back")
    finally:
        gc.enable()

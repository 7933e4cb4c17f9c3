"""Outcomes that the database will not take are said at once, and hold up no stop."""

from __future__ import annotations

import time

import psycopg
import pytest

from tests.e2e.test_life import NOOP, insert
from tests.support.running import Supervisors
from tests.support.wait import wait_until

GRACE_S = 3

NEVER = """
CREATE FUNCTION public.never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE unique_violation USING MESSAGE = 'duplicate key value violates "failure_pkey"';
END $$;
CREATE TRIGGER never BEFORE UPDATE ON actorq.job FOR EACH ROW EXECUTE FUNCTION public.never();
"""
FULL = NEVER.replace("unique_violation", "disk_full")
FORBIDDEN = NEVER.replace("unique_violation", "insufficient_privilege")


def do(supervisors: Supervisors, sql: str) -> None:
    with psycopg.connect(supervisors.dsn, autocommit=True) as conn:
        conn.execute(sql.encode())


@pytest.mark.parametrize("trouble", [NEVER, FULL], ids=["refused", "disk full"])
def test_what_cannot_be_written_is_said_once_and_a_stop_ends_within_the_grace_time(
    supervisors: Supervisors, trouble: str
) -> None:
    supervisors.write(NOOP)
    do(supervisors, trouble)
    insert(supervisors.dsn, "noop", 3)
    supervisor = supervisors.start("--grace", f"{GRACE_S}s")
    wait_until(lambda: "actor noop/0 ready" in supervisors.logs())
    said = 'settle delayed, 3 outcomes kept: duplicate key value violates "failure_pkey"'
    wait_until(lambda: said in supervisors.logs(), 10)
    begun = time.monotonic()
    assert supervisors.stop(supervisor) == 1
    assert time.monotonic() - begun < 2 * GRACE_S + 5, "as long as it used to wait for nothing"
    assert supervisors.logs().count(said) == 1
    waits = "waiting up to 3 s for the database to take outcomes"
    assert supervisors.logs().count(waits) == 1
    last = supervisors.logs().splitlines()[-1]
    assert "3 OUTCOMES WERE NOT WRITTEN" in last
    assert "duplicate key" in last
    assert supervisors.states() == {"pending": 3}
    do(supervisors, "DROP TRIGGER never ON actorq.job")
    assert supervisors.start("--drain").wait(60) == 0, supervisors.logs()
    assert supervisors.states() == {"completed": 3}


def test_what_the_role_may_not_write_ends_the_supervisor_within_the_grace_time(
    supervisors: Supervisors,
) -> None:
    supervisors.write(NOOP)
    do(supervisors, FORBIDDEN)
    insert(supervisors.dsn, "noop", 3)
    begun = time.monotonic()
    supervisor = supervisors.start("--grace", f"{GRACE_S}s")
    assert supervisor.wait(30) in (1, 3)
    assert time.monotonic() - begun < 2 * GRACE_S + 10
    assert "3 OUTCOMES WERE NOT WRITTEN" in supervisors.logs()
    do(supervisors, "DROP TRIGGER never ON actorq.job")


def test_jobs_that_somebody_has_locked_are_said_to_be(supervisors: Supervisors) -> None:
    supervisors.write(
        """
        import actorq, os, time
        app = actorq.App()

        @app.actor("locking")
        def locking() -> None:
            open("begun", "w").close()
            while not os.path.exists("locked"):
                time.sleep(0.01)
        """
    )
    insert(supervisors.dsn, "locking", 1)
    supervisor = supervisors.start("--grace", f"{GRACE_S}s")
    wait_until((supervisors.directory / "begun").exists)
    with psycopg.connect(supervisors.dsn) as conn:
        conn.execute("SELECT FROM actorq.job FOR UPDATE")
        (supervisors.directory / "locked").touch()
        wait_until(lambda: "another transaction holds a lock" in supervisors.logs(), 10)
    assert supervisors.stop(supervisor) == 0
    assert supervisors.states() == {"completed": 1}

"""The live view on a real terminal: what it shows, how it is resized, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psycopg
import pytest

from actorq import embedded
from tests.support.running import Supervisors
from tests.support.screen import Screened, screened
from tests.support.wait import wait_until

HANDLERS = """
    import time
    import actorq

    app = actorq.App()

    @app.actor("slow", max_batch=5, actors=2)
    def slow(batch: actorq.Batch[int]) -> None:
        time.sleep(0.2)
        return [None] * len(batch)
"""


def sees(top: Screened, text: str) -> None:
    """Wait until a text stands on the screen."""

    def there() -> bool:
        assert text in top.read(), f"{top.text}\n{top.process.poll()}"
        return True

    wait_until(there, 60, text)


def ended(top: Screened, code: int) -> None:
    """See that the command has ended, and left the terminal as it was."""
    wait_until(lambda: (top.read(), top.process.poll())[1] is not None, 30, "top to end")
    assert top.process.returncode == code, top.text
    assert top.is_clean


def test_supervisors_report_while_somebody_looks_and_no_longer(supervisors: Supervisors) -> None:
    supervisors.write(HANDLERS)
    supervisors.python("from handlers import slow\nslow.enqueue_many(range(20_000))")
    supervisors.start()
    wait_until(lambda: supervisors.rows("SELECT 1 FROM actorq.lease"))
    assert supervisors.rows("SELECT 1 FROM actorq.report") == []
    with screened("top", env=supervisors.env) as top:
        sees(top, "slow[1]")
        sees(top, "running")
        assert " 5 full" in top.text
        assert "2 actors" in top.text
        top.press("2")
        wait_until(lambda: "supervisor host" not in top.read())
        top.press("0/nothing")
        sees(top, "filter: nothing_")
        top.press("\r")
        wait_until(lambda: "slow[1]" not in top.read())
        top.press("\x1b")
        sees(top, "slow[1]")
        top.resize(132, 40)
        sees(top, "kind, last minute")
        top.resize(40, 8)
        wait_until(lambda: max(map(len, top.read().splitlines())) <= 40)
        top.press("q")
        ended(top, 0)
    assert supervisors.rows("SELECT 1 FROM actorq.follower") == []
    assert len(supervisors.rows("SELECT 1 FROM actorq.report")) == 1


@pytest.mark.parametrize(
    ("sig", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)]
)
def test_the_terminal_is_left_as_it_was(dsn: str, sig: signal.Signals, code: int) -> None:
    with screened("top", env={**os.environ, "ACTORQ_DSN": dsn}) as top:
        sees(top, "q quit")
        top.press("\x03") if sig == signal.SIGINT else top.process.send_signal(sig)
        ended(top, code)


def test_a_database_that_is_killed_is_waited_for(server_of_its_own: embedded.Server) -> None:
    env = {**os.environ, "ACTORQ_DSN": server_of_its_own.dsn}
    with screened("top", env=env) as top:
        sees(top, "q quit")
        with server_of_its_own.locked():
            assert server_of_its_own.pid is not None
            os.kill(server_of_its_own.pid, signal.SIGKILL)
            sees(top, "the database does not answer, trying again")
        server_of_its_own.ensure()
        wait_until(lambda: "does not answer" not in top.read(), 60)
        top.press("q")
        ended(top, 0)


def test_a_database_that_is_not_there_is_told_without_a_view() -> None:
    env = {**os.environ, "ACTORQ_DSN": "host=/nowhere dbname=x"}
    with screened("top", env=env) as top:
        wait_until(lambda: (top.read(), top.process.poll())[1] is not None, 30)
        assert top.process.returncode == 3
        assert b"1049" not in top.sent
        assert "actorq: " in top.text


def test_what_is_no_terminal_gets_one_frame(supervisors: Supervisors) -> None:
    supervisors.write(HANDLERS)
    supervisors.python("from handlers import slow\nslow.enqueue_many(range(20_000))")
    supervisors.start()
    wait_until(lambda: supervisors.rows("SELECT 1 FROM actorq.lease"))
    command = [sys.executable, "-m", "actorq", "top"]
    found = subprocess.run(command, env=supervisors.env, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert "\x1b" not in found.stdout
    assert "slow[1]" in found.stdout
    assert "%" in found.stdout.split("slow[1]")[1].splitlines()[0]


def test_without_rights_what_is_missing_is_empty_and_the_grants_are_told(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("DROP ROLE IF EXISTS top_reader")
        conn.execute("CREATE ROLE top_reader LOGIN")
        conn.execute("GRANT USAGE ON SCHEMA actorq TO top_reader")
        conn.execute("GRANT SELECT ON ALL TABLES IN SCHEMA actorq TO top_reader")
        try:
            env = {**os.environ, "ACTORQ_DSN": f"{dsn} user=top_reader"}
            command = [sys.executable, "-m", "actorq", "top"]
            found = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        finally:
            conn.execute("DROP OWNED BY top_reader")
            conn.execute("DROP ROLE top_reader")
    assert found.returncode == 0, found.stderr
    assert "snapshot -" in found.stdout
    assert "GRANT pg_read_all_stats TO top_reader" in found.stdout
    assert "GRANT INSERT, UPDATE, DELETE ON actorq.follower TO top_reader" in found.stdout

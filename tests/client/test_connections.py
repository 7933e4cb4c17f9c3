"""Connections are kept, replaced when dead, shared by threads and never across a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from actorq import App
from actorq.errors import ConfigError, RowRefused, SchemaMismatch, StoreError, StoreUnavailable
from actorq.kind import Kind
from actorq.store.enqueue import enqueue, idle
from actorq.store.enqueue.idle import MAX_IDLE
from tests.support.shell import ROOT
from tests.support.wait import wait_until

OURS = "application_name = 'actorq client' AND datname = current_database()"


@pytest.fixture
def kind(app: App) -> Kind:
    return app.kind("embed")


def pids(db: psycopg.Connection) -> set[int]:
    return {row[0] for row in db.execute(f"SELECT pid FROM pg_stat_activity WHERE {OURS}")}


def test_one_connection_serves_many_calls(kind: Kind, db: psycopg.Connection) -> None:
    kind.enqueue({})
    first = pids(db)
    for _ in range(5):
        kind.enqueue({}).state()
    kind.enqueue_many([{}] * 600)
    assert pids(db) == first
    assert len(first) == 1


def test_an_idle_connection_that_was_cut_is_replaced(kind: Kind, db: psycopg.Connection) -> None:
    kind.enqueue({})
    (dead,) = pids(db)
    db.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}")
    wait_until(lambda: not pids(db), what="the connection to end")
    kind.enqueue({})
    assert dead not in pids(db)


def test_a_connection_cut_in_the_middle_is_said_to_leave_doubt(
    kind: Kind, db: psycopg.Connection
) -> None:
    def source() -> Iterator[object]:
        yield from [{}] * 1500
        db.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}")
        wait_until(lambda: not pids(db), what="the connection to end")
        yield from [{}] * 1500

    with pytest.raises(StoreUnavailable, match="may or may not have been enqueued"):
        kind.enqueue_many(source())
    assert db.execute("SELECT count(*) FROM actorq.job").fetchall() == [(0,)]
    assert kind.enqueue({}).state() == "ready"


def test_a_connection_cut_while_reading_leaves_no_doubt_about_an_enqueue(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = kind.enqueue({})
    calls = kind._client()
    for read in (enqueue.state, enqueue.result):

        def cut(schema: str, id_: int, read: Any = read) -> Any:
            yield enqueue.Run("SELECT pg_terminate_backend(pg_backend_pid())", ())
            return (yield from read(schema, id_))

        monkeypatch.setattr(enqueue, read.__name__, cut)
        with pytest.raises(StoreUnavailable) as caught:
            getattr(calls, read.__name__)(job.id)
        assert "enqueued" not in str(caught.value)


def test_threads_do_not_share_a_connection_at_once(kind: Kind, db: psycopg.Connection) -> None:
    start = threading.Barrier(20)

    def call(n: int) -> int:
        start.wait()
        return max(kind.enqueue({"n": n}).id for _ in range(10))

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(call, range(20)))
    assert db.execute("SELECT count(*) FROM actorq.job").fetchall() == [(200,)]
    wait_until(lambda: len(pids(db)) <= MAX_IDLE, what="surplus connections to close")


def test_closing_ends_the_sessions_and_is_not_final(
    app: App, kind: Kind, db: psycopg.Connection
) -> None:
    kind.enqueue({})
    app.close()
    wait_until(lambda: not pids(db), what="the connection to end")
    kind.enqueue({})
    app.close()


def test_a_forked_child_has_connections_of_its_own(kind: Kind, db: psycopg.Connection) -> None:
    kind.enqueue({})
    before = pids(db)
    child = os.fork()
    if child == 0:
        try:
            kind.enqueue_many([{}] * 3)
            kind.enqueue({})
            code = 0 if len(pids_of_child(kind) - before) == 1 else 2
        except BaseException:
            code = 1
        os._exit(code)  # no interpreter exit: the parent's pytest lives in this process, too
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert before <= pids(db), "the child ended the parent's session"
    kind.enqueue({})
    assert db.execute("SELECT count(*) FROM actorq.job").fetchall() == [(6,)]


def pids_of_child(kind: Kind) -> set[int]:
    with kind._client().connections.lent() as conn:
        return {conn.info.backend_pid}


def test_a_child_that_exits_normally_leaves_the_parents_session(dsn: str) -> None:
    script = f"""
        import os, actorq
        app = actorq.App({dsn!r})
        kind = app.kind("embed")
        kind.enqueue({{}})
        child = os.fork()
        if child == 0:
            kind.enqueue({{}})
            raise SystemExit(0)
        assert os.waitpid(child, 0)[1] == 0
        with app.client.connections.lent() as conn:
            pid = conn.info.backend_pid
            assert conn.execute("SELECT pg_backend_pid()").fetchone() == (pid,)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_behind_a_pooler_nothing_is_set_or_prepared(dsn: str, db: psycopg.Connection) -> None:
    with App(dsn, pooler=True) as app:
        kind = app.kind("embed")
        for _ in range(8):
            kind.enqueue({}, unique_key="a")
            kind.enqueue_many([{}], return_ids=True)
        with app.client.connections.lent() as conn:
            shown = conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
            assert shown == (0,)
            path = conn.execute("SELECT current_setting('search_path')").fetchone()
            assert path != ("pg_catalog, pg_temp",)
        with pytest.raises(ConfigError, match=r"App\(pooler=True\) can only enqueue"):
            app.run()


def fence(kind: Kind) -> set[int]:
    """Have the server say to all idle connections that it takes no more writes."""
    connections = kind._client().connections
    with connections.lent() as one, connections.lent() as two:
        for conn in (one, two):
            conn.pgconn.exec_(b"SET default_transaction_read_only = on")
        return {one.info.backend_pid, two.info.backend_pid}


def test_a_client_leaves_a_server_that_has_turned_read_only(
    kind: Kind, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind.enqueue({})
    fenced = fence(kind)
    with pytest.raises(StoreUnavailable, match="read-only"):
        kind.enqueue({})
    assert kind.enqueue({}).state() == "ready"
    wait_until(lambda: not pids(db) & fenced, what="all connections to it to close")


def test_a_client_that_did_nothing_for_a_while_asks_first(
    kind: Kind, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "ASK_S", 0.0)
    kind.enqueue({})
    fenced = fence(kind)
    assert kind.enqueue({}).state() == "ready"
    wait_until(lambda: not pids(db) & fenced, what="all connections to it to close")


def test_single_enqueues_are_prepared_once(app: App, kind: Kind) -> None:
    for i in range(10):
        kind.enqueue({"i": i}, priority=i % 3, max_attempts=[None, 3, 3000][i % 3], delay_s=i)
    with app.client.connections.lent() as conn:
        texts = conn.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT%'"
        ).fetchall()
    assert texts[0][0] <= 3


def test_an_unreachable_server_is_said_so_without_the_password() -> None:
    app = App("postgresql://me:s3cret@127.0.0.1:1/db")
    with pytest.raises(StoreUnavailable, match="cannot connect to the database") as caught:
        app.kind("embed").enqueue({})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("dsn", ["host='x password=s3cret", "postgresql://me:s3cret@[::1"])
def test_an_unreadable_dsn_is_said_so_without_the_password(dsn: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        App(dsn).kind("embed").enqueue({})
    assert "s3cret" not in str(caught.value)


def test_a_database_without_the_schema_says_migrate(empty_dsn: str) -> None:
    with App(empty_dsn) as app:
        kind = app.kind("embed")
        for call in (
            lambda: kind.enqueue({}),
            lambda: kind.enqueue({}, unique_key="a"),
            lambda: kind.enqueue_many([{}]),
            lambda: kind.enqueue_many([{}], return_ids=True),
            lambda: app.job(1).state(),
        ):
            with pytest.raises(SchemaMismatch, match=r"'actorq' is missing .* run actorq migrate"):
                call()


def test_an_errors_traceback_shows_the_users_line_and_no_more_of_the_drivers_than_its_words(
    empty_dsn: str, kind: Kind, db: psycopg.Connection
) -> None:
    db.execute("ALTER TABLE actorq.job ADD CONSTRAINT even CHECK (priority % 2 = 0)")
    with App(empty_dsn) as app:
        calls: tuple[Callable[[], object], ...] = (
            lambda: app.kind("k").enqueue(1),
            lambda: kind.enqueue({}, priority=1),
        )
        for call in calls:
            with pytest.raises(StoreError) as caught:
                call()
            told = "".join(traceback.format_exception(caught.value))
            assert "psycopg/" not in told
            assert told.count("Traceback (most recent call last)") == 1
            assert told.count(", line ") < 10
            is_chained = "direct cause" in told
            assert is_chained == (not isinstance(caught.value, SchemaMismatch))


EVENTLET = """
import select, selectors, sys
for name in ("poll", "epoll", "devpoll", "kqueue"):  # as eventlet's patcher does
    vars(select).pop(name, None)
for name in ("PollSelector", "EpollSelector", "KqueueSelector"):
    vars(selectors).pop(name, None)
selectors.DefaultSelector = selectors.SelectSelector
import actorq
k = actorq.App().kind("k", args=int)
for n in range(3):
    k.enqueue(n)
print(k.enqueue_many(range(20_000)))
"""


def test_a_process_whose_poll_is_taken_away_enqueues(dsn: str) -> None:
    env = {**os.environ, "ACTORQ_DSN": dsn, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", EVENTLET]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=50)
    assert (ran.returncode, ran.stdout) == (0, "20000\n"), ran.stderr


def test_what_the_database_refuses_is_said_to_be_refused(
    kind: Kind, db: psycopg.Connection
) -> None:
    db.execute("ALTER TABLE actorq.job ADD CONSTRAINT even CHECK (priority % 2 = 0)")
    with pytest.raises(RowRefused, match="even"):
        kind.enqueue({}, priority=1)
    with pytest.raises(RowRefused, match="even"):
        kind.enqueue_many([{}] * 2000, priority=1)
    kind.enqueue({}, priority=2)


def test_missing_rights_are_said_so(dsn: str, db: psycopg.Connection) -> None:
    role = f"actorq_nobody_{os.getpid()}"
    db.execute(f"CREATE ROLE {role} LOGIN")
    try:
        with (
            App(conninfo.make_conninfo(dsn, user=role)) as app,
            pytest.raises(StoreError, match="permission denied"),
        ):
            app.kind("embed").enqueue({})
    finally:
        db.execute(f"DROP ROLE {role}")

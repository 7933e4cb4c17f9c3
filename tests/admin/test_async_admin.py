"""The asynchronous calls are the same, do not block the loop, and end when they are cancelled."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from actorq import App
from actorq.admin import Admin, AsyncAdmin, Progress
from actorq.errors import ConfigError
from actorq.store.admin import run
from actorq.store.schema import migrate
from actorq.store.session.connection import Session
from actorq.store.session.interrupt import Interrupt
from tests.support.rows import claim, finish, insert, states
from tests.support.wait import wait_until

BLOCKED = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
    " AND cardinality(pg_blocking_pids(pid)) > 0)"
)
OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name IN ('actorq admin', 'actorq migrate') AND pid <> pg_backend_pid()"
)


def names(of: type) -> set[str]:
    return {name for name in vars(of) if not name.startswith("_")}


def test_the_names_and_arguments_are_the_same() -> None:
    assert names(AsyncAdmin) == names(Admin)
    for name in names(Admin):
        ours, theirs = getattr(AsyncAdmin, name), getattr(Admin, name)
        assert (
            inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys()
        )
        assert ours.__doc__ == theirs.__doc__


def test_what_the_commands_do(app: App, conn: Session) -> None:
    waiting, running, dead, done = insert(conn, 4)
    claim(conn, [running])
    finish(conn, [dead], "failed")
    finish(conn, [done])

    async def main() -> None:
        admin = app.async_admin
        assert (await admin.status()).n_stored == 4
        assert len(await admin.jobs(kind="embed", limit=3)) == 3
        history = await admin.job(dead)
        assert history is not None
        assert history.failures
        assert (await admin.retry(dead)).taken == [dead]
        assert (await admin.cancel([waiting, running])).requested == [running]
        assert (await admin.prune(older_than_s=0)).n_deleted == 2
        assert (await admin.doctor(repair=True)).verdict != "bad"
        assert (await admin.migrate()).applied == []
        with pytest.raises(ConfigError, match="retry: say which jobs"):
            await admin.retry()

    asyncio.run(main())


def test_progress_is_heard_in_the_loop_and_may_end_the_call(app: App, conn: Session) -> None:
    ids = insert(conn, 2500)
    finish(conn, ids, "failed")
    heard: list[tuple[int, threading.Thread]] = []

    def hear(progress: Progress) -> None:
        heard.append((progress.n_done, threading.current_thread()))
        if progress.n_done >= 2000:
            raise TimeoutError("enough")

    with pytest.raises(TimeoutError):
        asyncio.run(app.async_admin.retry(state="failed", limit=2500, progress=hear))
    assert heard == [(n, threading.main_thread()) for n in (1000, 2000)]
    assert states(conn, ids).count("retrying") == 2000


def test_many_at_once(app: App, conn: Session) -> None:
    insert(conn, 3)

    async def main() -> list[int]:
        found = await asyncio.gather(*(app.async_admin.status() for _ in range(40)))
        return [status.n_stored for status in found]

    assert asyncio.run(main()) == [3] * 40


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a lock be waited for longer than any test may last."""
    for module in (run, migrate):
        monkeypatch.setattr(module, "LOCK_TIMEOUT_S", 3600.0)


Call = Callable[[AsyncAdmin], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "jobs": lambda admin: admin.jobs(),
    "retry": lambda admin: admin.retry(state="failed"),
    "prune": lambda admin: admin.prune(state="failed"),
    "doctor": lambda admin: admin.doctor(repair=True),
}


async def cancelled_while_blocked(call: Awaitable[Any], conn: Session, times: int = 1) -> None:
    """Cancel a call that waits for a lock, and have it raise that and nothing else."""
    task = asyncio.ensure_future(call)
    await asyncio.to_thread(wait_until, lambda: conn.execute(BLOCKED).fetchall()[0][0])
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_until, lambda: conn.execute(OTHERS).fetchall()[0][0] == 0)


@pytest.mark.usefixtures("endless")
@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_cancelled_ends_in_the_server_too(
    name: str, app: App, dsn: str, conn: Session, caplog: pytest.LogCaptureFixture
) -> None:
    ids = insert(conn, 3)
    finish(conn, ids, "failed")
    with psycopg.connect(dsn) as theirs:
        theirs.execute("LOCK TABLE actorq.job, actorq.failure IN ACCESS EXCLUSIVE MODE")
        asyncio.run(cancelled_while_blocked(CALLS[name](app.async_admin), conn))
    assert states(conn, ids) == ["failed"] * 3
    assert not caplog.records


@pytest.mark.usefixtures("endless")
def test_a_migration_that_is_cancelled_ends_in_the_server_too(empty_dsn: str, app: App) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn, psycopg.connect(empty_dsn) as theirs:
        theirs.execute("CREATE SCHEMA actorq")  # not committed: nobody else can make it
        call = App(empty_dsn).async_admin.migrate()
        asyncio.run(cancelled_while_blocked(call, conn))  # type: ignore[arg-type]
        theirs.rollback()
        assert conn.execute("SELECT to_regnamespace('actorq')").fetchall() == [(None,)]


@pytest.mark.usefixtures("endless")
def test_who_cancels_twice_waits_all_the_same(app: App, dsn: str, conn: Session) -> None:
    insert(conn)
    with psycopg.connect(dsn) as theirs:
        theirs.execute("LOCK TABLE actorq.job IN ACCESS EXCLUSIVE MODE")
        asyncio.run(cancelled_while_blocked(app.async_admin.jobs(), conn, times=3))


@pytest.mark.usefixtures("endless")
def test_the_end_of_the_loop_ends_what_nobody_awaits(app: App, dsn: str, conn: Session) -> None:
    insert(conn)

    async def main() -> None:
        forgotten = asyncio.ensure_future(app.async_admin.jobs())
        await asyncio.to_thread(wait_until, lambda: conn.execute(BLOCKED).fetchall()[0][0])
        assert not forgotten.done()

    with psycopg.connect(dsn) as theirs:
        theirs.execute("LOCK TABLE actorq.job IN ACCESS EXCLUSIVE MODE")
        asyncio.run(main())
        wait_until(lambda: conn.execute(OTHERS).fetchall()[0][0] == 0)


def test_a_call_given_up_ends_its_transaction_and_begins_no_other(conn: Session) -> None:
    interrupt = Interrupt()
    conn.heed(interrupt)
    with conn.transaction():
        insert(conn)
        interrupt.asked = True
        insert(conn)
    with pytest.raises(psycopg.OperationalError, match="nothing more is begun"):
        conn.execute("SELECT 1")


def test_between_two_statements_a_cancelled_call_begins_no_other(app: App, conn: Session) -> None:
    ids = insert(conn, 5000)
    finish(conn, ids, "failed")

    async def main() -> None:
        task: asyncio.Future[Any] | None = None

        def hear(progress: Progress) -> None:
            assert task is not None
            task.cancel()

        call = app.async_admin.retry(state="failed", limit=5000, progress=hear)
        task = asyncio.ensure_future(call)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert states(conn, ids).count("retrying") <= 2000

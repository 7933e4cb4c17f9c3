"""Following what real supervisors do: everything, once, in order; and what a gap says."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

import actorq
from actorq.client.follow import Follower
from actorq.errors import ConfigError
from tests.e2e.support import insert, numbers, stop_all
from tests.support.running import Supervisors
from tests.support.wait import wait_until

HANDLERS = """
    import actorq, msgspec
    app = actorq.App()

    class Args(msgspec.Struct):
        n: int

    @app.actor("vector", max_batch=10, retry=0.0, max_attempts=2)
    def vector(batch: actorq.Batch[Args]):
        return [actorq.fail("odd") if args.n % 10 == 7 else actorq.retry(0.0)
                if args.n % 10 == 3 else actorq.done() for args in batch.args]
"""
N_JOBS = 400


def upto(follower: Follower, n: int) -> Iterator[actorq.JobEvent]:
    """Yield events of jobs until so many of these are final."""
    n_final = 0
    while n_final < n:
        event = follower.next(timeout_s=30)
        assert event is not None, f"only {n_final} are final"
        if isinstance(event, actorq.JobEvent):
            n_final += event.state in ("completed", "failed", "cancelled")
            yield event


@pytest.mark.parametrize("notify", [True, False])
def test_two_supervisors_are_followed_from_a_third_process(
    its_supervisors: Supervisors, notify: bool
) -> None:
    it = its_supervisors
    it.write(HANDLERS)
    app = actorq.App(it.dsn)
    it.start()
    it.start("--poll-only")
    with app.follow(notify=notify, name="test") as follower:
        insert(it.dsn, *numbers(N_JOBS))
        found = list(upto(follower, N_JOBS))
    by_job: dict[int, list[actorq.JobEvent]] = {}
    for event in found:
        by_job.setdefault(event.id, []).append(event)
    assert len(by_job) == N_JOBS
    for events in by_job.values():
        assert [e.attempt for e in events] == list(range(1, len(events) + 1))
        assert [e.state in ("completed", "failed") for e in events] == [False] * (
            len(events) - 1
        ) + [True]
    assert (
        Counter(e.state for e in found)["failed"]
        == it.rows("SELECT count(*) FROM actorq.job WHERE state = 'failed'")[0][0]
    )
    stop_all(it)


def told(follower: Follower, *names: str) -> dict[str, actorq.SupervisorEvent]:
    """Return the first event of each of these names."""
    found: dict[str, actorq.SupervisorEvent] = {}
    while set(names) - set(found):
        event = follower.next(timeout_s=30)
        assert event is not None, f"only {sorted(found)} came"
        if isinstance(event, actorq.SupervisorEvent):
            found.setdefault(event.name, event)
    return found


def test_supervisors_tell_of_their_batches_actors_and_ends(its_supervisors: Supervisors) -> None:
    it = its_supervisors
    it.write(HANDLERS)
    app = actorq.App(it.dsn)
    with app.follow(
        states=["supervisor_started", "actor_ready", "batch_claimed", "batch_finished"]
    ) as early:
        it.start()
        joined = told(early, "supervisor_started", "actor_ready")
        with app.follow() as late:  # by one who begins when the supervisor is there
            insert(it.dsn, *numbers(10))
            batch = told(early, "batch_claimed", "batch_finished")
            told(late, "batch_settled")
            stop_all(it)
            told(late, "supervisor_stopped")
    assert joined["supervisor_started"].fields["kinds"] == ["vector"]
    assert batch["batch_claimed"].fields["cut"] == "full"
    assert batch["batch_finished"].kind == "vector"
    assert it.rows("SELECT * FROM actorq.follower") == []


def test_a_cursor_goes_on_where_somebody_else_has_stopped(its_supervisors: Supervisors) -> None:
    it = its_supervisors
    it.write(HANDLERS)
    app = actorq.App(it.dsn)
    with app.follow(states=["completed", "failed"]) as first:
        it.start()
        insert(it.dsn, *numbers(100))
        some = [event for _, event in zip(range(30), upto(first, 100), strict=False)]
        cursor = first.cursor
        with app.follow(states=["completed", "failed"], since=cursor) as second:
            rest = list(upto(second, 70))
    ids = [event.id for event in (*some, *rest)]
    assert (len(ids), len(set(ids))) == (100, 100)
    stop_all(it)
    (asked,) = it.rows("UPDATE actorq.migration SET begun_at = now() WHERE n = 1 RETURNING 1")
    with pytest.raises(ConfigError, match="of another database or schema"):
        app.follow(since=cursor)
    assert asked


def test_whoever_follows_again_much_later_is_told_how_much_is_missing(
    its_supervisors: Supervisors,
) -> None:
    it = its_supervisors
    it.write(HANDLERS)
    app = actorq.App(it.dsn)
    with app.follow(states=["completed", "failed", "retried"]) as first:
        it.start()
        insert(it.dsn, *numbers(20))
        before = Counter(event.state for event in upto(first, 20))
        cursor = first.cursor
    insert(it.dsn, *numbers(300))  # nobody follows: nothing names these
    it.wait_for(completed=256, failed=64)
    with app.follow(states=["completed", "failed", "retried"], since=cursor) as again:
        gaps = list(iter(lambda: again.next(timeout_s=0), None))
    missed: Counter[str] = Counter()
    for gap in gaps:
        assert isinstance(gap, actorq.Gap)
        missed.update(gap.jobs or {})
    assert before + missed == {
        "completed": 256,
        "failed": 64,
        "retried": before["retried"] + missed["retried"],
    }
    assert missed["retried"] == 30
    stop_all(it)


def test_a_follower_outlives_its_connection_and_its_tasks_end(its_supervisors: Supervisors) -> None:
    it = its_supervisors
    it.write(HANDLERS)
    app = actorq.App(it.dsn)
    it.start()

    async def some(n: int) -> list[int]:
        found: list[int] = []
        follower = app.follow_async(states=["completed", "failed"])
        async for event in follower:
            if isinstance(event, actorq.JobEvent):
                found.append(event.id)
            if not found or len(found) == n // 2:
                with psycopg.connect(it.dsn, autocommit=True) as conn:
                    conn.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'actorq follower'"
                    )
            if len(found) == n:
                break
            if len(found) == n // 3:  # a read that is given up loses nothing
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(follower.next(timeout_s=5), 0)
        cursor = follower.cursor
        await follower.close()
        assert cursor
        return found

    async def both() -> list[int]:
        task = asyncio.create_task(some(50))
        await asyncio.to_thread(wait_until, lambda: it.rows("SELECT 1 FROM actorq.follower"))
        await asyncio.to_thread(insert, it.dsn, *numbers(50))
        return await asyncio.wait_for(task, 40)

    assert len(set(asyncio.run(both()))) == 50
    stop_all(it)


@pytest.mark.parametrize("states", [["complete"], "completed"])
def test_states_that_there_are_not_are_named(
    its_supervisors: Supervisors, states: list[str]
) -> None:
    with pytest.raises(ConfigError, match=r"choose from|give a list"):
        actorq.App(its_supervisors.dsn).follow(states=states)


def test_a_closed_follower_ends_wherever_it_is_read(its_supervisors: Supervisors) -> None:
    app = actorq.App(its_supervisors.dsn)
    follower = app.follow()
    read: list[object] = []
    thread = threading.Thread(target=lambda: read.extend(follower))
    thread.start()
    app.close()
    thread.join(30)
    assert not thread.is_alive()
    assert list(follower) == []
    with pytest.raises(actorq.WaitEnded, match="this follower is closed"):
        follower.next(timeout_s=1)
    assert its_supervisors.rows("SELECT * FROM actorq.follower") == []

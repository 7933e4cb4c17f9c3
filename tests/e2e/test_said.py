"""What handlers say and ask for, through the whole way."""

from __future__ import annotations

import pytest

from tests.e2e.support import NOTE_EVENTS, charged, events, insert, numbers, stop_all
from tests.support.running import Supervisors
from tests.support.wait import wait_until

CONNECTION = """
    import os, actorq, msgspec
    app = actorq.App()

    class Args(msgspec.Struct):
        n: int

    @app.actor("vector", max_batch=8, actors={actors}, retry=0, max_attempts=3)
    class Vector:
        def setup(self):
            self.n_batches = 0
        def handle(self, batch: actorq.Batch[Args]) -> list:
            self.n_batches += 1
            {trouble}
            return [os.getpid()] * len(batch)
"""


def pids(supervisors: Supervisors) -> set[str]:
    return {pid for (pid,) in supervisors.rows("SELECT DISTINCT value::text FROM actorq.result")}


def test_what_breaks_in_a_process_costs_no_job_anything(supervisors: Supervisors) -> None:
    trouble = "if self.n_batches > 3: raise actorq.RestartActor('connection gone')"
    supervisors.write(CONNECTION.format(trouble=trouble, actors=1) + NOTE_EVENTS)
    insert(supervisors.dsn, *numbers(80))
    supervisors.start()
    supervisors.wait_for(completed=80)
    assert charged(supervisors) == []
    assert len(pids(supervisors)) >= 4, "ten batches or more, three in each process"
    # What comes back is cut anew, and may be claimed before all of it is there.
    assert 8 in {told["n_jobs"] for told in events(supervisors, "batch_handed_back")}
    exits = events(supervisors, "actor_exited")
    assert exits
    assert all(told["planned"] for told in exits)
    stop_all(supervisors)


def test_a_job_that_breaks_every_process_fails_alone(supervisors: Supervisors) -> None:
    trouble = "if 7 in [a.n for a in batch.args]: raise actorq.RestartActor('gone')"
    supervisors.write(CONNECTION.format(trouble=trouble, actors=1))
    insert(supervisors.dsn, *numbers(20))
    supervisors.start()
    supervisors.wait_for(completed=19, failed=1)
    assert charged(supervisors) == [("7", 3, 3, 0)]
    [(kind,)] = supervisors.rows("SELECT DISTINCT type FROM actorq.failure")
    assert kind == "RestartActor"
    stop_all(supervisors)


def test_a_rest_that_is_asked_for_costs_nothing_and_ends(supervisors: Supervisors) -> None:
    trouble = """
            if not os.path.exists("asked"):
                open("asked", "w").close()
                raise actorq.RestKind(0.5, "429")"""
    supervisors.write(CONNECTION.format(trouble=trouble, actors=2) + NOTE_EVENTS)
    insert(supervisors.dsn, *numbers(40))
    supervisors.start()
    supervisors.wait_for(completed=40)
    assert charged(supervisors) == []
    [rest] = events(supervisors, "kind_resting")
    assert (rest["rest_s"], "429" in rest["error"]) == (0.5, True)
    assert not events(supervisors, "actor_exited"), "the processes are as good as before"
    stop_all(supervisors)


@pytest.mark.parametrize("limit", ["max_batches=2", f"max_rss={1 << 20}"])
def test_actors_are_replaced_between_batches(supervisors: Supervisors, limit: str) -> None:
    source = CONNECTION.format(trouble="pass", actors=1).replace("actors=1", limit)
    supervisors.write(source + NOTE_EVENTS)
    insert(supervisors.dsn, *numbers(40))
    supervisors.start()
    supervisors.wait_for(completed=40)
    assert len(pids(supervisors)) >= 3, "of five batches"
    assert charged(supervisors) == []
    reasons = {told["reason"] for told in events(supervisors, "actor_retired")}
    assert all(limit.split("=")[0] in reason for reason in reasons)
    stop_all(supervisors)


OUTCOMES = """
    import actorq, time
    app = actorq.App()

    @app.actor("vector", max_batch=4, retry=0, fatal=KeyError, max_attempts=3)
    def vector(n: int) -> int:
        try:
            if n == 1:
                raise actorq.Fail("deep inside")
            if n == 2:
                raise actorq.Cancel("not wanted")
            if n == 3:
                raise KeyError("final")
            if n == 4:
                raise ValueError("three times")
        except (OSError, ArithmeticError):
            raise
        return n
"""


def test_outcomes_that_are_raised_are_written(supervisors: Supervisors) -> None:
    supervisors.write(OUTCOMES)
    insert(supervisors.dsn, *numbers(6))
    supervisors.start()
    supervisors.wait_for(completed=2, failed=3, cancelled=1)
    rows = supervisors.rows(
        "SELECT args->>'n', f.type, f.message, count(*) FROM actorq.failure f"
        " JOIN actorq.job j ON j.id = f.job GROUP BY 1, 2, 3 ORDER BY 1"
    )
    assert rows == [
        ("1", "Fail", "deep inside", 1),
        ("2", "Cancel", "not wanted", 1),
        ("3", "KeyError", "'final'", 1),
        ("4", "ValueError", "three times", 3),
    ]
    [(trace,)] = supervisors.rows("SELECT traceback FROM actorq.failure WHERE type = 'Fail'")
    assert "deep inside" in trace
    stop_all(supervisors)


LIMITED = """
    import actorq, signal, time, os
    app = actorq.App()

    @app.actor("vector", max_attempts=1, retry=0, {limit})
    def vector(n: int) -> None:
        with open("began", "a") as file:
            file.write(f"{{n}}\\n")
        if n == 3:
            {trouble}
"""


@pytest.mark.parametrize(
    ("limit", "trouble", "cause"),
    [
        ("job_timeout_s=0.3", "signal.pthread_sigmask(0, range(1, 32)); time.sleep(99)", "timeout"),
        ("crash_budget=5", "os._exit(3)", "exit"),
        ("batch_timeout_s=0.3", "time.sleep(99)", "timeout"),
    ],
)
def test_one_attempt_is_one_whatever_ends_it(
    supervisors: Supervisors, limit: str, trouble: str, cause: str
) -> None:
    supervisors.write(LIMITED.format(limit=limit, trouble=trouble))
    insert(supervisors.dsn, *numbers(6))
    supervisors.start()
    supervisors.wait_for(completed=5, failed=1)
    began = (supervisors.directory / "began").read_text().split()
    assert began.count("3") == 1
    assert supervisors.rows("SELECT DISTINCT cause FROM actorq.failure") == [(cause,)]
    stop_all(supervisors)


def test_a_crash_tells_where_the_handler_was(supervisors: Supervisors) -> None:
    trouble = "import ctypes; ctypes.string_at(0)"
    supervisors.write(LIMITED.format(limit="crash_budget=1", trouble=trouble))
    insert(supervisors.dsn, *numbers(4))
    supervisors.start()
    supervisors.wait_for(completed=3, failed=1)
    [(trace,)] = supervisors.rows("SELECT traceback FROM actorq.failure")
    assert "handlers.py" in trace
    assert "in vector" in trace
    assert "actorq/actor" not in trace
    stop_all(supervisors)


ASYNC = """
    import asyncio, os, actorq
    app = actorq.App()
    running = most = 0

    @app.actor("vector", max_batch=64, concurrency=16)
    async def vector(n: int) -> int:
        global running, most
        running += 1
        most = max(most, running)
        while n == 0 and not os.path.exists("go"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)
        running -= 1
        return most
"""


def test_jobs_that_run_at_once_are_written_as_they_end(supervisors: Supervisors) -> None:
    supervisors.write(ASYNC)
    insert(supervisors.dsn, *numbers(64))
    supervisors.start()

    def all_but_one() -> bool:
        [(n,)] = supervisors.rows("SELECT count(*) FROM actorq.job WHERE state = 'completed'")
        return bool(n == 63)

    wait_until(all_but_one, what="all but the one that waits to be completed")
    (supervisors.directory / "go").touch()
    supervisors.wait_for(completed=64)
    [(most,)] = supervisors.rows("SELECT max(value::text::int) FROM actorq.result")
    assert most == 16
    stop_all(supervisors)
